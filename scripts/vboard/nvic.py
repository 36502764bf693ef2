# SPDX-License-Identifier: Apache-2.0
"""NVIC: pending, enabled and active state and priority of every exception.

ARMv7-M ARM (DDI 0403), B1.5 and B3.4. Three priority bits (nRF52840 PS, CPU).

Rule 1: exceptions are numbered as in IPSR: system exceptions below 16, interrupt n
        is n + 16. State is kept in bit masks over these numbers.
Rule 2: an interrupt whose line is still high when its handler returns, or when its
        pending bit is cleared, is pending again.
Rule 3: `changed` is called whenever something became pending, enabled or was
        given another priority: the CPU then looks whether it must take it.
"""

from __future__ import annotations

from collections.abc import Callable

INTERRUPTS = 48
FIRST_INTERRUPT = 16
EXCEPTIONS = FIRST_INTERRUPT + INTERRUPTS

RESET, NMI, HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT = 1, 2, 3, 4, 5, 6
SVCALL, DEBUG_MONITOR, PENDSV, SYSTICK = 11, 12, 14, 15
EXCEPTION_NAMES = {
    RESET: "Reset",
    NMI: "NMI",
    HARD_FAULT: "HardFault",
    MEM_MANAGE: "MemManage",
    BUS_FAULT: "BusFault",
    USAGE_FAULT: "UsageFault",
    SVCALL: "SVCall",
    DEBUG_MONITOR: "DebugMonitor",
    PENDSV: "PendSV",
    SYSTICK: "SysTick",
}

PRIORITY_MASK = 0xE0
NO_PRIORITY = 256
_FIXED = {RESET: -3, NMI: -2, HARD_FAULT: -1}
_INTERRUPT_BITS = (1 << INTERRUPTS) - 1
# SVCall, PendSV, SysTick, NMI and HardFault cannot be disabled.
_ALWAYS = 1 << NMI | 1 << HARD_FAULT | 1 << SVCALL | 1 << PENDSV | 1 << SYSTICK

# Register offsets from 0xE000E000.
ICTR = 0x004
ISER, ICER, ISPR, ICPR, IABR, IPR = 0x100, 0x180, 0x200, 0x280, 0x300, 0x400
STIR = 0xF00


def exception_name(number: int) -> str:
    """`SysTick`, `IRQ 8`..."""
    if number >= FIRST_INTERRUPT:
        return f"IRQ {number - FIRST_INTERRUPT}"
    return EXCEPTION_NAMES.get(number, f"exception {number}")


class Nvic:
    """State of all exceptions, and the NVIC registers."""

    def __init__(self) -> None:
        self.changed: Callable[[], None] = lambda: None
        self.on_pend: Callable[[], None] = lambda: None
        self.lines = 0
        self.reset()

    def reset(self) -> None:
        """Nothing pending, enabled or active; lines stay as the blocks drive them."""
        self.pending = self.lines
        self.enabled = _ALWAYS
        self.active = 0
        self.group_mask = 0xFF
        self.priority = [0] * EXCEPTIONS
        for number, value in _FIXED.items():
            self.priority[number] = value

    # Lines and pending bits

    def line_changed(self, interrupt: int, level: bool) -> None:
        """A block drives its interrupt line."""
        bit = 1 << (interrupt + FIRST_INTERRUPT)
        if level:
            self.lines |= bit
            self._pend_bits(bit)
        else:
            self.lines &= ~bit

    def pend(self, number: int) -> None:
        """Exception `number` becomes pending."""
        self._pend_bits(1 << number)

    def _pend_bits(self, bits: int) -> None:
        if bits & ~self.pending:
            self.pending |= bits
            self.on_pend()
            self.changed()

    def clear(self, number: int) -> None:
        """Exception `number` is no longer pending, unless its line is high."""
        self._clear_bits(1 << number)

    def _clear_bits(self, bits: int) -> None:
        self.pending = (self.pending & ~bits) | (self.lines & bits & ~self.active)

    def enable(self, number: int, on: bool) -> None:
        """Enables or disables exception `number`."""
        if on:
            self.enabled |= 1 << number
            self.changed()
        else:
            self.enabled &= ~(1 << number)

    def activate(self, number: int) -> None:
        """The CPU enters the handler of `number`."""
        self.active |= 1 << number
        self.pending &= ~(1 << number)

    def deactivate(self, number: int) -> None:
        """The CPU leaves the handler of `number`."""
        bit = 1 << number
        self.active &= ~bit
        if self.lines & bit:
            self.pending |= bit

    # Priorities

    def set_group(self, prigroup: int) -> None:
        """AIRCR.PRIGROUP: how many low bits are sub-priority."""
        self.group_mask = 0xFF & ~((2 << prigroup) - 1)
        self.changed()

    def group_priority(self, number: int) -> int:
        """The part of the priority that decides about preemption."""
        value = self.priority[number]
        return value if value < 0 else value & self.group_mask

    def best(self) -> int:
        """The enabled pending exception that would be taken first; 0 when none."""
        bits = self.pending & self.enabled
        best, best_priority = 0, NO_PRIORITY
        while bits:
            bit = bits & -bits
            bits ^= bit
            number = bit.bit_length() - 1
            if self.priority[number] < best_priority:
                best, best_priority = number, self.priority[number]
        return best

    def active_priority(self) -> int:
        """Group priority of the most urgent active exception."""
        bits, best = self.active, NO_PRIORITY
        while bits:
            bit = bits & -bits
            bits ^= bit
            best = min(best, self.group_priority(bit.bit_length() - 1))
        return best

    # Registers

    def read(self, offset: int) -> int | None:
        """A word at `offset` from 0xE000E000; None when it is not the NVIC's."""
        if offset == ICTR:
            return (INTERRUPTS + 31) // 32 - 1
        for base, state in (
            (ISER, self.enabled),
            (ICER, self.enabled),
            (ISPR, self.pending),
            (ICPR, self.pending),
            (IABR, self.active),
        ):
            if base <= offset < base + 0x40:
                return (state >> FIRST_INTERRUPT >> (offset - base) * 8) & 0xFFFF_FFFF
        if IPR <= offset < IPR + 0xF0:
            return self._read_priorities(offset - IPR + FIRST_INTERRUPT)
        return 0 if offset == STIR else None

    def _read_priorities(self, first: int) -> int:
        value = 0
        for lane in range(4):
            if first + lane < EXCEPTIONS:
                value |= self.priority[first + lane] << 8 * lane
        return value

    def write(self, offset: int, value: int, *, mask: int = 0xFFFF_FFFF) -> bool:
        """A store; `mask` has the byte lanes. False when it is not the NVIC's."""
        if IPR <= offset < IPR + 0xF0:
            first = offset - IPR + FIRST_INTERRUPT
            for lane in range(4):
                if (mask >> 8 * lane) & 0xFF and first + lane < EXCEPTIONS:
                    self.priority[first + lane] = (value >> 8 * lane) & PRIORITY_MASK
            self.changed()
            return True
        if offset == STIR:
            if (value & 0x1FF) < INTERRUPTS:
                self.pend((value & 0x1FF) + FIRST_INTERRUPT)
            return True
        if offset == ICTR or IABR <= offset < IABR + 0x40:
            return True  # read-only: ignored
        for base in (ISER, ICER, ISPR, ICPR):
            if base <= offset < base + 0x40:
                bits = (value & mask) << (offset - base) * 8 & _INTERRUPT_BITS
                self._write_bits(base, bits << FIRST_INTERRUPT)
                return True
        return False

    def _write_bits(self, base: int, bits: int) -> None:
        if base == ISER:
            self.enabled |= bits
            self.changed()
        elif base == ICER:
            self.enabled &= ~bits
        elif base == ISPR:
            self._pend_bits(bits)
        else:
            self._clear_bits(bits)

# SPDX-License-Identifier: Apache-2.0
"""System control block, and the routing of the private peripheral bus.

ARMv7-M ARM B3.2. Registers take byte and half-word accesses too: loads cut the part
out of the word, stores carry a lane mask.
"""

from __future__ import annotations

from collections.abc import Callable

from vboard import nvic as n
from vboard.dwt import Debug
from vboard.errors import GuestError
from vboard.fpu import Fpu
from vboard.mpu import Mpu
from vboard.nvic import Nvic
from vboard.systick import SysTick

SCS_BASE = 0xE000_E000

ACTLR = 0x008  # offsets from 0xE000E000
CPUID, ICSR, VTOR, AIRCR, SCR, CCR = 0xD00, 0xD04, 0xD08, 0xD0C, 0xD10, 0xD14
SHPR1, SHPR3, SHCSR, CFSR, HFSR, DFSR = 0xD18, 0xD20, 0xD24, 0xD28, 0xD2C, 0xD30
MMFAR, BFAR, AFSR = 0xD34, 0xD38, 0xD3C
_FEATURES = {  # ID_PFR0 .. ID_ISAR4 of the Cortex-M4
    0xD40: 0x0000_0030, 0xD44: 0x0000_0200, 0xD48: 0x0010_0000, 0xD4C: 0,
    0xD50: 0x0010_0030, 0xD54: 0, 0xD58: 0x0100_0000, 0xD5C: 0,
    0xD60: 0x0110_1110, 0xD64: 0x0211_1000, 0xD68: 0x2111_2231,
    0xD6C: 0x0111_1110, 0xD70: 0x0131_0132,
    0xD78: 0x0900_0003, 0xD7C: 0, 0xD80: 0, 0xD84: 0,
}  # fmt: skip
CPUID_VALUE = 0x410F_C241

VECTKEY, VECTKEYSTAT = 0x05FA, 0xFA05
SYSRESETREQ, VECTCLRACTIVE, VECTRESET = 1 << 2, 1 << 1, 1 << 0
SLEEPONEXIT, SLEEPDEEP, SEVONPEND = 1 << 1, 1 << 2, 1 << 4
NONBASETHRDENA, USERSETMPEND, UNALIGN_TRP, DIV_0_TRP, BFHFNMIGN, STKALIGN = (
    1 << 0, 1 << 1, 1 << 3, 1 << 4, 1 << 8, 1 << 9,
)  # fmt: skip
NMIPENDSET, PENDSVSET, PENDSVCLR = 1 << 31, 1 << 28, 1 << 27
PENDSTSET, PENDSTCLR, ISRPENDING, RETTOBASE = 1 << 26, 1 << 25, 1 << 22, 1 << 11
HARDFAULT_FORCED, HARDFAULT_VECTTBL, HARDFAULT_DEBUGEVT = 1 << 30, 1 << 1, 1 << 31

_SHPR_FIRST = 4  # SHPR1 byte 0 is the priority of exception 4
_SHCSR_ACTIVE = (
    (0, n.MEM_MANAGE), (1, n.BUS_FAULT), (3, n.USAGE_FAULT), (7, n.SVCALL),
    (8, n.DEBUG_MONITOR), (10, n.PENDSV), (11, n.SYSTICK),
)  # fmt: skip
_SHCSR_PENDED = (
    (12, n.USAGE_FAULT), (13, n.MEM_MANAGE), (14, n.BUS_FAULT), (15, n.SVCALL),
)  # fmt: skip
_SHCSR_ENABLE = ((16, n.MEM_MANAGE), (17, n.BUS_FAULT), (18, n.USAGE_FAULT))


class Scb:
    """System control block registers."""

    def __init__(self, nvic: Nvic, current_exception: Callable[[], int]) -> None:
        self._nvic = nvic
        self._current = current_exception
        self.on_reset_request: Callable[[], None] = lambda: None
        self.on_division_trap: Callable[[], None] = lambda: None  # DIV_0_TRP changed
        self.reset()

    def reset(self) -> None:
        """Reset values."""
        self.vtor = 0
        self.scr = 0
        self.ccr = STKALIGN
        self.prigroup = 0
        self.cfsr = self.hfsr = self.dfsr = 0
        self.mmfar = self.bfar = 0
        self._actlr = 0

    def read(self, offset: int) -> int | None:
        """A word at `offset` from 0xE000E000; None when it is not the SCB's."""
        match offset:
            case 0x008:
                return self._actlr
            case 0xD00:
                return CPUID_VALUE
            case 0xD04:
                return self._icsr()
            case 0xD08:
                return self.vtor
            case 0xD0C:
                return VECTKEYSTAT << 16 | self.prigroup << 8
            case 0xD10:
                return self.scr
            case 0xD14:
                return self.ccr
            case 0xD18 | 0xD1C | 0xD20:
                first = _SHPR_FIRST + offset - SHPR1
                return sum(self._shpr(first + i) << 8 * i for i in range(4))
            case 0xD24:
                return self._shcsr()
            case 0xD28:
                return self.cfsr
            case 0xD2C:
                return self.hfsr
            case 0xD30:
                return self.dfsr
            case 0xD34:
                return self.mmfar
            case 0xD38:
                return self.bfar
            case 0xD3C:
                return 0
        return _FEATURES.get(offset)

    def write(self, offset: int, value: int, *, mask: int) -> bool:
        """A store; False when `offset` is not the SCB's."""
        match offset:
            case 0x008:
                self._actlr = value & 0x307
            case 0xD04:
                self._write_icsr(value)
            case 0xD08:
                self.vtor = value & 0xFFFF_FF80
            case 0xD0C:
                self._write_aircr(value)
            case 0xD10:
                self.scr = value & (SLEEPONEXIT | SLEEPDEEP | SEVONPEND)
            case 0xD14:
                changed = (self.ccr ^ value) & DIV_0_TRP
                self.ccr = value & 0x31B
                if changed:
                    self.on_division_trap()
            case 0xD18 | 0xD1C | 0xD20:
                self._write_shpr(_SHPR_FIRST + offset - SHPR1, value, mask)
            case 0xD24:
                self._write_shcsr(value)
            case 0xD28:
                self.cfsr &= ~(value & mask)
            case 0xD2C:
                self.hfsr &= ~value
            case 0xD30:
                self.dfsr &= ~value
            case 0xD34:
                self.mmfar = value
            case 0xD38:
                self.bfar = value
            case 0xD00 | 0xD3C:
                pass
            case _:
                return offset in _FEATURES
        return True

    def _icsr(self) -> int:
        nvic = self._nvic
        current = self._current()
        value = current
        others = nvic.active & ~(1 << current) if current else nvic.active
        if current and not others:
            value |= RETTOBASE
        value |= nvic.best() << 12
        if nvic.pending >> n.FIRST_INTERRUPT:
            value |= ISRPENDING
        for number, bit in (
            (n.NMI, NMIPENDSET), (n.PENDSV, PENDSVSET), (n.SYSTICK, PENDSTSET)
        ):  # fmt: skip
            if nvic.pending >> number & 1:
                value |= bit
        return value

    def _write_icsr(self, value: int) -> None:
        nvic = self._nvic
        if value & NMIPENDSET:
            nvic.pend(n.NMI)
        if value & PENDSVCLR:
            nvic.clear(n.PENDSV)
        elif value & PENDSVSET:
            nvic.pend(n.PENDSV)
        if value & PENDSTCLR:
            nvic.clear(n.SYSTICK)
        elif value & PENDSTSET:
            nvic.pend(n.SYSTICK)

    def _write_aircr(self, value: int) -> None:
        if value >> 16 != VECTKEY:
            return  # ignored without the key
        self.prigroup = value >> 8 & 7
        self._nvic.set_group(self.prigroup)
        if value & (VECTRESET | VECTCLRACTIVE):
            raise GuestError(
                "VECTRESET and VECTCLRACTIVE are for debuggers with a halted core",
                block="SCB",
                register="AIRCR",
            )
        if value & SYSRESETREQ:
            self.on_reset_request()

    def _shpr(self, number: int) -> int:
        return max(self._nvic.priority[number], 0)

    def _write_shpr(self, first: int, value: int, mask: int) -> None:
        for lane in range(4):
            if mask >> 8 * lane & 0xFF:
                self._nvic.priority[first + lane] = value >> 8 * lane & n.PRIORITY_MASK
        self._nvic.changed()

    def _shcsr(self) -> int:
        value = 0
        for bits, state in (
            (_SHCSR_ACTIVE, self._nvic.active),
            (_SHCSR_PENDED, self._nvic.pending),
            (_SHCSR_ENABLE, self._nvic.enabled),
        ):
            for bit, number in bits:
                value |= (state >> number & 1) << bit
        return value

    def _write_shcsr(self, value: int) -> None:
        nvic = self._nvic
        for bit, number in _SHCSR_ENABLE:
            nvic.enable(number, bool(value >> bit & 1))
        for bit, number in _SHCSR_ACTIVE:
            one = 1 << number
            nvic.active = nvic.active | one if value >> bit & 1 else nvic.active & ~one
        for bit, number in _SHCSR_PENDED:
            if value >> bit & 1:
                nvic.pend(number)
            else:
                nvic.clear(number)


class PrivateBus:
    """Everything at 0xE0000000..0xE00FFFFF."""

    def __init__(
        self,
        *,
        nvic: Nvic,
        scb: Scb,
        systick: SysTick,
        fpu: Fpu,
        mpu: Mpu,
        debug: Debug,
    ) -> None:
        self._nvic, self._scb, self._systick = nvic, scb, systick
        self._fpu, self._mpu, self._debug = fpu, mpu, debug

    def read(self, address: int, size: int) -> int:
        """A load of 1, 2 or 4 bytes."""
        word = self._read_word(address & ~3)
        if word is None:
            raise GuestError(
                f"no register at 0x{address:08x}", block="private peripheral bus"
            )
        return word >> 8 * (address & 3) & ((1 << 8 * size) - 1)

    def _read_word(self, address: int) -> int | None:
        offset = address - SCS_BASE
        if 0 <= offset < 0x1000:
            for block in (self._nvic, self._scb, self._systick, self._fpu, self._mpu):
                value = block.read(offset)
                if value is not None:
                    return value
            if offset >= 0xFD0:
                return _SCS_ID.get(offset, 0)
        return self._debug.read(address)

    def write(self, address: int, size: int, value: int) -> None:
        """A store of 1, 2 or 4 bytes."""
        shift = 8 * (address & 3)
        mask = (((1 << 8 * size) - 1) << shift) & 0xFFFF_FFFF
        if not self._write_word(address & ~3, value << shift & mask, mask):
            raise GuestError(
                f"no register at 0x{address:08x}", block="private peripheral bus"
            )

    def _write_word(self, address: int, value: int, mask: int) -> bool:
        offset = address - SCS_BASE
        if not 0 <= offset < 0x1000:
            return self._debug.write(address, value)
        return (
            self._nvic.write(offset, value, mask=mask)
            or self._scb.write(offset, value, mask=mask)
            or self._systick.write(offset, value)
            or self._fpu.write(offset, value)
            or self._mpu.write(offset, value)
            or self._debug.write(address, value)
        )


# Peripheral and component identification of the SCS (ARMv7-M ARM, CoreSight ids).
_SCS_ID = {
    0xFE0: 0x0C, 0xFE4: 0xB0, 0xFE8: 0x0B, 0xFD0: 0x04,
    0xFF0: 0x0D, 0xFF4: 0xE0, 0xFF8: 0x05, 0xFFC: 0xB1,
}  # fmt: skip

_NAMES = {
    0x008: "ACTLR", 0x010: "SYST_CSR", 0x014: "SYST_RVR", 0x018: "SYST_CVR",
    0x01C: "SYST_CALIB", 0xD00: "CPUID", 0xD04: "ICSR", 0xD08: "VTOR",
    0xD0C: "AIRCR", 0xD10: "SCR", 0xD14: "CCR", 0xD18: "SHPR1", 0xD1C: "SHPR2",
    0xD20: "SHPR3", 0xD24: "SHCSR", 0xD28: "CFSR", 0xD2C: "HFSR", 0xD30: "DFSR",
    0xD34: "MMFAR", 0xD38: "BFAR", 0xD3C: "AFSR", 0xD88: "CPACR", 0xD90: "MPU_TYPE",
    0xD94: "MPU_CTRL", 0xD98: "MPU_RNR", 0xD9C: "MPU_RBAR", 0xDA0: "MPU_RASR",
    0xDF0: "DHCSR", 0xDFC: "DEMCR", 0xF00: "STIR", 0xF34: "FPCCR", 0xF38: "FPCAR",
    0xF3C: "FPDSCR",
}  # fmt: skip
_ARRAYS = (
    (0x100, 0x140, "ISER"), (0x180, 0x1C0, "ICER"), (0x200, 0x240, "ISPR"),
    (0x280, 0x2C0, "ICPR"), (0x300, 0x340, "IABR"), (0x400, 0x4F0, "IPR"),
)  # fmt: skip


def register_name(address: int) -> str:
    """ARM name of a register on the private peripheral bus, for traces."""
    offset = address - SCS_BASE
    for first, end, name in _ARRAYS:
        if first <= offset < end:
            return f"NVIC_{name}{(offset - first) // 4}"
    name = _NAMES.get(offset & ~3, "")
    return name or f"0x{address:08x}"

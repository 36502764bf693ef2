# SPDX-License-Identifier: Apache-2.0
"""Exception entry, return, faults and lockup (ARMv7-M ARM, B1.5).

Rule 1: this file knows frames and EXC_RETURN; the NVIC knows who is pending, the
        CPU knows registers and memory.
Rule 2: entry and return happen between slices, so the CPU is never inside an IT
        block or a multiple transfer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from vboard import nvic as n
from vboard import scb as s
from vboard.cpu import Cpu
from vboard.cpu_stop import StopReason
from vboard.errors import GuestError
from vboard.fpu import LSPACT, LSPEN, Fpu
from vboard.nvic import Nvic, exception_name
from vboard.scb import Scb

THUMB = 1 << 24
PADDED = 1 << 9  # of the stacked xPSR
IT_BITS = 0x0600_FC00
SPSEL, FPCA = 1 << 1, 1 << 2

# CFSR
IACCVIOL, DACCVIOL, MUNSTKERR, MSTKERR, MMARVALID = (
    1 << 0, 1 << 1, 1 << 3, 1 << 4, 1 << 7,
)  # fmt: skip
IBUSERR, PRECISERR, IMPRECISERR, UNSTKERR, STKERR, BFARVALID = (
    1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 15,
)  # fmt: skip
UNDEFINSTR, INVSTATE, INVPC, NOCP, UNALIGNED, DIVBYZERO = (
    1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 24, 1 << 25,
)  # fmt: skip
_FAULT_NAMES = {
    IACCVIOL: "IACCVIOL", DACCVIOL: "DACCVIOL", IBUSERR: "IBUSERR",
    PRECISERR: "PRECISERR", UNSTKERR: "UNSTKERR", STKERR: "STKERR",
    UNDEFINSTR: "UNDEFINSTR", INVSTATE: "INVSTATE", INVPC: "INVPC",
    NOCP: "NOCP", UNALIGNED: "UNALIGNED", DIVBYZERO: "DIVBYZERO",
}  # fmt: skip

# What a stop of the engine means to CFSR.
FAULT_OF_STOP = {
    StopReason.UNDEFINED: UNDEFINSTR,
    StopReason.INVALID_STATE: INVSTATE,
    StopReason.UNALIGNED: UNALIGNED,
    StopReason.DIVISION: DIVBYZERO,
}
UNMAPPED_STOP = {
    StopReason.FETCH: ("instruction fetch", IBUSERR),
    StopReason.READ: ("load", PRECISERR),
    StopReason.WRITE: ("store", PRECISERR),
}

_RETURNS = {  # EXC_RETURN bits 3..0: (to handler mode, PSP)
    0x1: (True, False),
    0x9: (False, False),
    0xD: (False, True),
}
_CORE = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr", "control", "msp", "psp")
_MASKS = ("ipsr", "primask", "basepri", "faultmask")
_FLOATS = (*(f"s{i}" for i in range(16)), "fpscr")


class Lockup(Exception):
    """A fault that no handler can take."""


class Exceptions:
    """Takes and leaves exceptions on behalf of the CPU."""

    def __init__(self, *, cpu: Cpu, nvic: Nvic, scb: Scb, fpu: Fpu) -> None:
        self._cpu, self._nvic, self._scb, self._fpu = cpu, nvic, scb, fpu
        self._core = cpu.registers(*_CORE)
        self._masks = cpu.registers(*_MASKS)
        self._floats = cpu.registers(*_FLOATS)
        self._stacks = cpu.registers("ipsr", "control", "msp", "psp")
        self._to_handler = cpu.registers("control", "ipsr", "msp", "psp", "lr", "pc")
        self._from_frame = cpu.registers(
            *("r0", "r1", "r2", "r3", "r12", "lr"),
            *("xpsr", "control", "msp", "psp", "pc"),
        )
        self.event = False  # the event register of WFE
        self.on_fault: Callable[[str], None] = lambda message: None
        self.guest_faults = False  # a stack that is no RAM is the guest's fault

    # Priorities

    def execution_priority(self) -> int:
        """Priority that an exception must beat now."""
        _, primask, basepri, faultmask = self._masks.read()
        return self._priority(primask, basepri, faultmask)

    def _priority(self, primask: int, basepri: int, faultmask: int) -> int:
        priority = self._nvic.active_priority()
        level = basepri & n.PRIORITY_MASK  # the other bits are not implemented
        if level:
            priority = min(priority, level & self._nvic.group_mask)
        if primask & 1:
            priority = min(priority, 0)
        if faultmask & 1:
            priority = min(priority, -1)
        return priority

    def to_take(self) -> int:
        """The exception to take now, or 0."""
        best = self._nvic.best()
        if not best:
            self._cpu.masked_pending = False
            return 0
        beats = self._nvic.group_priority(best) < self.execution_priority()
        # A waiting one that active handlers do not hold back waits for a mask.
        self._cpu.masked_pending = not beats and (
            self._nvic.group_priority(best) < self._nvic.active_priority()
        )
        return best if beats else 0

    def wakes(self, *, from_wfi: bool) -> bool:
        """True when what is pending ends a WFI (PRIMASK does not count) or WFE."""
        best = self._nvic.best()
        if not best:
            return False
        _, primask, basepri, faultmask = self._masks.read()
        limit = self._priority(0 if from_wfi else primask, basepri, faultmask)
        return self._nvic.group_priority(best) < limit

    # Entry

    def enter(self, number: int, return_pc: int | None = None) -> None:
        """Takes exception `number`; `return_pc` is PC unless given."""
        core = self._core.read()
        xpsr, control = core[7:9]
        if return_pc is None:
            return_pc = core[6]
        use_psp = bool(control & SPSEL) and not xpsr & 0x1FF
        exc_return, frame, stored = self._push(core, return_pc, use_psp=use_psp)
        msp, psp = core[9:11]
        if use_psp:
            psp = frame
        else:
            msp = frame
        if not stored:
            number = self._stacking_failed(number, frame)
        self._take(number, exc_return, control=control, msp=msp, psp=psp)

    def _stacking_failed(self, number: int, frame: int) -> int:
        """STKERR while entering `number`: gives the exception that is taken.

        The more urgent of the two is taken, the other stays pending (ARM ARM
        B1.5.11, derived exceptions).
        """
        self._scb.cfsr |= STKERR
        target = self._fault_target(n.BUS_FAULT)
        self.on_fault(
            f"{exception_name(target)}: STKERR, the frame of {exception_name(number)} "
            f"does not fit at 0x{frame:08x} (stack overflow?)"
        )
        priority = self._nvic.group_priority
        if priority(target) <= priority(number):
            first, second = target, number
        else:
            first, second = number, target
        if first != second:
            self._nvic.pend(second)
        return first

    def _push(
        self, core: list[int], return_pc: int, *, use_psp: bool
    ) -> tuple[int, int, bool]:
        """EXC_RETURN, where the frame is, and whether it could be stored."""
        xpsr, control, msp, psp = core[7:11]
        extended = bool(control & FPCA)
        if extended:
            self._fpu.check()
        stack = psp if use_psp else msp
        size = 0x68 if extended else 0x20
        align = 4 if self._scb.ccr & s.STKALIGN or extended else 0
        frame = (stack - size) & 0xFFFF_FFFF & ~align & ~3
        xpsr = (xpsr & ~PADDED & ~IT_BITS) | (PADDED if stack & align else 0)
        data = struct.pack("<8I", *core[0:6], return_pc & ~1, xpsr | THUMB)
        if extended:
            data += struct.pack("<18I", *self._floats.read(), 0)
        stored = self._store_frame(frame, data)
        if extended:
            self._preserve(frame + 0x20)
        exc_return = 0xFFFF_FFE1 if extended else 0xFFFF_FFF1
        if not xpsr & 0x1FF:
            exc_return |= 0xC if use_psp else 0x8
        return exc_return, frame, stored

    def _preserve(self, address: int) -> None:
        self._fpu.settle()
        if self._fpu.fpccr & LSPEN:
            self._fpu.fpcar = address
            self._fpu.fpccr |= LSPACT

    def _take(
        self, number: int, exc_return: int, *, control: int, msp: int, psp: int
    ) -> None:
        """Branches to the handler (ARM ARM, ExceptionTaken)."""
        vector = self._vector(number)
        # SPSEL can be cleared in thread mode only, so CONTROL goes first.
        self._to_handler.write(
            control & ~(SPSEL | FPCA), number, msp, psp, exc_return, vector | 1
        )
        self._nvic.activate(number)
        self.event = True
        if not vector & 1:
            self.fault(INVSTATE, pc=vector & ~1)

    def _vector(self, number: int) -> int:
        address = self._scb.vtor + 4 * number
        word = self._cpu.memory_read(address, 4)
        if word is None:
            self._scb.hfsr |= s.HARDFAULT_VECTTBL
            raise GuestError(
                f"vector of {exception_name(number)} read from 0x{address:08x}, "
                "where there is no memory",
                block="SCB",
                register="VTOR",
            )
        return int.from_bytes(word, "little")

    def _store_frame(self, address: int, data: bytes) -> bool:
        ram, end = 0x2000_0000, 0x2004_0000
        if not ram <= address <= end - len(data):
            if self.guest_faults:
                return False
            raise GuestError(
                f"exception frame pushed to 0x{address:08x}, outside of Data RAM "
                "(stack overflow?)",
                block="CPU",
            )
        self._cpu.ram_write(address, data)
        return True

    # Return

    def leave(self, exc_return: int) -> None:
        """Returns from an exception, or goes on with the next one (tail-chaining).

        `exc_return` is the value that was branched to; bit 0 does not count.
        """
        ipsr, control, msp, psp = self._stacks.read()
        number = ipsr & 0x1FF
        exc_return |= 1
        target = _RETURNS.get(exc_return & 0xF)
        others = self._nvic.active & ~(1 << number)
        if (
            target is None
            or exc_return & 0xFFFF_FFE0 != 0xFFFF_FFE0
            or not self._nvic.active >> number & 1
            or (target[0] != bool(others) and not self._scb.ccr & s.NONBASETHRDENA)
        ):
            self._bad_return(number, exc_return)
            return
        self._deactivate(number)
        following = self._nvic.best()
        if following and self._tail_chains(following):
            self._fpu.settle()
            self._take(following, exc_return, control=control, msp=msp, psp=psp)
            return
        self._pop(exc_return, control=control, msp=msp, psp=psp, use_psp=target[1])
        self.event = True

    def _deactivate(self, number: int) -> None:
        self._nvic.deactivate(number)
        if number != n.NMI:
            self._cpu.set("faultmask", 0)

    def _tail_chains(self, number: int) -> bool:
        return self._nvic.group_priority(number) < self.execution_priority()

    def _bad_return(self, number: int, exc_return: int) -> None:
        if number and self._nvic.active >> number & 1:
            self._deactivate(number)
        self._scb.cfsr |= INVPC
        self.on_fault(f"UsageFault: INVPC, EXC_RETURN 0x{exc_return:08x} does not fit")
        target = self._fault_target(n.USAGE_FAULT)
        _, control, msp, psp = self._stacks.read()
        self._take(target, exc_return | 0xFFFF_FFF0, control=control, msp=msp, psp=psp)

    def _pop(
        self, exc_return: int, *, control: int, msp: int, psp: int, use_psp: bool
    ) -> None:
        frame = psp if use_psp else msp
        extended = not exc_return & 0x10
        size = 0x68 if extended else 0x20
        data = self._cpu.memory_read(frame, size)
        if data is None:
            raise GuestError(
                f"exception frame read from 0x{frame:08x}, where there is no memory",
                block="CPU",
            )
        words = struct.unpack(f"<{size // 4}I", data)
        self._fpu.settle()
        if extended:
            if self._fpu.fpccr & LSPACT:
                self._fpu.fpccr &= ~LSPACT
            else:
                self._floats.write(*words[8:25])
        xpsr = words[7]
        align = 4 if self._scb.ccr & s.STKALIGN or extended else 0
        stack = (frame + size) | (align if xpsr & PADDED else 0)
        control = control & ~(SPSEL | FPCA) | (FPCA if extended else 0)
        if use_psp:
            control |= SPSEL
            psp = stack
        else:
            msp = stack
        # The stack pointers are banked by IPSR first, then by CONTROL.SPSEL.
        xpsr = xpsr & ~PADDED & ~IT_BITS | THUMB
        self._from_frame.write(*words[:6], xpsr, control, msp, psp, words[6] | 1)

    # Faults

    def fault(self, flag: int, *, pc: int, address: int | None = None) -> None:
        """A synchronous fault at `pc`: sets CFSR and takes the exception."""
        self._scb.cfsr |= flag
        if flag & 0xFF:
            target = n.MEM_MANAGE
            if address is not None:
                self._scb.cfsr |= MMARVALID
                self._scb.mmfar = address
        elif flag & 0xFF00:
            target = n.BUS_FAULT
            if address is not None:
                self._scb.cfsr |= BFARVALID
                self._scb.bfar = address
        else:
            target = n.USAGE_FAULT
        name = _FAULT_NAMES.get(flag, f"CFSR 0x{flag:x}")
        where = "" if address is None else f" on 0x{address:08x}"
        self.take_synchronous(target, pc=pc, cause=f"{name}{where}")

    def take_synchronous(self, number: int, *, pc: int, cause: str) -> None:
        """Takes `number` now, escalated to HardFault when it cannot be taken."""
        target = self._fault_target(number)
        if target == n.HARD_FAULT or number not in (n.SVCALL, n.DEBUG_MONITOR):
            self.on_fault(f"{exception_name(target)}: {cause} at pc 0x{pc:08x}")
        self.enter(target, pc)

    def hard_fault(self, flag: int, *, pc: int, cause: str) -> None:
        """A HardFault of its own right (vector read, BKPT)."""
        self._scb.hfsr |= flag
        self.take_synchronous(n.HARD_FAULT, pc=pc, cause=cause)

    def _fault_target(self, number: int) -> int:
        """`number`, or HardFault when it is disabled or masked."""
        priority = self.execution_priority()
        nvic = self._nvic
        if (
            number != n.HARD_FAULT
            and nvic.enabled >> number & 1
            and nvic.group_priority(number) < priority
        ):
            return number
        if priority <= -1:
            raise Lockup(f"{exception_name(number)} at priority {priority}")
        if number != n.HARD_FAULT:
            self._scb.hfsr |= s.HARDFAULT_FORCED
        return n.HARD_FAULT

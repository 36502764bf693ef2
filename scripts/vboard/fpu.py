# SPDX-License-Identifier: Apache-2.0
"""FPU system registers (ARMv7-M ARM B3.2.20 to B3.2.24, B1.5.7).

Lazy stacking: the model saves S0 to S15 and FPSCR into the reserved frame at once
and keeps LSPACT as software would see it: it falls as soon as the handler has used
the FPU (which sets CONTROL.FPCA).
"""

from __future__ import annotations

from collections.abc import Callable

from vboard.errors import GuestError

CPACR = 0xD88  # from 0xE000E000
FPCCR, FPCAR, FPDSCR, MVFR0, MVFR1, MVFR2 = 0xF34, 0xF38, 0xF3C, 0xF40, 0xF44, 0xF48
ASPEN, LSPEN, LSPACT = 1 << 31, 1 << 30, 1 << 0
THREAD, USER, MMRDY, BFRDY, HFRDY, MONRDY = (
    1 << 3,
    1 << 1,
    1 << 5,
    1 << 6,
    1 << 4,
    1 << 8,
)
FULL_ACCESS = 0x00F0_0000
_FIXED = {MVFR0: 0x1011_0021, MVFR1: 0x1100_0011, MVFR2: 0}
_DEFAULTS = 0x07C0_0000  # AHP, DN, FZ, RMode


class Fpu:
    """FPCCR, FPCAR, FPDSCR, CPACR. `uses_fpu` tells CONTROL.FPCA."""

    def __init__(self, uses_fpu: Callable[[], bool]) -> None:
        self._uses_fpu = uses_fpu
        self.reset()

    def reset(self) -> None:
        """FPU off, automatic and lazy state preservation on."""
        self.cpacr = 0
        self.fpccr = ASPEN | LSPEN
        self.fpcar = 0
        self.fpdscr = 0

    @property
    def on(self) -> bool:
        """CP10 and CP11 are accessible for privileged code."""
        return bool(self.cpacr & 0x0050_0000)

    def check(self) -> None:
        """GuestError when the FPU was used while CPACR has it off.

        The engine executes such an instruction; it shows when an exception is
        taken or CPACR is written, not at the instruction itself.
        """
        if not self.on and self._uses_fpu():
            raise GuestError(
                "a floating-point instruction was executed while the FPU is off "
                "(a UsageFault, NOCP, on the chip)",
                block="FPU",
                register="CPACR",
            )

    def settle(self) -> None:
        """LSPACT falls once the handler has used the FPU."""
        if self.fpccr & LSPACT and self._uses_fpu():
            self.fpccr &= ~LSPACT

    def read(self, offset: int) -> int | None:
        """A word at `offset` from 0xE000E000; None when it is not the FPU's."""
        if offset == CPACR:
            return self.cpacr
        if offset == FPCCR:
            self.settle()
            return self.fpccr
        if offset == FPCAR:
            return self.fpcar
        if offset == FPDSCR:
            return self.fpdscr
        return _FIXED.get(offset)

    def write(self, offset: int, value: int) -> bool:
        """A store; False when `offset` is not the FPU's."""
        if offset == CPACR:
            self.check()
            self.cpacr = value & FULL_ACCESS
        elif offset == FPCCR:
            self.fpccr = value & 0xC000_017B
        elif offset == FPCAR:
            self.fpcar = value & 0xFFFF_FFF8
        elif offset == FPDSCR:
            self.fpdscr = value & _DEFAULTS
        else:
            return offset in _FIXED
        return True

# SPDX-License-Identifier: Apache-2.0
"""DWT cycle counter, and the debug and trace registers that start-up code touches.

CYCCNT counts while DEMCR.TRCENA and DWT_CTRL.CYCCNTENA are set and the CPU does not
sleep. Comparators, ITM and TPIU take any write and do nothing: nobody listens.
"""

from __future__ import annotations

from collections.abc import Callable

ITM, DWT, FPB, TPIU, ETM = (
    0xE000_0000,
    0xE000_1000,
    0xE000_2000,
    0xE004_0000,
    0xE004_1000,
)
DWT_CTRL, DWT_CYCCNT = 0xE000_1000, 0xE000_1004
ITM_TCR, ITM_TER = 0xE000_0E80, 0xE000_0E00
DHCSR, DCRSR, DCRDR, DEMCR = 0xE000_EDF0, 0xE000_EDF4, 0xE000_EDF8, 0xE000_EDFC
ROM_TABLE = 0xE00F_F000
TRCENA = 1 << 24
MON_EN, MON_PEND, MON_REQ = 1 << 16, 1 << 17, 1 << 19
_NUMCOMP = 4 << 28
_CYCCNTENA = 1

_ROM_TABLE = {  # Cortex-M4 TRM, ROM memory table
    0x000: 0xFFF0_F003, 0x004: 0xFFF0_2003, 0x008: 0xFFF0_3003, 0x00C: 0xFFF0_1003,
    0x010: 0xFFF4_1003, 0x014: 0xFFF4_2003, 0xFCC: 1,
    0xFD0: 0x04, 0xFE0: 0xC4, 0xFE4: 0xB4, 0xFE8: 0x0B,
    0xFF0: 0x0D, 0xFF4: 0x10, 0xFF8: 0x05, 0xFFC: 0xB1,
}  # fmt: skip


class Debug:
    """Debug blocks; `awake_cycles` is the number of cycles the CPU did not sleep."""

    def __init__(self, awake_cycles: Callable[[], int]) -> None:
        self._awake_cycles = awake_cycles
        self.reset()

    def reset(self) -> None:
        """Trace off, counter 0."""
        self.demcr = 0
        self._control = 0
        self._count = 0
        self._since = 0
        self._words: dict[int, int] = {}

    @property
    def _counting(self) -> bool:
        return bool(self.demcr & TRCENA and self._control & _CYCCNTENA)

    def _settle(self) -> None:
        now = self._awake_cycles()
        if self._counting:
            self._count = (self._count + now - self._since) & 0xFFFF_FFFF
        self._since = now

    def read(self, address: int) -> int | None:
        """A word of these blocks; None when `address` is not theirs."""
        if address == DWT_CYCCNT:
            self._settle()
            return self._count
        if address == DWT_CTRL:
            return self._control | _NUMCOMP
        if address == DEMCR:
            return self.demcr
        if address in (DHCSR, DCRSR, DCRDR):
            return 0
        if ITM <= address < DWT and address < ITM_TER:
            return 1  # stimulus port ready
        if self._theirs(address):
            return self._words.get(address, 0)
        if ROM_TABLE <= address < ROM_TABLE + 0x1000:
            return _ROM_TABLE.get(address - ROM_TABLE, 0)
        return None

    def write(self, address: int, value: int) -> bool:
        """A store to these blocks; False when `address` is not theirs."""
        if address == DWT_CYCCNT:
            self._settle()
            self._count = value
        elif address == DWT_CTRL:
            self._settle()
            self._control = value & 0x07FF_FFFF
        elif address == DEMCR:
            self._settle()
            self.demcr = value & (TRCENA | MON_EN | MON_PEND | MON_REQ)
        elif address in (DHCSR, DCRSR, DCRDR):
            pass  # without a debugger these do nothing
        elif self._theirs(address):
            if not (ITM <= address < ITM_TER):
                self._words[address] = value
        else:
            return False
        return True

    @staticmethod
    def _theirs(address: int) -> bool:
        return ITM <= address < FPB + 0x1000 or TPIU <= address < ETM + 0x1000

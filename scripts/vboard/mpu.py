# SPDX-License-Identifier: Apache-2.0
"""MPU registers (PMSAv7, eight regions; ARMv7-M ARM B3.5).

Software can set up and enable regions and reads back what it wrote. Accesses are
not checked against them: a program that relies on a MemManage fault from the MPU
does not get it.
"""

from __future__ import annotations

REGIONS = 8
TYPE, CTRL, RNR, RBAR, RASR = 0xD90, 0xD94, 0xD98, 0xD9C, 0xDA0  # from 0xE000E000
_LAST_ALIAS = 0xDB8
_VALID = 1 << 4
_RASR_BITS = 0x173F_FF3F


class Mpu:
    """The region registers."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Disabled, all regions off."""
        self.control = 0
        self._number = 0
        self._base = [0] * REGIONS
        self._attributes = [0] * REGIONS

    def read(self, offset: int) -> int | None:
        """A word at `offset` from 0xE000E000; None when it is not the MPU's."""
        if offset == TYPE:
            return REGIONS << 8
        if offset == CTRL:
            return self.control
        if offset == RNR:
            return self._number
        if RBAR <= offset <= _LAST_ALIAS:
            if (offset - RBAR) % 8 == 0:
                return self._base[self._number] | self._number
            return self._attributes[self._number]
        return None

    def write(self, offset: int, value: int) -> bool:
        """A store; False when `offset` is not the MPU's."""
        if offset == TYPE:
            return True
        if offset == CTRL:
            self.control = value & 7
            return True
        if offset == RNR:
            self._number = value % REGIONS
            return True
        if RBAR <= offset <= _LAST_ALIAS:
            if (offset - RBAR) % 8 == 0:
                if value & _VALID:
                    self._number = (value & 0xF) % REGIONS
                self._base[self._number] = value & 0xFFFF_FFE0
            else:
                self._attributes[self._number] = value & _RASR_BITS
            return True
        return False

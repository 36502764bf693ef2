# SPDX-License-Identifier: Apache-2.0
"""UICR: user information (nRF52840 PS, UICR). Written through the NVMC like flash."""

from __future__ import annotations

import enum

from vboard.clock import Clock
from vboard.fabric import Bus, IrqLine, Peripheral, ResetKind
from vboard.nv import NvMemory


class UicrRegister(enum.IntEnum):
    """Offsets from 0x10001000."""

    NRFFW0 = 0x014
    NRFFW1 = 0x018
    CUSTOMER0 = 0x080
    PSELRESET0 = 0x200
    PSELRESET1 = 0x204
    APPROTECT = 0x208
    NFCPINS = 0x20C
    DEBUGCTRL = 0x210
    REGOUT0 = 0x304


class Uicr(Peripheral):
    """Window on `nv.uicr`: loads come from it, stores go to the NVMC."""

    name = "UICR"
    base = 0x1000_1000
    size = 0x1000

    def __init__(
        self, clock: Clock, bus: Bus, irq: IrqLine | None = None, *, nv: NvMemory
    ) -> None:
        super().__init__(clock, bus, irq)
        self._nv = nv

    def read(self, offset: int) -> int:
        """The word at `offset`; blank words read as ones."""
        return int.from_bytes(self._nv.uicr[offset : offset + 4], "little")

    def write(self, offset: int, value: int) -> None:
        """A word write by way of the NVMC (CONFIG=Wen)."""
        self.bus.flash_store(self.base + offset, 4, value)

    def reset(self, kind: ResetKind) -> None:
        """Nothing: the UICR is non-volatile."""

    @property
    def reset_pin_enabled(self) -> bool:
        """Both PSELRESET words name the same connected pin."""
        first = self.read(UicrRegister.PSELRESET0)
        return first == self.read(UicrRegister.PSELRESET1) and not first >> 31

    def register_name(self, offset: int) -> str:
        """Data-sheet name, where there is one."""
        if 0x014 <= offset < 0x048:
            return f"NRFFW[{(offset - 0x014) // 4}]"
        if 0x080 <= offset < 0x100:
            return f"CUSTOMER[{(offset - 0x080) // 4}]"
        try:
            return UicrRegister(offset).name
        except ValueError:
            return super().register_name(offset)

# SPDX-License-Identifier: Apache-2.0
"""The CRYPTOCELL wrapper at 0x5002A000: one register, ENABLE."""

from __future__ import annotations

from vboard.clock import Clock
from vboard.fabric import Bus, IrqLine, Peripheral, ResetKind
from vboard.peripherals.cryptocell.core import Core

ENABLE = 0x500


class Wrapper(Peripheral):
    """Switches the core on and off; off, the core loses its context."""

    name = "CRYPTOCELL"
    base = 0x5002_A000
    size = 0x1000

    def __init__(
        self, clock: Clock, bus: Bus, irq: IrqLine | None = None, *, core: Core
    ) -> None:
        super().__init__(clock, bus, irq)
        self._core = core

    def read(self, offset: int) -> int:
        """ENABLE."""
        if offset != ENABLE:
            raise self.fault("no register at this offset", offset)
        return int(self._core.enabled)

    def write(self, offset: int, value: int) -> None:
        """ENABLE: 1 on, 0 off."""
        if offset != ENABLE:
            raise self.fault("no register at this offset", offset)
        self._core.enable(bool(value & 1))

    def reset(self, kind: ResetKind) -> None:
        """Off after every reset."""
        self._core.enable(False)

    def register_name(self, offset: int) -> str:
        """ENABLE is the only one."""
        return "ENABLE" if offset == ENABLE else super().register_name(offset)

# SPDX-License-Identifier: Apache-2.0
"""EGU0 to EGU5, also the home of the SWI interrupts (nRF52840 PS, EGU)."""

from __future__ import annotations

import enum

from vboard.clock import Clock
from vboard.fabric import Bus, IrqLine
from vboard.peripherals.registers import EventBlock, RegisterArray

CHANNELS = 16
EVENTS_TRIGGERED = 0x100


class Register(enum.IntEnum):
    """Registers that exist once."""

    INTEN = 0x300
    INTENSET = 0x304
    INTENCLR = 0x308


class Egu(EventBlock):
    """Sixteen tasks, each of which makes its event."""

    registers = Register
    arrays = (
        RegisterArray("TASKS_TRIGGER[{}]", 0x000, CHANNELS),
        RegisterArray("EVENTS_TRIGGERED[{}]", EVENTS_TRIGGERED, CHANNELS),
    )
    has_inten = True

    def __init__(
        self, clock: Clock, bus: Bus, irq: IrqLine | None = None, *, index: int = 0
    ) -> None:
        self.name = f"EGU{index}"
        self.base = 0x4001_4000 + 0x1000 * index
        self.event_bits = {EVENTS_TRIGGERED + 4 * n: 1 << n for n in range(CHANNELS)}
        super().__init__(clock, bus, irq)

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""
        return self.read_common(offset)

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        index = self.arrays[0].index(offset)
        if index is None:
            self.write_common(offset, value)
        elif value & 1:
            self.emit(EVENTS_TRIGGERED + 4 * index)

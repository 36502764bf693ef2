# SPDX-License-Identifier: Apache-2.0
"""What every block with tasks, events and an interrupt has in common.

Rule 1: a block lists its registers once, with data-sheet names and offsets: an
        `IntEnum` (a dot in the name becomes an underscore) and `RegisterArray`s.
Rule 2: events are bits of one word, at the position of their INTEN bit, so the
        interrupt line is `events & inten`.
Rule 3: reserved offsets, stores to read-only registers and loads from tasks that
        have no value are faults.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from vboard.clock import Clock
from vboard.errors import GuestError
from vboard.fabric import Bus, IrqLine, Peripheral, ResetKind

INTEN = 0x300
INTENSET = 0x304
INTENCLR = 0x308


@dataclass(frozen=True)
class RegisterArray:
    """`count` registers, `stride` bytes apart; `{}` in the name is the index."""

    name: str
    offset: int
    count: int
    stride: int = 4

    def index(self, offset: int) -> int | None:
        """Index of the register at `offset`, or None."""
        distance = offset - self.offset
        if distance < 0 or distance % self.stride:
            return None
        index = distance // self.stride
        return index if index < self.count else None


class NoRegisters(enum.IntEnum):
    """For blocks that consist of arrays only."""


def register_names(
    registers: type[enum.IntEnum], arrays: tuple[RegisterArray, ...]
) -> dict[int, str]:
    """Data-sheet name by offset."""
    names = {int(register): register.name for register in registers}
    for array in arrays:
        for index in range(array.count):
            offset = array.offset + index * array.stride
            names[offset] = array.name.format(index)
    return names


class EventBlock(Peripheral):
    """A register block with tasks, events, INTENSET/INTENCLR and one interrupt.

    Subclasses set `registers`, `arrays` and `event_bits` (offset of the event:
    its mask in INTEN), and `has_inten` when register INTEN (0x300) exists.
    """

    registers: type[enum.IntEnum] = NoRegisters
    arrays: tuple[RegisterArray, ...] = ()
    event_bits: dict[int, int]
    has_inten = False

    def __init__(self, clock: Clock, bus: Bus, irq: IrqLine | None = None) -> None:
        super().__init__(clock, bus, irq)
        self.events = 0
        self.inten = 0
        self._inten_mask = 0
        for mask in self.event_bits.values():
            self._inten_mask |= mask
        self._names = register_names(self.registers, self.arrays)

    @property
    def register_names(self) -> dict[int, str]:
        """Data-sheet name of every register, by offset."""
        return self._names

    def register_name(self, offset: int) -> str:
        """Data-sheet name of the register at `offset`."""
        return self._names.get(offset, f"+0x{offset:03x}")

    def reset(self, kind: ResetKind) -> None:
        """Clears events and INTEN; subclasses do the rest."""
        self.events = 0
        self.inten = 0
        self._update()

    # Events

    def emit(self, offset: int, count: int = 1) -> None:
        """The event at `offset` happens."""
        self.events |= self.event_bits[offset]
        self._update()
        address = self.base + offset
        if self.bus.has_listener(address):
            self.bus.publish(address, count)

    def _update(self) -> None:
        """Recomputes the interrupt line."""
        if self.irq is not None:
            self.irq.set(bool(self.events & self.inten))

    # Access to what all blocks have

    def read_common(self, offset: int) -> int:
        """Events and INTEN registers; faults for everything else."""
        mask = self.event_bits.get(offset)
        if mask is not None:
            return 1 if self.events & mask else 0
        if offset in (INTENSET, INTENCLR) or (offset == INTEN and self.has_inten):
            return self.inten
        if offset in self._names:
            if self._names[offset].startswith("TASKS_"):
                return 0
            raise self.fault("the register is write-only", offset)
        raise self.reserved(offset)

    def write_common(self, offset: int, value: int) -> None:
        """Events and INTEN registers; faults for everything else."""
        mask = self.event_bits.get(offset)
        if mask is not None:
            if value & 1:
                self.events |= mask
            else:
                self.events &= ~mask
        elif offset == INTENSET:
            self.inten |= value & self._inten_mask
        elif offset == INTENCLR:
            self.inten &= ~value
        elif offset == INTEN and self.has_inten:
            self.inten = value & self._inten_mask
        elif offset in self._names:
            raise self.fault(f"the register is read-only (0x{value:08x})", offset)
        else:
            raise self.reserved(offset)
        self._update()

    def reserved(self, offset: int) -> GuestError:
        """The error for an offset that the data sheet does not have."""
        return self.fault("no register at this offset", offset)

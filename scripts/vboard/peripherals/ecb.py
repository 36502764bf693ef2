# SPDX-License-Identifier: Apache-2.0
"""ECB: AES-128 encryption of one block (nRF52840 PS, ECB).

ECBDATAPTR points to key (16 bytes), clear text (16) and cipher text (16) in RAM.
"""

from __future__ import annotations

import enum

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from vboard.clock import Alarm, Clock
from vboard.fabric import Bus, IrqLine, ResetKind
from vboard.peripherals.registers import EventBlock

BLOCK = 16
# PS, ECB electrical specification: run time of one block, 6.5 us typical.
RUN_NS = 6_500


class Register(enum.IntEnum):
    """ECB registers."""

    TASKS_STARTECB = 0x000
    TASKS_STOPECB = 0x004
    EVENTS_ENDECB = 0x100
    EVENTS_ERRORECB = 0x104
    INTENSET = 0x304
    INTENCLR = 0x308
    ECBDATAPTR = 0x504


R = Register
EVENT_BITS: dict[int, int] = {R.EVENTS_ENDECB: 1 << 0, R.EVENTS_ERRORECB: 1 << 1}


class Ecb(EventBlock):
    """The AES electronic codebook block."""

    name = "ECB"
    base = 0x4000_E000
    registers = Register
    event_bits = EVENT_BITS

    def __init__(self, clock: Clock, bus: Bus, irq: IrqLine | None = None) -> None:
        super().__init__(clock, bus, irq)
        self.pointer = 0
        self._alarm: Alarm | None = None

    def reset(self, kind: ResetKind) -> None:
        """Every reset reaches ECB."""
        super().reset(kind)
        self.pointer = 0
        self._cancel()

    def _cancel(self) -> bool:
        running = self._alarm is not None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        return running

    def _finish(self) -> None:
        self._alarm = None
        data = self.bus.dma_read(self.pointer, 2 * BLOCK, block=self.name)
        # ECB of one block is the primitive itself.
        cipher = Cipher(algorithms.AES(data[:BLOCK]), modes.ECB()).encryptor()
        result = cipher.update(data[BLOCK:]) + cipher.finalize()
        self.bus.dma_write(self.pointer + 2 * BLOCK, result, block=self.name)
        self.emit(R.EVENTS_ENDECB)

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""
        return self.pointer if offset == R.ECBDATAPTR else self.read_common(offset)

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        match offset:
            case R.TASKS_STARTECB:
                if value & 1 and self._alarm is None:
                    self._alarm = self.clock.call_after_ns(RUN_NS, self._finish)
            case R.TASKS_STOPECB:
                if value & 1 and self._cancel():
                    self.emit(R.EVENTS_ERRORECB)
            case R.ECBDATAPTR:
                self.pointer = value
            case _:
                self.write_common(offset, value)

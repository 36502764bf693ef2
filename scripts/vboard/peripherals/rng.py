# SPDX-License-Identifier: Apache-2.0
"""RNG: random number generator (nRF52840 PS, RNG). Seeded, so runs repeat.

A byte takes 30 us, or 120 us with bias correction. While VALRDY stands, nobody
listens and no SHORTS is set, bytes are made when somebody looks, not one by one.
"""

from __future__ import annotations

import enum
import random

from vboard.clock import NS_PER_US, Alarm, Clock
from vboard.fabric import Bus, IrqLine, ResetKind
from vboard.peripherals.registers import EventBlock

BYTE_NS = 30 * NS_PER_US
CORRECTED_BYTE_NS = 120 * NS_PER_US
VALRDY_STOP = 1 << 0
DERCEN = 1 << 0


class Register(enum.IntEnum):
    """Offsets from 0x4000D000."""

    TASKS_START = 0x000
    TASKS_STOP = 0x004
    EVENTS_VALRDY = 0x100
    SHORTS = 0x200
    INTENSET = 0x304
    INTENCLR = 0x308
    CONFIG = 0x504
    VALUE = 0x508


R = Register
EVENT_BITS: dict[int, int] = {R.EVENTS_VALRDY: 1 << 0}


class Rng(EventBlock):
    """The generator at 0x4000D000, interrupt 13."""

    name = "RNG"
    base = 0x4000_D000
    registers = Register
    event_bits = EVENT_BITS

    def __init__(
        self, clock: Clock, bus: Bus, irq: IrqLine | None = None, *, seed: int = 0
    ) -> None:
        super().__init__(clock, bus, irq)
        self._random = random.Random(f"rng:{seed}")
        self._alarm: Alarm | None = None
        self._running = False
        self._idle_since_ns: int | None = None
        self._clear()

    def _clear(self) -> None:
        self._stop()
        self.shorts = 0
        self.config = 0
        self._value = 0

    @property
    def byte_ns(self) -> int:
        """Time that one byte takes."""
        return CORRECTED_BYTE_NS if self.config & DERCEN else BYTE_NS

    def reset(self, kind: ResetKind) -> None:
        """Stopped, all registers zero; the sequence goes on."""
        super().reset(kind)
        self._clear()

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""
        match offset:
            case R.SHORTS:
                return self.shorts
            case R.CONFIG:
                return self.config
            case R.VALUE:
                self._catch_up()
                return self._value
            case _:
                return self.read_common(offset)

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        match offset:
            case R.TASKS_START:
                if value & 1 and not self._running:
                    self._running = True
                    self._plan()
            case R.TASKS_STOP:
                if value & 1:
                    self._stop()
            case R.SHORTS:
                self.shorts = value & VALRDY_STOP
            case R.CONFIG:
                self.config = value & DERCEN
            case _:
                self.write_common(offset, value)
                if offset == R.EVENTS_VALRDY and not value & 1:
                    self._catch_up()
                    self._plan()

    def _stop(self) -> None:
        self._running = False
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        self._idle_since_ns = None

    def _plan(self) -> None:
        """An alarm for the next byte, unless one is set."""
        if not self._running or (self._alarm is not None and self._alarm.pending):
            return
        self._idle_since_ns = None
        self._alarm = self.clock.call_after_ns(self.byte_ns, self._byte)

    def _byte(self) -> None:
        self._value = self._random.getrandbits(8)
        self.emit(R.EVENTS_VALRDY)
        if self.shorts & VALRDY_STOP:
            self._stop()
        elif self.bus.has_listener(self.base + R.EVENTS_VALRDY):
            self._plan()
        elif self._running:
            self._idle_since_ns = self.clock.now_ns

    def _catch_up(self) -> None:
        """The byte that would be there had every one been made."""
        if self._idle_since_ns is None:
            return
        bytes_since = (self.clock.now_ns - self._idle_since_ns) // self.byte_ns
        if bytes_since:
            self._value = self._random.getrandbits(8)
            self._idle_since_ns += bytes_since * self.byte_ns

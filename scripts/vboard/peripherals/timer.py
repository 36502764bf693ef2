# SPDX-License-Identifier: Apache-2.0
"""TIMER0 to TIMER4 (nRF52840 PS, TIMER).

Rule 1: the counter is computed, never stepped: in timer mode from the clock (one
        16 MHz tick is 125 halves of a nanosecond), in counter mode from COUNT.
Rule 2: COMPARE events come at the exact tick, by an alarm for the nearest.
Rule 3: STOP keeps the counter, SHUTDOWN clears it too (Nordic's drivers count on it
        after they disabled a timer).
Rule 4: COUNT may arrive merged (see `task_horizon`); before anybody looks at the
        counter in counter mode, the bus is synchronised.
"""

from __future__ import annotations

import enum

from vboard.clock import Alarm, Clock
from vboard.fabric import Bus, IrqLine, ResetKind
from vboard.peripherals.registers import EventBlock, RegisterArray

HALF_NS_PER_TICK = 125
MODE_TIMER, MODE_COUNTER, MODE_LOW_POWER_COUNTER = 0, 1, 2
BITMODE_BITS = (16, 8, 24, 32)

TASKS_CAPTURE = 0x040
EVENTS_COMPARE = 0x140
CC = 0x540


class Register(enum.IntEnum):
    """Registers that exist once."""

    TASKS_START = 0x000
    TASKS_STOP = 0x004
    TASKS_COUNT = 0x008
    TASKS_CLEAR = 0x00C
    TASKS_SHUTDOWN = 0x010
    SHORTS = 0x200
    INTENSET = 0x304
    INTENCLR = 0x308
    MODE = 0x504
    BITMODE = 0x508
    PRESCALER = 0x510


R = Register


class Timer(EventBlock):
    """One TIMER: index 0 to 2 have four CC registers, 3 and 4 have six."""

    registers = Register

    def __init__(
        self, clock: Clock, bus: Bus, irq: IrqLine | None = None, *, index: int = 0
    ) -> None:
        self.name = f"TIMER{index}"
        self.base = 0x4000_8000 + 0x1000 * index
        self.channels = 4
        if index > 2:
            self.base = 0x4001_A000 + 0x1000 * (index - 3)
            self.channels = 6
        captures = RegisterArray("TASKS_CAPTURE[{}]", TASKS_CAPTURE, self.channels)
        compares = RegisterArray("EVENTS_COMPARE[{}]", EVENTS_COMPARE, self.channels)
        ccs = RegisterArray("CC[{}]", CC, self.channels)
        self.arrays = (captures, compares, ccs)
        self.event_bits = {
            EVENTS_COMPARE + 4 * n: 1 << (16 + n) for n in range(self.channels)
        }
        super().__init__(clock, bus, irq)
        self._capture_at = {TASKS_CAPTURE + 4 * n: n for n in range(self.channels)}
        self._cc_at = {CC + 4 * n: n for n in range(self.channels)}
        self._compare_bits = [1 << (16 + n) for n in range(self.channels)]
        self._alarm: Alarm | None = None
        self._next: list[int] = []  # channels that the alarm is for
        self._clear_registers()

    def _clear_registers(self) -> None:
        self.running = False
        self.mode = MODE_TIMER
        self.bitmode = 0
        self.prescaler = 4
        self.shorts = 0
        self.cc = [0] * self.channels
        # The counter when it stands; while it runs, 2 * (time when it was 0).
        self._count = 0
        self._origin = 0
        self._measure()
        self._plan()

    def reset(self, kind: ResetKind) -> None:
        """Every reset reaches a TIMER."""
        super().reset(kind)
        self._clear_registers()

    # The counter

    def _measure(self) -> None:
        """What BITMODE and PRESCALER say: the highest count, and the length of one
        count in halves of a nanosecond."""
        self._mask = (1 << BITMODE_BITS[self.bitmode]) - 1
        self._tick = HALF_NS_PER_TICK << self.prescaler

    @property
    def _counts_time(self) -> bool:
        return self.running and self.mode == MODE_TIMER

    def _ticks(self) -> int:
        """Counts since the origin, not wrapped."""
        return (2 * self.clock.now_ns - self._origin) // self._tick

    @property
    def counter(self) -> int:
        """The counter now (in counter mode: after what was delivered so far)."""
        return (self._ticks() if self._counts_time else self._count) & self._mask

    def _start(self) -> None:
        if not self.running:
            self._origin = 2 * self.clock.now_ns - self._count * self._tick
            self.running = True
        self._plan()

    def _stop(self) -> None:
        self._count = self.counter
        self.running = False
        self._plan()

    def _clear(self) -> None:
        self._count = 0
        self._origin = 2 * self.clock.now_ns
        self._plan()

    def _plan(self) -> None:
        """Sets the alarm for the nearest COMPARE that would change anything."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if not self._counts_time:
            return
        ticks = (2 * self.clock.now_ns - self._origin) // self._tick
        mask, cc = self._mask, self.cc
        nearest, due = mask + 2, self._next
        due.clear()
        for n, bit in enumerate(self._compare_bits):
            if self.events & bit and self._idle(n):
                continue
            wait = (cc[n] - ticks) & mask or mask + 1
            if wait < nearest:
                nearest = wait
                due.clear()
            if wait == nearest:
                due.append(n)
        if due:
            at = self._origin + (ticks + nearest) * self._tick
            self._alarm = self.clock.call_at_ns((at + 1) // 2, self._due)

    def _idle(self, n: int) -> bool:
        """True when another COMPARE[n] would be noticed by nobody."""
        event = EVENTS_COMPARE + 4 * n
        return bool(
            self.events & self.event_bits[event]
            and not self.shorts >> n & 0x0101
            and not self.bus.has_listener(self.base + event)
        )

    def _due(self) -> None:
        self._alarm = None
        ticks, mask = self._ticks(), self._mask
        for n in [
            n
            for n in range(self.channels)
            if not (self.cc[n] - ticks) & mask and not self._idle(n)
        ]:
            self._match(n)
        self._plan()

    def _match(self, n: int) -> None:
        """COMPARE[n]: shorts first, since they act within the same tick."""
        if self.shorts >> n & 1:
            # The new period begins at the tick, not at the rounded nanosecond.
            if self._counts_time:
                self._origin += self._ticks() * self._tick
            self._count = 0
            self._plan()
        if self.shorts >> (8 + n) & 1:
            self._stop()
        self.emit(EVENTS_COMPARE + 4 * n)

    # Counter mode

    def trigger(self, offset: int, count: int) -> None:
        """A task from PPI; COUNT may come merged."""
        if offset == R.TASKS_COUNT:
            self._add(count)
        else:
            super().trigger(offset, 1)

    def task_horizon(self, offset: int) -> int | None:
        """COUNT is needed in time for the nearest CC only."""
        if offset != R.TASKS_COUNT:
            return 1
        if not self.running or self.mode == MODE_TIMER:
            return None
        return self._distance()

    def _distance(self) -> int:
        """Counts until the nearest COMPARE."""
        count, mask = self._count, self._mask
        return min([(cc - count - 1) & mask for cc in self.cc]) + 1

    def _add(self, count: int) -> None:
        """COUNT, `count` times, with every COMPARE on the way."""
        if self.mode == MODE_TIMER:
            return
        while count and self.running:
            distance = self._distance()
            if count < distance:
                self._count = (self._count + count) & self._mask
                return
            self._count = (self._count + distance) & self._mask
            count -= distance
            value = self._count
            for n in range(self.channels):
                if (self.cc[n] & self._mask) == value:
                    self._match(n)

    def replan(self) -> None:
        """Listeners have come or gone."""
        if self._counts_time:
            self._plan()

    # Registers

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""
        index = self._cc_at.get(offset)
        if index is not None:
            return self.cc[index]
        if self.mode != MODE_TIMER and offset in self.event_bits:
            self.bus.sync()
        match offset:
            case R.SHORTS:
                return self.shorts
            case R.MODE:
                return self.mode
            case R.BITMODE:
                return self.bitmode
            case R.PRESCALER:
                return self.prescaler
            case _:
                return self.read_common(offset)

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        if self.mode == MODE_TIMER:
            if not self._write_array(offset, value):
                self._store(offset, value)
            return
        if self.running:
            # What was counted up to now belongs to the state before this store.
            self.bus.sync()
        index = self._capture_at.get(offset)
        if index is not None:
            # Polled in tight loops; it moves no horizon nearer.
            self._capture(index, value)
        else:
            if not self._write_array(offset, value):
                self._store(offset, value)
            # Who counts late has to know the new horizon.
            self.bus.replan()

    def _capture(self, n: int, value: int) -> None:
        if value & 1:
            if self.running and self.mode == MODE_TIMER:
                count = (2 * self.clock.now_ns - self._origin) // self._tick
            else:
                count = self._count
            self.cc[n] = count & self._mask

    def _store(self, offset: int, value: int) -> None:
        match offset:
            case R.TASKS_START:
                if value & 1:
                    self._start()
            case R.TASKS_STOP | R.TASKS_SHUTDOWN:
                if value & 1:
                    self._stop()
                    if offset == R.TASKS_SHUTDOWN:
                        self._clear()
            case R.TASKS_COUNT:
                self._add(value & 1)
            case R.TASKS_CLEAR:
                if value & 1:
                    self._clear()
            case R.SHORTS:
                self.shorts = value & ((1 << self.channels) - 1) * 0x0101
                self._plan()
            case R.MODE | R.BITMODE | R.PRESCALER:
                self._configure(offset, value)
            case _:
                self.write_common(offset, value)
                if offset in self.event_bits:
                    self._plan()

    def _write_array(self, offset: int, value: int) -> bool:
        index = self._capture_at.get(offset)
        if index is not None:
            self._capture(index, value)
            # Its COMPARE is a whole round away now: not nearer than any other.
            if self._alarm is None or index in self._next:
                self._plan()
            return True
        index = self._cc_at.get(offset)
        if index is not None:
            self.cc[index] = value
            self._plan()
            return True
        return False

    def _configure(self, offset: int, value: int) -> None:
        """MODE, BITMODE and PRESCALER: only while the timer is stopped."""
        field, highest = {
            R.MODE: ("mode", 2),
            R.BITMODE: ("bitmode", 3),
            R.PRESCALER: ("prescaler", 9),
        }[Register(offset)]
        if value > highest:
            raise self.fault(f"expected 0 to {highest}, got {value}", offset)
        if self.running and value != getattr(self, field):
            raise self.fault("may only change while the timer is stopped", offset)
        self._count = self.counter
        setattr(self, field, value)
        self._measure()

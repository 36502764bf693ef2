# SPDX-License-Identifier: Apache-2.0
"""RTC0 to RTC2 (nRF52840 PS, RTC).

Rule 1: the counter is computed from the clock: LFCLK edge n is at n / 32768 s,
        rounded up to a nanosecond. Without LFCLK (bus signal "LFCLK") it stands.
Rule 2: an event comes only when EVTEN or INTEN has its bit, and reaches PPI only
        with EVTEN.
Rule 3: a CC that equals COUNTER when it is written matches after a full turn.
"""

from __future__ import annotations

import enum

from vboard.clock import NS_PER_S, Alarm, Clock
from vboard.fabric import Bus, IrqLine, ResetKind
from vboard.peripherals.registers import EventBlock, RegisterArray

LFCLK_HZ = 32_768
COUNTER_MASK = 0xFF_FFFF
OVERFLOW_START = 0xFF_FFF0
BASES = (0x4000_B000, 0x4001_1000, 0x4002_4000)

EVENTS_COMPARE = 0x140
CC = 0x540


class Register(enum.IntEnum):
    """Registers that exist once."""

    TASKS_START = 0x000
    TASKS_STOP = 0x004
    TASKS_CLEAR = 0x008
    TASKS_TRIGOVRFLW = 0x00C
    EVENTS_TICK = 0x100
    EVENTS_OVRFLW = 0x104
    INTENSET = 0x304
    INTENCLR = 0x308
    EVTEN = 0x340
    EVTENSET = 0x344
    EVTENCLR = 0x348
    COUNTER = 0x504
    PRESCALER = 0x508


R = Register


class Rtc(EventBlock):
    """One RTC: RTC0 has three CC registers, RTC1 and RTC2 have four."""

    registers = Register

    def __init__(
        self, clock: Clock, bus: Bus, irq: IrqLine | None = None, *, index: int = 0
    ) -> None:
        self.name = f"RTC{index}"
        self.base = BASES[index]
        self.channels = 4 if index else 3
        self._ccs = RegisterArray("CC[{}]", CC, self.channels)
        self.arrays = (
            RegisterArray("EVENTS_COMPARE[{}]", EVENTS_COMPARE, self.channels),
            self._ccs,
        )
        self.event_bits = {R.EVENTS_TICK: 1 << 0, R.EVENTS_OVRFLW: 1 << 1}
        for n in range(self.channels):
            self.event_bits[EVENTS_COMPARE + 4 * n] = 1 << (16 + n)
        super().__init__(clock, bus, irq)
        self._alarms: dict[int, Alarm] = {}
        self._lfclk = bus.signal("LFCLK")
        self._lfclk.watch(self._on_lfclk)
        self._counting = False
        self._clear_registers()

    def _clear_registers(self) -> None:
        self.started = False
        self.prescaler = 0
        self.evten = 0
        self.cc = [0] * self.channels
        # The counter when it stands; while it counts, at LFCLK edge `_origin`.
        self._count = 0
        self._origin = 0
        self._resume()

    def reset(self, kind: ResetKind) -> None:
        """Every reset reaches an RTC."""
        super().reset(kind)
        self._counting = False
        self._clear_registers()

    # The counter

    def _edges(self) -> int:
        """LFCLK edges up to now."""
        return self.clock.now_ns * LFCLK_HZ // NS_PER_S

    def _steps(self) -> int:
        """Increments since `_origin`."""
        return (self._edges() - self._origin) // (self.prescaler + 1)

    @property
    def counter(self) -> int:
        """COUNTER now."""
        steps = self._steps() if self._counting else 0
        return (self._count + steps) & COUNTER_MASK

    def _on_lfclk(self, level: int | None) -> None:
        self._resume()

    def _resume(self) -> None:
        """Starts or stops counting, after a task or a change of LFCLK."""
        counts = self.started and bool(self._lfclk.level)
        if counts != self._counting:
            self._count = self.counter
            self._origin = self._edges()
            self._counting = counts
        self._plan()

    def _set_counter(self, value: int) -> None:
        self._count = value
        self._origin = self._edges()
        self._plan()

    # Events

    def _plan(self) -> None:
        for alarm in self._alarms.values():
            alarm.cancel()
        self._alarms.clear()
        if self._counting:
            for event in self.event_bits:
                self._plan_event(event)

    def _plan_event(self, event: int) -> None:
        """An alarm for the next `event`, if it would change anything."""
        mask = self.event_bits[event]
        if not (self.evten | self.inten) & mask:
            return
        if self.events & mask and not (
            self.evten & mask and self.bus.has_listener(self.base + event)
        ):
            return
        value = self.counter
        match event:
            case R.EVENTS_TICK:
                wait = 1
            case R.EVENTS_OVRFLW:
                wait = COUNTER_MASK + 1 - value
            case _:
                target = self.cc[(event - EVENTS_COMPARE) // 4]
                wait = (target - value) & COUNTER_MASK or COUNTER_MASK + 1
        edge = self._origin + (self._steps() + wait) * (self.prescaler + 1)
        at_ns = -(-edge * NS_PER_S // LFCLK_HZ)
        self._alarms[event] = self.clock.call_at_ns(at_ns, lambda: self._due(event))

    def _due(self, event: int) -> None:
        del self._alarms[event]
        self.emit(event)
        if self._counting and event not in self._alarms:
            self._plan_event(event)

    def emit(self, offset: int, count: int = 1) -> None:
        """The event happens; PPI sees it with EVTEN only."""
        mask = self.event_bits[offset]
        self.events |= mask
        self._update()
        if self.evten & mask:
            self.bus.publish(self.base + offset, count)

    def replan(self) -> None:
        """Listeners have come or gone."""
        if self._counting and self.evten:
            self._plan()

    # Registers

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""
        index = self._ccs.index(offset)
        if index is not None:
            return self.cc[index]
        match offset:
            case R.COUNTER:
                return self.counter
            case R.PRESCALER:
                return self.prescaler
            case R.EVTEN | R.EVTENSET | R.EVTENCLR:
                return self.evten
            case _:
                return self.read_common(offset)

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        index = self._ccs.index(offset)
        if index is not None:
            self.cc[index] = value & COUNTER_MASK
            self._plan()
            return
        match offset:
            case R.TASKS_START | R.TASKS_STOP:
                if value & 1:
                    self.started = offset == R.TASKS_START
                    self._resume()
            case R.TASKS_CLEAR:
                if value & 1:
                    self._set_counter(0)
            case R.TASKS_TRIGOVRFLW:
                if value & 1:
                    self._set_counter(OVERFLOW_START)
            case R.PRESCALER:
                if self.started and value != self.prescaler:
                    raise self.fault("may only change while the RTC is stopped", offset)
                self.prescaler = value & 0xFFF
            case R.EVTEN:
                self._set_evten(value)
            case R.EVTENSET:
                self._set_evten(self.evten | value)
            case R.EVTENCLR:
                self._set_evten(self.evten & ~value)
            case _:
                self.write_common(offset, value)
                self._plan()

    def _set_evten(self, value: int) -> None:
        self.evten = value & self._inten_mask
        self._plan()

# SPDX-License-Identifier: Apache-2.0
"""SysTick (ARMv7-M ARM B3.3), clocked by the CPU clock; there is no reference clock.

The counter is not stepped: its value follows from the cycle count, and one alarm is
set for the next wrap. It goes on counting while the CPU sleeps.
"""

from __future__ import annotations

from collections.abc import Callable

from vboard.clock import Alarm, Clock

CSR, RVR, CVR, CALIB = 0x010, 0x014, 0x018, 0x01C  # from 0xE000E000
ENABLE, TICKINT, CLKSOURCE, COUNTFLAG = 1 << 0, 1 << 1, 1 << 2, 1 << 16
CALIB_VALUE = 0xC000_0000  # NOREF, SKEW: no reference clock, no 10 ms value
_COUNT = 0xFF_FFFF


class SysTick:
    """The 24-bit system timer. `on_tick` pends exception 15."""

    def __init__(self, clock: Clock, on_tick: Callable[[], None]) -> None:
        self._clock = clock
        self._on_tick = on_tick
        self._alarm: Alarm | None = None
        self.reset()

    def reset(self) -> None:
        """Stopped; reload and current value are 0 in this model."""
        self._cancel()
        self._control = 0
        self._flag = False
        self._reload = 0
        self._value = 0  # at `_since`
        self._since = 0  # cycle count

    def _now(self) -> int:
        return self._clock.now_ns * 8 // 125

    def _cancel(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    @property
    def _running(self) -> bool:
        return bool(self._control & ENABLE)

    def _settle(self) -> None:
        """Brings `_value` to now. Wraps are handled by the alarm."""
        now = self._now()
        if self._running:
            self._value = self._at(now - self._since)
        self._since = now

    def _at(self, cycles: int) -> int:
        if cycles <= self._value:
            return self._value - cycles
        if self._reload == 0:
            return 0
        return self._reload - (cycles - self._value - 1) % (self._reload + 1)

    def _plan(self) -> None:
        """Sets the alarm for the next change from 1 to 0."""
        self._cancel()
        if not self._running:
            return
        if self._value:
            cycles = self._value
        elif self._reload:
            cycles = self._reload + 1
        else:
            return
        at_ns = -(-(self._since + cycles) * 125 // 8)
        self._alarm = self._clock.call_at_ns(at_ns, self._wrapped)

    def _wrapped(self) -> None:
        self._alarm = None
        self._settle()
        self._flag = True
        if self._control & TICKINT:
            self._on_tick()
        self._plan()

    def read(self, offset: int) -> int | None:
        """A register word; None when it is not SysTick's."""
        if offset == CSR:
            value = self._control | CLKSOURCE | (COUNTFLAG if self._flag else 0)
            self._flag = False
            return value
        if offset == RVR:
            return self._reload
        if offset == CVR:
            if not self._running:
                return self._value
            return self._at(self._now() - self._since)
        return CALIB_VALUE if offset == CALIB else None

    def write(self, offset: int, value: int) -> bool:
        """A store to a register; False when it is not SysTick's."""
        if offset not in (CSR, RVR, CVR, CALIB):
            return False
        self._settle()
        if offset == CSR:
            self._control = value & (ENABLE | TICKINT)
        elif offset == RVR:
            self._reload = value & _COUNT
        elif offset == CVR:
            self._value = 0
            self._flag = False
        self._plan()
        return True

# SPDX-License-Identifier: Apache-2.0
"""Simulated time.

Rule 1: time is an integer number of nanoseconds and comes from nowhere else.
Rule 2: `*_at_ns` is absolute, `*_after_ns` is relative.
Rule 3: alarms due at the same instant fire in the order they were set.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Alarm:
    """A pending call; `cancel()` may be called any number of times."""

    __slots__ = ("_call", "_order", "at_ns")

    def __init__(self, at_ns: int, order: int, call: Callable[[], None]) -> None:
        self.at_ns = at_ns
        self._order = order
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """The call will not happen (no effect once it has)."""
        self._call = None

    @property
    def pending(self) -> bool:
        """True until the alarm has fired or was cancelled."""
        return self._call is not None

    def __lt__(self, other: Alarm) -> bool:
        return (self.at_ns, self._order) < (other.at_ns, other._order)

    def _fire(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()


class Clock:
    """The one clock of a virtual board."""

    def __init__(self) -> None:
        self._now_ns = 0
        self._order = 0
        self._heap: list[Alarm] = []
        # Told about every new alarm; the CPU shortens its slice for an early one.
        self.on_alarm: Callable[[int], None] | None = None

    @property
    def now_ns(self) -> int:
        """Nanoseconds since the board was made; survives resets and power cycles."""
        return self._now_ns

    def call_at_ns(self, at_ns: int, call: Callable[[], None]) -> Alarm:
        """Calls `call` when the time is `at_ns` (at once-next if that is past)."""
        self._order += 1
        alarm = Alarm(max(at_ns, self._now_ns), self._order, call)
        heapq.heappush(self._heap, alarm)
        if self.on_alarm is not None:
            self.on_alarm(alarm.at_ns)
        return alarm

    def call_after_ns(self, after_ns: int, call: Callable[[], None]) -> Alarm:
        """Calls `call` `after_ns` from now."""
        return self.call_at_ns(self._now_ns + after_ns, call)

    def next_ns(self) -> int | None:
        """When the next alarm is due, or None."""
        while self._heap and not self._heap[0].pending:
            heapq.heappop(self._heap)
        return self._heap[0].at_ns if self._heap else None

    def advance_to_ns(self, to_ns: int) -> None:
        """Moves time forward, firing every alarm due on the way, in order."""
        while True:
            at_ns = self.next_ns()
            if at_ns is None or at_ns > to_ns:
                break
            alarm = heapq.heappop(self._heap)
            self._now_ns = max(self._now_ns, alarm.at_ns)
            alarm._fire()
        self._now_ns = max(self._now_ns, to_ns)

    def set_now_ns(self, now_ns: int) -> None:
        """Moves time forward to an instant before which no alarm is due."""
        if now_ns > self._now_ns:
            self._now_ns = now_ns

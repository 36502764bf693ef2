# SPDX-License-Identifier: Apache-2.0
"""Simulated time.

Rule 1: time is an integer number of nanoseconds and comes from nowhere else.
Rule 2: `*_at_ns` is absolute, `*_after_ns` is relative.
Rule 3: alarms due at the same instant fire in the order they were set.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


_TIDY = 64  # alarms; a longer queue is rid of cancelled ones now and then


class Alarm:
    """A pending call; `cancel()` may be called any number of times."""

    __slots__ = ("at_ns", "call")

    def __init__(self, at_ns: int, call: Callable[[], None]) -> None:
        self.at_ns = at_ns
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """The call will not happen (no effect once it has)."""
        self.call = None

    @property
    def pending(self) -> bool:
        """True until the alarm has fired or was cancelled."""
        return self.call is not None


class Clock:
    """The one clock of a virtual board.

    `now_ns` is nanoseconds since the board was made; it survives resets and power
    cycles. It is a plain attribute because everything reads it all the time; only
    the clock and the CPU set it.
    """

    __slots__ = ("_heap", "_order", "_tidy_at", "now_ns", "on_alarm")

    def __init__(self) -> None:
        self.now_ns = 0
        self._order = 0
        self._heap: list[tuple[int, int, Alarm]] = []
        self._tidy_at = _TIDY
        # Told about every new alarm; the CPU shortens its slice for an early one.
        self.on_alarm: Callable[[int], None] | None = None

    def call_at_ns(self, at_ns: int, call: Callable[[], None]) -> Alarm:
        """Calls `call` when the time is `at_ns` (at once-next if that is past)."""
        if at_ns < self.now_ns:
            at_ns = self.now_ns
        self._order += 1
        alarm = Alarm(at_ns, call)
        heap = self._heap
        heappush(heap, (at_ns, self._order, alarm))
        if len(heap) > self._tidy_at:
            self._tidy()
        if self.on_alarm is not None:
            self.on_alarm(at_ns)
        return alarm

    def call_after_ns(self, after_ns: int, call: Callable[[], None]) -> Alarm:
        """Calls `call` `after_ns` from now."""
        return self.call_at_ns(self.now_ns + after_ns, call)

    def next_ns(self) -> int | None:
        """When the next alarm is due, or None."""
        heap = self._heap
        while heap:
            at_ns, _, alarm = heap[0]
            if alarm.call is not None:
                return at_ns
            heappop(heap)
        return None

    def advance_to_ns(self, to_ns: int) -> None:
        """Moves time forward, firing every alarm due on the way, in order."""
        heap = self._heap
        while heap:
            at_ns, _, alarm = heap[0]
            call = alarm.call
            if call is None:
                heappop(heap)
                continue
            if at_ns > to_ns:
                break
            heappop(heap)
            if at_ns > self.now_ns:
                self.now_ns = at_ns
            alarm.call = None
            call()
        if to_ns > self.now_ns:
            self.now_ns = to_ns

    def set_now_ns(self, now_ns: int) -> None:
        """Moves time forward to an instant before which no alarm is due."""
        if now_ns > self.now_ns:
            self.now_ns = now_ns

    def _tidy(self) -> None:
        """Forgets cancelled alarms that are not due for long."""
        heap = self._heap
        heap[:] = [entry for entry in heap if entry[2].call is not None]
        heapify(heap)
        self._tidy_at = max(_TIDY, 2 * len(heap))

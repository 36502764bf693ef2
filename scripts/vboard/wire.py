# SPDX-License-Identifier: Apache-2.0
"""Serial wires, in bursts.

A byte on a wire has a time. To stay fast, bytes travel in bursts: `data[i]` has
fully arrived (its stop bit is over) at `start_ns + (i + 1) * byte_ns`. A receiver
looks at a burst lazily and plans an alarm only for the instant that matters to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Burst:
    """Back-to-back bytes on a wire; `bits` counts start, data, parity and stop."""

    start_ns: int
    byte_ns: int
    data: bytes
    bits: int = 10

    @property
    def end_ns(self) -> int:
        """When the last stop bit is over."""
        return self.start_ns + self.byte_ns * len(self.data)

    @property
    def baud(self) -> int:
        """Baud rate, rounded."""
        return _baud(self.bits, self.byte_ns)


@lru_cache(maxsize=64)
def _baud(bits: int, byte_ns: int) -> int:
    return round(bits * 1_000_000_000 / byte_ns)


class Wire:
    """One direction of a serial connection, with an optional flow-control line.

    The transmitter calls `send`; the receiver sets `on_burst`. `ready` is the
    receiver's RTS as the transmitter's CTS sees it (True = may send);
    `on_ready` is called when it changes. A receiver that does not use flow
    control leaves it True.

    A transmitter that obeys `ready` calls `take_back` when it becomes False: it
    gets the bytes whose start bit has not begun (the receiver forgets them), and
    sends them again when the line is ready.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.ready = True
        self.on_burst: Callable[[Burst], None] | None = None
        self.on_ready: Callable[[bool], None] | None = None
        self.on_take_back: Callable[[int], bytes] | None = None

    def send(self, burst: Burst) -> None:
        """Puts a burst on the wire (dropped when nobody listens)."""
        if self.on_burst is not None and burst.data:
            self.on_burst(burst)

    def take_back(self, at_ns: int) -> bytes:
        """Takes back what has not begun at `at_ns` (nothing, if nobody listens)."""
        return b"" if self.on_take_back is None else self.on_take_back(at_ns)

    def set_ready(self, ready: bool) -> None:
        """Driven by the receiver."""
        if ready != self.ready:
            self.ready = ready
            if self.on_ready is not None:
                self.on_ready(ready)

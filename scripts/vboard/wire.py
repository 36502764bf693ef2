# SPDX-License-Identifier: Apache-2.0
"""Serial wires, in bursts.

A byte on a wire has a time. To stay fast, bytes travel in bursts: `data[i]` has
fully arrived (its stop bit is over) at `start_ns + (i + 1) * byte_ns`. A receiver
looks at a burst lazily and plans an alarm only for the instant that matters to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Burst:
    """Back-to-back bytes on a wire."""

    start_ns: int
    byte_ns: int
    data: bytes

    @property
    def end_ns(self) -> int:
        """When the last stop bit is over."""
        return self.start_ns + self.byte_ns * len(self.data)

    @property
    def baud(self) -> int:
        """Baud rate for 10 bit times a byte, rounded."""
        return round(10_000_000_000 / self.byte_ns)


class Wire:
    """One direction of a serial connection, with an optional flow-control line.

    The transmitter calls `send`; the receiver sets `on_burst`. `ready` is the
    receiver's RTS as the transmitter's CTS sees it (True = may send);
    `on_ready` is called when it changes. A receiver that does not use flow
    control leaves it True.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.ready = True
        self.on_burst: Callable[[Burst], None] | None = None
        self.on_ready: Callable[[bool], None] | None = None

    def send(self, burst: Burst) -> None:
        """Puts a burst on the wire (dropped when nobody listens)."""
        if self.on_burst is not None and burst.data:
            self.on_burst(burst)

    def set_ready(self, ready: bool) -> None:
        """Driven by the receiver."""
        if ready != self.ready:
            self.ready = ready
            if self.on_ready is not None:
                self.on_ready(ready)

# SPDX-License-Identifier: Apache-2.0
"""What UART0 and UARTE share: the baud generator and the bytes on the way in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache

from vboard.wire import Burst

# Rates of the BAUDRATE enumerations (nRF52840 PS, UART and UARTE).
STANDARD_RATES = (
    *(1200, 2400, 4800, 9600, 14400, 19200, 28800, 31250, 38400, 56000, 57600),
    *(76800, 115200, 230400, 250000, 460800, 921600, 1000000),
)
# The constants are up to 1.8 % off the rate they are named after.
RATE_TOLERANCE = 0.02
# A receiver that samples in the middle of a bit loses the stop bit beyond this.
RECEIVE_TOLERANCE = 0.03


@lru_cache(maxsize=64)
def baud_rate(register: int) -> int:
    """Bits per second for a BAUDRATE value: the standard rate meant, if any.

    UART0 and UARTE have different constants for the same rate and firmware uses
    either in either, so the value is not compared but computed.
    """
    exact = register * 16_000_000 / 2**32
    nearest = min(STANDARD_RATES, key=lambda rate: abs(rate - exact))
    if abs(nearest - exact) <= nearest * RATE_TOLERANCE:
        return nearest
    return round(exact)


def byte_time_ns(*, baud: int, bits: int) -> int:
    """How long one frame of `bits` bits takes."""
    return round(bits * 1_000_000_000 / baud)


def sample(data: bytes, *, ratio: float) -> bytes:
    """What a receiver makes of frames whose baud rate is `ratio` times its own."""
    out = bytearray()
    for byte in data:
        line = byte << 1 | ~0x1FF
        value = 0
        for bit in range(8):
            value |= (line >> int((bit + 1.5) * ratio) & 1) << bit
        out.append(value)
    return bytes(out)


@dataclass(slots=True)
class Chunk:
    """Bytes that have arrived, all of one burst."""

    data: bytes
    baud: int
    bits: int


class Incoming:
    """Bytes on the wire towards a receiver, not yet looked at."""

    def __init__(self) -> None:
        self._bursts: deque[Burst] = deque()
        self._taken = 0
        self.count = 0

    def clear(self) -> None:
        """Forgets everything."""
        self._bursts.clear()
        self._taken = 0
        self.count = 0

    def push(self, burst: Burst) -> None:
        """A burst begins: now, later, or when the one before it is over."""
        if self._bursts and self._bursts[-1].end_ns > burst.start_ns:
            start_ns = self._bursts[-1].end_ns
            burst = Burst(start_ns, burst.byte_ns, burst.data, burst.bits)
        self._bursts.append(burst)
        self.count += len(burst.data)

    def first(self) -> Burst | None:
        """The burst that the next byte belongs to."""
        return self._bursts[0] if self._bursts else None

    def take(self, *, limit: int, now_ns: int) -> Chunk | None:
        """Up to `limit` bytes that have arrived by now, or None."""
        if not self._bursts:
            return None
        burst = self._bursts[0]
        size = len(burst.data)
        arrived = min(size, (now_ns - burst.start_ns) // burst.byte_ns)
        end = min(arrived, self._taken + limit)
        if end <= self._taken:
            return None
        data = burst.data[self._taken : end]
        self.count -= len(data)
        self._taken = end
        if end == size:
            self._bursts.popleft()
            self._taken = 0
        return Chunk(data, burst.baud, burst.bits)

    def drop_begun(self, now_ns: int) -> None:
        """A receiver that starts now cannot make sense of a byte under way."""
        while self.take(limit=max(1, self.count), now_ns=now_ns):
            pass
        burst = self.first()
        if burst is not None and burst.start_ns + self._taken * burst.byte_ns < now_ns:
            self.take(
                limit=1, now_ns=burst.start_ns + (self._taken + 1) * burst.byte_ns
            )

    def time_of(self, number: int) -> int | None:
        """When byte `number` (1 is the next) has arrived, or None."""
        if number > self.count:
            return None
        taken = self._taken
        for burst in self._bursts:
            left = len(burst.data) - taken
            if number <= left:
                return burst.start_ns + (taken + number) * burst.byte_ns
            number -= left
            taken = 0
        return None

    def take_back(self, at_ns: int) -> bytes:
        """Removes and returns the bytes whose start bit has not begun at `at_ns`."""
        kept: deque[Burst] = deque()
        back = bytearray()
        for burst in self._bursts:
            begun = -(-(at_ns - burst.start_ns) // burst.byte_ns)
            begun = min(len(burst.data), max(0, begun))
            back += burst.data[begun:]
            if begun:
                head = burst.data[:begun]
                kept.append(Burst(burst.start_ns, burst.byte_ns, head, burst.bits))
        if not kept or (kept and self._taken >= len(kept[0].data)):
            # Everything that was begun had been taken already.
            if kept:
                kept.popleft()
            self._taken = 0
        self._bursts = kept
        self.count -= len(back)
        return bytes(back)

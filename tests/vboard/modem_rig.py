# SPDX-License-Identifier: Apache-2.0
"""A modem on two wires in simulated time, and a host to talk to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vboard.clock import NS_PER_MS, NS_PER_S, Clock
from vboard.modem import FaultPlan, ModemProfile, Sim7600, Storage
from vboard.wire import Burst, Wire


class Host:
    """The other end of the wires: sends at `baud`, collects what comes."""

    def __init__(
        self,
        folder: Path,
        *,
        profile: ModemProfile | None = None,
        faults: FaultPlan | None = None,
        seed: int = 1,
        ready: bool = True,
        echo: bool = False,
    ) -> None:
        self.clock = Clock()
        self.storage = Storage(folder)
        self.baud = 115_200
        self.out = Wire("host tx")
        self.into = Wire("host rx")
        self.bursts: list[Burst] = []
        self.into.on_burst = self.bursts.append
        self.free_ns = 0
        self.modem = Sim7600(
            self.clock,
            self.storage,
            profile=profile,
            faults=faults,
            seed=seed,
        )
        self.modem.attach(self.out, self.into)
        if ready:
            self.modem.start_ready()
            self.modem.line.echo = echo

    @property
    def drive(self) -> Path:
        """The host folder of drive E:."""
        return self.storage.folder / "E"

    def put(self, data: bytes, *, split: int = 0, gap_ns: int = 0) -> None:
        """Sends bytes, back to back or in pieces with gaps."""
        size = split or len(data) or 1
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            at_ns = max(self.clock.now_ns, self.free_ns)
            self.clock.advance_to_ns(at_ns)
            burst = Burst(at_ns, 10 * NS_PER_S // self.baud, piece)
            self.out.send(burst)
            self.free_ns = burst.end_ns + gap_ns

    def run(self, ms: int) -> bytes:
        """Lets time pass; what came in that time (at our baud) is returned."""
        self.clock.advance_to_ns(self.clock.now_ns + ms * NS_PER_MS)
        return self.take()

    def take(self) -> bytes:
        """What has come, at our own baud rate."""
        data = b"".join(b.data for b in self.bursts if self._readable(b))
        self.bursts.clear()
        return data

    def _readable(self, burst: Burst) -> bool:
        return abs(burst.baud - self.baud) < 0.03 * self.baud

    def until(self, done: Callable[[bytes], bool], *, max_ms: int = 60_000) -> bytes:
        """Runs alarm by alarm until `done(received)`; fails after `max_ms`."""
        data, end_ns = b"", self.clock.now_ns + max_ms * NS_PER_MS
        while not done(data):
            at_ns = self.clock.next_ns()
            assert at_ns is not None and at_ns <= end_ns, f"only got {data!r}"
            self.clock.advance_to_ns(at_ns)
            data += self.take()
        return data

    def at(
        self, command: str, *, end: str = "\r", split: int = 0, max_ms: int = 60_000
    ) -> bytes:
        """A command and everything up to its final result."""
        self.put((command + end).encode(), split=split)
        return self.until(is_final, max_ms=max_ms)

    def upload(self, path: str, data: bytes) -> bytes:
        """AT+CFTRANRX, paced as a careful host does."""
        self.put(f'AT+CFTRANRX="{path}",{len(data)}\r'.encode())
        self.until(lambda got: got.endswith(b">"))
        self.put(data, split=256, gap_ns=50 * NS_PER_MS)
        return self.until(is_final)


def is_final(data: bytes) -> bool:
    """True when the last line is a final result."""
    last = data.rsplit(b"\r\n", 2)[-2:]
    if len(last) < 2 or last[1] != b"":
        return False
    return last[0] in (b"OK", b"ERROR") or last[0].startswith(b"+CME ERROR")


def blocks(data: bytes, header: bytes = b"+CFTRANTX: DATA,") -> tuple[bytes, bytes]:
    """Counted data of all blocks, and what is left of the text."""
    body, text = b"", b""
    while True:
        at = data.find(header)
        if at < 0:
            return body, text + data
        end = data.index(b"\r\n", at)
        count = int(data[at + len(header) : end])
        body += data[end + 2 : end + 2 + count]
        text += data[:at]
        data = data[end + 2 + count :]

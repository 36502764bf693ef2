# SPDX-License-Identifier: Apache-2.0
"""The modem's serial port on two wires, in the time of its clock.

Law 1: a burst goes out when its first start bit does, never earlier, never twice.
Law 2: bytes at another baud rate than ours (beyond the tolerance) are noise.
Law 3: without flow control the receive FIFO loses what it cannot hold; with
       AT+IFC=2,2 it says so on the ready line and loses nothing.
"""

from __future__ import annotations

import dataclasses
import random
from collections import deque
from collections.abc import Callable

from vboard.clock import NS_PER_S, NS_PER_US, Alarm, Clock
from vboard.modem.faults import FaultPlan
from vboard.modem.profile import ModemProfile
from vboard.wire import Burst, Wire

_FLOW_LOOK = 16  # bytes between two looks at the FIFO when the host outruns us
_NOISE = b"\x00\x80\xe0\xf8\xfe\xff"


class UartPort:
    """Sends bursts, receives bursts, models FIFO and baud."""

    def __init__(
        self,
        clock: Clock,
        *,
        profile: ModemProfile,
        faults: FaultPlan,
        rng: random.Random,
    ) -> None:
        self._clock = clock
        self._profile = profile
        self._faults = faults
        self._rng = rng
        # Set by the modem: the receiver of bytes, how many may come together,
        # and whether they are counted data (which drains slowly).
        self.feed: Callable[[bytes], None] = lambda data: None
        self.chunk: Callable[[bytes], int] = len
        self.in_data: Callable[[], bool] = lambda: False
        self.rx = Wire("modem rx")
        self.tx = Wire("modem tx")
        self.baud = profile.baud
        self.paced = True  # False: bytes take no time, baud does not matter
        self.flow_in = False  # we drive the host's CTS
        self.flow_out = False  # we obey the host's RTS
        self.lost = 0  # bytes that the FIFO dropped
        self.noise = 0  # bytes that came at another baud rate
        self._on = False
        self._deaf = False
        self.attach(self.rx, self.tx)
        self._clear()

    def use_faults(self, faults: FaultPlan) -> None:
        """Byte faults from now on."""
        self._faults = faults

    def attach(self, rx: Wire, tx: Wire) -> None:
        """Uses these wires: `rx` towards the modem, `tx` away from it."""
        self.rx.on_burst = self.rx.on_take_back = None
        self.tx.on_ready = None
        self.rx, self.tx = rx, tx
        rx.on_burst = self._on_burst
        rx.on_take_back = self._on_take_back
        tx.on_ready = self._on_ready

    def _clear(self) -> None:
        self._epoch: object = object()
        self._out: deque[tuple[bytes, Callable[[], None] | None]] = deque()
        self._sending = False
        self._sent_alarm: Alarm | None = None
        self._then: Callable[[], None] | None = None
        self._in: deque[Burst] = deque()
        self._taken = 0
        self._in_alarm: Alarm | None = None
        self._fill = 0.0
        self._fill_ns = self._clock.now_ns

    def switch(self, on: bool) -> None:
        """Powers the port; both directions forget what was under way."""
        if self._sent_alarm is not None and self._sent_alarm.pending:
            self.tx.take_back(self._clock.now_ns)
        for alarm in (self._in_alarm, self._sent_alarm):
            if alarm is not None:
                alarm.cancel()
        self._clear()
        self._on = on
        self._deaf = False
        self.rx.set_ready(True)

    def deafen(self, deaf: bool) -> None:
        """The `Dead` fault: nothing in, nothing out."""
        self.switch(self._on)
        self._deaf = deaf

    @property
    def byte_ns(self) -> int:
        """Duration of a byte (start, 8 data, stop) at the present baud."""
        return 10 * NS_PER_S // self.baud if self.paced else 1

    # Sending

    def send(self, data: bytes, then: Callable[[], None] | None = None) -> None:
        """Queues bytes; `then` is called when their last stop bit is over."""
        if not self._on or self._deaf:
            return
        data = self._faults.stream("tx", data)
        split = self._faults.split()
        if split is None:
            self._out.append((data, then))
        else:
            gap_ns = split.gap_us * NS_PER_US
            for start in range(0, len(data), split.size):
                piece = data[start : start + split.size]
                last = start + split.size >= len(data)
                self._out.append((piece, self._gap(gap_ns, then if last else None)))
            if not data:
                self._out.append((data, then))
        self._send_next()

    def _gap(self, gap_ns: int, then: Callable[[], None] | None) -> Callable[[], None]:
        def pause() -> None:
            self._sending = True
            self._then = then
            self._after(gap_ns, self._sent)

        return pause

    def _after(self, ns: int, call: Callable[[], None]) -> None:
        epoch = self._epoch

        def run() -> None:
            if epoch is self._epoch:
                call()

        self._clock.call_after_ns(ns, run)

    def _on_ready(self, ready: bool) -> None:
        if not self.flow_out:
            return
        if ready:
            self._send_next()
        elif self._sent_alarm is not None and self._sent_alarm.pending:
            back = self.tx.take_back(self._clock.now_ns)
            if back:
                self._sent_alarm.cancel()
                self._out.appendleft((back, self._then))
                self._then = None
                # The byte on the wire is finished before anything else begins.
                self._after(self.byte_ns, self._sent)

    def _send_next(self) -> None:
        if self._sending or not self._out:
            return
        if self.flow_out and not self.tx.ready:
            return
        data, then = self._out.popleft()
        while then is None and self._out:
            more, then = self._out.popleft()
            data += more
        self._sending = True
        burst = Burst(self._clock.now_ns, self.byte_ns, data)
        self._then = then
        self._sent_alarm = self._clock.call_at_ns(burst.end_ns, self._sent)
        self.tx.send(burst)

    def _sent(self) -> None:
        self._sending = False
        then, self._then = self._then, None
        if then is not None:
            then()
        self._send_next()

    # Receiving

    def _on_burst(self, burst: Burst) -> None:
        if self._on and not self._deaf:
            self._in.append(burst)
            self._plan()

    def _plan(self) -> None:
        """Plans an alarm for the next bytes that somebody would look at."""
        if self._in_alarm is not None or not self._in:
            return
        burst = self._in[0]
        count = self.chunk(burst.data[self._taken :])
        if self._slow(burst):
            count = min(count, _FLOW_LOOK)
        end_ns = burst.start_ns + (self._taken + count) * burst.byte_ns
        self._in_alarm = self._clock.call_at_ns(end_ns, lambda: self._take(count))

    def _slow(self, burst: Burst) -> bool:
        """True when flow control is on and the host outruns us."""
        rate = self._profile.rx_drain_flow
        return self.flow_in and self.paced and burst.byte_ns * rate < NS_PER_S

    def _on_take_back(self, at_ns: int) -> bytes:
        """The host withdraws bytes whose start bit has not begun."""
        kept: deque[Burst] = deque()
        back = bytearray()
        for burst in self._in:
            begun = -(-(at_ns - burst.start_ns) // burst.byte_ns)
            begun = min(len(burst.data), max(0, begun))
            back += burst.data[begun:]
            if begun:
                kept.append(dataclasses.replace(burst, data=burst.data[:begun]))
        self._in = kept
        if self._in_alarm is not None:
            self._in_alarm.cancel()
            self._in_alarm = None
        if kept and self._taken >= len(kept[0].data):
            kept.popleft()
        if not kept:
            self._taken = 0
        self._plan()
        return bytes(back)

    def _take(self, count: int) -> None:
        self._in_alarm = None
        burst = self._in[0]
        start_ns = burst.start_ns + self._taken * burst.byte_ns
        data = burst.data[self._taken : self._taken + count]
        self._taken += count
        if self._taken >= len(burst.data):
            self._in.popleft()
            self._taken = 0
        if self._slow(burst):
            data = data[: self._drive_ready(len(data))]
        if self.paced:
            data = self._through_line(data, start_ns, burst)
        data = self._faults.stream("rx", data)
        epoch = self._epoch
        if data:
            self.feed(data)
        if epoch is self._epoch:
            self._plan()

    def _drive_ready(self, count: int) -> int:
        """Not ready while the FIFO holds `rx_ready_below` bytes or more.

        How many of `count` bytes find room is returned: all, when the host obeys.
        """
        rate, now_ns = self._profile.rx_drain_flow, self._clock.now_ns
        gone = (now_ns - self._fill_ns) * rate / NS_PER_S
        left = max(0.0, self._fill - gone)
        kept = min(count, int(self._profile.rx_fifo - left))
        self.lost += count - kept
        self._fill = left + kept
        self._fill_ns = now_ns
        over = self._fill - self._profile.rx_ready_below
        if over >= 0 and self.rx.ready:
            self._after(int((over + 1) * NS_PER_S / rate), self._maybe_ready)
            self.rx.set_ready(False)
        return kept

    def _maybe_ready(self) -> None:
        rate, now_ns = self._profile.rx_drain_flow, self._clock.now_ns
        gone = (now_ns - self._fill_ns) * rate / NS_PER_S
        self._fill = max(0.0, self._fill - gone)
        self._fill_ns = now_ns
        over = self._fill - self._profile.rx_ready_below
        if over < 0:
            self.rx.set_ready(True)
        else:
            self._after(int((over + 1) * NS_PER_S / rate), self._maybe_ready)

    def _through_line(self, data: bytes, start_ns: int, burst: Burst) -> bytes:
        if abs(burst.baud - self.baud) > self._profile.baud_tolerance * self.baud:
            self.noise += len(data)
            count = max(1, len(data) * self.baud // burst.baud)
            return bytes(self._rng.choice(_NOISE) for _ in range(count))
        if self.flow_in:
            return data
        if self.in_data():
            return self._through_fifo(data, start_ns, burst.byte_ns)
        self._fill = 0.0
        return data

    def _through_fifo(self, data: bytes, start_ns: int, byte_ns: int) -> bytes:
        """Drops what a FIFO that is emptied at `rx_drain` cannot hold."""
        size, rate = self._profile.rx_fifo, self._profile.rx_drain
        idle = max(0, start_ns - self._fill_ns)
        fill = max(0.0, self._fill - idle * rate / NS_PER_S)
        self._fill_ns = start_ns + len(data) * byte_ns
        leaves = byte_ns * rate / NS_PER_S  # in one byte time
        if leaves >= 1 or fill + len(data) * (1 - leaves) <= size - 1:
            self._fill = max(0.0, fill + len(data) * (1 - leaves))
            return data
        kept = bytearray()
        for byte in data:
            fill = max(0.0, fill - leaves)
            if fill + 1 <= size:
                fill += 1
                kept.append(byte)
            else:
                self.lost += 1
        self._fill = fill
        return bytes(kept)

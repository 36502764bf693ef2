# SPDX-License-Identifier: Apache-2.0
"""The modem on a pseudo-terminal, in real time.

The same core as on wires: a clock is driven from the monotonic time of the host,
what the AT client writes becomes bursts, what the modem sends is written when its
last bit would have come. One thread, one `select`.

Unpaced, bytes take no time. Paced, both directions run at the modem's present baud
rate with 10 bits a byte, and the receive FIFO counts: an AT client that writes without
pacing loses bytes, as on the real part, unless AT+IFC=2,2 and its own RTS/CTS are on.
With `strict_baud` the rate that the client set on the terminal counts too: when it is
not the modem's, both sides read noise.
"""

from __future__ import annotations

import dataclasses
import os
import select
import termios
import time
import tty
from collections import deque
from pathlib import Path

from vboard.clock import NS_PER_MS, NS_PER_S, Clock
from vboard.modem.sim7600 import Sim7600
from vboard.wire import Burst

_READ = 4096
_WIRE_AHEAD_NS = 20 * NS_PER_MS  # how much may be queued on the modelled wire
_TICK_NS = 1 * NS_PER_MS  # output is written this often while a burst arrives
_SPEEDS = {
    getattr(termios, name): int(name[1:])
    for name in dir(termios)
    if name[0] == "B" and name[1:].isdecimal() and name != "B0"
}
_NOISE = b"\xf8"  # what a byte at another rate looks like to the client
_SLOW_READER = 1 << 16  # unread output that takes RTS away from the modem


class PtyPort:
    """Connects a modem to a pseudo-terminal; `path` is what a client opens."""

    def __init__(
        self,
        modem: Sim7600,
        clock: Clock,
        *,
        paced: bool,
        strict_baud: bool = False,
    ) -> None:
        self._strict_baud = strict_baud
        self._modem = modem
        self._clock = clock
        self._paced = paced
        modem.port.paced = paced
        self._master, self._slave = os.openpty()
        # The slave stays open here so that a client may come and go.
        tty.setraw(self._slave, termios.TCSANOW)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._stop_read, self._stop_write = os.pipe()
        self._start_ns = time.monotonic_ns() - clock.now_ns
        self._arriving: deque[Burst] = deque()  # towards the client
        self._shown = 0
        self._unread = bytearray()
        self._typed = bytearray()  # from the client, not yet on the wire
        self._wire_free_ns = 0
        modem.tx.on_burst = self._on_burst
        modem.tx.on_take_back = self._on_take_back
        modem.rx.on_ready = self._on_ready

    def close(self) -> None:
        """Closes the terminal."""
        for number in (self._master, self._slave, self._stop_read, self._stop_write):
            os.close(number)

    def stop(self) -> None:
        """Ends `run`; may be called from a signal handler or another thread."""
        os.write(self._stop_write, b"x")

    def run(self) -> None:
        """Serves the terminal until `stop`."""
        while not self.step():
            pass

    def step(self) -> bool:
        """One turn: time, wires, terminal. True when it was asked to stop."""
        self._advance()
        self._show()
        self._put_on_wire()
        reading = [self._stop_read]
        if self._wire_free_ns - self._clock.now_ns < _WIRE_AHEAD_NS and not self._typed:
            reading.append(self._master)
        writing = [self._master] if self._unread else []
        readable, writable, _ = select.select(reading, writing, [], self._timeout())
        self._advance()
        if self._master in readable:
            self._typed += os.read(self._master, _READ)
            self._put_on_wire()
        if self._master in writable:
            self._write()
        return self._stop_read in readable

    def _advance(self) -> None:
        self._clock.advance_to_ns(time.monotonic_ns() - self._start_ns)

    def _timeout(self) -> float | None:
        now_ns = self._clock.now_ns
        due = [self._clock.next_ns()]
        if self._arriving:
            due.append(min(now_ns + _TICK_NS, self._arriving[-1].end_ns))
        if self._typed or self._wire_free_ns - now_ns >= _WIRE_AHEAD_NS:
            due.append(now_ns + _TICK_NS)
        soonest = min((at_ns for at_ns in due if at_ns is not None), default=None)
        return None if soonest is None else max(0, soonest - now_ns) / NS_PER_S

    # Modem to client

    def _client_baud(self) -> int:
        """The rate that the client has set, or the modem's when nobody asks."""
        own = self._modem.port.baud
        if not self._strict_baud:
            return own
        speed = termios.tcgetattr(self._slave)[5]
        return _SPEEDS.get(speed, own) if isinstance(speed, int) else own

    def _on_burst(self, burst: Burst) -> None:
        if self._strict_baud and self._client_baud() != self._modem.port.baud:
            burst = dataclasses.replace(burst, data=_NOISE * len(burst.data))
        self._arriving.append(burst)

    def _on_take_back(self, at_ns: int) -> bytes:
        """The modem lost power, or sees that the client is not ready."""
        if not self._arriving:
            return b""
        # The modem has at most one burst on the wire: the last.
        burst = self._arriving.pop()
        begun = -(-(at_ns - burst.start_ns) // burst.byte_ns)
        begun = min(len(burst.data), max(0, begun))
        if begun:
            self._arriving.append(dataclasses.replace(burst, data=burst.data[:begun]))
        return burst.data[begun:]

    def _show(self) -> None:
        """Writes what has arrived by now."""
        while self._arriving:
            burst = self._arriving[0]
            come = (self._clock.now_ns - burst.start_ns) // burst.byte_ns
            self._unread += burst.data[self._shown : come]
            if come < len(burst.data):
                self._shown = max(self._shown, come)
                break
            self._arriving.popleft()
            self._shown = 0
        if self._unread:
            self._write()

    def _write(self) -> None:
        try:
            count = os.write(self._master, self._unread)
        except BlockingIOError:
            count = 0
        del self._unread[:count]
        self._modem.tx.set_ready(len(self._unread) < _SLOW_READER)

    # Client to modem

    def _put_on_wire(self) -> None:
        wire = self._modem.rx
        flow = self._client_obeys_cts()
        while self._typed:
            if self._wire_free_ns - self._clock.now_ns >= _WIRE_AHEAD_NS:
                return
            if flow and not wire.ready:
                return
            data = bytes(self._typed)
            self._typed.clear()
            start_ns = max(self._clock.now_ns, self._wire_free_ns)
            byte_ns = self._modem.port.byte_ns
            if self._strict_baud:
                byte_ns = 10 * NS_PER_S // self._client_baud()
            burst = Burst(start_ns, byte_ns, data)
            self._wire_free_ns = burst.end_ns
            wire.send(burst)

    def _on_ready(self, ready: bool) -> None:
        """The modem's FIFO fills up, or has room again."""
        if not self._client_obeys_cts():
            return
        if ready:
            self._put_on_wire()
        else:
            now_ns = self._clock.now_ns
            self._typed[:0] = self._modem.rx.take_back(now_ns)
            self._wire_free_ns = now_ns + self._modem.port.byte_ns

    def _client_obeys_cts(self) -> bool:
        if not (self._paced and self._modem.port.flow_in):
            return False
        flags = termios.tcgetattr(self._slave)[2]
        assert isinstance(flags, int)
        return bool(flags & termios.CRTSCTS)


class Link:
    """A symbolic link with a fixed name to the terminal."""

    def __init__(self, place: Path, target: str) -> None:
        if place.exists() and not place.is_symlink():
            raise FileExistsError(
                f"expected {place} to be free or a symbolic link, it is a file"
            )
        self._place = place
        place.unlink(missing_ok=True)
        place.symlink_to(target)

    def remove(self) -> None:
        """Removes the link."""
        self._place.unlink(missing_ok=True)

# SPDX-License-Identifier: Apache-2.0
"""A terminal on a UART: shows what the board sends, types what you give it.

    terminal = Terminal(clock, from_board=uarte.tx, to_board=uarte.rx, baud=115_200)
    terminal.on_text = print
    terminal.type(b"help\\r")
    ...
    assert "ready" in terminal.text

Bytes show up when their burst is over (or when `text` is asked for, if earlier).
The terminal obeys the board's RTS.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

from vboard.clock import NS_PER_S, Alarm, Clock
from vboard.peripherals.serial_line import RECEIVE_TOLERANCE, Incoming, sample
from vboard.wire import Burst, Wire

FRAME_BITS = 10


class Terminal:
    """Both directions of one serial connection, seen from the outside.

    `baud` is what it types at; `strict_baud` makes it read at that rate only (the
    wrong rate shows as garbage, as on a real terminal).
    """

    def __init__(
        self,
        clock: Clock,
        *,
        from_board: Wire,
        to_board: Wire | None = None,
        baud: int = 115_200,
        strict_baud: bool = False,
    ) -> None:
        self.clock = clock
        self.baud = baud
        self.strict_baud = strict_baud
        self.on_text: Callable[[str], None] | None = None
        self.received = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text: list[str] = []
        self._incoming = Incoming()
        self._alarm: Alarm | None = None
        from_board.on_burst = self._on_burst
        from_board.on_take_back = self._on_take_back
        self._to_board = to_board
        self._waiting = b""
        self._free_ns = 0
        if to_board is not None:
            to_board.on_ready = self._on_ready

    # From the board

    @property
    def text(self) -> str:
        """Everything shown so far."""
        self._absorb()
        joined = "".join(self._text)
        self._text[:] = [joined]
        return joined

    def _on_burst(self, burst: Burst) -> None:
        self._absorb()
        self._incoming.push(burst)
        self._plan()

    def _on_take_back(self, at_ns: int) -> bytes:
        self._absorb()
        back = self._incoming.take_back(at_ns)
        self._plan()
        return back

    def _plan(self) -> None:
        """An alarm for the last byte that is under way."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        burst = self._incoming.first()
        if burst is not None:
            self._alarm = self.clock.call_at_ns(burst.end_ns, self._due)

    def _due(self) -> None:
        self._alarm = None
        self._absorb()
        self._plan()

    def _absorb(self) -> None:
        while chunk := self._incoming.take(
            limit=self._incoming.count, now_ns=self.clock.now_ns
        ):
            data = chunk.data
            ratio = chunk.baud / self.baud
            if self.strict_baud and abs(ratio - 1) > RECEIVE_TOLERANCE:
                data = sample(data, ratio=ratio)
            self.received += data
            text = self._decoder.decode(data)
            self._text.append(text)
            if text and self.on_text is not None:
                self.on_text(text)

    # To the board

    def type(self, data: bytes) -> None:
        """Sends bytes, after those that are still under way.

        Raises ValueError when the terminal was made without `to_board`.
        """
        if self._to_board is None:
            raise ValueError("this terminal has no wire to the board to type on")
        self._waiting += data
        self._send()

    def _send(self) -> None:
        if self._to_board is None or not self._waiting or not self._to_board.ready:
            return
        burst = Burst(
            start_ns=max(self.clock.now_ns, self._free_ns),
            byte_ns=round(FRAME_BITS * NS_PER_S / self.baud),
            data=self._waiting,
            bits=FRAME_BITS,
        )
        self._waiting = b""
        self._free_ns = burst.end_ns
        self._to_board.send(burst)

    def _on_ready(self, ready: bool) -> None:
        assert self._to_board is not None
        if ready:
            self._send()
            return
        back = self._to_board.take_back(self.clock.now_ns)
        byte_ns = round(FRAME_BITS * NS_PER_S / self.baud)
        self._free_ns -= byte_ns * len(back)
        self._waiting = back + self._waiting

# SPDX-License-Identifier: Apache-2.0
"""The line discipline: echo, command lines, counted data, result framing, URCs.

Law 1: bytes that arrive while a command runs wait; they are the next command.
Law 2: data after a prompt is counted, raw and not echoed; nothing escapes it.
Law 3: URCs wait while a command runs, unless a fault forces them out.
Text before `AT` on a line is skipped; a line without `AT` gets no answer; `A/` at its
beginning repeats the last command line at once, without CR (V.250, 5.2).
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from vboard.modem.at import framed

_CR, _LF, _BACKSPACE = 0x0D, 0x0A, 0x08


class Mode(enum.Enum):
    """What the next received byte belongs to."""

    COMMAND = "command line"
    BUSY = "nothing yet: a command runs"
    DATA = "counted data"


class Line:
    """Turns received bytes into command lines and data, and text into output."""

    def __init__(
        self,
        *,
        send: Callable[[bytes], None],
        on_command: Callable[[str], None],
        on_too_long: Callable[[], None],
        max_line: int,
    ) -> None:
        self._send = send
        self._on_command = on_command
        self._on_too_long = on_too_long
        self._max_line = max_line
        self.echo = True
        self.reset()

    def reset(self) -> None:
        """Forgets everything but the echo setting."""
        self.mode = Mode.COMMAND
        self._text = bytearray()
        self._last = "AT"
        self._waiting = bytearray()
        self._data = bytearray()
        self._wanted = 0
        self._then: Callable[[bytes], None] | None = None
        self._urcs: list[bytes] = []
        self._pumping = False

    # Receiving

    def chunk(self, data: bytes) -> int:
        """How many leading bytes of `data` may be given to `feed` together."""
        if self.mode is Mode.DATA:
            return min(len(data), max(1, self._wanted - len(self._data)))
        if self.echo and self.mode is Mode.COMMAND:
            return 1
        end = data.find(_CR)
        return len(data) if end < 0 else end + 1

    def feed(self, data: bytes) -> None:
        """Bytes from the host."""
        self._waiting += data
        self._pump()

    @property
    def received(self) -> bytes:
        """The counted data that has come so far."""
        return bytes(self._data)

    def expect(self, count: int, then: Callable[[bytes], None]) -> None:
        """The next `count` bytes go to `then`, all together."""
        self.mode = Mode.DATA
        self._wanted = count
        self._then = then
        self._data.clear()
        self._pump()

    def stop_expecting(self) -> None:
        """Ends data mode early; what came is discarded."""
        self.mode = Mode.BUSY
        self._then = None
        self._data.clear()

    def done(self) -> None:
        """The command has printed its result: the next one may begin."""
        self.mode = Mode.COMMAND
        self.flush_urcs()
        self._pump()

    def _pump(self) -> None:
        if self._pumping:
            return
        self._pumping = True
        while self._waiting and self.mode is not Mode.BUSY:
            if self.mode is Mode.DATA:
                self._take_data()
            else:
                self._take_text()
        if self.mode is Mode.DATA and len(self._data) == self._wanted:
            self._take_data()
        self._pumping = False

    def _take_data(self) -> None:
        missing = self._wanted - len(self._data)
        self._data += self._waiting[:missing]
        del self._waiting[:missing]
        if len(self._data) == self._wanted and self._then is not None:
            data, then = bytes(self._data), self._then
            self._data.clear()
            self._then = None
            self.mode = Mode.BUSY
            then(data)

    def _take_text(self) -> None:
        if not self._text:
            self._waiting = self._waiting.lstrip(b"\n")
        again = (self._text + self._waiting[:2])[:2].upper() == b"A/"
        end = -1 if again else self._waiting.find(_CR)
        length = len(self._waiting) if end < 0 else end + 1
        if again:
            length = 2 - len(self._text)
        part = bytes(self._waiting[:length])
        del self._waiting[:length]
        if self.echo and part:
            self._send(part)
        self._text += part.rstrip(b"\r") if end >= 0 else part
        if again:
            self._text.clear()
            self._run(self._last)
            return
        if end >= 0:
            self._end_line()
        else:
            # Keeps a host that never sends CR from filling the memory.
            del self._text[2 * self._max_line :]

    def _end_line(self) -> None:
        text = bytearray()
        for byte in self._text:
            if byte != _BACKSPACE:
                text.append(byte)
            elif text:
                text.pop()
        self._text.clear()
        start = text.upper().find(b"AT")
        if start < 0:
            return
        if len(text) - start > self._max_line:
            self.mode = Mode.BUSY
            self._on_too_long()
        else:
            self._run(text[start:].decode("utf-8", "replace"))

    def _run(self, text: str) -> None:
        self.mode = Mode.BUSY
        self._last = text
        self._on_command(text)

    # Sending

    def say(self, text: str) -> None:
        """One framed line."""
        self._send(framed(text))

    def urc(self, data: bytes) -> None:
        """Unsolicited output: now, or after the running command."""
        if self.mode is Mode.COMMAND:
            self._send(data)
        else:
            self._urcs.append(data)

    def flush_urcs(self) -> None:
        """Sends what waited."""
        urcs, self._urcs = self._urcs, []
        for data in urcs:
            self._send(data)

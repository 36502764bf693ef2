# SPDX-License-Identifier: Apache-2.0
"""Digests the modem's bytes into lines, prompts and counted data.

Rule 1: the events do not depend on how the bytes were cut into chunks.
Rule 2: counted data leaves here as bytes and is never looked at.
Rule 3: whatever comes in, memory is bounded: a line by MAX_LINE, a block by the
        limit that its reader gave.

Framing is that of the SIM7500/SIM7600 AT Command Manual, chapter 1.4: every line
is `<CR><LF>text<CR><LF>`, the echo ends with CR alone, a prompt has no line end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Longest line looked at: an echoed command line is at most 559 characters.
MAX_LINE = 600
# MQTT data that an application left subscribed (manual, +CMQTTRXPAYLOAD).
MAX_MQTT_BLOCK = 10240

_MQTT_HEADER = re.compile(r"\+CMQTTRX(?:TOPIC|PAYLOAD):\s*\d+\s*,\s*(\d+)\s*$")
_DATA_HEADER = re.compile(r"(\+[A-Z]+):\s*DATA\s*,\s*(\d+)\s*$")


@dataclass(frozen=True)
class Line:
    """One line of text, without line end and surrounding blanks; never empty."""

    text: str


@dataclass(frozen=True)
class Prompt:
    """The modem waits for counted data."""


@dataclass(frozen=True)
class Data:
    """A complete counted block; `header` is the line that announced it."""

    header: str
    data: bytes


@dataclass(frozen=True)
class BadCount:
    """A header whose count cannot be: the stream is out of step from here."""

    header: str
    limit: int


@dataclass(frozen=True)
class Overlong:
    """A line longer than MAX_LINE was dropped."""

    size: int


Event = Line | Prompt | Data | BadCount | Overlong


class Digester:
    """Bytes in, events out; the session says what may come.

    `expect_prompt` makes a `>` at the start of a line a prompt, once.
    `expect_data` makes `+NAME: DATA,n` lines of that name announce n raw bytes, as
    long as the sum stays within `limit`.
    """

    def __init__(self) -> None:
        self.reset()

    @property
    def in_data(self) -> bool:
        """True in the middle of a counted block."""
        return self._missing > 0

    def expect_prompt(self) -> None:
        """The next `>` that begins a line is a prompt."""
        self._prompt = True

    def expect_data(self, name: str, *, limit: int) -> None:
        """Lines `name: DATA,n` announce data, `limit` bytes of it altogether."""
        self._data_name, self._data_left = name, limit

    def expect_nothing(self) -> None:
        """Neither a prompt nor data belongs to what comes now."""
        self._prompt = False
        self._data_name, self._data_left = "", 0

    def reset(self) -> None:
        """Forgets a half-received line or block; expectations end."""
        self._line = bytearray()
        self._dropped = 0
        self._block = bytearray()
        self._missing = 0
        self._header = ""
        self._prompt = False
        self._data_name = ""
        self._data_left = 0

    def feed(self, data: bytes) -> list[Event]:
        """Digests `data`; returns what became complete with it."""
        events: list[Event] = []
        at = 0
        while at < len(data):
            if self._missing:
                at += self._take_block(data[at : at + self._missing], events)
            elif self._prompt and not self._line and data[at : at + 1] == b">":
                self._prompt = False
                events.append(Prompt())
                at += 1
            else:
                at += self._take_text(data, at, events)
        return events

    def _take_block(self, piece: bytes, events: list[Event]) -> int:
        self._block += piece
        self._missing -= len(piece)
        if not self._missing:
            events.append(Data(self._header, bytes(self._block)))
            self._block.clear()
        return len(piece)

    def _take_text(self, data: bytes, at: int, events: list[Event]) -> int:
        """Takes text up to the end of a line, or up to where a prompt may begin."""
        if not self._line and data[at] in b" \r\n":
            if data[at] == 0x0A:
                self._end_line(events)
            return 1
        end = data.find(b"\n", at)
        piece = data[at:] if end < 0 else data[at : end + 1]
        room = MAX_LINE - len(self._line)
        text = piece.rstrip(b"\n")
        self._line += text[:room]
        self._dropped += max(0, len(text) - room)
        if end >= 0:
            self._end_line(events)
        return len(piece)

    def _end_line(self, events: list[Event]) -> None:
        raw, dropped = bytes(self._line), self._dropped
        self._line.clear()
        self._dropped = 0
        if dropped:
            events.append(Overlong(len(raw) + dropped))
            return
        # An echo ends with CR, so it can share a line with what follows it.
        texts = [part.strip() for part in raw.decode("latin-1").split("\r")]
        texts = [text for text in texts if text]
        for text in texts:
            events.append(Line(text))
        if texts:
            self._announce(texts[-1], events)

    def _announce(self, text: str, events: list[Event]) -> None:
        """Begins a block when `text` is a header, which then is no line."""
        size, limit = 0, 0
        if self._data_name and (match := _DATA_HEADER.match(text)):
            if match[1] != self._data_name:
                return
            size, limit = int(match[2]), self._data_left
        elif match := _MQTT_HEADER.match(text):
            size, limit = int(match[1]), MAX_MQTT_BLOCK
        else:
            return
        events.pop()
        if not 1 <= size <= limit:
            events.append(BadCount(text, limit))
            return
        if self._data_name and text.startswith(self._data_name):
            self._data_left -= size
        self._header, self._missing = text, size

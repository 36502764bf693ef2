# SPDX-License-Identifier: Apache-2.0
"""A small scripted modem behind a link in simulated time, for tests of AT clients.

It knows the few commands that staging needs and the ways a SIM7600 is odd; each
oddity is an attribute. Bytes are answered `latency_s` after the command's CR.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from nrfota.errors import LinkError


@dataclass
class FakeLink:
    """`nrfota.at.Link` whose other end is a function; time moves when it waits."""

    on_bytes: Callable[[bytes], None] = lambda data: None
    name: str = "fake"
    baud: int = 115200
    chunk: int = 1 << 20
    time_s: float = 0.0
    flow_control: bool = False
    log: bytearray = field(default_factory=bytearray)
    _queue: list[tuple[float, bytes]] = field(default_factory=list)
    _wire_free: float = 0.0

    def now(self) -> float:
        return self.time_s

    def write(self, data: bytes) -> None:
        self.log += data
        self._wire_free = max(self._wire_free, self.time_s) + len(data) * 10 / self.baud
        self.on_bytes(data)

    def drain(self) -> float:
        self.time_s = max(self.time_s, self._wire_free)
        return self.time_s

    def reply(self, data: bytes, *, after_s: float = 0.01) -> None:
        """`data` arrives `after_s` from now, after what is queued already."""
        at = max([self.time_s + after_s, *(at for at, _ in self._queue)])
        if data:
            self._queue.append((at, data))

    def read(self, timeout_s: float) -> bytes:
        end = self.time_s + timeout_s
        if not self._queue or self._queue[0][0] > end:
            self.time_s = end
            return b""
        at, data = self._queue.pop(0)
        self.time_s = max(self.time_s, at)
        if len(data) > self.chunk:
            self._queue.insert(0, (self.time_s, data[self.chunk :]))
        return data[: self.chunk]

    def set_baud(self, baud: int) -> None:
        self.baud = baud

    def set_flow_control(self, enabled: bool) -> None:
        self.flow_control = enabled

    def close(self) -> None:
        self.on_bytes = lambda data: (_ for _ in ()).throw(LinkError("closed"))


class FakeModem:
    """A modem with drives; `link` is the host's end."""

    def __init__(self, *, drives: dict[str, int] | None = None) -> None:
        self.link = FakeLink(self._bytes)
        self.free = drives or {"C": 2_000_000, "E": 30_000_000, "F": 8_000_000}
        self.files: dict[str, bytes] = {}
        self.certificates: dict[str, bytes] = {}
        self.imei = "867648040000015"
        self.commands: list[str] = []
        self.echo = True
        self.baud = 115200
        self.drive = "C"
        # Oddities
        self.urc_between = b""  # put before every final result
        self.header = "DATA,%d"  # how CFTRANTX announces a block
        self.ok_first = False  # an extra OK before the first DATA line
        self.lose: list[int] = []  # bytes lost in the next uploads, one entry each
        self.lose_when_gap_below = 0.0  # uploads with shorter gaps lose 5 bytes
        self.restart_after: list[int] = []  # restart in mid-upload, one entry each
        self.flip_reads = 0  # so many downloads have one bit flipped
        self.silent_reads = 0  # so many downloads are not answered
        self.refuse_certificates = False
        self.forget_certificates = False  # OK, but nothing is in the store
        self.dead_until = 0.0
        self._text = bytearray()
        self._want = 0
        self._path = ""
        self._body = bytearray()
        self._last_write = 0.0

    def restart(self, *, for_s: float = 12.0) -> None:
        """Dead for a while, then RDY; echo, baud and directory are as at power-up."""
        self.dead_until = self.link.time_s + for_s
        self.echo, self.baud, self.drive = True, 115200, "C"
        self._want = 0
        self._text.clear()
        self.link._queue.clear()
        self.link.reply(b"\r\nRDY\r\n\r\n+CPIN: READY\r\n", after_s=for_s)

    def _bytes(self, data: bytes) -> None:
        if self.link.time_s < self.dead_until or self.link.baud != self.baud:
            return
        for at in range(len(data)):
            if self._want:
                self._store(data[at:])
                return
            byte = data[at : at + 1]
            if self.echo:
                self.link.reply(byte, after_s=0.0)
            if byte == b"\r":
                line = self._text.decode("latin-1")
                self._text.clear()
                if line:
                    self._line(line.strip())
            else:
                self._text += byte

    def _store(self, data: bytes) -> None:
        gap = self.link.time_s - self._last_write
        full = len(data) == 256 or len(self._body) > 256
        if self._body and full and gap < self.lose_when_gap_below and self._budget:
            self._budget -= 1
            data = data[5:]
        self._last_write = self.link.time_s + len(data) * 10 / self.baud
        if self.lose and self.lose[0] and len(data) > self.lose[0]:
            data = data[self.lose[0] :]
            self.lose[0] = 0
        if self.restart_after and len(self._body) + len(data) > self.restart_after[0]:
            del self.restart_after[0]
            self._keep()
            self.restart()
            return
        self._body += data[: self._want]
        self._want -= min(self._want, len(data))
        if not self._want:
            self._keep()
            if self.lose:
                del self.lose[0]
            self._final("OK")

    def _keep(self) -> None:
        if ":/" in self._path:
            self.files[self._path] = bytes(self._body)
        elif not self.forget_certificates:
            self.certificates[self._path] = bytes(self._body)

    def _final(self, text: str, *lines: str) -> None:
        said = b"".join(b"\r\n%s\r\n" % line.encode() for line in lines)
        self.link.reply(said + self.urc_between + b"\r\n%s\r\n" % text.encode())

    def _line(self, line: str) -> None:
        self.commands.append(line)
        name, _, value = line.partition("=")
        if line == "AT" or name in ("AT+CMEE", "AT+CATR", "AT+IFC"):
            self._final("OK")
        elif line in ("ATE0", "ATE1"):
            self.echo = line == "ATE1"
            self._final("OK")
        elif name == "AT+IPR":
            self._final("OK")
            self.baud = int(value)
        elif name == "AT+FSCD":
            if value[0] not in self.free:
                self._final("ERROR")
                return
            self.drive = value[0]
            self._final("OK", f"+FSCD: {value}")
        elif line == "AT+FSMEM":
            free = self.free[self.drive]
            used = sum(map(len, self.here().values()))
            self._final("OK", f"+FSMEM: {self.drive}:({free}, {used})")
        elif name == "AT+FSLS":
            self._list()
        elif name in ("AT+FSATTRI", "AT+FSDEL"):
            self._file(name, value)
        elif name in ("AT+CFTRANRX", "AT+CFTRANTX"):
            self._transfer(name, value)
        elif line == "AT+CGSN":
            self._final("OK", self.imei)
        elif name.startswith("AT+CCERT"):
            self._certificate(name, value)
        else:
            self._final("ERROR")

    def here(self) -> dict[str, bytes]:
        """Files on the current drive, by name."""
        start = f"{self.drive}:/"
        return {
            path[3:]: data for path, data in self.files.items() if path[:3] == start
        }

    def _list(self) -> None:
        text = b"".join(name.encode() + b"\r\n" for name in self.here())
        listing = b"\r\n+FSLS: FILES:\r\n" + text + b"\r\n" if text else b""
        self.link.reply(listing + self.urc_between + b"\r\nOK\r\n")

    def _file(self, name: str, value: str) -> None:
        path = f"{self.drive}:/{value}"
        if path not in self.files:
            self._final("ERROR")
        elif name == "AT+FSDEL":
            del self.files[path]
            self._final("OK")
        else:
            size = len(self.files[path])
            self._final("OK", f"+FSATTRI: {size}, 1980/01/06 00:00:12 Sun")

    def _certificate(self, name: str, value: str) -> None:
        if name == "AT+CCERTLIST":
            self._final("OK", *(f'+CCERTLIST: "{key}"' for key in self.certificates))
            return
        match = re.match(r'"([a-z_]+\.pem)"(?:,(\d+))?$', value)
        assert match, value
        if name == "AT+CCERTDELE":
            found = self.certificates.pop(match[1], None)
            self._final("ERROR" if found is None else "OK")
        elif match[1] in self.certificates or self.refuse_certificates:
            self._final("ERROR")
        else:
            self._path, self._want, self._body = match[1], int(match[2]), bytearray()
            self._budget = 1
            self.link.reply(b"\r\n>")

    def _transfer(self, name: str, value: str) -> None:
        match = re.match(r'"([A-Z]:/[^"]+)",(\d+)(?:,(\d+))?$', value)
        assert match, value
        self._path = match[1]
        if name == "AT+CFTRANRX":
            if self._path[0] not in self.free or self._path in self.files:
                self._final("ERROR")
                return
            self._want, self._body = int(match[2]), bytearray()
            self._budget = 1
            self.link.reply(b"\r\n>")
            return
        if self._path not in self.files:
            self._final("ERROR")
            return
        if self.silent_reads:
            self.silent_reads -= 1
            return
        at, size = int(match[2]), int(match[3])
        data = bytearray(self.files[self._path][at : at + size])
        if self.flip_reads and data:
            self.flip_reads -= 1
            data[len(data) // 2] ^= 1
        out = b"\r\nOK\r\n" if self.ok_first else b""
        for start in range(0, len(data), 512):
            block = bytes(data[start : start + 512])
            head = self.header % len(block)
            out += b"\r\n+CFTRANTX: %s\r\n" % head.encode() + block + self.urc_between
        out += b"\r\n+CFTRANTX: 0\r\n"
        self.link.reply(out + b"\r\nOK\r\n")

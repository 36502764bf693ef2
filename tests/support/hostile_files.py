# SPDX-License-Identifier: Apache-2.0
"""A file server whose answers are wrong in one of many ways, each by its name.

files = HostileFiles()
url = files.serve("fw.ebin", data)
files.plan += ["503", "cut_body"]       # the next two answers; then it is good
"""

from __future__ import annotations

import gzip
import socket
import struct
import threading


class HostileFiles:
    """HTTP whose next answers are spoiled as `plan` says; then it serves files."""

    KINDS = (
        *("503", "404", "redirect", "416", "reset_head", "reset_body", "cut_body"),
        *("long_length", "short_length", "chunked", "gzip", "other_range"),
        *("other_total", "other_bytes", "whole_file", "empty", "not_http", "no_length"),
    )

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.plan: list[str] = []
        self.log: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def serve(self, name: str, data: bytes) -> str:
        """Puts a file there; its URL."""
        self.files[f"/{name}"] = data
        return f"{self.base}/{name}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(
                target=self._serve, args=(connection,), daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                head = b""
                while b"\r\n\r\n" not in head:
                    more = connection.recv(4096)
                    if not more:
                        return
                    head += more
                self._answer(connection, head.decode("latin-1"))
            except OSError:
                pass

    def _answer(self, connection: socket.socket, head: str) -> None:
        path = head.split(" ")[1].split("?")[0]
        first, last = _range_of(head)
        kind = self.plan.pop(0) if self.plan else "good"
        self.log.append(f"{kind} {path} {first}")
        data = self.files.get(path, b"")
        connection.sendall(spoiled(kind, data, first, last))
        if kind.startswith("reset"):
            # RST instead of FIN.
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )


def _range_of(head: str) -> tuple[int, int | None]:
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "range":
            first, _, last = value.strip().removeprefix("bytes=").partition("-")
            return int(first), int(last) if last else None
    return 0, None


def _reply(status: str, body: bytes, *more: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", "Connection: close"]
    return "\r\n".join([*lines, *more, "", ""]).encode() + body


def spoiled(kind: str, data: bytes, first: int, last: int | None) -> bytes:
    """An answer to a GET of `data` from `first` to `last`, spoiled in one way."""
    is_part = first > 0 or last is not None
    end = min(len(data), len(data) if last is None else last + 1)
    body = data[first:end]
    status = "206 Partial Content" if is_part else "200 OK"
    ranges = f"Content-Range: bytes {first}-{end - 1}/{len(data)}"
    half = body[: len(body) // 2]
    match kind:
        case "503":
            return _reply("503 Service Unavailable", b"later", "Retry-After: 5")
        case "404":
            return _reply("404 Not Found", b"no such file")
        case "redirect":
            return _reply("302 Found", b"", "Location: http://127.0.0.1:1/")
        case "416":
            return _reply("416 Range Not Satisfiable", b"")
        case "reset_head":
            return b""
        case "reset_body" | "cut_body":
            return _reply(status, half, ranges, length=len(body))
        case "long_length":
            return _reply(status, body, ranges, length=len(body) + 100)
        case "short_length":
            return _reply(status, body, ranges, length=len(body) - 100)
        case "chunked":
            chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
            return f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n".encode() + (
                b"Connection: close\r\n\r\n" + chunks
            )
        case "gzip":
            packed = gzip.compress(body)
            return _reply(status, packed, ranges, "Content-Encoding: gzip")
        case "other_range":
            other = data[first + 64 : end + 64]
            return _reply(status, other, ranges)
        case "other_total":
            total = f"Content-Range: bytes {first}-{end - 1}/{len(data) + 4096}"
            return _reply(status, body + bytes(4096), total)
        case "other_bytes":
            return _reply(status, bytes(255 - byte for byte in body), ranges)
        case "whole_file":
            return _reply("200 OK", data)
        case "empty":
            return _reply(status, b"")
        case "not_http":
            return b"SSH-2.0-OpenSSH_9.2\r\n"
        case "no_length":
            return f"HTTP/1.0 {status}\r\n\r\n".encode() + body
    return _reply(status, body, ranges)

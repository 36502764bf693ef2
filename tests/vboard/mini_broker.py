# SPDX-License-Identifier: Apache-2.0
"""A very small MQTT 3.1.1 broker on loopback: exact topics, one thread a client."""

from __future__ import annotations

import socket
import struct
import threading


class Broker:
    """`received` holds (topic, payload, qos, retain) of what was published."""

    def __init__(self, *, refuse: int = 0, mute: bool = False, wrap=None):
        self.refuse = refuse
        self.mute = mute
        self.received: list[tuple[bytes, bytes, int, bool]] = []
        self.connects: list[bytes] = []
        self.wills: list[bytes] = []
        self._wrap = wrap
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.clients: list[tuple[socket.socket, dict[bytes, int]]] = []
        self.changed = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()
        self.drop()

    def drop(self):
        for connection, _ in self.clients:
            connection.close()

    def wait_for(self, done) -> None:
        with self.changed:
            assert self.changed.wait_for(done, timeout=20)

    def publish(self, topic: bytes, payload: bytes, qos: int = 0) -> None:
        for connection, topics in self.clients:
            if topic in topics:
                body = struct.pack(">H", len(topic)) + topic
                body += struct.pack(">H", 77) if qos else b""
                connection.sendall(_packet(0x30 | qos << 1, body + payload))

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
                if self._wrap is not None:
                    connection = self._wrap(connection)
            except OSError:
                if self._listener.fileno() < 0:
                    return
                continue
            threading.Thread(
                target=self._serve, args=(connection,), daemon=True
            ).start()

    def _serve(self, connection):
        topics: dict[bytes, int] = {}
        will = b""
        try:
            while True:
                first, body = _read(connection)
                kind = first >> 4
                if kind == 14:
                    will = b""
                    return
                if kind == 1:
                    will = self._hello(connection, topics, body)
                else:
                    self._handle(connection, topics, first, body)
                with self.changed:
                    self.changed.notify_all()
        except (OSError, EOFError):
            return
        finally:
            connection.close()
            with self.changed:
                if will:
                    self.wills.append(will)
                self.changed.notify_all()

    def _hello(self, connection, topics, body):
        if self.mute:
            return b""
        self.connects.append(body)
        self.clients.append((connection, topics))
        connection.sendall(bytes((0x20, 2, 0, self.refuse)))
        if not body[7] & 0x04:
            return b""
        size = struct.unpack(">H", body[10:12])[0]
        rest = body[12 + size :]
        size = struct.unpack(">H", rest[:2])[0]
        rest = rest[2 + size :]
        size = struct.unpack(">H", rest[:2])[0]
        return rest[2 : 2 + size]

    def _handle(self, connection, topics, first, body):
        kind, number = first >> 4, body[:2]
        if kind == 3:
            self._published(connection, first, body)
        elif kind == 6:
            connection.sendall(_packet(0x70, number))
        elif kind == 5:
            connection.sendall(_packet(0x62, number))
        elif kind == 8:
            rest, codes = body[2:], b""
            while rest:
                size = struct.unpack(">H", rest[:2])[0]
                name, qos = rest[2 : 2 + size], rest[2 + size]
                rest = rest[3 + size :]
                codes += b"\x80" if name == b"forbidden" else bytes((qos,))
                topics[name] = qos
            connection.sendall(_packet(0x90, number + codes))
        elif kind == 10:
            rest = body[2:]
            while rest:
                size = struct.unpack(">H", rest[:2])[0]
                topics.pop(rest[2 : 2 + size], None)
                rest = rest[2 + size :]
            connection.sendall(_packet(0xB0, number))
        elif kind == 12:
            connection.sendall(_packet(0xD0, b""))

    def _published(self, connection, first, body):
        size = struct.unpack(">H", body[:2])[0]
        topic, rest, qos = body[2 : 2 + size], body[2 + size :], first >> 1 & 3
        number, payload = (rest[:2], rest[2:]) if qos else (b"", rest)
        self.received.append((topic, payload, qos, bool(first & 1)))
        if qos:
            connection.sendall(_packet(0x40 if qos == 1 else 0x50, number))
        self.publish(topic, payload)


def _packet(first: int, body: bytes) -> bytes:
    size = len(body)
    digits = b""
    while True:
        digits += bytes((size % 128 | (128 if size > 127 else 0),))
        size //= 128
        if not size:
            return bytes((first,)) + digits + body


def _read(connection) -> tuple[int, bytes]:
    first = _exactly(connection, 1)[0]
    size = shift = 0
    while True:
        digit = _exactly(connection, 1)[0]
        size |= (digit & 127) << shift
        shift += 7
        if digit < 128:
            return first, _exactly(connection, size)


def _exactly(connection, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data

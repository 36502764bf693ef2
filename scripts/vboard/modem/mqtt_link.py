# SPDX-License-Identifier: Apache-2.0
"""A small MQTT 3.1.1 client: one connection, no threads.

`connect`, `subscribe`, `unsubscribe` and `publish` block until the broker has
acknowledged; what arrives meanwhile, and what `poll` finds, waits in `inbox`.
Errors are the modem's MQTT codes (AT manual chapter "MQTT(S)", error codes).
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

BAD_UTF8 = 2
SOCKET_CONNECT = 3
NETWORK_OPEN = 7
CLIENT_INDEX = 10
NOT_CONNECTED = 11
BAD_PARAMETER = 12
CONNECTED_ALREADY = 13
BUSY = 14
SEND_FAILED = 16
TIMEOUT = 17
NO_TOPIC = 18
IN_USE = 19
NOT_ACQUIRED = 20
NOT_RELEASED = 21
RUNNING_ALREADY = 23
BAD_PACKET = 24
DNS = 25
SERVER_CLOSED = 26
TLS_HANDSHAKE = 32
NO_CERTIFICATE = 33

# CONNACK return code to error code.
_REFUSED = {1: 27, 2: 28, 3: 29, 4: 30, 5: 31}

_CONNECT, _CONNACK, _PUBLISH, _PUBACK, _PUBREC, _PUBREL, _PUBCOMP = range(1, 8)
_SUBSCRIBE, _SUBACK, _UNSUBSCRIBE, _UNSUBACK, _PINGREQ, _PINGRESP = range(8, 14)
_DISCONNECT = 14


class MqttError(Exception):
    """The operation failed; `code` is the modem's number for it."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Message:
    """A publication, in either direction."""

    topic: bytes
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to connect; times in seconds."""

    host: str
    port: int
    client_id: str
    keepalive_s: int
    clean: bool
    user: str | None
    password: str | None
    will: Message | None
    timeout_s: float
    wrap: Callable[[socket.socket, str], socket.socket] | None
    route: Callable[[str, int], tuple[str, int]] = lambda host, port: (host, port)


def packet(kind: int, body: bytes, *, flags: int = 0) -> bytes:
    """An MQTT control packet."""
    size, digits = len(body), bytearray()
    while True:
        size, digit = divmod(size, 128)
        digits.append(digit | (0x80 if size else 0))
        if not size:
            break
    return bytes((kind << 4 | flags,)) + bytes(digits) + body


def _text(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def unpack(buffer: bytearray) -> tuple[int, int, bytes] | None:
    """Takes one whole packet (kind, flags, body) off the buffer."""
    size, shift, index = 0, 0, 1
    while True:
        if index >= len(buffer):
            return None
        if index > 4:
            raise MqttError(BAD_PACKET)
        digit = buffer[index]
        size |= (digit & 0x7F) << shift
        shift, index = shift + 7, index + 1
        if not digit & 0x80:
            break
    if len(buffer) < index + size:
        return None
    first, body = buffer[0], bytes(buffer[index : index + size])
    del buffer[: index + size]
    return first >> 4, first & 0x0F, body


class MqttLink:
    """A connection to a broker."""

    def __init__(self, options: Options) -> None:
        """Connects; `MqttError` when that fails."""
        self._options = options
        self.inbox: deque[Message] = deque()
        self.unanswered = 0  # pings
        self._buffer = bytearray()
        self._next_id = 0
        self._half_done: dict[int, Message] = {}
        self._socket = self._open()
        try:
            self._hello()
        except MqttError:
            self._socket.close()
            raise

    def _open(self) -> socket.socket:
        options = self._options
        goal = options.route(options.host, options.port)
        try:
            socket.getaddrinfo(*goal, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise MqttError(DNS) from None
        try:
            raw = socket.create_connection(goal, timeout=options.timeout_s)
        except OSError:
            raise MqttError(SOCKET_CONNECT) from None
        if options.wrap is None:
            return raw
        try:
            return options.wrap(raw, options.host)
        except (ssl.SSLError, OSError):
            raw.close()
            raise MqttError(TLS_HANDSHAKE) from None

    def _hello(self) -> None:
        options, flags, tail = self._options, 0, b""
        if options.clean:
            flags |= 0x02
        if options.will is not None:
            flags |= 0x04 | options.will.qos << 3
            tail += _text(options.will.topic) + _text(options.will.payload)
        if options.user is not None:
            flags |= 0x80
            tail += _text(options.user.encode())
            if options.password is not None:
                flags |= 0x40
                tail += _text(options.password.encode())
        body = _text(b"MQTT") + struct.pack(">BBH", 4, flags, options.keepalive_s)
        self._send(packet(_CONNECT, body + _text(options.client_id.encode()) + tail))
        reply = self._wait(_CONNACK, None)
        if len(reply) != 2:
            raise MqttError(BAD_PACKET)
        if reply[1]:
            raise MqttError(_REFUSED.get(reply[1], 1))

    # Operations

    def subscribe(self, topics: list[tuple[bytes, int]]) -> None:
        """Subscribes; a refused topic is an error."""
        number = self._number()
        body = b"".join(_text(topic) + bytes((qos,)) for topic, qos in topics)
        self._send(packet(_SUBSCRIBE, struct.pack(">H", number) + body, flags=2))
        if 0x80 in self._wait(_SUBACK, number)[2:]:
            raise MqttError(1)

    def unsubscribe(self, topics: list[bytes]) -> None:
        """Ends subscriptions."""
        number = self._number()
        body = b"".join(_text(topic) for topic in topics)
        self._send(packet(_UNSUBSCRIBE, struct.pack(">H", number) + body, flags=2))
        self._wait(_UNSUBACK, number)

    def publish(self, message: Message, timeout_s: float) -> None:
        """Publishes and waits for what the quality of service promises."""
        number = self._number()
        flags = message.dup << 3 | message.qos << 1 | message.retain
        body = _text(message.topic)
        if message.qos:
            body += struct.pack(">H", number)
        self._send(packet(_PUBLISH, body + message.payload, flags=flags))
        if message.qos == 1:
            self._wait(_PUBACK, number, timeout_s)
        elif message.qos == 2:
            self._wait(_PUBREC, number, timeout_s)
            self._send(packet(_PUBREL, struct.pack(">H", number), flags=2))
            self._wait(_PUBCOMP, number, timeout_s)

    def ping(self) -> None:
        """Keeps the connection alive."""
        self.unanswered += 1
        self._send(packet(_PINGREQ, b""))

    def poll(self, wait_s: float = 0.0) -> None:
        """Reads what is there, or comes in `wait_s` of real time.

        `MqttError(SERVER_CLOSED)` when the broker is gone.
        """
        while self._readable(wait_s):
            wait_s = 0.0
            self._receive()
            while (found := unpack(self._buffer)) is not None:
                self._handle(*found)

    def close(self, *, politely: bool) -> None:
        """Ends the connection; without DISCONNECT the broker sends the will."""
        if politely:
            # When it is gone already, that is what was wanted.
            with contextlib.suppress(MqttError):
                self._send(packet(_DISCONNECT, b""))
        self._socket.close()

    # Wire

    def _number(self) -> int:
        self._next_id = self._next_id % 0xFFFF + 1
        return self._next_id

    def _send(self, data: bytes) -> None:
        try:
            self._socket.settimeout(self._options.timeout_s)
            self._socket.sendall(data)
        except (OSError, ValueError):
            raise MqttError(SEND_FAILED) from None

    def _readable(self, timeout_s: float) -> bool:
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        try:
            return bool(select.select([self._socket], [], [], timeout_s)[0])
        except (OSError, ValueError):
            raise MqttError(SERVER_CLOSED) from None

    def _receive(self) -> None:
        try:
            data = self._socket.recv(65536)
        except OSError:
            data = b""
        if not data:
            raise MqttError(SERVER_CLOSED)
        self._buffer += data

    def _wait(
        self, kind: int, number: int | None, timeout_s: float | None = None
    ) -> bytes:
        """The body of the acknowledgement of this kind and number."""
        end = time.monotonic() + (timeout_s or self._options.timeout_s)
        while True:
            found = unpack(self._buffer)
            if found is not None:
                if found[0] == kind and (
                    number is None or found[2][:2] == struct.pack(">H", number)
                ):
                    return found[2]
                self._handle(*found)
                continue
            if not self._readable(max(0.0, end - time.monotonic())):
                raise MqttError(TIMEOUT)
            self._receive()

    def _handle(self, kind: int, flags: int, body: bytes) -> None:
        if kind == _PINGRESP:
            self.unanswered = 0
        if kind == _PUBREL and len(body) >= 2:
            message = self._half_done.pop(struct.unpack(">H", body[:2])[0], None)
            if message is not None:
                self.inbox.append(message)
            self._send(packet(_PUBCOMP, body[:2]))
        if kind != _PUBLISH:
            return
        if len(body) < 2:
            raise MqttError(BAD_PACKET)
        end = 2 + int(struct.unpack(">H", body[:2])[0])
        qos = flags >> 1 & 3
        start = end + (2 if qos else 0)
        if start > len(body) or qos == 3:
            raise MqttError(BAD_PACKET)
        message = Message(topic=body[2:end], payload=body[start:], qos=qos)
        number = body[end:start]
        if qos == 2:
            self._half_done[struct.unpack(">H", number)[0]] = message
            self._send(packet(_PUBREC, number))
            return
        self.inbox.append(message)
        if qos == 1:
            self._send(packet(_PUBACK, number))

# SPDX-License-Identifier: Apache-2.0
"""One HTTP exchange as the modem does it: no redirects, its own error codes."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

MAX_BODY = 64 * 1024 * 1024

NOT_HTTP = 600
NO_MEMORY = 602
CLOSED = 704
TIMEOUT = 705
SEND_RECEIVE = 706
BAD_PARAMETER = 708
NETWORK = 709
SSL_START = 710
DNS = 713
CONNECT = 714
HANDSHAKE = 715
NO_NETWORK = 717
NO_CERTIFICATE = 719
NO_RESPONSE = 720

METHODS = ("GET", "POST", "HEAD", "DELETE")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a server; times in seconds.

    `response_s` is for the reply's head, `receive_s` for each next bytes of its body.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    connect_s: int
    response_s: int
    receive_s: int
    wrap: Callable[[socket.socket, str], ssl.SSLSocket]
    route: Callable[[str, int], tuple[str, int]] = lambda host, port: (host, port)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back: an HTTP status or one of the modem's codes."""

    status: int
    head: bytes = b""
    body: bytes = b""
    closed: bool = field(default=False)


def valid_url(url: str) -> bool:
    """True for http:// and https:// with a host and a legal port."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(
            parts.hostname and parts.port != 0
        )
    except ValueError:
        return False


def fetch(request: Request) -> Reply:
    """Does the exchange; blocks; never raises for what the network does."""
    parts = urlsplit(request.url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    goal = request.route(host, port)
    try:
        socket.getaddrinfo(*goal, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return Reply(status=DNS)
    try:
        raw = socket.create_connection(goal, timeout=request.connect_s)
    except OSError:
        return Reply(status=CONNECT)
    connection = http.client.HTTPConnection(host, port, timeout=request.response_s)
    connection.sock = raw
    try:
        if secure:
            try:
                connection.sock = request.wrap(raw, host)
            except (ssl.SSLError, OSError):
                return Reply(status=HANDSHAKE)
        connection.sock.settimeout(request.response_s)
        return _exchange(connection, request)
    finally:
        connection.close()
        raw.close()


def _exchange(connection: http.client.HTTPConnection, request: Request) -> Reply:
    parts, sock = urlsplit(request.url), connection.sock
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(
            request.method, path, body=request.body or None, headers=request.headers
        )
        response = connection.getresponse()
    except TimeoutError:
        return Reply(status=NO_RESPONSE)
    except http.client.RemoteDisconnected:
        return Reply(status=CLOSED)
    except (http.client.HTTPException, ValueError):
        return Reply(status=NOT_HTTP)
    except OSError:
        return Reply(status=SEND_RECEIVE)
    if sock.fileno() >= 0:  # a reply without a body may have closed it
        sock.settimeout(request.receive_s)
    try:
        body = response.read(MAX_BODY + 1)
    except TimeoutError:
        return Reply(status=TIMEOUT)
    except http.client.IncompleteRead:
        return Reply(status=CLOSED)
    except (http.client.HTTPException, ValueError):
        return Reply(status=NOT_HTTP)
    except OSError:
        return Reply(status=SEND_RECEIVE)
    if len(body) > MAX_BODY:
        return Reply(status=NO_MEMORY)
    if response.length:  # announced, but it never came
        return Reply(status=CLOSED)
    version = {10: "1.0", 11: "1.1"}.get(response.version, "1.1")
    lines = [f"HTTP/{version} {response.status} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in response.getheaders()]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    closed = response.version == 10 or (
        response.getheader("Connection", "").lower() == "close"
    )
    return Reply(status=response.status, head=head, body=body, closed=closed)

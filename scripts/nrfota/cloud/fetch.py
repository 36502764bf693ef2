# SPDX-License-Identifier: Apache-2.0
"""Fetches a file as the device will: GET, no redirects, no proxy, every byte compared.

The modem follows no redirect and resumes a download by range at a multiple of
131,072 bytes (SPEC.md 13), so both are looked at here.

    checked = check_url(url, want=ebin, web_ca=None)
    checked.ranges
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import time
import urllib.parse
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nrfota.errors import UnreachableError, UsageError, VerifyError

PART = 131_072
BLOCK = 65_536
TIMEOUT_S = 30.0
TOTAL_S = 600.0
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Checked:
    """A URL that gives the right bytes; `ranges`: a download can be resumed."""

    url: str
    size: int
    sha256: str
    ranges: bool


def shown(url: str) -> str:
    """A URL for messages: the query of a presigned one lets its reader in."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    text = f"{parts.scheme}://{host}{parts.path}"
    return text + ("?..." if parts.query else "")


def expires_at(url: str) -> datetime | None:
    """When a presigned URL of AWS or Google stops working; None for any other."""
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
    if "Signature" in query and "Expires" in query:  # the older way to sign
        try:
            return datetime.fromtimestamp(int(query["Expires"][0]), UTC)
        except (ValueError, OverflowError, OSError):
            return None
    for vendor in ("X-Amz", "X-Goog"):
        date, seconds = query.get(f"{vendor}-Date"), query.get(f"{vendor}-Expires")
        if not date or not seconds:
            continue
        try:
            begin = datetime.strptime(date[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return begin + timedelta(seconds=int(seconds[0]))
        except (ValueError, OverflowError):
            return None
    return None


def web_context(web_ca: Path | None) -> ssl.SSLContext:
    """Verifies with the system's authorities, or with the ones in a file."""
    try:
        return ssl.create_default_context(cafile=web_ca)
    except ssl.SSLError:
        raise UsageError(f"--web-ca '{web_ca}': expected certificates as PEM") from None
    except OSError as error:
        raise UsageError(f"cannot read '{web_ca}': {error.strerror}") from None


def connect(
    url: str, *, context: ssl.SSLContext, timeout_s: float = TIMEOUT_S
) -> http.client.HTTPConnection:
    """A connection to the URL's host; nothing is sent yet."""
    parts = urllib.parse.urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise UsageError(f"expected a host and a port 1 to 65535 in '{shown(url)}'")
    if parts.scheme.lower() == "https":
        return http.client.HTTPSConnection(
            host, port, timeout=timeout_s, context=context
        )
    return http.client.HTTPConnection(host, port, timeout=timeout_s)


def path_of(url: str) -> str:
    """What stands in the request line."""
    parts = urllib.parse.urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def reach_problem(error: Exception) -> str:
    """Why a connection failed, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not verify: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return f"it does not speak HTTP ({type(error).__name__})"


def check_url(
    url: str, *, want: bytes, context: ssl.SSLContext, total_s: float = TOTAL_S
) -> Checked:
    """Fetches and compares; raises VerifyError or UnreachableError."""
    deadline = time.monotonic() + total_s
    try:
        _whole(url, want=want, context=context, deadline=deadline)
        ranges = _range(url, want=want, context=context, deadline=deadline)
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(
            f"cannot fetch {shown(url)}: {reach_problem(error)}"
        ) from None
    return Checked(url, len(want), hashlib.sha256(want).hexdigest(), ranges)


def _whole(url: str, *, want: bytes, context: ssl.SSLContext, deadline: float) -> None:
    status, reply, data = _get(
        url, start=None, limit=len(want), context=context, deadline=deadline
    )
    if status in REDIRECTS:
        to = shown(reply.get("Location", "")) if reply.get("Location") else "nowhere"
        raise VerifyError(
            f"{shown(url)}: expected the file, got a redirect ({status}) to {to}; the "
            "modem follows none"
        )
    if status != 200:
        raise VerifyError(f"{shown(url)}: expected status 200, got {status}")
    coding = reply.get("Content-Encoding", "identity").lower()
    if coding != "identity":
        raise VerifyError(
            f"{shown(url)}: expected the plain file, got Content-Encoding {coding}"
        )
    _compare(url, want=want, data=data, what="")


def _range(url: str, *, want: bytes, context: ssl.SSLContext, deadline: float) -> bool:
    """Whether the server resumes; what it sends then must be right, too."""
    start = PART if len(want) > PART else len(want) // 2
    status, _, data = _get(
        url, start=start, limit=len(want), context=context, deadline=deadline
    )
    if status != 206:
        return False
    _compare(url, want=want[start:], data=data, what=f" from byte {start} on")
    return True


def _compare(url: str, *, want: bytes, data: bytes, what: str) -> None:
    if len(data) > len(want):
        raise VerifyError(
            f"{shown(url)}: expected {len(want)} bytes{what}, got more than that"
        )
    if len(data) != len(want):
        raise VerifyError(
            f"{shown(url)}: expected {len(want)} bytes{what}, got {len(data)}"
        )
    expected, got = (hashlib.sha256(part).hexdigest() for part in (want, data))
    if expected != got:
        raise VerifyError(f"{shown(url)}: expected SHA-256 {expected}{what}, got {got}")


def _get(
    url: str,
    *,
    start: int | None,
    limit: int,
    context: ssl.SSLContext,
    deadline: float,
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and at most `limit` + 1 bytes of the body."""
    connection = connect(url, context=context)
    try:
        headers = {"User-Agent": "nrfota", "Accept": "*/*"}
        if start is not None:
            headers["Range"] = f"bytes={start}-"
        connection.request("GET", path_of(url), headers=headers)
        response = connection.getresponse()
        data = b""
        if response.status in (200, 206) and not (start and response.status == 200):
            data = _body(response, limit + 1, deadline)
        return response.status, response.headers, data
    finally:
        connection.close()


def _body(response: http.client.HTTPResponse, limit: int, deadline: float) -> bytes:
    data = bytearray()
    while len(data) < limit:
        if time.monotonic() > deadline:
            raise TimeoutError
        try:
            block = response.read1(min(BLOCK, limit - len(data)))
        except http.client.IncompleteRead as error:
            block = error.partial
        if not block:
            break
        data += block
    return bytes(data)

# SPDX-License-Identifier: Apache-2.0
"""A server that takes PUT (WebDAV, nginx with dav_methods, an artifact store).

A user and password are taken from ~/.netrc (or $NETRC), for https only: they would
be readable on the way otherwise.
"""

from __future__ import annotations

import base64
import http.client
import netrc
import os
import urllib.parse
from pathlib import Path

from nrfota.cloud.fetch import (
    REDIRECTS,
    connect,
    path_of,
    reach_problem,
    shown,
    web_context,
)
from nrfota.cloud.stores import CONTENT_TYPE
from nrfota.errors import FormatError, OtaError, UnreachableError

STORED = (200, 201, 204)
ABSENT = (404, 410)


class HttpStore:
    """Objects are paths below a base URL."""

    def __init__(self, base: str, *, web_ca: Path | None) -> None:
        self._base = base.rstrip("/")
        self._context = web_context(web_ca)

    def where(self, name: str) -> str:
        """The object's URL."""
        return shown(self._url(name))

    def read(self, name: str, *, limit: int) -> bytes | None:
        """By GET."""
        status, data = self._ask("GET", name, limit=limit)
        if status in ABSENT:
            return None
        if status != 200:
            raise OtaError(f"{self.where(name)}: expected 200 or 404, got {status}")
        return data

    def write(self, name: str, data: bytes, *, new: bool) -> None:
        """By PUT; `new` as far as the server knows If-None-Match."""
        headers = {"Content-Type": CONTENT_TYPE}
        if new:
            headers["If-None-Match"] = "*"
        status, _ = self._ask("PUT", name, limit=0, data=data, headers=headers)
        if status == 412:
            raise OtaError(f"{self.where(name)} appeared meanwhile; run again")
        if status not in STORED:
            raise OtaError(
                f"{self.where(name)}: the server refused the upload with {status}"
            )

    def _url(self, name: str) -> str:
        base = urllib.parse.urlsplit(self._base)
        path = urllib.parse.quote(f"{base.path}/{name}")
        return f"{base.scheme}://{base.netloc}{path}"

    def _ask(
        self,
        method: str,
        name: str,
        *,
        limit: int,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        url = self._url(name)
        connection = connect(url, context=self._context)
        try:
            connection.request(
                method,
                path_of(url),
                body=data,
                headers={"User-Agent": "nrfota", **(headers or {}), **_login(url)},
            )
            response = connection.getresponse()
            body = response.read(limit) if limit else b""
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(
                f"cannot reach {shown(url)}: {reach_problem(error)}"
            ) from None
        finally:
            connection.close()
        if response.status in REDIRECTS:
            raise OtaError(
                f"{shown(url)}: expected no redirect, got {response.status}; give --to "
                "where it leads"
            )
        if response.status in (401, 403):
            raise OtaError(
                f"{shown(url)}: the server lets nobody in ({response.status}); "
                "~/.netrc is read for https"
            )
        return response.status, body


def _login(url: str) -> dict[str, str]:
    parts = urllib.parse.urlsplit(url)
    path = Path(os.environ.get("NETRC", Path.home() / ".netrc"))
    if parts.scheme != "https" or not parts.hostname or not path.is_file():
        return {}
    try:
        found = netrc.netrc(path).authenticators(parts.hostname)
    except netrc.NetrcParseError:
        raise FormatError(f"{path}: not readable as .netrc") from None
    if found is None:
        return {}
    login, _, password = found
    word = base64.b64encode(f"{login}:{password}".encode()).decode()
    return {"Authorization": f"Basic {word}"}

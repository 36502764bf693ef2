# SPDX-License-Identifier: Apache-2.0
"""ota.json: what is published to start an update (SPEC.md 3).

It carries the key: repr does not show it, and a file of it is mode 0600.

    OtaJson(url=url, alt_url="", fw_info=info).pack()
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from nrfota.errors import FormatError
from nrfota.fw_info import FwInfo

TYPE = "update_fw"
MEMBERS = ("type", "url", "alt_url", "fw_info", "id", "allow_downgrade")
MAX_SIZE = 2048
MAX_URL = 512
# Printable ASCII that stands in JSON and in an AT command without escaping.
SCHEME = re.compile(r"https?://", re.IGNORECASE)
ANY_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,9}://", re.IGNORECASE)
HOST = re.compile(
    r"https?://([^/?#@]*@)?(\[[0-9a-f:.]+\]|[^/?#@:\[\]]+)(:\d+)?([/?#]|\Z)",
    re.IGNORECASE,
)
BAD_CHARACTER = re.compile(r"[^!#-\[\]-~]")
MAX_ID = 64
BAD_ID_CHARACTER = re.compile(r"[^A-Za-z0-9_-]")


def check_url(url: str, *, what: str) -> None:
    """Raises FormatError unless `url` is one that the device can fetch."""
    if len(url) > MAX_URL:
        raise FormatError(
            f"{what}: expected at most {MAX_URL} characters, got {len(url)}"
        )
    bad = BAD_CHARACTER.search(url)
    if bad:
        raise FormatError(
            f"{what}: expected printable ASCII without space, quote and backslash, "
            f"got {bad[0]!r} at position {bad.start()}"
        )
    if not SCHEME.match(url):
        raise FormatError(f"{what}: expected http:// or https://, got {_scheme(url)}")
    if not HOST.match(url):
        raise FormatError(f"{what}: expected a host after '//', got none that can be")


def _scheme(url: str) -> str:
    """For a message: what is in the place of a URL may be the key, or a password."""
    found = ANY_SCHEME.match(url)
    return f"{found[0]}..." if found else f"{len(url)} characters without a scheme"


def check_id(name: str) -> None:
    """Raises FormatError unless `name` can name a request in reports."""
    if not name:
        raise FormatError("id: expected 1 to 64 characters, got none")
    if len(name) > MAX_ID:
        raise FormatError(f"id: expected at most {MAX_ID} characters, got {len(name)}")
    bad = BAD_ID_CHARACTER.search(name)
    if bad:
        raise FormatError(
            f"id: expected A-Z a-z 0-9 _ -, got {bad[0]!r} at position {bad.start()}"
        )


@dataclass(frozen=True)
class OtaJson:
    """The message; `url` or `alt_url` may be empty, not both; so may `id`."""

    url: str
    alt_url: str
    fw_info: FwInfo
    id: str = ""
    allow_downgrade: bool = False

    def __post_init__(self) -> None:
        if not self.url and not self.alt_url:
            raise FormatError("ota.json: expected url or alt_url, got neither")
        for what, url in (("url", self.url), ("alt_url", self.alt_url)):
            if url:
                check_url(url, what=what)
        if self.id:
            check_id(self.id)

    @property
    def report_id(self) -> str:
        """What reports call the request: `id`, else the cipher hash's beginning."""
        return self.id or self.fw_info.ebin_hash[:8].hex()

    def pack(self) -> bytes:
        """The bytes of the file, key included."""
        members: dict[str, str | bool] = {
            "type": TYPE,
            "url": self.url,
            "alt_url": self.alt_url,
            "fw_info": self.fw_info.pack().hex(),
        }
        if self.id:
            members["id"] = self.id
        if self.allow_downgrade:
            members["allow_downgrade"] = True
        return json.dumps(members, separators=(",", ":")).encode()

    @classmethod
    def unpack(cls, data: bytes) -> OtaJson:
        """Checks the bytes of a file; raises FormatError."""
        if len(data) > MAX_SIZE:
            raise FormatError(
                f"ota.json: expected at most {MAX_SIZE} bytes, got {len(data)}"
            )
        try:
            members = json.loads(data.decode(), object_pairs_hook=_no_duplicates)
        except UnicodeDecodeError as error:
            raise FormatError(
                f"ota.json: expected UTF-8, got a bad byte at offset {error.start}"
            ) from None
        except json.JSONDecodeError as error:
            raise FormatError(
                f"ota.json: not JSON: {error.msg} at offset {error.pos}"
            ) from None
        except (ValueError, RecursionError):
            raise FormatError(
                "ota.json: not JSON: numbers or nesting beyond limits"
            ) from None
        if not isinstance(members, dict):
            raise FormatError("ota.json: expected an object")
        if members.get("type") != TYPE:
            raise FormatError(
                f"ota.json: expected type '{TYPE}', got {_show(members.get('type'))}"
            )
        digits = members.get("fw_info")
        if not isinstance(digits, str):
            raise FormatError("ota.json: expected fw_info as text of 224 hex digits")
        return cls(
            url=_text(members, "url"),
            alt_url=_text(members, "alt_url"),
            fw_info=FwInfo.from_hex(digits),
            id=_id(members),
            allow_downgrade=_flag(members, "allow_downgrade"),
        )


def _text(members: dict[str, Any], name: str) -> str:
    value = members.get(name, "")
    if not isinstance(value, str):
        raise FormatError(f"ota.json: expected {name} as text, got {_show(value)}")
    return value


def _id(members: dict[str, Any]) -> str:
    if "id" not in members:
        return ""
    name = _text(members, "id")
    check_id(name)
    return name


def _flag(members: dict[str, Any], name: str) -> bool:
    value = members.get(name, False)
    if not isinstance(value, bool):
        raise FormatError(
            f"ota.json: expected {name} as true or false, got {_show(value)}"
        )
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            shown = f"member '{name}'" if name in MEMBERS else "an unknown member"
            raise FormatError(f"ota.json: {shown} is given twice")
        found[name] = value
    return found


def _show(value: Any) -> str:
    """For a message; never a long text, which may hold the key."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 20 else f"{len(text)} characters"

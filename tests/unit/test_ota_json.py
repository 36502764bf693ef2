# SPDX-License-Identifier: Apache-2.0
"""`nrfota.ota_json`: the update message (SPEC.md 3)."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nrfota.errors import FormatError
from nrfota.fw_info import FwInfo
from nrfota.ota_json import MAX_SIZE, OtaJson, check_url

VECTOR = Path(__file__).parents[1] / "vectors" / "fw_info_article.hex"
DIGITS = VECTOR.read_text().strip()
INFO = FwInfo.from_hex(DIGITS)
MESSAGE = OtaJson(url="https://a.example/fw", alt_url="http://b/c", fw_info=INFO)


def members(**changes: Any) -> bytes:
    """A message with some members changed; `...` removes one."""
    top: dict[str, Any] = {
        "type": "update_fw",
        "url": "http://a/b",
        "alt_url": "",
        "fw_info": DIGITS,
    } | changes
    return json.dumps({k: v for k, v in top.items() if v is not ...}).encode()


def test_the_bytes_are_as_specified() -> None:
    """Order and spacing of the members."""
    assert MESSAGE.pack().decode() == (
        '{"type":"update_fw","url":"https://a.example/fw","alt_url":"http://b/c",'
        f'"fw_info":"{DIGITS}"}}'
    )


FULL = replace(MESSAGE, id="a_B-9", allow_downgrade=True)


def test_optional_members_come_last() -> None:
    """They are left out when they say nothing."""
    assert FULL.pack().decode() == (
        MESSAGE.pack().decode()[:-1] + ',"id":"a_B-9","allow_downgrade":true}'
    )


@pytest.mark.parametrize("message", [MESSAGE, FULL], ids=["short", "full"])
def test_round_trip(message: OtaJson) -> None:
    """unpack(pack(x)) is x."""
    assert OtaJson.unpack(message.pack()) == message


def test_optional_members_may_be_missing() -> None:
    """No id, and no version below the running one."""
    message = OtaJson.unpack(members())
    assert (message.id, message.allow_downgrade) == ("", False)
    assert not OtaJson.unpack(members(allow_downgrade=False)).allow_downgrade


def test_request_without_id_is_named_by_its_hash() -> None:
    """The first 16 hex digits of ebin_hash."""
    assert MESSAGE.report_id == INFO.ebin_hash.hex()[:16]
    assert FULL.report_id == "a_B-9"


def test_unknown_members_are_ignored() -> None:
    """A publisher may add its own."""
    assert OtaJson.unpack(members(note="42", extra=[1])).url == "http://a/b"


def test_one_url_is_enough() -> None:
    """Either may be missing or empty."""
    assert OtaJson.unpack(members(alt_url=...)).alt_url == ""
    assert OtaJson.unpack(members(url="", alt_url="http://c")).alt_url == "http://c"


def test_repr_shows_no_key() -> None:
    """Logs and tracebacks print reprs."""
    assert INFO.aes_key.hex() not in repr(MESSAGE)


def test_longest_message_fits() -> None:
    """Two URLs of 512 characters and the longest id stay below the limit."""
    url = "https://a/" + "x" * 502
    message = OtaJson(
        url=url, alt_url=url, fw_info=INFO, id="x" * 64, allow_downgrade=True
    )
    assert len(message.pack()) < MAX_SIZE


GOOD_URLS = [
    "http://a",
    "https://host.example:8443/path/ota.ebin?X-Amz-Signature=ab%2Fc&x=1#top",
    "HTTP://HOST/",
    "http://192.168.1.2/x",
    "http://user:password@host/x",
    "http://[::1]:8080/x",
]


@pytest.mark.parametrize("url", GOOD_URLS)
def test_good_url_is_accepted(url: str) -> None:
    """http and https, any host."""
    check_url(url, what="url")


BAD_URLS = {
    "ftp": ("ftp://a/b", "url: expected http:// or https://, got ftp://..."),
    "no_scheme": (
        "a/b",
        "url: expected http:// or https://, got 3 characters without a scheme",
    ),
    "no_host": (
        "http:///b",
        "url: expected a host after '//', got none that can be",
    ),
    "only_scheme": (
        "https://",
        "url: expected a host after '//', got none that can be",
    ),
    "too_long": (
        "http://a/" + "x" * 504,
        "url: expected at most 512 characters, got 513",
    ),
    "space": (
        "http://a/b c",
        "url: expected printable ASCII without space, quote and backslash, got ' ' at "
        "position 10",
    ),
    "newline": ("http://a/b\n", r"got '\\n' at position 10"),
    "control": ("http://a/\x07", r"got '\\x07' at position 9"),
    "quote": ('http://a/"', "got '\"' at position 9"),
    "backslash": ("http://a\\b", r"got '\\\\' at position 8"),
    "not_ascii": ("http://ä/", "got 'ä' at position 7"),
}


@pytest.mark.parametrize("case", BAD_URLS)
def test_bad_url_is_refused(case: str) -> None:
    """Each mistake has its sentence."""
    url, message = BAD_URLS[case]
    with pytest.raises(FormatError, match=message):
        OtaJson(url=url, alt_url="", fw_info=INFO)


def test_bad_alternate_url_is_named() -> None:
    """The same rules, and the message says which."""
    with pytest.raises(FormatError, match=r"^alt_url: expected http:// or https://"):
        OtaJson(url="http://a", alt_url="gopher://b", fw_info=INFO)


BAD = {
    "no_url": (members(url=""), "ota.json: expected url or alt_url, got neither"),
    "too_large": (b" " * 2049, "ota.json: expected at most 2048 bytes, got 2049"),
    "not_utf8": (b'{"\xff', "ota.json: expected UTF-8, got a bad byte at offset 2"),
    "not_json": (b"{", "ota.json: not JSON: .* at offset 1"),
    "empty": (b"", "ota.json: not JSON: Expecting value at offset 0"),
    "deep": (b"[" * 2048, "ota.json: not JSON"),
    "list": (b"[]", "ota.json: expected an object"),
    "other_type": (
        members(type="reboot"),
        "ota.json: expected type 'update_fw', got 'reboot'",
    ),
    "long_type": (
        members(type="7" * 32),
        "ota.json: expected type 'update_fw', got 34 characters",
    ),
    "no_type": (members(type=...), "ota.json: expected type 'update_fw', got nothing"),
    "no_fw_info": (
        members(fw_info=...),
        "ota.json: expected fw_info as text of 224 hex digits",
    ),
    "short_fw_info": (members(fw_info="00"), "fw_info: expected 224 hex digits, got 2"),
    "url_number": (members(url=7), "ota.json: expected url as text, got 7"),
    "url_null": (members(alt_url=None), "ota.json: expected alt_url as text, got noth"),
    "id_number": (members(id=7), "ota.json: expected id as text, got 7"),
    "id_null": (members(id=None), "ota.json: expected id as text, got nothing"),
    "id_empty": (members(id=""), "id: expected 1 to 64 characters, got none"),
    "id_too_long": (members(id="x" * 65), "id: expected at most 64 characters, got 65"),
    "id_dot": (members(id="a.b"), r"id: expected A-Z a-z 0-9 _ -, got '\.' at pos.* 1"),
    "id_newline": (members(id="a\n"), r"got '\\n' at position 1"),
    "id_not_ascii": (members(id="ä"), "got 'ä' at position 0"),
    "downgrade_number": (
        members(allow_downgrade=1),
        "ota.json: expected allow_downgrade as true or false, got 1",
    ),
    "downgrade_text": (
        members(allow_downgrade="true"),
        "ota.json: expected allow_downgrade as true or false, got 'true'",
    ),
    "downgrade_null": (
        members(allow_downgrade=None),
        "ota.json: expected allow_downgrade as true or false, got nothing",
    ),
    "member_twice": (
        b'{"type":"a","type":"b"}',
        "ota.json: member 'type' is given twice",
    ),
    "other_member_twice": (  # its name may be what was meant to be its value
        b'{"0123456789abcdef":1,"0123456789abcdef":2}',
        "ota.json: an unknown member is given twice",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_message_is_refused(case: str) -> None:
    """Each mistake has its sentence."""
    data, message = BAD[case]
    with pytest.raises(FormatError, match=message):
        OtaJson.unpack(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    """Nothing but FormatError."""
    with contextlib.suppress(FormatError):
        OtaJson.unpack(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


MEMBERS = ["type", "url", "alt_url", "fw_info", "id", "allow_downgrade", "more"]


@given(st.sampled_from(MEMBERS), JSON)
def test_any_member_value_is_read_or_refused(name: str, value: Any) -> None:
    """Nothing but FormatError."""
    with contextlib.suppress(FormatError):
        OtaJson.unpack(members(**{name: value}))

# SPDX-License-Identifier: Apache-2.0
"""The boot request, byte for byte (SPEC.md, section 4)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nrfota.arm import SIZE, BootRequest
from nrfota.ebin import seal
from nrfota.errors import FormatError, UsageError

INFO, _ = seal(b"plain" * 40, version=7, fp_base=0x1000, key=b"k" * 16, iv=b"i" * 16)
REQUEST = BootRequest(INFO, "E:/fw_7.ebin")


def test_every_field_is_where_the_specification_has_it() -> None:
    data = REQUEST.pack()
    assert len(data) == SIZE == 196
    assert data[0:4] == b"OTAR"
    assert struct.unpack_from("<HHI", data, 4) == (1, 196, 1)
    assert data[12:124] == INFO.pack()
    assert data[124:128] == bytes(4)
    assert data[128:192] == b"E:/fw_7.ebin".ljust(64, b"\0")
    assert struct.unpack_from("<I", data, 192) == (zlib.crc32(data[:192]),)


def test_leave_to_go_to_an_older_version_is_bit_0_of_the_flags() -> None:
    data = replace(REQUEST, allow_downgrade=True).pack()
    assert data[124:128] == b"\1\0\0\0"
    assert data[:124] + data[128:192] == (
        REQUEST.pack()[:124] + REQUEST.pack()[128:192]
    )


@pytest.mark.parametrize("leave", [False, True], ids=["newer", "any"])
def test_unpack_takes_what_pack_made(leave: bool) -> None:
    request = replace(REQUEST, allow_downgrade=leave)
    assert BootRequest.unpack(request.pack()) == request


def test_the_key_is_not_shown() -> None:
    assert "kkkk" not in repr(REQUEST)
    assert repr(REQUEST) == ("BootRequest(path='E:/fw_7.ebin', allow_downgrade=False)")


@pytest.mark.parametrize("path", ["", "fw", "E:fw", "E:/" + "x" * 61, "E:/a b"])
def test_paths_that_do_not_fit_are_refused(path: str) -> None:
    with pytest.raises(UsageError, match="modem path: expected DRIVE:/NAME"):
        BootRequest(INFO, path).pack()


def broken(offset: int, data: bytes) -> bytes:
    """The request with some bytes replaced and its CRC made right again."""
    body = bytearray(REQUEST.pack()[:192])
    body[offset : offset + len(data)] = data
    return bytes(body) + struct.pack("<I", zlib.crc32(body))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bytes(195), "expected 196 bytes, got 195"),
        (broken(0, b"X"), "expected magic 0x5241544f"),
        (broken(4, b"\2"), "expected format 0x00000001, got 0x00000002"),
        (broken(6, b"\0"), "expected size 0x000000c4"),
        (broken(8, b"\2"), "expected command 0x00000001"),
        (broken(124, b"\2"), "expected flags 0x00000000, got 0x00000002"),
        (broken(124, b"\1\0\0\x80"), "expected flags 0x00000001, got 0x80000001"),
        (REQUEST.pack()[:-1] + b"\0", "expected crc 0x"),
        (broken(191, b"x"), "expected a path ended and padded with NUL"),
        (broken(128, b"/"), "modem path: expected DRIVE:/NAME"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_request_is_told_by_its_field(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        BootRequest.unpack(data)


@given(st.binary(min_size=180, max_size=196))
def test_any_bytes_are_accepted_or_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        BootRequest.unpack(data)


@given(st.integers(0, 191), st.binary(min_size=1, max_size=4))
def test_any_change_with_a_right_crc_is_read_back_or_refused(
    offset: int, data: bytes
) -> None:
    changed = broken(min(offset, 192 - len(data)), data)
    try:
        request = BootRequest.unpack(changed)
    except FormatError:
        return
    assert request.pack() == changed

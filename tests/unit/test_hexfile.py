# SPDX-License-Identifier: Apache-2.0
"""`nrfota.hexfile`: Intel HEX in and out."""

from __future__ import annotations

import contextlib
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intelhex import IntelHex
from nrfota.errors import FormatError
from nrfota.hexfile import read_hex, write_hex
from nrfota.segment import Segment

# Record of 4 bytes at 0x0010, and the end; Intel's specification, 1988.
DATA = b":04001000DEADBEEFB4\n"
END = b":00000001FF\n"


def read(data: bytes) -> list[tuple[int, bytes]]:
    segments = read_hex(data, source="app.hex")
    return [(segment.address, bytes(segment.data)) for segment in segments]


def test_data_record() -> None:
    """Bytes land at their address."""
    assert read(DATA + END) == [(0x10, bytes.fromhex("deadbeef"))]


def test_extended_linear_address_moves_the_base() -> None:
    """Type 4 gives the upper 16 bits."""
    assert read(b":020000041000EA\n" + DATA + END)[0][0] == 0x10000010


def test_extended_segment_address_moves_the_base() -> None:
    """Type 2 gives bits 4 to 19."""
    assert read(b":020000021200EA\n" + DATA + END)[0][0] == 0x12010


def test_start_addresses_are_no_data() -> None:
    """Types 3 and 5 say where to start, which a reset does not need."""
    start = b":0400000500001041A6\n:0400000300000041B8\n"
    assert read(DATA + start + END) == read(DATA + END)


def test_neighbours_are_joined_in_any_order() -> None:
    """Records may come in any order."""
    later = b":04001400CAFEBABEA8\n"
    assert read(later + DATA + END) == [(0x10, bytes.fromhex("deadbeefcafebabe"))]


def test_line_ends_and_case_do_not_matter() -> None:
    """Windows line ends, lower case, blank lines."""
    assert read(b"\r\n:04001000deadbeefb4\r\n" + END) == read(DATA + END)


def test_linear_record_may_cross_a_64k_boundary() -> None:
    """Addresses wrap at 4 GB alone (specification, type 04)."""
    assert read(b":02FFFF00AABB9B\n" + END) == [(0xFFFF, b"\xaa\xbb")]


BAD = {
    "checksum": (
        b"\n:04001000DEADBEEFB5\n" + END,
        "line 2: expected checksum B4, got B5",
    ),
    "no_colon": (b"hello\n", "line 1: expected a record starting with ':', got b'he"),
    "odd_digits": (b":000\n", "line 1: expected pairs of hex digits after ':'"),
    "not_hex": (b":04001000DEADBEXXB4\n", "line 1: expected pairs of hex digits"),
    "short_record": (
        b":05001000DEADBEEFB4\n",
        "line 1: expected a record of 10 bytes, got 9",
    ),
    "empty_record": (b":\n", "line 1: expected a record of 5 bytes, got 0"),
    "unknown_type": (b":00000006FA\n", "line 1: expected record type 0 to 5, got 6"),
    "base_length": (
        b":0100000410EB\n",
        "line 1: expected 2 bytes in a record of type 4, got 1",
    ),
    "no_end": (DATA, "expected an end-of-file record at the end"),
    "after_end": (
        END + DATA,
        "line 2: expected nothing after the end-of-file record",
    ),
    "no_data": (END, "no data record"),
    "wraps_in_its_segment": (
        b":020000020000FC\n:02FFFF00AABB9B\n" + END,
        "line 2: the record at 0x0000ffff crosses a 64 KB boundary of its segment",
    ),
    "overlap": (
        DATA + b":01001200AA43\n" + END,
        r"data of line 1 \(0x00000010..0x00000014\) and data of line 2 "
        r"\(0x00000012..0x00000013\) overlap",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_hex_is_refused(case: str) -> None:
    """Each mistake has its sentence, with the line."""
    data, message = BAD[case]
    with pytest.raises(FormatError, match=f"^app.hex: {message}"):
        read_hex(data, source="app.hex")


SEGMENTS = st.lists(
    st.tuples(st.integers(0, 0x40000), st.binary(min_size=1, max_size=300)), max_size=4
)


@given(SEGMENTS)
def test_what_is_written_reads_back_also_elsewhere(
    rows: list[tuple[int, bytes]],
) -> None:
    """Round trip, and intelhex reads the same."""
    spread = [Segment(0x50000 * i + at, data, "x") for i, (at, data) in enumerate(rows)]
    if not spread:
        return
    text = write_hex(spread)
    got = {
        segment.address + i: byte
        for segment in read_hex(text.encode(), source="x")
        for i, byte in enumerate(bytes(segment.data))
    }
    theirs = IntelHex(StringIO(text))
    assert got == {address: theirs[address] for address in theirs.addresses()}
    assert got == {
        segment.address + i: byte
        for segment in spread
        for i, byte in enumerate(bytes(segment.data))
    }


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing but FormatError."""
    with contextlib.suppress(FormatError):
        read_hex(data, source="x")


@given(st.integers(0, len(DATA + END) - 1), st.integers(0, 255))
def test_changed_byte_is_read_or_refused(at: int, value: int) -> None:
    """Nothing but FormatError, and never other data."""
    data = bytearray(DATA + END)
    data[at] = value
    with contextlib.suppress(FormatError):
        assert read(bytes(data)) == read(DATA + END)

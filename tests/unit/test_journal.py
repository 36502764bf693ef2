# SPDX-License-Identifier: Apache-2.0
"""`nrfota.journal`: two pages of records (SPEC.md 7)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nrfota.errors import FormatError, UsageError
from nrfota.fw_info import FwInfo
from nrfota.journal import (
    Record,
    RecordType,
    Step,
    Version,
    build_page,
    check_path,
    factory_journal,
    read_journal,
    read_page,
)

PAGE = 4096
BLANK = b"\xff" * PAGE
VECTOR = Path(__file__).parents[1] / "vectors" / "fw_info_article.hex"
INFO = FwInfo.from_hex(VECTOR.read_text().strip())
PATH = "E:/fw_1.ebin"
CURRENT = Record(RecordType.CURRENT, Version(INFO, PATH).pack())
IDLE = Record(RecordType.STEP, struct.pack("<Ii", Step.IDLE, 0))


def pending(version: int) -> Record:
    info = replace(INFO, version=version)
    return Record(RecordType.PENDING, Version(info, "E:/fw_2.ebin").pack())


def previous(version: int) -> Record:
    info = replace(INFO, version=version)
    return Record(RecordType.PREVIOUS, Version(info, "").pack())


def step(value: Step, error: int = 0) -> Record:
    return Record(RecordType.STEP, struct.pack("<Ii", value, error))


def word(kind: RecordType, value: int) -> Record:
    return Record(kind, struct.pack("<I", value))


def page(
    *snapshot: Record, sequence: int = 1, appended: tuple[Record, ...] = ()
) -> bytes:
    return build_page(
        snapshot or (CURRENT, IDLE),
        sequence=sequence,
        page_size=PAGE,
        appended=appended,
    )


def unsealed(data: bytes) -> bytes:
    return data[:16] + b"\xff" * 4 + data[20:]


def test_factory_journal_is_as_specified() -> None:
    """Every byte, put together by hand from SPEC.md 7."""
    current = (
        struct.pack("<BBH", 1, 0, 176) + INFO.pack() + PATH.encode().ljust(64, b"\0")
    )
    current += struct.pack("<I", zlib.crc32(current))
    idle = struct.pack("<BBHIi", 4, 0, 8, 0, 0)
    idle += struct.pack("<I", zlib.crc32(idle))
    head = struct.pack("<4sII", b"OTAJ", 1, len(current + idle))
    head += struct.pack("<I", zlib.crc32(head + current + idle))
    expected = (head + bytes(4) + b"\xff" * 12 + current + idle).ljust(PAGE, b"\xff")
    assert factory_journal(INFO, path=PATH, page_size=PAGE) == expected + BLANK


def test_factory_journal_reads_back() -> None:
    """One version, nothing pending."""
    journal = read_journal(
        factory_journal(INFO, path=PATH, page_size=PAGE), page_size=PAGE
    )
    assert journal.active == 0
    assert journal.problems == () and journal.bad_records == ()
    assert journal.state.current == Version(INFO, PATH)
    assert (journal.state.step, journal.state.pending) == (Step.IDLE, None)


def test_without_a_path_the_key_is_left_out() -> None:
    """What is not in the modem cannot be gone back to."""
    data = factory_journal(INFO, path="", page_size=PAGE)
    assert INFO.aes_key not in data
    state = read_journal(data, page_size=PAGE).state
    assert state.current == Version(INFO.public(), "")


def test_records_add_up() -> None:
    """Later ones replace earlier ones; PREVIOUS newest first."""
    data = page(
        CURRENT,
        previous(1),
        previous(2),
        IDLE,
        appended=(
            pending(5),
            step(Step.CHECK),
            word(RecordType.ATTEMPT, 4),
            pending(6),
            step(Step.PROGRAM, -27),
            word(RecordType.PAGE_DONE, 0),
            word(RecordType.PAGE_DONE, 1),
            word(RecordType.ATTEMPT, 1),
            word(RecordType.TOKEN, 0x1234),
        ),
    )
    state = read_journal(data + BLANK, page_size=PAGE).state
    assert state.pending is not None and state.pending.fw_info.version == 6
    assert [version.fw_info.version for version in state.previous] == [2, 1]
    assert (state.step, state.error) == (Step.PROGRAM, -27)
    assert (state.pages_done, state.attempts) == ((0, 1), (1,))
    assert state.token == 0x1234


def test_a_step_empties_pages_and_attempts() -> None:
    """They belong to the step."""
    data = page(
        appended=(word(RecordType.PAGE_DONE, 7), word(RecordType.ATTEMPT, 1), IDLE)
    )
    state = read_journal(data + BLANK, page_size=PAGE).state
    assert (state.pages_done, state.attempts) == ((), ())


CHOICES = {
    "both_blank": (BLANK, BLANK, None),
    "only_first": (page(), BLANK, 0),
    "only_second": (BLANK, page(), 1),
    "higher_sequence": (page(sequence=8), page(sequence=9), 1),
    "higher_sequence_first": (page(sequence=10), page(sequence=9), 0),
    "newer_not_sealed": (page(sequence=8), unsealed(page(sequence=9)), 0),
    "newer_not_sealed_but_appended": (
        page(sequence=8),
        unsealed(page(sequence=9, appended=(IDLE,))),
        1,
    ),
    "alone_and_not_sealed": (BLANK, unsealed(page(sequence=9)), 1),
    "newer_with_bad_crc": (page(sequence=8), page(sequence=9)[:-1] + b"\xff", 1),
    "newer_with_bad_magic": (page(sequence=8), b"\0" + page(sequence=9)[1:], 0),
    "newer_with_damaged_snapshot": (
        page(sequence=8),
        page(sequence=9)[:60] + b"\xa5" + page(sequence=9)[61:],
        0,
    ),
}


@pytest.mark.parametrize("case", CHOICES)
def test_the_page_that_counts(case: str) -> None:
    """As the bootloader chooses (SPEC.md 7.1)."""
    first, second, expected = CHOICES[case]
    assert read_journal(first + second, page_size=PAGE).active == expected


def test_torn_record_ends_the_reading() -> None:
    """What stands before it holds; the page is not clean."""
    good = page(appended=(pending(5),))
    torn = word(RecordType.TOKEN, 1).pack()[:6]
    end = read_page(good).records_end
    data = good[:end] + torn + good[end + len(torn) :]
    journal = read_journal(data + BLANK, page_size=PAGE)
    assert journal.state.pending is not None and journal.state.token is None
    assert not journal.pages[0].clean
    assert journal.problems == (
        "page 0: bytes behind the last valid record are not blank",
    )


PAGE_PROBLEMS = {
    "blank": (BLANK, "blank"),
    "short": (bytes(31), "expected at least 32 bytes, got 31"),
    "magic": (bytes(PAGE), "expected magic 0x4a41544f, got 0x00000000"),
    "crc": (
        page()[:12] + bytes(4) + page()[16:],
        "expected crc 0x[0-9a-f]{8}, got 0x00000000",
    ),
    "snapshot_size": (
        page()[:8] + b"\xff\xff\0\0" + page()[12:],
        "snapshot of 65535 bytes does not fit the page",
    ),
}


@pytest.mark.parametrize("case", PAGE_PROBLEMS)
def test_unusable_page_says_why(case: str) -> None:
    """For a person who looks at a dump."""
    import re

    data, message = PAGE_PROBLEMS[case]
    problem = read_page(data).problem
    assert re.fullmatch(message, problem), problem


BAD_RECORDS = {
    "unknown_type": (Record(9, bytes(4)), "unknown record type"),
    "length": (Record(RecordType.TOKEN, bytes(8)), "expected 4 bytes, got 8"),
    "fw_info": (
        Record(RecordType.PENDING, bytes(176)),
        "fw_info: expected pbin_size of at least 1",
    ),
    "path": (
        Record(RecordType.PENDING, INFO.pack() + b"x" * 64),
        "path: expected ASCII text, NUL terminated and padded",
    ),
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_record_that_makes_no_sense_is_reported(case: str) -> None:
    """Its CRC is good, its content is not."""
    record, message = BAD_RECORDS[case]
    journal = read_journal(page(appended=(record,)) + BLANK, page_size=PAGE)
    assert len(journal.bad_records) == 1
    assert message in journal.bad_records[0]
    assert journal.bad_records[0].startswith(f"{record.name} at offset 232: ")


def test_records_that_do_not_fit_are_refused() -> None:
    """A page is a page."""
    with pytest.raises(FormatError, match="journal: records end at 4632, expected at"):
        page(*[CURRENT] * 25)


@pytest.mark.parametrize("path", ["E:/fw_1.ebin", "C:/a", "E:/" + "x" * 60])
def test_modem_path_is_accepted(path: str) -> None:
    """Drive, slash, name; 63 characters at most."""
    assert check_path(path) == path


BAD_PATHS = [
    "",
    "fw.ebin",
    "E:fw",
    "e:/fw",
    "E:/",
    "E:/a b",
    "E:/a/b",
    "E:/" + "x" * 61,
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_bad_modem_path_is_refused(path: str) -> None:
    """One sentence."""
    with pytest.raises(UsageError, match="modem path: expected DRIVE:/NAME like E:/fw"):
        check_path(path)


def test_repr_shows_no_key() -> None:
    """Records carry keys."""
    journal = read_journal(page(appended=(pending(3),)) + BLANK, page_size=PAGE)
    assert repr(INFO.aes_key)[2:-1] not in repr(journal)
    assert "payload" not in repr(journal)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_are_read(data: bytes) -> None:
    """Never an exception, blank or not."""
    read_journal(data, page_size=256)
    read_journal(b"OTAJ" + data, page_size=4096)


GOOD = page(appended=(pending(5), step(Step.PROGRAM), word(RecordType.PAGE_DONE, 3)))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 700), st.integers(0, 255), st.integers(0, 700))
def test_damaged_journal_is_read(at: int, value: int, cut: int) -> None:
    """One byte changed and the tail blank: a prefix of the records, or nothing."""
    data = bytearray(GOOD)
    data[at] = value
    data[cut:] = b"\xff" * (PAGE - cut)
    journal = read_journal(bytes(data) + BLANK, page_size=PAGE)
    whole = read_page(GOOD).records
    for record, expected in zip(journal.pages[0].records, whole, strict=False):
        assert record == expected or record.payload != expected.payload


@pytest.mark.parametrize("offset", [16, 20, 24, 28])
def test_any_of_the_seal_words_seals_a_page(offset: int) -> None:
    """The bootloader seals again in the next word, which must count alike."""
    data = bytearray(page())
    data[16:32] = b"\xff" * 16
    assert not read_page(bytes(data)).sealed
    data[offset : offset + 4] = bytes(4)
    assert read_page(bytes(data)).sealed

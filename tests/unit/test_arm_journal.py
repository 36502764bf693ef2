# SPDX-License-Identifier: Apache-2.0
"""Arming by the journal: what is written, and what is refused."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from nrfota.arm import BootRequest
from nrfota.arm_journal import armed_journal
from nrfota.ebin import seal
from nrfota.errors import FormatError, OtaError, UsageError
from nrfota.fw_info import FwInfo
from nrfota.journal import (
    Journal,
    Record,
    RecordType,
    State,
    Step,
    Version,
    build_page,
    factory_journal,
    read_journal,
)
from nrfota.segment import Segment
from support.layouts import layout

PAGE = 4096
START = 0xFC000


def info(version: int, *, base: int = 0x1000, size: int = 999) -> FwInfo:
    plain = bytes([version]) * size
    sealed, _ = seal(plain, version=version, fp_base=base, key=b"k" * 16, iv=bytes(16))
    return sealed


OLD = Version(info(1), "E:/fw_1.ebin")
OLDER = Version(info(7), "F:/fw_7.ebin")
OLDEST = Version(info(6), "C:/fw_6.ebin")
REQUEST = BootRequest(info(2), "E:/fw_2.ebin")
FACTORY = factory_journal(OLD.fw_info, path=OLD.path, page_size=PAGE)


def page(
    *versions: tuple[RecordType, Version], step: int = Step.IDLE, sequence: int = 5
) -> bytes:
    records = [Record(kind, version.pack()) for kind, version in versions]
    records.append(Record(RecordType.STEP, struct.pack("<Ii", step, 0)))
    return build_page(records, sequence=sequence, page_size=PAGE)


CURRENT = (RecordType.CURRENT, OLD)


def programmed(flash: bytes, segments: tuple[Segment, ...]) -> bytes:
    """`flash` after a tool that erases touched sectors has programmed `segments`."""
    result = bytearray(flash)
    for at in {(segment.address - START) // PAGE * PAGE for segment in segments}:
        result[at : at + PAGE] = b"\xff" * PAGE
    for segment in segments:
        at = segment.address - START
        result[at : at + len(segment.data)] = segment.data
    return bytes(result)


def armed(flash: bytes, request: BootRequest = REQUEST) -> Journal:
    segments = armed_journal(flash, request, layout=layout())
    return read_journal(programmed(flash, segments), page_size=PAGE)


def test_the_update_is_pending_in_the_page_that_was_not_in_use() -> None:
    journal = armed(FACTORY)
    assert journal.active == 1
    assert journal.pages[1].sequence == 2
    assert journal.pages[1].sealed
    assert journal.problems == ()
    assert journal.state == State(
        current=OLD,
        pending=Version(REQUEST.fw_info, REQUEST.path),
        step=Step.CHECK,
    )


def test_the_page_in_use_is_not_touched() -> None:
    for flash, spared in ((FACTORY, 0), (b"\xff" * PAGE + page(CURRENT), 1)):
        segments = armed_journal(flash, REQUEST, layout=layout())
        after = programmed(flash, segments)
        at = spared * PAGE
        assert after[at : at + PAGE] == flash[at : at + PAGE]


def test_versions_to_go_back_to_are_kept_in_their_order() -> None:
    older = (RecordType.PREVIOUS, OLDEST), (RecordType.PREVIOUS, OLDER)
    journal = armed(page(CURRENT, *older) + b"\xff" * PAGE)
    assert journal.state.previous == (OLDER, OLDEST)
    assert journal.pages[1].sequence == 6


def test_seals_to_come_and_the_free_rest_are_not_programmed() -> None:
    segments = armed_journal(FACTORY, REQUEST, layout=layout())
    assert [(part.address, len(part.data) % 4) for part in segments] == [
        (START + PAGE, 0),
        (START + PAGE + 32, 0),
    ]
    assert len(segments[0].data) == 20
    assert segments[1].end < START + PAGE + 1000


def test_an_update_of_the_bootloader_is_taken() -> None:
    request = BootRequest(info(3, base=0xF6000), "E:/boot.ebin")
    assert armed(FACTORY, request).state.pending is not None


def test_an_older_version_is_taken_with_leave() -> None:
    request = BootRequest(info(0), "E:/fw_0.ebin", allow_downgrade=True)
    assert armed(FACTORY, request).state.pending == Version(info(0), "E:/fw_0.ebin")


def test_a_bootloader_has_no_version_to_compare_with() -> None:
    request = BootRequest(info(0, base=0xF6000), "E:/boot.ebin")
    assert armed(FACTORY, request).state.pending is not None


@pytest.mark.parametrize("kept", range(4), ids=lambda kept: f"{kept} kept")
def test_a_cut_while_the_tool_writes_leaves_a_device_that_starts(kept: int) -> None:
    """Whatever part of the new page got written, the old one or all of it counts."""
    older = [(RecordType.PREVIOUS, OLDER)] * kept
    flash = page(CURRENT, *older) + b"\xff" * PAGE
    segments = armed_journal(flash, REQUEST, layout=layout())
    whole = programmed(flash, segments)
    words = [
        at
        for part in segments
        for at in range(part.address - START, part.end - START, 4)
    ]
    for done in range(len(words) + 1):
        cut = bytearray(whole)
        for at in words[done:]:
            cut[at : at + 4] = b"\xff" * 4
        state = read_journal(bytes(cut), page_size=PAGE).state
        assert state.current == OLD
        assert state.step == (Step.CHECK if bytes(cut) == whole else Step.IDLE)


BAD_TYPE = build_page(
    (
        Record(RecordType.CURRENT, OLD.pack()),
        Record(9, bytes(4)),
        Record(RecordType.STEP, bytes(8)),
    ),
    sequence=1,
    page_size=PAGE,
)


@pytest.mark.parametrize(
    ("flash", "kind", "message"),
    [
        (b"\xff" * 2 * PAGE, FormatError, "expected a usable journal .*provision"),
        (bytes(2 * PAGE), FormatError, "read only zeros: the chip's read protection"),
        (b"\xff" * PAGE, FormatError, "expected 8192 bytes of 'journal'"),
        (page() + b"\xff" * PAGE, FormatError, "no record of the version that runs"),
        (BAD_TYPE + b"\xff" * PAGE, FormatError, "whose records make sense.*type 9"),
        (
            page(CURRENT, step=Step.TRIAL) + b"\xff" * PAGE,
            UsageError,
            "no update in work, its journal is in step TRIAL; let it finish",
        ),
        (
            page(CURRENT, step=77) + b"\xff" * PAGE,
            UsageError,
            "its journal is in step 77",
        ),
        (
            page(CURRENT, sequence=0xFFFFFFFF) + b"\xff" * PAGE,
            FormatError,
            "expected a sequence below 4294967295",
        ),
    ],
    ids=[
        *("blank", "read_protected", "short", "no_current", "unknown_record"),
        *("on_trial", "unknown_step", "last_sequence"),
    ],
)
def test_a_journal_that_cannot_be_built_upon_is_refused(
    flash: bytes, kind: type[OtaError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        armed_journal(flash, REQUEST, layout=layout())


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            BootRequest(info(2, base=0x2000), "E:/a"),
            "an update for 0x00001000 or 0x000f6000, got one for 0x00002000",
        ),
        (
            BootRequest(info(2, base=0xF6000, size=0x6001), "E:/a"),
            "of at most 24576 bytes at 0x000f6000, got 24577",
        ),
        (BootRequest(replace(OLD.fw_info, version=9), "E:/a"), "nothing to update"),
        (
            BootRequest(info(0), "E:/a"),
            "the device runs version 1 and the update is version 0: to go to an older",
        ),
        (BootRequest(info(2), ""), "modem path: expected DRIVE:/NAME"),
    ],
    ids=["elsewhere", "too_large", "same_image", "older", "no_path"],
)
def test_what_the_bootloader_would_refuse_is_refused(
    request_: BootRequest, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        armed_journal(FACTORY, request_, layout=layout())

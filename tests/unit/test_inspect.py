# SPDX-License-Identifier: Apache-2.0
"""`nrfota.inspect`, `inspect_flash`, `inspect_text`: recognise, verify, show."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nrfota.ebin import seal
from nrfota.errors import FormatError
from nrfota.factory import FactoryParts, factory_segments
from nrfota.hexfile import write_hex
from nrfota.image import build_image
from nrfota.inspect import Context, Report, inspect
from nrfota.inspect_text import to_text
from nrfota.journal import Record, RecordType, Step, Version, build_page
from nrfota.ota_json import OtaJson
from nrfota.package import Release, Secret, build_package
from nrfota.segment import Segment
from support.elf_builder import Elf, Section, counting
from support.layouts import layout
from vboard.nv import NvMemory

LAYOUT = layout()
KEY, IV = bytes(range(0xA0, 0xB0)), bytes(range(0xC0, 0xD0))
APP = build_image([Segment(0x1000, counting(0x1000, 5000), "x")], layout=LAYOUT)
PACKAGE = build_package(APP, release=Release(7, "https://a/b"), secret=Secret(KEY, IV))
BARE = PACKAGE.ebin[112:]
MESSAGE = OtaJson.unpack(PACKAGE.ota_json)
OTHER = replace(
    MESSAGE,
    fw_info=seal(APP.plain, version=7, fp_base=0x1000, key=IV, iv=KEY)[0],
)
CONTEXT = Context(LAYOUT)
TRUSTING = Context(LAYOUT, trusted=MESSAGE)
SEGMENTS = factory_segments(
    FactoryParts(
        app=APP,
        info=PACKAGE.fw_info,
        bootloader=(Segment(0xF6000, counting(0xF6000, 300), "x"),),
        mbr=(Segment(0, counting(0, 200), "x"),),
        modem_path="E:/fw_7.ebin",
    ),
    layout=LAYOUT,
)
FACTORY = write_hex(SEGMENTS).encode()


def dump(*patches: tuple[int, bytes]) -> bytes:
    """All of flash of a new device, with some bytes replaced."""
    data = bytearray(b"\xff" * LAYOUT.flash.size)
    for segment in SEGMENTS:
        data[segment.address : segment.end] = segment.data
    for address, patch in patches:
        data[address : address + len(patch)] = patch
    return bytes(data)


def journal(*records: Record) -> tuple[int, bytes]:
    return (0xFC000, build_page(records, sequence=2, page_size=4096))


def current(info: object = PACKAGE.fw_info) -> Record:
    return Record(RecordType.CURRENT, Version(info, "E:/a").pack())  # type: ignore[arg-type]


def pending(info: object) -> Record:
    return Record(RecordType.PENDING, Version(info, "E:/b").pack())  # type: ignore[arg-type]


def step(value: int) -> Record:
    return Record(RecordType.STEP, struct.pack("<Ii", value, 0))


def failed(report: Report) -> dict[str, str]:
    return {check.name: check.detail for check in report.checks if not check.ok}


def passed(report: Report) -> set[str]:
    return {check.name for check in report.checks if check.ok}


KINDS = {
    "ebin_with_header": (PACKAGE.ebin, CONTEXT, "ebin"),
    "ebin_with_header_and_json": (PACKAGE.ebin, TRUSTING, "ebin"),
    "ebin_bare_and_json": (BARE, TRUSTING, "ebin"),
    "ota_json": (PACKAGE.ota_json, CONTEXT, "ota.json"),
    "ota_json_and_json": (PACKAGE.ota_json, TRUSTING, "ota.json"),
    "fw_info": (PACKAGE.fw_info.pack().hex().encode(), CONTEXT, "fw_info"),
    "fw_info_upper_case": (
        PACKAGE.fw_info.pack().hex().upper().encode() + b"\r\n",
        CONTEXT,
        "fw_info",
    ),
    "factory_hex": (FACTORY, CONTEXT, "hex"),
    "factory_hex_and_json": (FACTORY, TRUSTING, "hex"),
    "dump": (dump(), CONTEXT, "flash"),
    "elf": (Elf((Section(".text", 0x1000, 8),)).build(), CONTEXT, "elf"),
}


@pytest.mark.parametrize("case", KINDS)
def test_file_is_recognised_and_verifies(case: str) -> None:
    """By content; text and JSON can be made of each."""
    data, context, kind = KINDS[case]
    report = inspect(data, context=context)
    assert (report.kind, failed(report)) == (kind, {})
    assert report.ok
    assert json.loads(json.dumps(report.as_json()))["ok"] is True
    assert to_text(report).endswith("\n") and "FAIL" not in to_text(report)


@pytest.mark.parametrize("case", KINDS)
def test_secrets_are_hidden_unless_asked_for(case: str) -> None:
    """In text and in JSON."""
    data, context, _ = KINDS[case]
    hidden = inspect(data, context=context)
    for text in (to_text(hidden), json.dumps(hidden.as_json()), repr(hidden)):
        assert KEY.hex() not in text and IV.hex() not in text
    shown = to_text(inspect(data, context=replace(context, secrets=True)))
    # The key is shown exactly where it is known from.
    known = context.trusted is not None and hidden.kind == "ebin"
    known |= hidden.kind in ("ota.json", "fw_info", "flash") or data is FACTORY
    assert (KEY.hex() in shown) is known


def test_header_alone_verifies_the_cipher_text_only() -> None:
    """Without the key nothing is said about the plain image."""
    report = inspect(PACKAGE.ebin, context=CONTEXT)
    assert passed(report) == {"cipher size", "destination", "cipher text"}
    assert report.fields["fw_info"]["aes_key"] is None


def test_json_also_verifies_the_plain_image() -> None:
    """Decrypted."""
    report = inspect(BARE, context=TRUSTING)
    assert "plain image" in passed(report)
    assert report.fields["form"] == "bare"


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


UNVERIFIED = {
    "flipped_cipher": (
        flipped(PACKAGE.ebin, 200),
        CONTEXT,
        {"cipher text": "expected"},
    ),
    "truncated": (
        PACKAGE.ebin[:-16],
        CONTEXT,
        {"cipher size": "expected 5008 bytes, got 4992", "cipher text": "expected"},
    ),
    "wrong_json": (
        PACKAGE.ebin,
        Context(LAYOUT, trusted=OTHER),
        {
            "header": "differs from the fw_info of ota.json",
            "cipher text": "expected SHA-256",
        },
    ),
    "not_the_size_of_json": (
        BARE[:-16],
        TRUSTING,
        {"cipher size": "expected 5008 bytes, got 4992"},
    ),
    "no_header_in_front": (
        bytes(112) + BARE,
        TRUSTING,
        {"header": "the first 112 bytes are no public header"},
    ),
    "other_destination": (
        replace(PACKAGE.fw_info, fp_base=0x2000).pack().hex().encode(),
        CONTEXT,
        {
            "destination": "expected 0x00001000 ('app') or 0x000f6000 ('bootloader'), "
            "got 0x00002000"
        },
    ),
    "too_big_for_its_region": (
        seal(bytes(0x4001), version=1, fp_base=0xF6000, key=KEY, iv=IV)[0]
        .pack()
        .hex()
        .encode(),
        CONTEXT,
        {"destination": "16385 of 16384 bytes of region 'bootloader'"},
    ),
    "fw_info_of_another_package": (
        PACKAGE.fw_info.pack().hex().encode(),
        Context(LAYOUT, trusted=OTHER),
        {"fw_info": "differs from the fw_info of ota.json"},
    ),
    "application_changed": (
        dump((0x1800, b"\0\0")),
        CONTEXT,
        {"application": "expected SHA-256"},
    ),
    "json_of_another_image": (
        FACTORY,
        Context(
            LAYOUT,
            trusted=replace(
                MESSAGE,
                fw_info=seal(b"x", version=1, fp_base=0x1000, key=KEY, iv=IV)[0],
            ),
        ),
        {"image of ota.json": "expected SHA-256"},
    ),
    "journal_blank": (
        dump((0xFC000, b"\xff" * 4096)),
        CONTEXT,
        {"journal": "neither page is usable"},
    ),
    "journal_damaged": (
        dump((0xFC020, b"\0\0")),
        CONTEXT,
        {"journal": "page 0: expected crc 0x"},
    ),
    "journal_without_current": (
        dump(journal(step(Step.IDLE))),
        CONTEXT,
        {"application": "the journal has no CURRENT"},
    ),
    "journal_with_nonsense": (
        dump(journal(current(), step(Step.IDLE), Record(9, bytes(4)))),
        CONTEXT,
        {"journal": "unknown record type"},
    ),
    "journal_with_other_destination": (
        dump(
            journal(
                current(),
                pending(replace(PACKAGE.fw_info, fp_base=0x3000)),
                step(Step.IDLE),
            )
        ),
        CONTEXT,
        {"journal": "destination: expected 0x00001000"},
    ),
    "boot_word_wrong": (
        dump((0xFF8, struct.pack("<I", 0xF0000))),
        CONTEXT,
        {"boot words": "expected bootloader at 0x000f6000, got 0x000f0000"},
    ),
    "boot_words_blank": (
        dump((0xFF8, b"\xff" * 4)),
        CONTEXT,
        {"boot words": "expected bootloader at 0x000f6000, got blank"},
    ),
}


@pytest.mark.parametrize("case", UNVERIFIED)
def test_what_does_not_verify_is_said(case: str) -> None:
    """Each failed check names what was expected and what came."""
    data, context, expected = UNVERIFIED[case]
    report = inspect(data, context=context)
    got = failed(report)
    assert not report.ok
    for name, detail in expected.items():
        assert detail in got[name], got
    assert "FAIL" in to_text(report)


def test_while_the_application_is_written_it_is_not_judged() -> None:
    """In PROGRAM its hash can be anything."""
    update = pending(replace(PACKAGE.fw_info, version=8, pbin_hash=bytes(32)))
    for value in (Step.PROGRAM, Step.VERIFY, Step.ROLLBACK):
        data = dump((0x1800, b"\0\0"), journal(current(), update, step(value)))
        report = inspect(data, context=CONTEXT)
        assert report.ok and "application" not in passed(report)


def test_on_trial_the_pending_application_is_judged() -> None:
    """It is what flash should hold."""
    old = replace(PACKAGE.fw_info, version=6, pbin_hash=bytes(32))
    data = dump(journal(current(old), pending(PACKAGE.fw_info), step(Step.TRIAL)))
    assert "application" in passed(inspect(data, context=CONTEXT))


def test_pending_bootloader_leaves_the_application_alone() -> None:
    """CURRENT stays what the application is."""
    info = seal(bytes(64), version=2, fp_base=0xF6000, key=KEY, iv=IV)[0]
    data = dump(journal(current(), pending(info), step(Step.PROGRAM)))
    assert "application" in passed(inspect(data, context=CONTEXT))


def test_journal_is_shown_with_all_records() -> None:
    """Each type with its values."""
    records = (
        current(),
        pending(replace(PACKAGE.fw_info, version=8)),
        Record(RecordType.PREVIOUS, Version(PACKAGE.fw_info, "").pack()),
        step(Step.PROGRAM),
        Record(RecordType.PAGE_DONE, struct.pack("<I", 3)),
        Record(RecordType.ATTEMPT, struct.pack("<I", 4)),
        Record(RecordType.TOKEN, struct.pack("<I", 0xABCD)),
        step(99),
        Record(77, b"x" * 8),
        Record(RecordType.CURRENT, bytes(176)),
    )
    report = inspect(dump(journal(*records)), context=CONTEXT)
    rows = report.fields["journal"]["pages"][0]["records"]
    assert [row["type"] for row in rows] == [
        "CURRENT",
        "PENDING",
        "PREVIOUS",
        "STEP",
        "PAGE_DONE",
        "ATTEMPT",
        "TOKEN",
        "STEP",
        "type 77",
        "CURRENT",
    ]
    assert rows[1]["fw_info"]["version"] == 8 and rows[2]["path"] is None
    assert (rows[3]["step"], rows[7]["step"]) == ("PROGRAM", "step 99")
    assert (rows[4]["page"], rows[5]["resetreas"], rows[6]["token"]) == (3, 4, 0xABCD)
    assert (rows[8]["length"], rows[9]["length"]) == (8, 176)
    text = to_text(report)
    assert "PENDING    version 8, path E:/b" in text
    assert "ATTEMPT    resetreas 0x00000004" in text


def test_torn_tail_of_the_journal_still_verifies() -> None:
    """A power cut leaves one; the bootloader goes on from what is before it."""
    end = 0xFC000 + 232
    report = inspect(dump((end, b"\x04\0\x08\0")), context=CONTEXT)
    assert report.ok
    assert report.fields["journal"]["pages"][0]["clean"] is False
    assert "bytes behind the last valid record are not blank" in to_text(report)


def test_confirmation_is_shown() -> None:
    """SPEC.md 6."""
    words = struct.pack("<II", 0x4D524643, 0x1234)
    report = inspect(dump((0xFF000, words)), context=CONTEXT)
    assert report.fields["confirm_token"] == 0x1234
    assert "confirm token    0x00001234" in to_text(report)


def test_program_alone_has_nothing_to_verify() -> None:
    """Someone's application HEX is no device."""
    text = write_hex([Segment(0x1000, b"program", "x")])
    report = inspect(text.encode(), context=CONTEXT)
    assert report.checks == ()


def test_version_that_looks_like_elf_is_an_ebin() -> None:
    """The header is tried before the magic numbers."""
    info, cipher = seal(b"x", version=0x464C457F, fp_base=0x1000, key=KEY, iv=IV)
    data = info.public().pack() + cipher
    assert inspect(data, context=CONTEXT).kind == "ebin"


def board_memory(folder: Path) -> bytes:
    """The virtual board's own file of the same device, with UICR words."""
    memory = NvMemory()
    memory.preload(0, dump())
    memory.preload(0x10001014, struct.pack("<II", 0xF6000, 0xFE000))
    memory.save(folder / "nv.bin")
    return (folder / "nv.bin").read_bytes()


def test_memory_file_of_the_virtual_board_is_a_flash_dump(tmp_path: Path) -> None:
    """With UICR; its own bookkeeping is not looked at."""
    report = inspect(board_memory(tmp_path), context=CONTEXT)
    expected = inspect(dump(), context=CONTEXT)
    assert (report.kind, report.ok) == ("flash", True)
    assert report.fields["journal"] == expected.fields["journal"]
    assert report.fields["boot_words"]["uicr_bootloader"] == 0xF6000


@pytest.mark.parametrize(
    ("at", "patch", "message"),
    [
        (8, b"\x02", "expected version 1 of the virtual board's memory file, got 2"),
        (12, b"\xff\xff\xff\xff", "ends before its pages"),
        (0x20000, b"\x55", "expected CRC-32 "),
    ],
    ids=["version", "header_length", "flipped"],
)
def test_damaged_memory_file_is_refused(
    tmp_path: Path, at: int, patch: bytes, message: str
) -> None:
    """One sentence for each."""
    data = board_memory(tmp_path)
    data = data[:at] + patch + data[at + len(patch) :]
    with pytest.raises(FormatError, match=message):
        inspect(data, context=CONTEXT)


@pytest.mark.parametrize("data", [b"", b"hello", bytes(5000), BARE], ids=len)
def test_unknown_file_is_refused(data: bytes) -> None:
    """Says what it can be."""
    message = (
        rf"x.bin: expected a .ebin with header, .*, got {len(data)} bytes of something "
        r"else \(a .ebin without header needs its ota.json\)"
    )
    with pytest.raises(FormatError, match=message):
        inspect(data, context=replace(CONTEXT, source="x.bin"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.booleans())
@example(b"{" + b"[" * 1000, False)
@example(b":00", False)
@example(b"\x7fELF", True)
def test_any_bytes_are_shown_or_refused(data: bytes, with_json: bool) -> None:
    """Nothing but FormatError, and never verified by accident."""
    try:
        report = inspect(data, context=TRUSTING if with_json else CONTEXT)
    except FormatError:
        return
    to_text(report)
    json.dumps(report.as_json())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 8191), st.binary(min_size=1, max_size=64))
def test_any_journal_is_shown(at: int, data: bytes) -> None:
    """Bytes over a good journal."""
    report = inspect(dump((0xFC000 + at, data[: 8192 - at])), context=CONTEXT)
    to_text(report)
    json.dumps(report.as_json())

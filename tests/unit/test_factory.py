# SPDX-License-Identifier: Apache-2.0
"""`nrfota.factory`: everything a new device needs (SPEC.md 7.4, 8)."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from nrfota.ebin import seal
from nrfota.errors import BuildError, FormatError
from nrfota.factory import FactoryParts, factory_segments
from nrfota.image import build_image
from nrfota.journal import factory_journal
from nrfota.segment import Segment
from support.elf_builder import counting
from support.layouts import layout

LAYOUT = layout()
APP = build_image([Segment(0x1000, counting(0x1000, 100), "x")], layout=LAYOUT)
INFO, _ = seal(APP.plain, version=1, fp_base=0x1000, key=bytes(16), iv=b"i" * 16)
BOOTLOADER = (Segment(0xF6000, counting(0xF6000, 300), "section '.text'"),)
MBR = (Segment(0x0, counting(0, 200), "section '.text'"),)
WORDS = struct.pack("<II", 0xF6000, 0xFE000)
PARTS = FactoryParts(app=APP, info=INFO, bootloader=BOOTLOADER, mbr=MBR)


def content(parts: FactoryParts) -> dict[str, tuple[int, bytes]]:
    return {
        segment.origin: (segment.address, bytes(segment.data))
        for segment in factory_segments(parts, layout=LAYOUT)
    }


def test_all_parts_are_there() -> None:
    """Boot record with its words, bootloader, application, journal."""
    got = content(replace(PARTS, modem_path="E:/fw_1.ebin"))
    record = counting(0, 200).ljust(0xFF8, b"\xff") + WORDS
    journal = factory_journal(INFO, path="E:/fw_1.ebin", page_size=4096)
    assert got == {
        "boot record": (0x0, record),
        "application": (0x1000, counting(0x1000, 100)),
        "bootloader": (0xF6000, counting(0xF6000, 300)),
        "journal": (0xFC000, journal),
    }


def test_nordic_boot_record_gets_uicr_words() -> None:
    """Its page stays as it is."""
    got = content(replace(PARTS, uicr_words=True))
    assert got["boot record"] == (0x0, counting(0, 200))
    assert got["UICR.NRFFW"] == (0x10001014, WORDS)


def test_uicr_of_the_application_is_kept() -> None:
    """With --allow-uicr."""
    uicr = Segment(0x10001200, bytes(8), "section '.uicr'")
    got = content(replace(PARTS, app=replace(APP, uicr=(uicr,))))
    assert got["section '.uicr'"] == (0x10001200, bytes(8))


@pytest.mark.parametrize("words", [True, False], ids=["nordic", "ours"])
def test_nrffw_words_of_the_application_are_written_once(words: bool) -> None:
    """What stands around them in the same section stays."""
    data = b"before.." + WORDS[:4] + b"\xff" * 4 + b"behind.."
    uicr = Segment(0x1000100C, data, "section '.uicr'")
    app = replace(APP, uicr=(uicr,))
    parts = replace(PARTS, app=app, uicr_words=words)
    got = [
        (segment.address, bytes(segment.data))
        for segment in factory_segments(parts, layout=LAYOUT)
        if segment.address >= 0x10001000
    ]
    expected = [(0x1000100C, b"before.."), (0x10001014, WORDS)]
    assert got == [*expected, (0x1000101C, b"behind..")]


def test_words_that_are_already_right_are_accepted() -> None:
    """Our own boot record may carry them."""
    own = (*MBR, Segment(0xFF8, WORDS, "section '.boot_words'"))
    assert content(replace(PARTS, mbr=own))["boot record"][1][0xFF8:] == WORDS


BAD = {
    "bootloader_elsewhere": (
        replace(PARTS, bootloader=(Segment(0xF7000, b"x", "section '.text'"),)),
        r"bootloader: expected it to start at 0x000f6000, got section '.text'",
    ),
    "bootloader_outside": (
        replace(PARTS, bootloader=(Segment(0xFBFFF, b"xx", "section '.text'"),)),
        "section '.text' .* overlaps region 'journal'",
    ),
    "bootloader_empty": (
        replace(PARTS, bootloader=()),
        "bootloader: expected it to start at 0x000f6000, got nothing",
    ),
    "boot_record_elsewhere": (
        replace(PARTS, mbr=(Segment(0x100, b"x", "section '.text'"),)),
        "boot record: expected it to start at 0x00000000, got section '.text'",
    ),
    "boot_record_too_large": (
        replace(PARTS, mbr=(Segment(0, bytes(0x1001), "section '.text'"),)),
        "section '.text' .* overlaps region 'app'",
    ),
    "boot_record_words": (
        replace(PARTS, mbr=(*MBR, Segment(0xFF8, struct.pack("<I", 0xF0000), "words"))),
        "boot record: expected 0x000f6000 or blank at 0x00000ff8, got 0x000f0000",
    ),
    "another_bootloader_in_uicr": (
        replace(
            PARTS,
            app=replace(
                APP,
                uicr=(
                    Segment(0x10001014, bytes.fromhex("00400f00"), "section '.uicr'"),
                ),
            ),
        ),
        r"section '.uicr' \(0x10001014..0x10001018\): expected 0x000f6000 or blank in "
        r"UICR.NRFFW\[0\], got 0x000f4000",
    ),
    "bootloader_as_application": (
        replace(PARTS, app=build_image(BOOTLOADER, layout=LAYOUT)),
        "factory.hex: expected an application, got an image for region 'bootloader'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_parts_are_refused(case: str) -> None:
    """Each mistake has its sentence."""
    parts, message = BAD[case]
    with pytest.raises(FormatError, match=message):
        factory_segments(parts, layout=LAYOUT)


def test_bootloader_over_its_budget_is_refused() -> None:
    """As an update of it would be."""
    big = (Segment(0xF6000, bytes(0x4001), "section '.text'"),)
    with pytest.raises(BuildError, match="over the budget of region 'bootloader'"):
        factory_segments(replace(PARTS, bootloader=big), layout=LAYOUT)

# SPDX-License-Identifier: Apache-2.0
"""factory.hex: everything a new device needs, for a programmer (SPEC.md 7.4, 8).

Boot record, bootloader, application and a journal that matches the application.
Nordic's boot record also gets the UICR words it looks at.

    segments = factory_segments(parts, layout=layout)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from nrfota.errors import FormatError
from nrfota.fw_info import FwInfo
from nrfota.image import Image, check_in_region, split_uicr
from nrfota.journal import factory_journal
from nrfota.layout import Layout, check_image_fits
from nrfota.segment import Segment, flatten, in_order

# UICR.NRFFW[0] and NRFFW[1]: bootloader and parameter page address (data sheet,
# chapter UICR).
NRFFW = 0x14
BLANK_WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class FactoryParts:
    """What goes into factory.hex.

    `uicr_words` asks for the UICR words that Nordic's boot record needs.
    `modem_path` is where the modem keeps the application's file, or "".
    """

    app: Image
    info: FwInfo
    bootloader: tuple[Segment, ...]
    mbr: tuple[Segment, ...]
    uicr_words: bool = False
    modem_path: str = ""


def factory_segments(parts: FactoryParts, *, layout: Layout) -> tuple[Segment, ...]:
    """All bytes of factory.hex, by address; raises FormatError or BuildError."""
    if parts.app.region.name != "app":
        raise FormatError(
            f"factory.hex: expected an application, got an image for region "
            f"{parts.app.region}"
        )
    journal = layout.flash_region("journal")
    mbr, mbr_uicr = _boot_record(parts, layout=layout)
    segments = [
        mbr,
        _bootloader(parts.bootloader, layout=layout),
        Segment(parts.app.start, parts.app.plain, "application"),
        Segment(
            journal.start,
            factory_journal(
                parts.info, path=parts.modem_path, page_size=layout.flash.page
            ),
            "journal",
        ),
        *_uicr((*mbr_uicr, *parts.app.uicr), layout=layout, words=parts.uicr_words),
    ]
    return in_order(segments)


def _uicr(given: tuple[Segment, ...], *, layout: Layout, words: bool) -> list[Segment]:
    """What the parts bring for UICR; NRFFW once, and as the layout has it."""
    nrffw = Segment(layout.uicr.base + NRFFW, _words(layout), "UICR.NRFFW")
    kept: list[Segment] = []
    for segment in given:
        start = max(segment.address, nrffw.address)
        end = min(segment.end, nrffw.end)
        if start >= end:
            kept.append(segment)
            continue
        part = bytes(segment.data[start - segment.address : end - segment.address])
        got = (b"\xff" * (start - nrffw.address) + part).ljust(8, b"\xff")
        pairs = zip(
            struct.unpack("<II", nrffw.data), struct.unpack("<II", got), strict=True
        )
        for index, (expected, word) in enumerate(pairs):
            if word not in (expected, BLANK_WORD):
                raise FormatError(
                    f"{segment}: expected 0x{expected:08x} or blank in "
                    f"UICR.NRFFW[{index}], got 0x{word:08x}"
                )
            words = words or word != BLANK_WORD
        before = segment.data[: start - segment.address]
        behind = segment.data[end - segment.address :]
        kept += [
            Segment(address, rest, segment.origin)
            for address, rest in ((segment.address, before), (end, behind))
            if rest
        ]
    return [*kept, nrffw] if words else kept


def _words(layout: Layout) -> bytes:
    """Bootloader address and parameter page address."""
    bootloader = layout.flash_region("bootloader").start
    return struct.pack("<II", bootloader, layout.flash_region("mbr_params").start)


def _bootloader(segments: tuple[Segment, ...], *, layout: Layout) -> Segment:
    region = layout.flash_region("bootloader")
    flash, _ = split_uicr(segments, layout=layout, allow_uicr=False)
    check_in_region(flash, region, layout=layout)
    if not flash or flash[0].address != region.start:
        got = str(flash[0]) if flash else "nothing"
        raise FormatError(
            f"bootloader: expected it to start at 0x{region.start:08x}, got {got}"
        )
    plain = flatten(flash, start=region.start)
    check_image_fits(layout, region.name, len(plain))
    return Segment(region.start, plain, "bootloader")


def _boot_record(
    parts: FactoryParts, *, layout: Layout
) -> tuple[Segment, tuple[Segment, ...]]:
    """The boot record with its words, and what it brings for UICR."""
    region = layout.flash_region("mbr")
    flash, uicr = split_uicr(parts.mbr, layout=layout, allow_uicr=True)
    check_in_region(flash, region, layout=layout)
    if not flash or flash[0].address != region.start:
        got = str(flash[0]) if flash else "nothing"
        raise FormatError(
            f"boot record: expected it to start at 0x{region.start:08x}, got {got}"
        )
    plain = flatten(flash, start=region.start)
    page = bytearray(plain.ljust(region.size, b"\xff"))
    at = layout.boot_words - region.start
    for offset, expected in zip(
        (0, 4), struct.unpack("<II", _words(layout)), strict=True
    ):
        (got_word,) = struct.unpack_from("<I", page, at + offset)
        if got_word not in (expected, BLANK_WORD):
            raise FormatError(
                f"boot record: expected 0x{expected:08x} or blank at "
                f"0x{layout.boot_words + offset:08x}, got 0x{got_word:08x}"
            )
    if not parts.uicr_words:
        page[at : at + 8] = _words(layout)
        plain = bytes(page)
    return Segment(region.start, plain, "boot record"), uicr

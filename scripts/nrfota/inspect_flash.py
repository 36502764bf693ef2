# SPDX-License-Identifier: Apache-2.0
"""Looks into flash: a dump, factory.hex, any HEX or ELF file.

Shows what each region holds, the boot record's words, the journal with all its
records, and compares the application with what the journal says it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from nrfota.errors import FormatError
from nrfota.factory import BLANK_WORD, NRFFW
from nrfota.fw_info import FwInfo
from nrfota.image import split_uicr
from nrfota.inspect import (
    Check,
    Context,
    Report,
    check_destination,
    check_hash,
    show_fw_info,
)
from nrfota.journal import (
    LENGTHS,
    VERSIONS,
    Journal,
    Page,
    Record,
    RecordType,
    Step,
    Version,
    read_journal,
)
from nrfota.layout import Layout, Region
from nrfota.segment import Segment

CONFIRM_MAGIC = 0x4D524643  # "CFRM"


def inspect_flash(
    kind: str, segments: tuple[Segment, ...], *, context: Context
) -> Report:
    """Report of what `segments` put into flash; raises FormatError outside it."""
    layout = context.layout
    in_flash, in_uicr = split_uicr(segments, layout=layout, allow_uicr=True)
    flash = _Bytes(layout.flash.base, layout.flash.size, in_flash)
    uicr = _Bytes(layout.uicr.base, layout.uicr.size, in_uicr)
    journal_region = layout.flash_region("journal")
    journal = read_journal(flash.region(journal_region), page_size=layout.flash.page)
    words = _boot_words(flash, uicr, layout=layout)
    fields: dict[str, Any] = {
        "regions": [_show_region(flash, region) for region in layout.flash_regions],
        "boot_words": words,
        "vectors": {
            name: _vectors(flash, layout.flash_region(name))
            for name in ("mbr", "app", "bootloader")
        },
        "journal": _show_journal(journal, secrets=context.secrets),
        "confirm_token": _confirm_token(flash, layout),
    }
    checks = [*_check_words(flash, words, layout=layout)]
    checks += _check_journal(flash, journal, layout=layout)
    if context.trusted is not None:
        checks.append(_check_trusted(flash, context.trusted.fw_info, layout=layout))
    return Report(kind, fields, tuple(checks))


class _Bytes:
    """A memory, blank where nothing was put."""

    def __init__(self, base: int, size: int, segments: Iterable[Segment]) -> None:
        self.base = base
        self.data = bytearray(b"\xff" * size)
        for segment in segments:
            at = segment.address - base
            self.data[at : at + len(segment.data)] = segment.data

    def read(self, address: int, size: int) -> bytes:
        at = address - self.base
        return bytes(self.data[at : at + size])

    def region(self, region: Region) -> bytes:
        return self.read(region.start, region.size)

    def word(self, address: int) -> int | None:
        """A word, None when blank."""
        (value,) = struct.unpack("<I", self.read(address, 4))
        return None if value == BLANK_WORD else int(value)

    def used(self, region: Region) -> int:
        """Bytes up to the last one that is not blank."""
        return len(self.region(region).rstrip(b"\xff"))


def _show_region(flash: _Bytes, region: Region) -> dict[str, Any]:
    return {
        "name": region.name,
        "start": region.start,
        "size": region.size,
        "used": flash.used(region),
    }


def _vectors(flash: _Bytes, region: Region) -> dict[str, int] | None:
    stack, reset = flash.word(region.start), flash.word(region.start + 4)
    if stack is None or reset is None:
        return None
    return {"stack": stack, "reset": reset}


def _boot_words(flash: _Bytes, uicr: _Bytes, *, layout: Layout) -> dict[str, Any]:
    return {
        "bootloader": flash.word(layout.boot_words),
        "mbr_params": flash.word(layout.boot_words + 4),
        "uicr_bootloader": uicr.word(layout.uicr.base + NRFFW),
        "uicr_mbr_params": uicr.word(layout.uicr.base + NRFFW + 4),
    }


def _confirm_token(flash: _Bytes, layout: Layout) -> int | None:
    start = layout.flash_region("handshake").start
    return flash.word(start + 4) if flash.word(start) == CONFIRM_MAGIC else None


def _check_words(
    flash: _Bytes, words: dict[str, Any], *, layout: Layout
) -> list[Check]:
    if not flash.used(layout.flash_region("mbr")):
        return []
    checks = []
    for name in ("bootloader", "mbr_params"):
        expected = layout.flash_region(name).start
        found = [words[name], words[f"uicr_{name}"]]
        given = [word for word in found if word is not None]
        ok = bool(given) and all(word == expected for word in given)
        got = " and ".join(f"0x{word:08x}" for word in given) or "blank"
        detail = f"{name} at 0x{expected:08x}"
        checks.append(
            Check("boot words", ok, detail if ok else f"expected {detail}, got {got}")
        )
    return checks


def _check_journal(flash: _Bytes, journal: Journal, *, layout: Layout) -> list[Check]:
    blank = not flash.used(layout.flash_region("journal"))
    if blank and not flash.used(layout.flash_region("bootloader")):
        return []  # a program alone, without anything of ours around it
    if journal.active is None:
        return [Check("journal", False, "; ".join(journal.problems))]
    state, page = journal.state, journal.pages[journal.active]
    detail = f"page {journal.active}, sequence {page.sequence}, {_step(state.step)}"
    bad = journal.bad_records
    checks = [Check("journal", not bad, "; ".join([detail, *bad]))]
    versions = [state.current, state.pending, *state.previous]
    for version in versions:
        if version is not None:
            place = check_destination(version.fw_info, layout=layout)
            if not place.ok:
                checks.append(Check("journal", False, f"{place.name}: {place.detail}"))
    expected = _running(journal, layout=layout)
    if state.current is None:
        checks.append(Check("application", False, "the journal has no CURRENT"))
    elif expected is not None:
        info = expected.fw_info
        data = flash.read(info.fp_base, info.pbin_size)
        checks.append(check_hash("application", data, info.pbin_hash))
    return checks


def _running(journal: Journal, *, layout: Layout) -> Version | None:
    """What the application region should hold; None while it is written."""
    state, app = journal.state, layout.flash_region("app").start
    pending = state.pending
    if pending is not None and pending.fw_info.fp_base == app:
        if state.step in (Step.PROGRAM, Step.VERIFY, Step.ROLLBACK):
            return None
        if state.step == Step.TRIAL:
            return pending
    current = state.current
    return current if current and current.fw_info.fp_base == app else None


def _check_trusted(flash: _Bytes, info: FwInfo, *, layout: Layout) -> Check:
    place = check_destination(info, layout=layout)
    if not place.ok:
        return place
    data = flash.read(info.fp_base, info.pbin_size)
    return check_hash("image of ota.json", data, info.pbin_hash)


def _show_journal(journal: Journal, *, secrets: bool) -> dict[str, Any]:
    state = journal.state
    return {
        "active": journal.active,
        "state": {
            "current": _show_version(state.current, secrets=secrets),
            "pending": _show_version(state.pending, secrets=secrets),
            "previous": [
                _show_version(version, secrets=secrets) for version in state.previous
            ],
            "step": _step(state.step),
            "error": state.error,
            "pages_done": list(state.pages_done),
            "attempts": list(state.attempts),
            "token": state.token,
        },
        "pages": [_show_page(page, secrets=secrets) for page in journal.pages],
        "problems": [*journal.problems, *journal.bad_records],
    }


def _show_page(page: Page, *, secrets: bool) -> dict[str, Any]:
    return {
        "usable": page.usable,
        "problem": page.problem or None,
        "sequence": page.sequence,
        "sealed": page.sealed,
        "snapshot_size": page.snapshot_size,
        "clean": page.clean,
        "records": [
            {
                "offset": record.offset,
                "type": record.name,
                **_show_record(record, secrets=secrets),
            }
            for record in page.records
        ],
    }


def _show_record(record: Record, *, secrets: bool) -> dict[str, Any]:
    lengths: dict[int, int] = {kind.value: LENGTHS[kind] for kind in LENGTHS}
    if lengths.get(record.type) != len(record.payload):
        return {"length": len(record.payload)}
    kind = RecordType(record.type)
    if kind in VERSIONS:
        try:
            version = Version.unpack(record.payload)
        except FormatError:
            return {"length": len(record.payload)}
        return _show_version(version, secrets=secrets) or {}
    if kind is RecordType.STEP:
        step, error = struct.unpack("<Ii", record.payload)
        return {"step": _step(step), "error": error}
    name = {
        RecordType.PAGE_DONE: "page",
        RecordType.ATTEMPT: "resetreas",
        RecordType.TOKEN: "token",
    }[kind]
    return {name: struct.unpack("<I", record.payload)[0]}


def _show_version(version: Version | None, *, secrets: bool) -> dict[str, Any] | None:
    if version is None:
        return None
    info = show_fw_info(version.fw_info, secrets=secrets)
    return {"path": version.path or None, "fw_info": info}


def _step(value: int) -> str:
    try:
        return Step(value).name
    except ValueError:
        return f"step {value}"

# SPDX-License-Identifier: Apache-2.0
"""Arming by the journal, for tools that cannot write RAM from a file.

The journal's page that is not in use becomes a sealed newer one: the same versions,
with the update as PENDING and STEP = CHECK (SPEC.md, section 7). The page in use is
not touched: a cut while the new one is written leaves the device as it was.

Rule 1: the bootloader takes what its journal says as checked. What it refuses in a
        boot request is refused here.
Rule 2: the result holds keys; it is written to files of mode 0600 only.
"""

from __future__ import annotations

import struct

from nrfota.arm import BootRequest, check_downgrade
from nrfota.errors import FormatError, UsageError
from nrfota.fw_info import FwInfo
from nrfota.journal import (
    HEADER,
    RECORDS,
    Journal,
    Record,
    RecordType,
    State,
    Step,
    Version,
    build_page,
    check_path,
    read_journal,
)
from nrfota.layout import Layout
from nrfota.segment import Segment

MAX_SEQUENCE = (1 << 32) - 1


def armed_journal(
    flash: bytes, request: BootRequest, *, layout: Layout
) -> tuple[Segment, ...]:
    """What to program so that the next boot does `request`; `flash` is the journal.

    Raises `FormatError` when the journal cannot be built upon, `UsageError` for an
    update that the bootloader would refuse.
    """
    region = layout.flash_region("journal")
    page_size = layout.flash.page
    if len(flash) != region.size:
        raise FormatError(
            f"journal: expected {region.size} bytes of {region}, got {len(flash)}"
        )
    if not any(flash):
        raise FormatError(
            f"journal: expected records in {region}, read only zeros: the chip's "
            "read protection hides it from this tool, use -r pyocd or openocd"
        )
    journal = read_journal(flash, page_size=page_size)
    current = _check_journal(journal, where=str(region))
    _check_update(request, current.fw_info, layout=layout)
    assert journal.active is not None
    sequence = journal.pages[journal.active].sequence
    if sequence == MAX_SEQUENCE:
        raise FormatError(
            f"journal: expected a sequence below {MAX_SEQUENCE}; "
            "provision the board again"
        )
    page = build_page(
        _snapshot(journal.state, current, request),
        sequence=sequence + 1,
        page_size=page_size,
    )
    start = region.start + (1 - journal.active) * page_size
    # Seals that are still to be written and the free rest stay erased.
    records = page[RECORDS:].rstrip(b"\xff")
    records += b"\xff" * (-len(records) % 4)
    return (
        Segment(start, page[: HEADER.size], "journal header"),
        Segment(start + RECORDS, records, "journal records"),
    )


def _snapshot(
    state: State, current: Version, request: BootRequest
) -> tuple[Record, ...]:
    pending = Version(request.fw_info, check_path(request.path))
    return (
        Record(RecordType.CURRENT, current.pack()),
        Record(RecordType.PENDING, pending.pack()),
        *(
            Record(RecordType.PREVIOUS, version.pack())
            for version in reversed(state.previous)
        ),
        Record(RecordType.STEP, struct.pack("<Ii", Step.CHECK, 0)),
    )


def _check_journal(journal: Journal, *, where: str) -> Version:
    """Returns the version that runs."""
    if journal.active is None or journal.state.current is None:
        said = "; ".join(journal.problems) or "no record of the version that runs"
        raise FormatError(
            f"expected a usable journal in {where}, got: {said} "
            "(provision the board first)"
        )
    if journal.bad_records:
        raise FormatError(
            f"expected a journal whose records make sense in {where}, got: "
            f"{'; '.join(journal.bad_records)}"
        )
    if journal.state.step != Step.IDLE:
        try:
            name = Step(journal.state.step).name
        except ValueError:
            name = str(journal.state.step)
        raise UsageError(
            f"expected a device with no update in work, its journal is in step {name}; "
            "let it finish and confirm first"
        )
    return journal.state.current


def _check_update(request: BootRequest, current: FwInfo, *, layout: Layout) -> None:
    """As the bootloader's ACCEPT step."""
    info = request.fw_info
    app = layout.flash_region("app")
    bootloader = layout.flash_region("bootloader")
    limits = {
        app.start: app.size,
        bootloader.start: min(bootloader.size, layout.flash_region("staging").size),
    }
    if info.fp_base not in limits:
        raise UsageError(
            f"expected an update for 0x{app.start:08x} or 0x{bootloader.start:08x}, "
            f"got one for 0x{info.fp_base:08x}"
        )
    if info.pbin_size > limits[info.fp_base]:
        raise UsageError(
            f"expected an update of at most {limits[info.fp_base]} bytes at "
            f"0x{info.fp_base:08x}, got {info.pbin_size}"
        )
    if info.fp_base == app.start and (info.pbin_size, info.pbin_hash) == (
        current.pbin_size,
        current.pbin_hash,
    ):
        raise UsageError(
            f"version {info.version} is what the device runs: nothing to update"
        )
    if not request.allow_downgrade:
        check_downgrade(info, running=current)

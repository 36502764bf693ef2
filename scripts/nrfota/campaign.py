# SPDX-License-Identifier: Apache-2.0
"""Stories for `west ota-test`: what a device has, what it is asked, how it may end.

Rule 1: a story is bytes; nothing here runs anything. The judge gets addresses, sizes
        and hashes, never our formats.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from nrfota.arm import BootRequest
from nrfota.campaign_parts import (
    NEW_FILE,
    OLD_FILE,
    OLDER_FILE,
    Packed,
    Parts,
    Program,
    Story,
    in_parts,
)
from nrfota.errors import UsageError
from nrfota.fw_info import FwInfo
from nrfota.inspect_flash import CONFIRM_MAGIC
from nrfota.journal import Record, RecordType, Step, Version, build_page
from nrfota.layout import Layout
from nrfota.segment import Segment


class Maker(Parts):
    """Makes stories of one firmware; `seed` gives the keys."""

    def make(self, name: str) -> Story:
        """The story called `name`; UsageError when there is none."""
        self.check((name,))
        return STORIES[name](self, name)

    @staticmethod
    def check(names: Iterable[str]) -> None:
        """UsageError for a name that no story has."""
        for name in names:
            if name not in STORIES:
                raise UsageError(
                    f"scenario: expected one of {', '.join(STORIES)}, got '{name}'"
                )


def _update(maker: Maker, name: str) -> Story:
    return maker.story(name, old=maker.firmware.old, new=maker.firmware.new)


def _equal_pages(maker: Maker, name: str) -> Story:
    """All pages behind the code are those that flash has already."""
    old, new = maker.firmware.old, maker.firmware.new
    page = maker.firmware.layout.flash.page
    keep = 2 * page
    mixed = Program(new.version, new.plain[:keep] + old.plain[keep : len(new.plain)])
    return maker.story(name, old=old, new=mixed)


def _same_refused(maker: Maker, name: str) -> Story:
    old = maker.firmware.old
    return maker.refused(maker.story(name, old=old, new=old))


def _bad_request(maker: Maker, name: str) -> Story:
    """The request's image would begin inside the application region."""
    page = maker.firmware.layout.flash.page

    def move(packed: Packed) -> Packed:
        info = replace(packed.info, fp_base=packed.info.fp_base + page)
        return Packed(info, packed.ebin)

    story = maker.story(
        name, old=maker.firmware.old, new=maker.firmware.new, change=move
    )
    return maker.refused(story)


def _downgrade_refused(maker: Maker, name: str) -> Story:
    """The version on trial is confirmed, then the one before is asked for again.

    A cut of the commit loses the request; whatever it hits, the newer version stays.
    """
    firmware = maker.firmware
    story = maker.refused(maker.story(name, old=firmware.new, new=firmware.old))
    before = maker.pack(firmware.old, "before")
    running = maker.pack(firmware.new, "old")
    token = 0x600D
    records = (
        Record(RecordType.CURRENT, Version(before.info, OLDER_FILE).pack()),
        Record(RecordType.PENDING, Version(running.info, OLD_FILE).pack()),
        Record(RecordType.STEP, struct.pack("<Ii", Step.TRIAL, 0)),
        Record(RecordType.TOKEN, struct.pack("<I", token)),
    )
    confirmed = _confirmation(story.layout, token)
    return replace(
        story,
        flash=(*_with_journal(story, records), confirmed),
        files={**story.files, OLDER_FILE: before.ebin},
    )


def _downgrade_allowed(maker: Maker, name: str) -> Story:
    """The same with leave; a cut must not lose the leave with the request's RAM."""
    old, new = maker.firmware.new, maker.firmware.old
    story = maker.story(name, old=old, new=new)
    info = maker.pack(new, "new").info
    return replace(
        story, request=BootRequest(info, NEW_FILE, allow_downgrade=True).pack()
    )


def _corrupt_file(maker: Maker, name: str) -> Story:
    def flip(packed: Packed) -> Packed:
        ebin = bytearray(packed.ebin)
        ebin[len(ebin) // 2] ^= 0x10
        return Packed(packed.info, bytes(ebin))

    story = maker.story(
        name, old=maker.firmware.old, new=maker.firmware.new, change=flip
    )
    return maker.refused(story)


def _wrong_key(maker: Maker, name: str) -> Story:
    def other(packed: Packed) -> Packed:
        info = replace(packed.info, aes_key=maker.key("another key"))
        return Packed(info, packed.ebin)

    story = maker.story(
        name, old=maker.firmware.old, new=maker.firmware.new, change=other
    )
    return maker.refused(story)


def _truncated(maker: Maker, name: str) -> Story:
    def cut(packed: Packed) -> Packed:
        return Packed(packed.info, packed.ebin[: len(packed.ebin) // 2])

    story = maker.story(
        name, old=maker.firmware.old, new=maker.firmware.new, change=cut
    )
    return maker.refused(story)


def _wrong_header(maker: Maker, name: str) -> Story:
    """The file says of itself that it is another version than was asked for."""

    def relabel(packed: Packed) -> Packed:
        other = replace(packed.info, version=packed.info.version + 1).public().pack()
        return Packed(packed.info, other + packed.ebin[len(other) :])

    story = maker.story(
        name, old=maker.firmware.old, new=maker.firmware.new, change=relabel
    )
    return maker.refused(story)


def _trial_fails(maker: Maker, name: str) -> Story:
    """The new application stops feeding the watchdog before it confirms."""
    return _with_bad_trial(maker, name, maker.firmware.hanging)


def _with_bad_trial(maker: Maker, name: str, new: Program) -> Story:
    return _ends_old(maker.story(name, old=maker.firmware.old, new=new))


def _ends_old(story: Story) -> Story:
    """A story whose new application never confirms itself."""
    old = frozenset(("old",))
    return replace(
        story,
        uncut="old",
        outcomes=old,
        after=old,
        secrets={key: frozenset() for key in story.secrets},
        settle_ms=30_000,
    )


def _stale_confirm(maker: Maker, name: str) -> Story:
    """A version on trial hangs; the confirmation in flash is that of another trial."""
    firmware = maker.firmware
    story = _with_bad_trial(maker, name, firmware.hanging)
    old, new = maker.pack(firmware.old, "old"), maker.pack(firmware.hanging, "new")
    records = (
        Record(RecordType.CURRENT, Version(old.info, OLD_FILE).pack()),
        Record(RecordType.PENDING, Version(new.info, NEW_FILE).pack()),
        Record(RecordType.STEP, struct.pack("<Ii", Step.TRIAL, 0)),
        Record(RecordType.TOKEN, struct.pack("<I", 0x600D)),
    )
    app = story.layout.flash_region("app").start
    rest = [item for item in _with_journal(story, records) if item.address != app]
    return replace(
        story,
        flash=(
            *rest,
            Segment(app, firmware.hanging.plain, "application"),
            _confirmation(story.layout, 0xBAD),
        ),
        request=bytes(len(story.request)),  # none
    )


def _rollback(maker: Maker, name: str) -> Story:
    """The new application faults, and the file of the version before is gone."""
    return _to_older(maker, name, {})


def _rollback_corrupt(maker: Maker, name: str) -> Story:
    """The same, and the file of the version before is there, but damaged."""
    ebin = bytearray(maker.pack(maker.firmware.old, "old").ebin)
    ebin[len(ebin) // 2] ^= 0x10
    return _to_older(maker, name, {OLD_FILE: bytes(ebin)})


def _to_older(maker: Maker, name: str, old_file: dict[str, bytes]) -> Story:
    firmware = maker.firmware
    older = maker.pack(firmware.older, "older")
    story = _with_bad_trial(maker, name, firmware.faulting)
    files = {path: data for path, data in story.files.items() if path != OLD_FILE}
    labels = frozenset(("older", "old"))
    return replace(
        story,
        flash=_with_previous(story, maker, older.info),
        files={**files, **old_file, OLDER_FILE: older.ebin},
        programs={**story.programs, "older": firmware.older},
        uncut="older",
        outcomes=labels,
        after=frozenset(("older",)),
    )


def _damaged(maker: Maker, name: str) -> Story:
    """A word of the application is not what it was; then an update comes.

    The bootloader must find it and write the version again, from the modem.
    """
    story = maker.story(name, old=maker.firmware.old, new=maker.firmware.new)
    start = maker.firmware.layout.flash_region("app").start
    flash = []
    for segment in story.flash:
        data = bytearray(segment.data)
        if segment.address == start:
            data[len(data) // 2] ^= 0x01
        flash.append(replace(segment, data=bytes(data)))
    return replace(story, flash=tuple(flash), after=story.outcomes)


def _with_previous(story: Story, maker: Maker, older: FwInfo) -> tuple[Segment, ...]:
    """The story's flash with a journal that also knows the version in OLDER_FILE."""
    old = maker.pack(maker.firmware.old, "old")
    records = (
        Record(RecordType.CURRENT, Version(old.info, OLD_FILE).pack()),
        Record(RecordType.PREVIOUS, Version(older, OLDER_FILE).pack()),
        Record(RecordType.STEP, struct.pack("<Ii", Step.IDLE, 0)),
    )
    return _with_journal(story, records)


def _with_journal(story: Story, records: tuple[Record, ...]) -> tuple[Segment, ...]:
    """The story's flash with another journal."""
    region = story.layout.flash_region("journal")
    page = build_page(records, sequence=1, page_size=story.layout.flash.page)
    rest = tuple(item for item in story.flash if item.address != region.start)
    return (*rest, Segment(region.start, page, "journal"))


def _confirmation(layout: Layout, token: int) -> Segment:
    """What an application on trial writes."""
    page = layout.flash_region("handshake").start
    return Segment(page, struct.pack("<II", CONFIRM_MAGIC, token), "hand-shake page")


def _bootloader(maker: Maker, name: str) -> Story:
    """The bootloader itself is replaced; the application stays."""
    firmware = maker.firmware
    plain = maker.bootloader()
    new = plain + b"a longer bootloader than the one before".ljust(64, b".")
    base = firmware.layout.flash_region("bootloader").start
    packed = maker.pack(Program(firmware.new.version, new), "new", base=base)
    story = maker.story(name, old=firmware.old, new=firmware.new)
    return replace(
        story,
        files={**story.files, NEW_FILE: packed.ebin},
        request=BootRequest(packed.info, NEW_FILE).pack(),
        programs={"": firmware.old},
        bootloaders={"old": plain, "new": new},
        after=frozenset(("old", "new")),
        secrets={packed.info.aes_key: frozenset()},
    )


def _softdevice(maker: Maker, name: str) -> Story:
    """An image as large as with a SoftDevice in front; most pages stay the same."""
    return maker.story(name, old=maker.firmware.large_old, new=maker.firmware.large_new)


def _update_parts(maker: Maker, name: str) -> Story:
    """The file is larger than a part, as a resumed download leaves it."""
    story = _softdevice(maker, name)
    return replace(story, files=_all_in_parts(story.files))


def _rollback_parts(maker: Maker, name: str) -> Story:
    """The new application faults; the version before comes back from its parts."""
    firmware = maker.firmware
    story = maker.story(name, old=firmware.large_old, new=firmware.large_faulting)
    return replace(_ends_old(story), files=_all_in_parts(story.files))


def _all_in_parts(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {
        part: data
        for path, whole in files.items()
        for part, data in in_parts(path, whole).items()
    }


def _trial_cycles(maker: Maker, name: str) -> Story:
    """The user switches off and on before the new application could confirm."""
    story = maker.story(name, old=maker.firmware.old, new=maker.firmware.new)
    return replace(story, trial_cycles=6)


STORIES: dict[str, Callable[[Maker, str], Story]] = {
    "update": _update,
    "equal-pages": _equal_pages,
    "same-refused": _same_refused,
    "bad-request": _bad_request,
    "downgrade-refused": _downgrade_refused,
    "downgrade-allowed": _downgrade_allowed,
    "corrupt-file": _corrupt_file,
    "wrong-key": _wrong_key,
    "truncated": _truncated,
    "wrong-header": _wrong_header,
    "trial-fails": _trial_fails,
    "stale-confirm": _stale_confirm,
    "trial-cycles": _trial_cycles,
    "damaged": _damaged,
    "rollback": _rollback,
    "rollback-corrupt": _rollback_corrupt,
    "bootloader": _bootloader,
    "softdevice": _softdevice,
    "update-parts": _update_parts,
    "rollback-parts": _rollback_parts,
}
# A rollback writes every page, and these have forty: all of their cuts take as long
# as those of all others. They are tried when they are named, or with a number of cuts.
LONG_STORIES = frozenset(("rollback-parts",))

# SPDX-License-Identifier: Apache-2.0
"""Stories for `west ota-test`: what a device has, what it is asked, how it may end.

Rule 1: a story is bytes; nothing here runs anything. The judge gets addresses, sizes
        and hashes, never our formats.
Rule 2: keys come from the seed, so that a case is the same tomorrow; they protect
        nothing but test images.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from nrfota.arm import BootRequest
from nrfota.board import Board
from nrfota.ebin import Ebin, seal
from nrfota.errors import UsageError
from nrfota.factory import FactoryParts, factory_segments
from nrfota.fw_info import FwInfo
from nrfota.image import Image
from nrfota.journal import Record, RecordType, Step, Version, build_page
from nrfota.layout import Layout
from nrfota.segment import Segment

OLD_FILE, NEW_FILE, OLDER_FILE = "E:/fw_1.ebin", "E:/fw_2.ebin", "E:/fw_0.ebin"


@dataclass(frozen=True)
class Program:
    """A plain image of the application and the version it reports."""

    version: int
    plain: bytes = field(repr=False)

    @property
    def console(self) -> bytes:
        """The line that shows that it runs."""
        return f"app: version {self.version} running".encode()


@dataclass(frozen=True)
class Firmware:
    """What the stories are made of.

    `hanging` stops feeding the watchdog, `faulting` locks up: neither ever confirms.
    """

    layout: Layout
    wiring: Board
    mbr: tuple[Segment, ...]
    bootloader: tuple[Segment, ...]
    old: Program
    new: Program
    older: Program
    hanging: Program
    faulting: Program
    large_old: Program
    large_new: Program


@dataclass(frozen=True)
class Packed:
    """A program as the device gets it."""

    info: FwInfo
    ebin: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Story:
    """One scenario in our own terms.

    `programs`: what may run in the application region, by label. `outcomes`: labels
    that a cut run may end with; `uncut`: where the run without cuts ends; `after`:
    labels that remain once the application region was touched.
    """

    name: str
    layout: Layout
    wiring: Board
    flash: tuple[Segment, ...] = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    request: bytes = field(repr=False)
    programs: Mapping[str, Program]
    bootloaders: Mapping[str, bytes] = field(repr=False)
    uncut: str
    outcomes: frozenset[str]
    after: frozenset[str]
    # Key -> labels with which it may stay in flash.
    secrets: Mapping[bytes, frozenset[str]] = field(repr=False)
    settle_ms: int = 1500
    trial_cycles: int = 0


class Maker:
    """Makes stories of one firmware; `seed` gives the keys."""

    def __init__(self, firmware: Firmware, *, seed: int) -> None:
        self.firmware = firmware
        self.seed = seed

    def make(self, name: str) -> Story:
        """The story called `name`; UsageError when there is none."""
        maker = STORIES.get(name)
        if maker is None:
            raise UsageError(
                f"scenario: expected one of {', '.join(STORIES)}, got '{name}'"
            )
        return maker(self, name)

    # Pieces

    def key(self, name: str) -> bytes:
        """16 bytes that only depend on the seed and `name`."""
        return hashlib.sha256(f"{self.seed}:{name}".encode()).digest()[:16]

    def pack(self, program: Program, name: str, *, base: int | None = None) -> Packed:
        """Encrypts a program for the application region, or for `base`."""
        start = self.firmware.layout.flash_region("app").start
        info, cipher_text = seal(
            program.plain,
            version=program.version,
            fp_base=start if base is None else base,
            key=self.key(f"{name} key"),
            iv=self.key(f"{name} iv"),
        )
        return Packed(info, Ebin(info.public(), cipher_text).pack())

    def factory(
        self, program: Program, packed: Packed, *, path: str = OLD_FILE
    ) -> tuple[Segment, ...]:
        """factory.hex of a device that runs `program`."""
        region = self.firmware.layout.flash_region("app")
        parts = FactoryParts(
            app=Image(region, program.plain),
            info=packed.info,
            bootloader=self.firmware.bootloader,
            mbr=self.firmware.mbr,
            modem_path=path,
        )
        return factory_segments(parts, layout=self.firmware.layout)

    def story(
        self,
        name: str,
        *,
        old: Program,
        new: Program,
        change: Callable[[Packed], Packed] = lambda packed: packed,
    ) -> Story:
        """Old runs, new is offered; `change` spoils what the modem and request hold."""
        packed_old, packed_new = self.pack(old, "old"), self.pack(new, "new")
        offered = change(packed_new)
        both, only_new = frozenset(("old", "new")), frozenset(("new",))
        return Story(
            name=name,
            layout=self.firmware.layout,
            wiring=self.firmware.wiring,
            flash=self.factory(old, packed_old),
            files={OLD_FILE: packed_old.ebin, NEW_FILE: offered.ebin},
            request=BootRequest(offered.info, NEW_FILE).pack(),
            programs={"old": old, "new": new},
            bootloaders={"": self.bootloader()},
            uncut="new",
            outcomes=both,
            after=only_new,
            secrets={offered.info.aes_key: only_new},
        )

    def refused(self, story: Story) -> Story:
        """A story in which the old application must stay."""
        old = frozenset(("old",))
        return replace(
            story,
            uncut="old",
            outcomes=old,
            after=old,
            secrets={key: frozenset() for key in story.secrets},
        )

    def bootloader(self) -> bytes:
        """The bootloader as it lies in flash."""
        start = self.firmware.layout.flash_region("bootloader").start
        end = max(segment.end for segment in self.firmware.bootloader)
        data = bytearray(b"\xff" * (end - start))
        for segment in self.firmware.bootloader:
            at = segment.address - start
            data[at : at + len(segment.data)] = segment.data
        return bytes(data)


# The stories


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


def _trial_fails(maker: Maker, name: str) -> Story:
    """The new application stops feeding the watchdog before it confirms."""
    return _with_bad_trial(maker, name, maker.firmware.hanging)


def _with_bad_trial(maker: Maker, name: str, new: Program) -> Story:
    story = maker.story(name, old=maker.firmware.old, new=new)
    old = frozenset(("old",))
    return replace(
        story,
        uncut="old",
        outcomes=old,
        after=old,
        secrets={key: frozenset() for key in story.secrets},
        settle_ms=30_000,
    )


def _rollback(maker: Maker, name: str) -> Story:
    """The new application faults, and the file of the version before is gone."""
    firmware = maker.firmware
    older = maker.pack(firmware.older, "older")
    story = _with_bad_trial(maker, name, firmware.faulting)
    files = {path: data for path, data in story.files.items() if path != OLD_FILE}
    labels = frozenset(("older", "old"))
    return replace(
        story,
        flash=_with_previous(story, maker, older.info),
        files={**files, OLDER_FILE: older.ebin},
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
    layout = maker.firmware.layout
    region = layout.flash_region("journal")
    old = maker.pack(maker.firmware.old, "old")
    records = (
        Record(RecordType.CURRENT, Version(old.info, OLD_FILE).pack()),
        Record(RecordType.PREVIOUS, Version(older, OLDER_FILE).pack()),
        Record(RecordType.STEP, struct.pack("<Ii", Step.IDLE, 0)),
    )
    page = build_page(records, sequence=1, page_size=layout.flash.page)
    rest = tuple(item for item in story.flash if item.address != region.start)
    return (*rest, Segment(region.start, page, "journal"))


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


def _trial_cycles(maker: Maker, name: str) -> Story:
    """The user switches off and on before the new application could confirm."""
    story = maker.story(name, old=maker.firmware.old, new=maker.firmware.new)
    return replace(story, trial_cycles=6)


STORIES: dict[str, Callable[[Maker, str], Story]] = {
    "update": _update,
    "equal-pages": _equal_pages,
    "same-refused": _same_refused,
    "bad-request": _bad_request,
    "corrupt-file": _corrupt_file,
    "wrong-key": _wrong_key,
    "truncated": _truncated,
    "trial-fails": _trial_fails,
    "trial-cycles": _trial_cycles,
    "damaged": _damaged,
    "rollback": _rollback,
    "bootloader": _bootloader,
    "softdevice": _softdevice,
}

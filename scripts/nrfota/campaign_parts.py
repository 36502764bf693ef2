# SPDX-License-Identifier: Apache-2.0
"""What the stories of `west ota-test` are made of: programs, packages, factory flash.

Rule 1: keys come from the seed, so that a case is the same tomorrow; they protect
        nothing but test images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from nrfota.arm import BootRequest
from nrfota.board import Board
from nrfota.ebin import Ebin, seal
from nrfota.factory import FactoryParts, factory_segments
from nrfota.fw_info import FwInfo
from nrfota.image import Image
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
    large_faulting: Program


PART_SIZE = 131_072  # SPEC.md 13


def in_parts(path: str, data: bytes) -> dict[str, bytes]:
    """The files that `data` is kept in: the last letter of the name counts."""
    parts = [data[at : at + PART_SIZE] for at in range(0, len(data), PART_SIZE)]
    names = [path, *(f"{path[:-1]}{letter}" for letter in "123456789abcdef")]
    return dict(zip(names, parts, strict=False))


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


class Parts:
    """Makes the parts of one firmware's stories; `seed` gives the keys."""

    def __init__(self, firmware: Firmware, *, seed: int) -> None:
        self.firmware = firmware
        self.seed = seed

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

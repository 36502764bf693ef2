# SPDX-License-Identifier: Apache-2.0
"""From the segments of a program to one image that an update can carry.

Rule 1: an image begins at the start of the application region or of the
        bootloader region and lies in that region alone.
Rule 2: gaps are 0xFF, as in erased flash.
Rule 3: what an update cannot write (UICR) is refused, or kept apart for
        factory.hex when the caller asks.

    image = build_image(read_elf(...), layout=layout)
    image.region.name, len(image.plain)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from nrfota.errors import FormatError
from nrfota.layout import Layout, Region, check_image_fits
from nrfota.segment import Segment, flatten, in_order

TARGETS = ("app", "bootloader")
GAP_NOTICE = 64 * 1024  # a larger gap is worth a word: it is downloaded

# SoftDevice information structure, from the SoftDevice's start at the end of the
# MBR page (SoftDevice specification, "SoftDevice information structure").
SD_INFO = 0x2000
SD_MAGIC = 0x51B1E5DB


@dataclass(frozen=True)
class Image:
    """A plain image for `region`; `uicr` is for factory.hex only."""

    region: Region
    plain: bytes = field(repr=False)
    uicr: tuple[Segment, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def start(self) -> int:
        """Flash address of the first byte."""
        return self.region.start


def build_image(
    segments: Iterable[Segment],
    *,
    layout: Layout,
    softdevice: Iterable[Segment] = (),
    allow_uicr: bool = False,
) -> Image:
    """Puts a program, and a SoftDevice in front, into one image.

    Raises FormatError, or BuildError when it is too big for its region.
    """
    notices: list[str] = []
    flash, uicr = split_uicr(segments, layout=layout, allow_uicr=allow_uicr)
    if not flash:
        raise FormatError("the program has nothing in flash")
    front = _softdevice(softdevice, layout=layout, notices=notices)
    if front:
        _check_app_behind(front, flash, layout=layout)
    ordered = in_order((*front, *flash))
    region = _target(ordered, layout=layout)
    plain = flatten(ordered, start=region.start)
    check_image_fits(layout, region.name, len(plain))
    for first, second in pairwise(ordered):
        gap = second.address - first.end
        if gap > GAP_NOTICE:
            notices.append(
                f"the gap of {gap} bytes between {first} and {second} is filled with "
                "0xFF and downloaded with the image"
            )
    for segment in uicr:
        notices.append(
            f"{segment} is not in the update, which cannot write UICR: it goes into "
            "factory.hex alone"
        )
    notices += _vector_notice(plain, layout=layout, region=region)
    return Image(region, plain, uicr, tuple(notices))


def split_uicr(
    segments: Iterable[Segment], *, layout: Layout, allow_uicr: bool
) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """(flash, UICR) segments; raises FormatError for any other address."""
    flash, uicr = [], []
    for segment in segments:
        if layout.flash.base <= segment.address and segment.end <= layout.flash.end:
            flash.append(segment)
        elif layout.uicr.base <= segment.address and segment.end <= layout.uicr.end:
            if not allow_uicr:
                raise FormatError(
                    f"{segment} lies in UICR, which an update cannot write; "
                    "--allow-uicr keeps it for factory.hex alone"
                )
            uicr.append(segment)
        else:
            raise FormatError(
                f"{segment} lies outside flash "
                f"0x{layout.flash.base:08x}..0x{layout.flash.end:08x}"
            )
    return tuple(flash), tuple(uicr)


def check_in_region(
    segments: Iterable[Segment], region: Region, *, layout: Layout
) -> None:
    """Raises FormatError when a segment leaves `region`."""
    for segment in segments:
        if region.start <= segment.address and segment.end <= region.end:
            continue
        for other in layout.flash_regions:
            hit = segment.address < other.end and other.start < segment.end
            if hit and other != region:
                raise FormatError(
                    f"{segment} overlaps region {other}, expected it inside region "
                    f"{region}"
                )
        raise FormatError(f"{segment} leaves region {region}")


def _target(ordered: tuple[Segment, ...], *, layout: Layout) -> Region:
    first = ordered[0]
    targets = [layout.flash_region(name) for name in TARGETS]
    for region in targets:
        if region.start <= first.address < region.end:
            break
    else:
        region = targets[0]
        check_in_region(ordered, region, layout=layout)
    check_in_region(ordered, region, layout=layout)
    if first.address != region.start:
        hint = ""
        if region.name == "app" and any(
            first.address == softdevice.app_start for softdevice in layout.softdevices
        ):
            hint = "; an application behind a SoftDevice needs --softdevice"
        expected = " or ".join(
            f"0x{target.start:08x} (region '{target.name}')" for target in targets
        )
        raise FormatError(
            f"the image starts with {first}, expected it at {expected}{hint}"
        )
    return region


def _softdevice(
    segments: Iterable[Segment], *, layout: Layout, notices: list[str]
) -> tuple[Segment, ...]:
    mbr, app = layout.flash_region("mbr"), layout.flash_region("app")
    kept, dropped = [], 0
    for segment in segments:
        cut = min(max(mbr.end - segment.address, 0), len(segment.data))
        dropped += cut
        if cut < len(segment.data):
            origin = f"SoftDevice {segment.origin}"
            kept.append(Segment(segment.address + cut, segment.data[cut:], origin))
    if dropped:
        notices.append(
            f"dropped {dropped} bytes of the SoftDevice file that belong to region "
            f"{mbr}: the boot record is not part of an update"
        )
        if not kept:
            raise FormatError(f"the SoftDevice file has nothing behind region {mbr}")
    check_in_region(kept, app, layout=layout)
    ordered = in_order(kept)
    if ordered and ordered[0].address != app.start:
        raise FormatError(
            f"{ordered[0]}: expected a SoftDevice to start at 0x{app.start:08x}"
        )
    return ordered


def _check_app_behind(
    front: tuple[Segment, ...], flash: tuple[Segment, ...], *, layout: Layout
) -> None:
    """Compares the application's place with what the SoftDevice will jump to."""
    info = flatten(front, start=front[0].address)[SD_INFO : SD_INFO + 12]
    if len(info) < 12:
        return
    magic, app_start = struct.unpack_from("<II", info, 4)
    start = min(segment.address for segment in flash)
    if magic == SD_MAGIC and app_start != start:
        raise FormatError(
            f"the SoftDevice starts the application at 0x{app_start:08x}, but it is "
            f"linked at 0x{start:08x}"
        )


def _vector_notice(plain: bytes, *, layout: Layout, region: Region) -> list[str]:
    stack, reset = struct.unpack("<II", plain[:8].ljust(8, b"\xff"))
    ram = layout.ram
    inside = region.start <= reset < region.start + len(plain)
    if ram.base < stack <= ram.end and reset & 1 and inside:
        return []
    return [
        f"the image does not begin with a vector table (stack 0x{stack:08x}, reset "
        f"0x{reset:08x}): it will not start"
    ]

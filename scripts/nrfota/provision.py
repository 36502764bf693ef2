# SPDX-License-Identifier: Apache-2.0
"""What a debug probe writes: factory.hex, given or made around an application.

The journal must match the application, or the bootloader would not start it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nrfota.errors import FormatError
from nrfota.factory import FactoryParts, factory_segments
from nrfota.hexfile import write_hex
from nrfota.image import build_image
from nrfota.journal import Version, read_journal
from nrfota.layout import Layout
from nrfota.package import Release, Secret, build_package, read_segments
from nrfota.segment import Segment

# Only the journal's fw_info is used of the package made here; the URL goes nowhere.
_NOWHERE = "http://localhost/"


@dataclass(frozen=True)
class Firmware:
    """Files of a build, and the version that the application has."""

    app: Path
    bootloader: Path
    mbr: Path
    version: int


def make_factory(
    firmware: Firmware, *, layout: Layout, secret: Secret, read: Callable[[Path], bytes]
) -> str:
    """factory.hex around `firmware.app`, as Intel HEX text."""
    image = build_image(read_segments(firmware.app, read=read), layout=layout)
    package = build_package(
        image, release=Release(firmware.version, _NOWHERE), secret=secret
    )
    parts = FactoryParts(
        app=image,
        info=package.fw_info,
        bootloader=read_segments(firmware.bootloader, read=read),
        mbr=read_segments(firmware.mbr, read=read),
    )
    return write_hex(factory_segments(parts, layout=layout))


def factory_version(
    segments: tuple[Segment, ...], *, layout: Layout, source: str
) -> Version:
    """What the journal in factory.hex says runs; raises `FormatError` without one."""
    region = layout.flash_region("journal")
    data = bytearray(b"\xff" * region.size)
    for segment in segments:
        start = max(segment.address, region.start)
        end = min(segment.end, region.end)
        if start < end:
            data[start - region.start : end - region.start] = segment.data[
                start - segment.address : end - segment.address
            ]
    current = read_journal(bytes(data), page_size=layout.flash.page).state.current
    if current is None:
        raise FormatError(
            f"{source}: expected a factory.hex with a journal in {region}, got none "
            "(make one with: west ota-package --factory)"
        )
    return current


def has_bootloader(segments: tuple[Segment, ...], *, layout: Layout) -> bool:
    """Whether a HEX file is more than an application."""
    start = layout.flash_region("bootloader").start
    return any(segment.address <= start < segment.end for segment in segments)

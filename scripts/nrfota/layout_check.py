# SPDX-License-Identifier: Apache-2.0
"""Laws of a layout; each function checks one and names what breaks it.

Flash regions are page aligned, inside flash and apart from each other; the ones
the firmware needs are there and large enough; the ACL (data sheet, chapter ACL)
can express the protection. RAM regions are word aligned, inside RAM and apart.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from nrfota.errors import FormatError

if TYPE_CHECKING:
    from nrfota.layout import Layout, Memory, Region

# Regions the firmware is built on.
FLASH_NEEDED = (
    "mbr",
    "app",
    "staging",
    "bootloader",
    "journal",
    "mbr_params",
    "handshake",
)
RAM_NEEDED = ("mbr", "image", "boot_request", "boot_status")

# Region -> what its protection may be, and why. Reading covers fetching (data sheet,
# ACL), so nothing that runs can be hidden.
PROTECTIONS = {
    "mbr": (("write",), "only the bootloader's copy command may change it"),
    "app": (("none", "write"), "the CPU could not fetch it"),
    "bootloader": (("write",), "it runs while it sets the protection"),
    "journal": (("read_write",), "it holds the keys"),
    "handshake": (("none",), "the application confirms there"),
}

# Least sizes in bytes. RAM: SPEC.md 4 and 5; the boot record keeps two words
# (forward address, and one the SoftDevice uses) at the start of RAM.
RAM_LEAST = {"mbr": 8, "image": 16 * 1024, "boot_request": 196, "boot_status": 128}

# Region names that would clash with other macros of memory_layout.h.
RESERVED_NAMES = ("flash", "ram", "acl", "page", "boot_words", "journal_page")


def check_layout(layout: Layout) -> None:
    """Raises FormatError for the first law the layout breaks."""
    source = layout.source
    _check_chip(layout)
    _check_names(source, layout)
    for memory, regions, what in (
        (layout.flash, layout.flash_regions, "flash"),
        (layout.ram, layout.ram_regions, "ram"),
    ):
        _check_aligned(f"{source}: {what}", memory, regions)
        _check_inside(f"{source}: {what}", memory, regions)
        _check_apart(f"{source}: {what}", regions)
    _check_sizes(source, layout)
    _check_protections(source, layout)
    _check_acl(source, layout)
    _check_softdevices(source, layout)


def _check_chip(layout: Layout) -> None:
    source, flash = layout.source, layout.flash
    if flash.page < 256 or flash.page & (flash.page - 1):
        raise FormatError(
            f"{source}: chip.flash: expected page to be a power of two of at least "
            f"256, got 0x{flash.page:x}"
        )
    for name, memory in (("flash", flash), ("ram", layout.ram), ("uicr", layout.uicr)):
        if (
            memory.size == 0
            or memory.base % memory.page
            or memory.size % memory.page
            or memory.end > 1 << 32
        ):
            raise FormatError(
                f"{source}: chip.{name}: expected base and size in whole units of "
                f"0x{memory.page:x} below 4 GiB, got base 0x{memory.base:08x} size "
                f"0x{memory.size:x}"
            )


def _check_names(source: str, layout: Layout) -> None:
    for what, needed, regions in (
        ("flash", FLASH_NEEDED, layout.flash_regions),
        ("ram", RAM_NEEDED, layout.ram_regions),
    ):
        names = [region.name for region in regions]
        for name in needed:
            if name not in names:
                raise FormatError(f"{source}: {what}: region '{name}' is missing")
    for region in layout.flash_regions:
        if region.name in RESERVED_NAMES or region.name.startswith(("ram_", "acl_")):
            raise FormatError(
                f"{source}: flash: region name '{region.name}' is reserved; "
                "expected another one"
            )


def _check_aligned(where: str, memory: Memory, regions: tuple[Region, ...]) -> None:
    unit = "page" if memory.page > 4 else "word"
    for region in regions:
        for what, value in (("start", region.start), ("size", region.size)):
            if value % memory.page:
                raise FormatError(
                    f"{where}: region '{region.name}' is not {unit} aligned: expected "
                    f"{what} in multiples of 0x{memory.page:x}, got 0x{value:x}"
                )


def _check_inside(where: str, memory: Memory, regions: tuple[Region, ...]) -> None:
    for region in regions:
        if region.start < memory.base or region.end > memory.end:
            raise FormatError(
                f"{where}: region {region} lies outside the chip's memory "
                f"0x{memory.base:08x}..0x{memory.end:08x}"
            )


def _check_apart(where: str, regions: tuple[Region, ...]) -> None:
    for first, second in pairwise(regions):
        if second.start < first.end:
            raise FormatError(f"{where}: regions {first} and {second} overlap")


def _check_sizes(source: str, layout: Layout) -> None:
    page = layout.flash.page
    mbr = layout.flash_region("mbr")
    if mbr.start != layout.flash.base:
        raise FormatError(
            f"{source}: flash: expected region 'mbr' at 0x{layout.flash.base:08x}, "
            f"where the CPU starts, got 0x{mbr.start:08x}"
        )
    for region in layout.flash_regions:
        if not 0 < region.budget <= region.size:
            raise FormatError(
                f"{source}: flash: region {region} is too small for its budget: "
                f"expected 1..0x{region.size:x}, got 0x{region.budget:x}"
            )
    bootloader, staging = (
        layout.flash_region("bootloader"),
        layout.flash_region("staging"),
    )
    if staging.size < bootloader.size:
        raise FormatError(
            f"{source}: flash: region {staging} is too small for an image of region "
            f"{bootloader}: expected at least 0x{bootloader.size:x}, got "
            f"0x{staging.size:x}"
        )
    for name, pages in (("journal", 2), ("mbr_params", 1), ("handshake", 1)):
        region = layout.flash_region(name)
        if region.size != pages * page:
            raise FormatError(
                f"{source}: flash: expected region '{name}' to have 0x{pages * page:x} "
                f"bytes, got 0x{region.size:x}"
            )
    for name, least in RAM_LEAST.items():
        region = layout.ram_region(name)
        if region.size < least:
            raise FormatError(
                f"{source}: ram: region {region} is too small: expected at least "
                f"{least} bytes, got {region.size}"
            )
    if layout.ram_region("mbr").start != layout.ram.base:
        raise FormatError(
            f"{source}: ram: expected region 'mbr' at 0x{layout.ram.base:08x}, where "
            f"the boot record's contract puts it, got "
            f"0x{layout.ram_region('mbr').start:08x}"
        )


def _check_protections(source: str, layout: Layout) -> None:
    for name, (allowed, reason) in PROTECTIONS.items():
        got = layout.flash_region(name).protect
        if got not in allowed:
            raise FormatError(
                f"{source}: flash: expected region '{name}' to have protect "
                f"{' or '.join(allowed)}, got {got}: {reason}"
            )


def _check_acl(source: str, layout: Layout) -> None:
    regions = layout.acl_regions()
    for region in regions:
        if region.size > layout.acl_max_size:
            raise FormatError(
                f"{source}: flash: the ACL cannot protect region '{region.names[0]}' "
                f"of 0x{region.size:x} bytes: expected at most "
                f"0x{layout.acl_max_size:x}"
            )
    if len(regions) > layout.acl_count:
        names = ", ".join("+".join(region.names) for region in regions)
        raise FormatError(
            f"{source}: flash: the ACL has {layout.acl_count} regions, but protecting "
            f"{names} needs {len(regions)}"
        )


def _check_softdevices(source: str, layout: Layout) -> None:
    app, image = layout.flash_region("app"), layout.ram_region("image")
    for softdevice in layout.softdevices:
        where = f"{source}: softdevices.{softdevice.name}"
        start = softdevice.app_start
        if start % layout.flash.page or not app.start < start < app.end:
            raise FormatError(
                f"{where}: expected app_start at a page inside region {app}, got "
                f"0x{start:08x}"
            )
        if softdevice.ram_start % 8 or not (
            image.start <= softdevice.ram_start < image.end
        ):
            raise FormatError(
                f"{where}: expected ram_start at a multiple of 8 inside region "
                f"{image}, got 0x{softdevice.ram_start:08x}"
            )

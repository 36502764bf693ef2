# SPDX-License-Identifier: Apache-2.0
"""The memory layout: `templates/layout.yml` as values.

Rule 1: every address the host tools use comes from a `Layout`.
Rule 2: a `Layout` that exists is valid; `load_layout` refuses everything else
        with one sentence that names what is wrong and where.
Rule 3: a region has exactly two of `start`, `size` and `end`; `end: NAME` means
        "up to the start of region NAME".

    layout = load_layout(default_layout_path())
    layout.flash_region("app").start    # 0x1000
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from nrfota import yaml_source
from nrfota.errors import BuildError, FormatError
from nrfota.layout_check import check_layout

REGION_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
WORD_LIMIT = 1 << 32


class Protect(StrEnum):
    """What the ACL blocks while the application runs."""

    NONE = "none"
    WRITE = "write"
    READ = "read"
    READ_WRITE = "read_write"

    @property
    def perm(self) -> int:
        """ACL PERM value: bit 1 blocks writes, bit 2 reads (data sheet, ACL)."""
        return {"none": 0, "write": 2, "read": 4, "read_write": 6}[self.value]


@dataclass(frozen=True)
class Memory:
    """A memory of the chip; addresses and sizes in bytes."""

    base: int
    size: int
    page: int = 4

    @property
    def end(self) -> int:
        """First address behind the memory."""
        return self.base + self.size


@dataclass(frozen=True)
class Region:
    """A named part of a memory; `budget` is the largest image accepted in it."""

    name: str
    start: int
    size: int
    budget: int
    protect: Protect = Protect.NONE

    @property
    def end(self) -> int:
        """First address behind the region."""
        return self.start + self.size

    def __str__(self) -> str:
        return f"'{self.name}' (0x{self.start:08x}..0x{self.end:08x})"


@dataclass(frozen=True)
class AclRegion:
    """One ACL instance: neighbours with equal protection share it."""

    start: int
    size: int
    protect: Protect
    names: tuple[str, ...]


@dataclass(frozen=True)
class SoftDevice:
    """Where an application starts behind a SoftDevice."""

    name: str
    app_start: int
    ram_start: int


@dataclass(frozen=True)
class Layout:
    """A whole, checked layout. Regions are sorted by address."""

    chip: str
    flash: Memory
    ram: Memory
    uicr: Memory
    acl_count: int
    acl_max_size: int
    flash_regions: tuple[Region, ...]
    ram_regions: tuple[Region, ...]
    softdevices: tuple[SoftDevice, ...] = ()
    source: str = "layout"

    def flash_region(self, name: str) -> Region:
        """The flash region called `name`; KeyError when there is none."""
        return _by_name(self.flash_regions, name)

    def ram_region(self, name: str) -> Region:
        """The RAM region called `name`; KeyError when there is none."""
        return _by_name(self.ram_regions, name)

    @property
    def journal_page_count(self) -> int:
        """Pages of the journal."""
        return self.flash_region("journal").size // self.flash.page

    @property
    def boot_words(self) -> int:
        """Address of the boot record's two words: its last eight bytes."""
        return self.flash_region("mbr").end - 8

    def acl_regions(self) -> tuple[AclRegion, ...]:
        """The ACL instances this layout needs, by address."""
        merged: list[AclRegion] = []
        for region in self.flash_regions:
            if region.protect is Protect.NONE:
                continue
            last = merged[-1] if merged else None
            if (
                last is not None
                and last.start + last.size == region.start
                and last.protect is region.protect
                and last.size + region.size <= self.acl_max_size
            ):
                merged[-1] = AclRegion(
                    last.start,
                    last.size + region.size,
                    last.protect,
                    (*last.names, region.name),
                )
            else:
                merged.append(
                    AclRegion(region.start, region.size, region.protect, (region.name,))
                )
        return tuple(merged)


def default_layout_path() -> Path:
    """`templates/layout.yml` of the project this package belongs to."""
    return Path(__file__).resolve().parents[2] / "templates" / "layout.yml"


def load_layout(path: Path) -> Layout:
    """Reads and checks a layout file; raises FormatError."""
    return parse_layout(yaml_source.read_text(path), source=str(path))


def parse_layout(text: str, *, source: str = "layout") -> Layout:
    """Checks the text of a layout file; raises FormatError."""
    top = yaml_source.parse(text, source=source)
    top.allow(("chip", "flash", "ram"), optional=("softdevices",))
    chip = top.mapping("chip")
    chip.allow(("name", "flash", "ram", "uicr", "acl"))
    flash = _memory(chip.mapping("flash"), page=True)
    ram = _memory(chip.mapping("ram"), page=False)
    acl = chip.mapping("acl")
    acl.allow(("count", "max_size"))
    layout = Layout(
        chip=chip.text("name"),
        flash=flash,
        ram=ram,
        uicr=_memory(chip.mapping("uicr"), page=False),
        acl_count=acl.integer("count"),
        acl_max_size=acl.integer("max_size"),
        flash_regions=_regions(top.mapping("flash"), in_flash=True),
        ram_regions=_regions(top.mapping("ram"), in_flash=False),
        softdevices=_softdevices(top),
        source=source,
    )
    check_layout(layout)
    return layout


def check_image_fits(layout: Layout, region: str, size: int) -> None:
    """Raises BuildError when an image of `size` bytes is too big for a region."""
    room = layout.flash_region(region)
    if size > room.budget:
        kind = "budget" if room.budget < room.size else "size"
        raise BuildError(
            f"image of {size} bytes is {size - room.budget} bytes over the {kind} of "
            f"region {room}: expected at most {room.budget}"
        )


def _by_name(regions: tuple[Region, ...], name: str) -> Region:
    for region in regions:
        if region.name == name:
            return region
    raise KeyError(name)


def _memory(node: yaml_source.Node, *, page: bool) -> Memory:
    node.allow(("base", "size", "page") if page else ("base", "size"))
    return Memory(
        base=node.integer("base"),
        size=node.integer("size"),
        page=node.integer("page") if page else 4,
    )


def _softdevices(top: yaml_source.Node) -> tuple[SoftDevice, ...]:
    if "softdevices" not in top:
        return ()
    found = []
    for name, node in _named(top.mapping("softdevices")):
        node.allow(("app_start", "ram_start"))
        found.append(
            SoftDevice(name, node.integer("app_start"), node.integer("ram_start"))
        )
    return tuple(found)


def _named(section: yaml_source.Node) -> list[tuple[str, yaml_source.Node]]:
    for name in section:
        if not REGION_NAME.match(name):
            raise FormatError(
                f"{section.where}: expected names of lower-case letters, digits and "
                f"'_', got '{name}'"
            )
    return [(name, section.mapping(name)) for name in section]


def _regions(section: yaml_source.Node, *, in_flash: bool) -> tuple[Region, ...]:
    extra = ("budget", "protect") if in_flash else ()
    nodes = dict(_named(section))
    for node in nodes.values():
        node.allow((), optional=("start", "size", "end", *extra))
        given = [key for key in ("start", "size", "end") if key in node]
        if len(given) != 2:
            raise FormatError(
                f"{node.where}: expected exactly two of start, size and end, "
                f"got {', '.join(given) or 'none'}"
            )
    found = []
    for name, node in nodes.items():
        start = _start(nodes, name, ())
        size = node.integer("size") if "size" in node else _end(nodes, name) - start
        if size <= 0:
            other = f" of region '{node.text('end')}'" if "end" in node else ""
            raise FormatError(
                f"{node.where}: region '{name}' starts at 0x{start:08x}, expected its "
                f"end{other} behind that, got 0x{start + size:08x}"
            )
        found.append(
            Region(
                name=name,
                start=start,
                size=size,
                budget=node.integer("budget") if "budget" in node else size,
                protect=_protect(node),
            )
        )
    return tuple(sorted(found, key=lambda region: region.start))


def _start(
    nodes: Mapping[str, yaml_source.Node], name: str, chain: tuple[str, ...]
) -> int:
    node = nodes[name]
    if name in chain:
        loop = " -> ".join((*chain[chain.index(name) :], name))
        raise FormatError(f"{node.where}: 'end:' references form a cycle: {loop}")
    if "start" in node:
        return node.integer("start")
    end = _end(nodes, name, (*chain, name))
    return end - node.integer("size")


def _end(
    nodes: Mapping[str, yaml_source.Node], name: str, chain: tuple[str, ...] = ()
) -> int:
    node = nodes[name]
    target: Any = node.text("end")
    if target not in nodes:
        raise FormatError(
            f"{node.where}: expected the name of a region after 'end:', got '{target}'"
        )
    if target == name:
        raise FormatError(
            f"{node.where}: 'end:' references form a cycle: {name} -> {name}"
        )
    return _start(nodes, target, chain)


def _protect(node: yaml_source.Node) -> Protect:
    if "protect" not in node:
        return Protect.NONE
    value = node.text("protect")
    try:
        return Protect(value)
    except ValueError:
        known = ", ".join(Protect)
        raise FormatError(
            f"{node.where}: expected protect to be one of {known}, got '{value}'"
        ) from None

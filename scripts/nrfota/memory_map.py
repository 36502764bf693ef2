# SPDX-License-Identifier: Apache-2.0
"""The memory map as rows: what `memory_map.txt` and `memory_map.svg` show.

Gaps between regions are rows of their own. In the picture a row's height grows
with the logarithm of its size, so that one page stays readable beside 900 KB.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from nrfota.layout import Layout, Memory, Region

HEAD_HEIGHT = 34  # room for a column's heading, in SVG units
ROW_HEIGHT = 30  # least height of a row


@dataclass(frozen=True)
class Row:
    """One region or gap; `used` is in bytes, None when nothing is known."""

    name: str
    start: int
    size: int
    protect: str
    budget: int
    used: int | None
    y: int
    height: int

    @property
    def end(self) -> int:
        """First address behind the row."""
        return self.start + self.size

    @property
    def free(self) -> bool:
        """Whether no region claims these bytes."""
        return not self.name

    @property
    def size_text(self) -> str:
        """The size for a person."""
        return size_text(self.size)

    @property
    def used_text(self) -> str:
        """How much of what the region may hold is used."""
        if self.used is None:
            return ""
        percent = 100 * self.used / self.budget
        return f"{self.used} of {self.budget} bytes ({percent:.1f} %)"

    @property
    def used_height(self) -> int:
        """Height of the used part in the picture."""
        if not self.used:
            return 0
        return max(1, min(self.height, round(self.height * self.used / self.size)))


@dataclass(frozen=True)
class Column:
    """One memory, from its highest address to its lowest."""

    title: str
    rows: tuple[Row, ...]
    height: int


@dataclass(frozen=True)
class MemoryMap:
    """Both memories."""

    flash: Column
    ram: Column

    @property
    def height(self) -> int:
        """Height of the picture."""
        return max(self.flash.height, self.ram.height)


def build(layout: Layout, *, used: Mapping[str, int]) -> MemoryMap:
    """Rows of both memories; `used` maps flash regions to image sizes."""
    return MemoryMap(
        flash=_column("Flash", layout.flash, layout.flash_regions, used),
        ram=_column("RAM", layout.ram, layout.ram_regions, {}),
    )


def size_text(size: int) -> str:
    """`4 KB`, or bytes when it is not a whole number of KB."""
    return f"{size // 1024} KB" if size % 1024 == 0 else f"{size} bytes"


def _column(
    title: str, memory: Memory, regions: tuple[Region, ...], used: Mapping[str, int]
) -> Column:
    spans: list[tuple[int, int, Region | None]] = []
    at = memory.base
    for region in regions:
        if region.start > at:
            spans.append((at, region.start, None))
        spans.append((region.start, region.end, region))
        at = region.end
    if at < memory.end:
        spans.append((at, memory.end, None))
    rows = []
    y = HEAD_HEIGHT
    for start, end, owner in reversed(spans):
        height = ROW_HEIGHT + 8 * max(0, round(math.log2(max(1, (end - start) / 4096))))
        rows.append(
            Row(
                name=owner.name if owner else "",
                start=start,
                size=end - start,
                protect=owner.protect.value if owner else "none",
                budget=owner.budget if owner else end - start,
                used=used.get(owner.name) if owner else None,
                y=y,
                height=height,
            )
        )
        y += height
    heading = f"{title} 0x{memory.base:08X}, {size_text(memory.size)}"
    return Column(heading, tuple(rows), y)

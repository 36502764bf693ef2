# SPDX-License-Identifier: Apache-2.0
"""What an image takes of flash, RAM and stack, and whether that is too much.

size = measure(elf_path, region="bootloader", layout=layout, call_graphs=texts)
for line in table((size,), layout): print(line)
check(size, layout)                 # BuildError names the region and the excess
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nrfota.errors import BuildError
from nrfota.layout import Layout, check_image_fits
from nrfota.stack import StackReport, analyse

STACK_SECTION = ".stack"
ROOTS = {"mbr": "mbr_main"}
DEFAULT_ROOT = "Reset_Handler"


@dataclass(frozen=True)
class ImageSize:
    """Bytes that one image takes."""

    region: str
    flash: int  # code and constants
    ram: int  # variables, buffers and stack
    stack_reserved: int  # 0: the image runs on its caller's stack
    stack: StackReport


def measure(
    elf: Path, *, region: str, layout: Layout, call_graphs: Iterable[str]
) -> ImageSize:
    """Reads the ELF's sections."""
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    room = layout.flash_region(region)
    flash = ram = stack = 0
    linked: set[str] = set()
    with elf.open("rb") as stream:
        file = ELFFile(stream)
        for section in file.iter_sections():
            if not section["sh_flags"] & SH_FLAGS.SHF_ALLOC or not section["sh_size"]:
                continue
            size: int = section["sh_size"]
            if _is_in(section["sh_addr"], layout.ram.base, layout.ram.size):
                ram += size
            if section.name == STACK_SECTION:
                stack = size
        for segment in file.iter_segments(type="PT_LOAD"):
            if _is_in(segment["p_paddr"], room.start, room.size):
                flash += segment["p_filesz"]
        symbols = file.get_section_by_name(".symtab")
        if not isinstance(symbols, SymbolTableSection):
            raise BuildError(f"{elf} has no symbol table")
        for symbol in symbols.iter_symbols():
            if symbol["st_info"]["type"] == "STT_FUNC":
                linked.add(symbol.name)
    return ImageSize(
        region=region,
        flash=flash,
        ram=ram,
        stack_reserved=stack,
        stack=analyse(call_graphs, root=ROOTS.get(region, DEFAULT_ROOT), linked=linked),
    )


def check(size: ImageSize, layout: Layout) -> None:
    """BuildError when an image is over a limit."""
    check_image_fits(layout, size.region, size.flash)
    room = layout.ram_region("image")
    if size.ram > room.size:
        raise BuildError(
            f"{size.region} takes {size.ram} bytes of RAM, {size.ram - room.size} "
            f"more than region {room}"
        )
    if size.stack_reserved and size.stack.worst > size.stack_reserved:
        path = " -> ".join(size.stack.path)
        raise BuildError(
            f"{size.region} may need {size.stack.worst} bytes of stack, reserved are "
            f"{size.stack_reserved}: {path}"
        )


def table(sizes: Sequence[ImageSize], layout: Layout) -> list[str]:
    """Lines for a person."""
    lines = [
        f"{'image':<11}{'flash':>8}{'limit':>9}{'used':>6}{'RAM':>9}"
        f"{'stack':>8}{'of':>6}  largest frame"
    ]
    for size in sizes:
        limit = layout.flash_region(size.region).budget
        name, frame = size.stack.largest
        lines.append(
            f"{size.region:<11}{size.flash:>8}{limit:>9}"
            f"{100 * size.flash // limit:>5}%{size.ram:>9}{size.stack.worst:>8}"
            f"{size.stack_reserved or '-':>6}  {name} {frame}"
        )
    return lines


def stack_lines(size: ImageSize) -> list[str]:
    """Every function's own frame, largest first, after the deepest path."""
    frames = sorted(size.stack.frames.items(), key=lambda item: (-item[1], item[0]))
    return [
        f"{size.region}: deepest path {size.stack.worst} bytes: "
        + " -> ".join(size.stack.path),
        *(f"{frame:>7}  {name.rsplit(':', 1)[-1]}" for name, frame in frames if frame),
    ]


def _is_in(address: int, start: int, size: int) -> bool:
    return start <= address < start + size

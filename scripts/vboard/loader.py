# SPDX-License-Identifier: Apache-2.0
"""Puts ELF and Intel HEX files into non-volatile memory, as a debug probe would.

ELF: PT_LOAD segments at their physical (load) addresses. HEX: its data records.
Flash and UICR are accepted; anything else is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from vboard.errors import LoadError
from vboard.nv import FLASH_SIZE, UICR_BASE, UICR_SIZE, NvMemory

_RAM = range(0x2000_0000, 0x2004_0000)
_UICR_END = UICR_BASE + UICR_SIZE


def load_files(nv: NvMemory, paths: Iterable[Path]) -> list[tuple[int, int]]:
    """Loads every file; gives the (address, size) ranges. LoadError on a bad one.

    Files may overlap where they have the same content.
    """
    loaded: list[tuple[Path, int, bytes]] = []
    for path in paths:
        segments = read_file(path)
        for address, data in segments:
            for other, start, content in loaded:
                _check_overlap(path, address, data, other=(other, start, content))
            nv.preload(address, data)
        loaded += [(path, address, data) for address, data in segments]
    check_vectors(nv)
    return [(address, len(data)) for _, address, data in loaded]


def _check_overlap(
    path: Path, address: int, data: bytes, *, other: tuple[Path, int, bytes]
) -> None:
    """Raises LoadError where both files have data and do not agree."""
    other_path, start, content = other
    first, end = max(address, start), min(address + len(data), start + len(content))
    if first >= end:
        return
    mine, theirs = data[first - address :], content[first - start :]
    if mine[: end - first] != theirs[: end - first]:
        raise LoadError(
            f"{path} and {other_path} both have data at "
            f"0x{first:08x}..0x{end - 1:08x}, and it is not the same"
        )


def read_file(path: Path) -> list[tuple[int, bytes]]:
    """The (address, data) segments of an ELF or Intel HEX file, checked."""
    try:
        head = path.open("rb").read(64)
    except OSError as error:
        raise LoadError(f"{path}: {error.strerror}") from error
    if head[:4] == b"\x7fELF":
        segments = list(_elf_segments(path))
    elif head.lstrip()[:1] == b":":
        segments = list(_hex_segments(path))
    else:
        raise LoadError(
            f"{path}: expected an ELF or Intel HEX file; a raw binary does not say "
            "where it belongs (convert it with objcopy -I binary -O ihex "
            "--change-addresses)"
        )
    if not segments:
        raise LoadError(f"{path}: there is nothing to load in it")
    for address, data in segments:
        _check_range(path, address, len(data))
    return segments


def _elf_segments(path: Path) -> Iterator[tuple[int, bytes]]:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        try:
            elf = ELFFile(file)
            machine = elf["e_machine"]
            segments = list(elf.iter_segments())
        except (ELFError, ValueError, KeyError) as error:
            raise LoadError(f"{path}: broken ELF file: {error}") from error
        if machine != "EM_ARM" or elf.elfclass != 32 or not elf.little_endian:
            raise LoadError(f"{path}: expected a little-endian ARM ELF, got {machine}")
        if elf["e_type"] != "ET_EXEC":
            raise LoadError(
                f"{path}: expected a linked program (ET_EXEC), got {elf['e_type']}"
            )
        for segment in segments:
            if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                data = segment.data()
                if len(data) != segment["p_filesz"]:
                    raise LoadError(f"{path}: broken ELF file: a segment is cut off")
                yield segment["p_paddr"], data


def _hex_segments(path: Path) -> Iterator[tuple[int, bytes]]:
    from intelhex import IntelHex, IntelHexError

    image = IntelHex()
    try:
        with path.open("r", encoding="ascii") as file:
            image.loadhex(file)
    except (IntelHexError, UnicodeDecodeError) as error:
        raise LoadError(f"{path}: broken Intel HEX file: {error}") from error
    for start, end in image.segments():
        yield start, image.tobinstr(start=start, end=end - 1)


def _check_range(path: Path, address: int, size: int) -> None:
    end = address + size
    if end <= FLASH_SIZE or (address >= UICR_BASE and end <= _UICR_END):
        return
    where = f"0x{address:08x}..0x{end - 1:08x}"
    if address in _RAM:
        raise LoadError(
            f"{path}: {where} is RAM; a program that is linked to RAM cannot start "
            "after a reset, link it to flash"
        )
    raise LoadError(
        f"{path}: {where} is outside of flash (0x00000000..0x{FLASH_SIZE - 1:08x}) and "
        f"UICR (0x{UICR_BASE:08x}..0x{_UICR_END - 1:08x})"
    )


def check_vectors(nv: NvMemory) -> None:
    """LoadError when the CPU would not find a program at address 0."""
    stack = int.from_bytes(nv.flash[0:4], "little")
    entry = int.from_bytes(nv.flash[4:8], "little")
    if (stack, entry) == (0xFFFF_FFFF, 0xFFFF_FFFF):
        first = next(
            (
                i
                for i in range(0, FLASH_SIZE, 4096)
                if nv.flash[i : i + 4096].count(0xFF) != 4096
            ),
            None,
        )
        where = (
            "flash is blank" if first is None else f"the first data is at 0x{first:05x}"
        )
        raise LoadError(
            f"there is no vector table at 0x00000000 ({where}); the CPU starts there: "
            "load the boot record, MBR or SoftDevice that this program needs as well"
        )

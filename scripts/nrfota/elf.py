# SPDX-License-Identifier: Apache-2.0
"""Reads what an ARM ELF file puts into memory, at physical addresses.

Rule 1: an address is the load address (LMA): a section's place in its PT_LOAD
        segment, counted from p_paddr. Virtual addresses are not looked at.
Rule 2: with a section table, the sections that have contents are taken, as
        objcopy does: alignment gaps and ELF headers that the linker put into a
        segment are not part of the program. Without one, whole segments are,
        less the ELF and program headers in them.
Rule 3: offsets in the file are believed only after they are checked.

The reader is a page of struct code instead of pyelftools, whose import alone
takes a third of the time that packaging may take.
Layouts: System V ABI, chapter "Object Files".

    for segment in read_elf(path.read_bytes(), source="app.elf"):
        print(segment)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from nrfota.errors import FormatError
from nrfota.segment import Segment, in_order

MAGIC = b"\x7fELF"
EHDR = struct.Struct(
    "<16s"  # e_ident
    "H"  # e_type
    "H"  # e_machine
    "I"  # e_version
    "I"  # e_entry
    "I"  # e_phoff
    "I"  # e_shoff
    "I"  # e_flags
    "H"  # e_ehsize
    "H"  # e_phentsize
    "H"  # e_phnum
    "H"  # e_shentsize
    "H"  # e_shnum
    "H"  # e_shstrndx
)
PHDR = struct.Struct(
    "<I"  # p_type
    "I"  # p_offset
    "I"  # p_vaddr
    "I"  # p_paddr
    "I"  # p_filesz
    "I"  # p_memsz
    "I"  # p_flags
    "I"  # p_align
)
SHDR = struct.Struct(
    "<I"  # sh_name
    "I"  # sh_type
    "I"  # sh_flags
    "I"  # sh_addr
    "I"  # sh_offset
    "I"  # sh_size
    "I"  # sh_link
    "I"  # sh_info
    "I"  # sh_addralign
    "I"  # sh_entsize
)
EI_CLASS, ELFCLASS32 = 4, 1
EI_DATA, ELFDATA2LSB = 5, 1
ET_EXEC, EM_ARM = 2, 40
PT_LOAD = 1
SHT_NOBITS, SHF_ALLOC = 8, 2
PN_XNUM, SHN_XINDEX = 0xFFFF, 0xFFFF

CLASSES = {1: "32-bit", 2: "64-bit"}
ORDERS = {1: "little-endian", 2: "big-endian"}
TYPES = {1: "a relocatable object", 3: "a shared object", 4: "a core dump"}
MACHINES = {3: "x86", 8: "MIPS", 62: "x86-64", 94: "Xtensa", 183: "AArch64"}
MACHINES |= {243: "RISC-V"}


@dataclass(frozen=True)
class _Load:
    """A PT_LOAD segment with bytes in the file."""

    index: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int


@dataclass(frozen=True)
class _Section:
    """A section that takes memory and has contents."""

    name: str
    addr: int
    offset: int
    size: int


def read_elf(data: bytes, *, source: str) -> tuple[Segment, ...]:
    """The bytes to program, by address; raises FormatError.

    Refuses files that are not little-endian 32-bit ARM executables, damaged
    tables, and sections that overlap.
    """
    header = _header(data, source)
    loads = tuple(_loads(data, header, source))
    sections = tuple(_sections(data, header, source))
    view = memoryview(data)
    if not sections:
        loads = tuple(_without_headers(loads, header))
        found = [
            Segment(
                load.paddr,
                view[load.offset : load.offset + load.filesz],
                f"segment {load.index}",
            )
            for load in loads
        ]
    else:
        found = [_placed(view, section, loads, source) for section in sections]
    if not found:
        raise FormatError(f"{source}: no PT_LOAD segment has contents")
    for segment in found:
        if segment.end > 1 << 32:
            raise FormatError(f"{source}: {segment} reaches beyond 4 GiB")
    try:
        return in_order(found)
    except FormatError as error:
        raise FormatError(f"{source}: {error}") from None


def _header(data: bytes, source: str) -> tuple[int, ...]:
    if data[:4] != MAGIC:
        raise FormatError(
            f"{source}: expected an ELF file starting with 7f454c46, got "
            f"{data[:4].hex() or 'an empty file'}"
        )
    if len(data) < EHDR.size:
        raise FormatError(
            f"{source}: expected an ELF header of {EHDR.size} bytes, got {len(data)}"
        )
    ident, *fields = EHDR.unpack_from(data)
    if ident[EI_CLASS] != ELFCLASS32:
        got = CLASSES.get(ident[EI_CLASS], f"class {ident[EI_CLASS]}")
        raise FormatError(f"{source}: expected a 32-bit ELF, got {got}")
    if ident[EI_DATA] != ELFDATA2LSB:
        got = ORDERS.get(ident[EI_DATA], f"data encoding {ident[EI_DATA]}")
        raise FormatError(f"{source}: expected a little-endian ELF, got {got}")
    kind, machine = fields[0], fields[1]
    if machine != EM_ARM:
        got = MACHINES.get(machine, "another")
        raise FormatError(
            f"{source}: expected machine {EM_ARM} (ARM), got {machine} ({got})"
        )
    if kind != ET_EXEC:
        got = TYPES.get(kind, f"type {kind}")
        raise FormatError(f"{source}: expected an executable ELF, got {got}")
    return tuple(fields)


def _table(
    data: bytes, source: str, *, what: str, place: tuple[int, int, int], entry: int
) -> Iterator[int]:
    """Offsets of a table's entries; `place` is (offset, entry size, count)."""
    offset, entsize, count = place
    if count and entsize != entry:
        raise FormatError(
            f"{source}: expected {what} entries of {entry} bytes, got {entsize}"
        )
    if offset + count * entry > len(data):
        raise FormatError(
            f"{source}: the {what} table ends at offset {offset + count * entry}, "
            f"but the file has {len(data)} bytes"
        )
    return iter(range(offset, offset + count * entry, entry))


def _loads(data: bytes, header: tuple[int, ...], source: str) -> Iterator[_Load]:
    phoff, phentsize, phnum = header[4], header[8], header[9]
    if phnum == PN_XNUM:
        raise FormatError(f"{source}: more than 65534 segments are not supported")
    place = (phoff, phentsize, phnum)
    entries = _table(data, source, what="program header", place=place, entry=PHDR.size)
    for index, entry in enumerate(entries):
        kind, offset, vaddr, paddr, filesz, memsz, _, _ = PHDR.unpack_from(data, entry)
        if kind != PT_LOAD or filesz == 0:
            continue
        if offset + filesz > len(data):
            raise FormatError(
                f"{source}: segment {index} ends at offset {offset + filesz}, but the "
                f"file has {len(data)} bytes"
            )
        if filesz > memsz:
            raise FormatError(
                f"{source}: segment {index} has {filesz} bytes in the file, expected "
                f"at most its {memsz} bytes in memory"
            )
        yield _Load(index, offset, vaddr, paddr, filesz)


def _without_headers(
    loads: tuple[_Load, ...], header: tuple[int, ...]
) -> Iterator[_Load]:
    """Segments less the headers that a linker put at the start of the file."""
    phoff, phentsize, phnum = header[4], header[8], header[9]
    end = phoff + phentsize * phnum if phoff == EHDR.size else EHDR.size
    for load in loads:
        cut = min(end, load.filesz) if load.offset == 0 else 0
        if cut < load.filesz:
            yield _Load(
                load.index,
                load.offset + cut,
                load.vaddr + cut,
                load.paddr + cut,
                load.filesz - cut,
            )


def _sections(data: bytes, header: tuple[int, ...], source: str) -> Iterator[_Section]:
    shoff, shentsize, shnum, shstrndx = header[5], *header[10:13]
    if shoff == 0 or shnum == 0:
        return
    place = (shoff, shentsize, shnum)
    entries = _table(data, source, what="section header", place=place, entry=SHDR.size)
    rows = [SHDR.unpack_from(data, entry) for entry in entries]
    if shstrndx >= len(rows):
        raise FormatError(
            f"{source}: expected the section of names below {len(rows)}, got {shstrndx}"
        )
    names_at, names_size = rows[shstrndx][4], rows[shstrndx][5]
    names = data[names_at : names_at + names_size]
    for name_at, kind, flags, addr, offset, size, *_ in rows:
        if not flags & SHF_ALLOC or kind in (0, SHT_NOBITS) or size == 0:
            continue
        end = names.find(b"\0", name_at)
        name = names[name_at : end if end >= 0 else name_at].decode("ascii", "replace")
        yield _Section(name, addr, offset, size)


def _placed(
    view: memoryview, section: _Section, loads: tuple[_Load, ...], source: str
) -> Segment:
    for load in loads:
        inside = section.offset - load.offset
        if (
            0 <= inside <= load.filesz - section.size
            and section.addr - load.vaddr == inside
        ):
            data = view[section.offset : section.offset + section.size]
            return Segment(load.paddr + inside, data, f"section '{section.name}'")
    raise FormatError(
        f"{source}: section '{section.name}' at 0x{section.addr:08x} has contents, but "
        "lies in no PT_LOAD segment"
    )

# SPDX-License-Identifier: Apache-2.0
"""Builds small ELF files from nothing but the specification.

      offset  content
           0  ELF header (52 bytes)
          52  program headers (32 bytes each)
          ..  contents of the sections, in order
          ..  section names
          ..  section headers (40 bytes each)

One program header per section unless sections share one by `segment`. Payload
bytes count up from the section's load address, so that one comparison proves
that the right bytes are at the right place.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

EHDR_SIZE, PHDR_SIZE, SHDR_SIZE = 52, 32, 40
PT_LOAD = 1
SHT_PROGBITS, SHT_STRTAB, SHT_NOBITS = 1, 3, 8
SHF_ALLOC = 2


def counting(address: int, size: int) -> bytes:
    """Bytes that tell their address."""
    return bytes((address + index) & 0xFF for index in range(size))


@dataclass(frozen=True)
class Section:
    """A section; `lma` is where it is programmed, `vma` where it runs."""

    name: str
    lma: int
    size: int
    vma: int | None = None
    nobits: bool = False
    alloc: bool = True
    data: bytes | None = None

    @property
    def contents(self) -> bytes:
        """The bytes in the file."""
        if self.nobits:
            return b""
        return counting(self.lma, self.size) if self.data is None else self.data


@dataclass(frozen=True)
class Elf:
    """What to build; the defaults are a good ARM executable."""

    sections: tuple[Section, ...]
    elf_class: int = 1
    byte_order: int = 1
    type: int = 2
    machine: int = 40
    joined: bool = False  # one segment from the first section to the last
    with_headers: bool = False  # that segment also covers the ELF headers
    section_table: bool = True
    overrides: dict[str, int] = field(default_factory=dict)

    def build(self) -> bytes:
        """The bytes of the file."""
        count = 1 if self.joined else len(self.sections)
        at = EHDR_SIZE + count * PHDR_SIZE
        blob = bytearray()
        places = []
        for section in self.sections:
            if self.joined and places:
                first = self.sections[0]
                gap = section.lma - first.lma - (at + len(blob) - places[0])
                blob += bytes(gap)
            places.append(at + len(blob))
            blob += section.contents
        names = b"\0" + b"".join(s.name.encode() + b"\0" for s in self.sections)
        names += b".shstrtab\0"
        names_at = at + len(blob)
        blob += names
        table_at = at + len(blob)
        headers = self._program_headers(places)
        table = self._section_table(places, names, names_at)
        shnum = len(self.sections) + 2 if self.section_table else 0
        ehdr = struct.pack(
            "<16sHHIIIIIHHHHHH",
            b"\x7fELF" + bytes([self.elf_class, self.byte_order, 1]),  # e_ident
            self.type,  # e_type
            self.machine,  # e_machine
            1,  # e_version
            self.overrides.get("e_entry", self.sections[0].lma | 1),  # e_entry
            self.overrides.get("e_phoff", EHDR_SIZE),  # e_phoff
            table_at if self.section_table else 0,  # e_shoff
            0x05000200,  # e_flags
            EHDR_SIZE,  # e_ehsize
            self.overrides.get("e_phentsize", PHDR_SIZE),  # e_phentsize
            self.overrides.get("e_phnum", count),  # e_phnum
            self.overrides.get("e_shentsize", SHDR_SIZE),  # e_shentsize
            self.overrides.get("e_shnum", shnum),  # e_shnum
            self.overrides.get("e_shstrndx", max(shnum - 1, 0)),  # e_shstrndx
        )
        return ehdr + headers + bytes(blob) + (table if self.section_table else b"")

    def _program_headers(self, places: list[int]) -> bytes:
        if not self.joined:
            return b"".join(
                self._phdr(place, section.lma, section.vma, section)
                for place, section in zip(places, self.sections, strict=True)
            )
        first, last = self.sections[0], self.sections[-1]
        start = 0 if self.with_headers else places[0]
        before = places[0] - start
        filesz = places[-1] + len(last.contents) - start
        vma = first.lma if first.vma is None else first.vma
        return struct.pack(
            "<IIIIIIII",
            PT_LOAD,  # p_type
            start,  # p_offset
            vma - before,  # p_vaddr
            first.lma - before,  # p_paddr
            filesz,  # p_filesz
            filesz,  # p_memsz
            5,  # p_flags
            4,  # p_align
        )

    def _phdr(self, place: int, lma: int, vma: int | None, section: Section) -> bytes:
        filesz = len(section.contents)
        return struct.pack(
            "<IIIIIIII",
            PT_LOAD,  # p_type
            self.overrides.get("p_offset", place),  # p_offset
            lma if vma is None else vma,  # p_vaddr
            lma,  # p_paddr
            self.overrides.get("p_filesz", filesz),  # p_filesz
            self.overrides.get("p_memsz", section.size),  # p_memsz
            5,  # p_flags
            4,  # p_align
        )

    def _section_table(self, places: list[int], names: bytes, names_at: int) -> bytes:
        rows = [bytes(SHDR_SIZE)]
        name_at = 1
        for place, section in zip(places, self.sections, strict=True):
            rows.append(
                struct.pack(
                    "<IIIIIIIIII",
                    name_at,  # sh_name
                    SHT_NOBITS if section.nobits else SHT_PROGBITS,  # sh_type
                    SHF_ALLOC if section.alloc else 0,  # sh_flags
                    section.lma if section.vma is None else section.vma,  # sh_addr
                    place,  # sh_offset
                    section.size,  # sh_size
                    0,  # sh_link
                    0,  # sh_info
                    4,  # sh_addralign
                    0,  # sh_entsize
                )
            )
            name_at += len(section.name) + 1
        shstrtab = (name_at, SHT_STRTAB, 0, 0, names_at, len(names), 0, 0, 1, 0)
        rows.append(struct.pack("<IIIIIIIIII", *shstrtab))
        return b"".join(rows)

# SPDX-License-Identifier: Apache-2.0
"""`nrfota.elf`: what an ELF file puts where."""

from __future__ import annotations

import contextlib
import random
import struct
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st
from nrfota.elf import read_elf
from nrfota.errors import FormatError
from nrfota.segment import flatten
from support.elf_builder import Elf, Section, counting

TEXT = Section(".text", 0x1000, 64)
DATA = Section(".data", 0x1040, 16, vma=0x20000008)
BSS = Section(".bss", 0x20000018, 256, nobits=True)
GOOD = Elf((TEXT, DATA, BSS))


def read(elf: Elf) -> list[tuple[int, bytes, str]]:
    segments = read_elf(elf.build(), source="app.elf")
    return [(s.address, bytes(s.data), s.origin) for s in segments]


def test_sections_are_placed_at_their_load_address() -> None:
    """.data is programmed behind .text, not at its RAM address."""
    assert read(GOOD) == [
        (0x1000, counting(0x1000, 64), "section '.text'"),
        (0x1040, counting(0x1040, 16), "section '.data'"),
    ]


def test_sections_without_memory_are_left_out() -> None:
    """Debug information has contents but no address."""
    debug = Section(".debug_info", 0, 32, alloc=False)
    assert [row[2] for row in read(Elf((TEXT, debug)))] == ["section '.text'"]


def test_alignment_gap_inside_a_segment_is_blank() -> None:
    """Zeros that the linker put between sections are no part of the program."""
    elf = Elf((TEXT, Section(".rodata", 0x1080, 8)), joined=True)
    plain = flatten(read_elf(elf.build(), source="x"), start=0x1000)
    assert plain == counting(0x1000, 64) + b"\xff" * 64 + counting(0x1080, 8)


def test_elf_headers_inside_a_segment_are_left_out() -> None:
    """A linker may load the headers below the first section."""
    elf = Elf((TEXT,), joined=True, with_headers=True)
    assert [row[0] for row in read(elf)] == [0x1000]


def test_without_section_table_whole_segments_are_taken() -> None:
    """A stripped file still says what to load."""
    rows = read(Elf((TEXT, DATA), section_table=False))
    assert [(row[0], row[2]) for row in rows] == [
        (0x1000, "segment 0"),
        (0x1040, "segment 1"),
    ]
    assert rows[1][1] == counting(0x1040, 16)


def test_without_section_table_headers_in_a_segment_are_left_out() -> None:
    """LLD and GNU ld put them in front of the first section's page."""
    rows = read(Elf((TEXT,), joined=True, with_headers=True, section_table=False))
    assert rows == [(0x1000, counting(0x1000, TEXT.size), "segment 0")]


def test_without_section_table_a_segment_of_headers_alone_is_no_program() -> None:
    """As LLD makes it with separate segments."""
    elf = Elf((Section(".headers", 0xF00, 0), TEXT), section_table=False)
    data = bytearray(elf.build())
    headers = struct.pack("<IIIIIIII", 1, 0, 0xF00, 0xF00, 116, 116, 4, 4)
    data[52:84] = headers
    (segment,) = read_elf(bytes(data), source="x")
    assert (segment.address, segment.origin) == (0x1000, "segment 1")


def test_agrees_with_pyelftools_on_addresses_and_bytes() -> None:
    """An independent reader sees the same segments."""
    data = GOOD.build()
    theirs = [
        (segment["p_paddr"], segment.data())
        for segment in ELFFile(BytesIO(data)).iter_segments()
        if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
    ]
    assert [(row[0], row[1]) for row in read(GOOD)] == theirs


LINKER = """\
MEMORY { FLASH (rx) : ORIGIN = 0x1000, LENGTH = 64K
         RAM (rwx) : ORIGIN = 0x20000008, LENGTH = 64K }
SECTIONS { .text : { *(.text*) } > FLASH
           .odd : ALIGN(256) { LONG(5) } > FLASH
           .data : { *(.data*) } > RAM AT > FLASH
           .bss (NOLOAD) : { *(.bss*) } > RAM }
"""


@pytest.mark.parametrize("page", ["0x1000", "0x10000"])
def test_agrees_with_objcopy_on_what_the_linker_makes(
    tmp_path: Path, page: str
) -> None:
    """With pages of 64 KB the linker puts the ELF headers at address 0.

    arm-none-eabi-objcopy -O binary --gap-fill 0xff
    """
    (tmp_path / "t.ld").write_text(LINKER)
    (tmp_path / "t.c").write_text(
        "int word = 7; int zero[9];\nint add(int x) { return x + word + zero[1]; }\n"
    )
    for command in (
        f"gcc -mcpu=cortex-m4 -mthumb -nostdlib -Wl,-z,max-page-size={page} "
        "-Wl,-e,add -T t.ld t.c -o t.elf",
        "objcopy -O binary --gap-fill 0xff t.elf t.bin",
    ):
        subprocess.run(f"arm-none-eabi-{command}".split(), cwd=tmp_path, check=True)
    segments = read_elf((tmp_path / "t.elf").read_bytes(), source="t.elf")
    assert flatten(segments, start=0x1000) == (tmp_path / "t.bin").read_bytes()
    load = next(ELFFile((tmp_path / "t.elf").open("rb")).iter_segments("PT_LOAD"))
    assert load["p_paddr"] == (0 if page == "0x10000" else 0x1000)


BAD = {
    "not_elf": (
        b":020000040000FA",
        "expected an ELF file starting with 7f454c46, got 3a303230",
    ),
    "empty": (b"", "expected an ELF file starting with 7f454c46, got an empty file"),
    "short_header": (GOOD.build()[:40], "expected an ELF header of 52 bytes, got 40"),
    "class_64": (Elf((TEXT,), elf_class=2), "expected a 32-bit ELF, got 64-bit"),
    "big_endian": (
        Elf((TEXT,), byte_order=2),
        "expected a little-endian ELF, got big-endian",
    ),
    "machine_x86_64": (
        Elf((TEXT,), machine=62),
        r"expected machine 40 \(ARM\), got 62 \(x86-64\)",
    ),
    "relocatable": (
        Elf((TEXT,), type=1),
        "expected an executable ELF, got a relocatable object",
    ),
    "shared_object": (
        Elf((TEXT,), type=3),
        "expected an executable ELF, got a shared object",
    ),
    "no_contents": (Elf((BSS,)), "no PT_LOAD segment has contents"),
    "program_headers_outside": (
        Elf((TEXT,), overrides={"e_phoff": 0x10000}),
        "the program header table ends at offset 65568, but the file has",
    ),
    "program_header_size": (
        Elf((TEXT,), overrides={"e_phentsize": 56}),
        "expected program header entries of 32 bytes, got 56",
    ),
    "too_many_segments": (
        Elf((TEXT,), overrides={"e_phnum": 0xFFFF}),
        "more than 65534 segments are not supported",
    ),
    "segment_outside_file": (
        Elf((TEXT,), overrides={"p_filesz": 5000, "p_memsz": 5000}),
        "segment 0 ends at offset 5084, but the file has",
    ),
    "file_size_over_memory_size": (
        Elf((TEXT,), overrides={"p_memsz": 8}),
        "segment 0 has 64 bytes in the file, expected at most its 8 bytes in memory",
    ),
    "section_header_size": (
        Elf((TEXT,), overrides={"e_shentsize": 64}),
        "expected section header entries of 40 bytes, got 64",
    ),
    "section_headers_outside": (
        Elf((TEXT,), overrides={"e_shnum": 900}),
        "the section header table ends at offset",
    ),
    "section_of_names_missing": (
        Elf((TEXT,), overrides={"e_shstrndx": 7}),
        "expected the section of names below 3, got 7",
    ),
    "section_in_no_segment": (
        Elf((TEXT, DATA), overrides={"e_phnum": 1}),
        "section '.data' at 0x20000008 has contents, but lies in no PT_LOAD segment",
    ),
    "overlap": (
        Elf((TEXT, Section(".late", 0x1020, 8))),
        r"section '.text' \(0x00001000..0x00001040\) and section '.late' "
        r"\(0x00001020..0x00001028\) overlap",
    ),
    "beyond_4_gib": (
        Elf((Section(".far", 0xFFFFFFF8, 16),)),
        r"section '.far' \(0xfffffff8..0x100000008\) reaches beyond 4 GiB",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_elf_is_refused(case: str) -> None:
    """Each damage has its sentence."""
    elf, message = BAD[case]
    data = elf if isinstance(elf, bytes) else elf.build()
    with pytest.raises(FormatError, match=message):
        read_elf(data, source="app.elf")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_mutated_elf_is_read_or_refused(seed: int, flips: int) -> None:
    """No damage raises anything but FormatError."""
    data = bytearray(GOOD.build())
    dice = random.Random(seed)
    for _ in range(flips):
        data[dice.randrange(len(data))] = dice.randrange(256)
    cut = dice.choice((len(data), dice.randrange(len(data))))
    with contextlib.suppress(FormatError):
        read_elf(bytes(data[:cut]), source="x")


@given(st.binary(max_size=200))
def test_random_bytes_behind_the_magic_are_refused_or_read(data: bytes) -> None:
    """The parser survives any file."""
    with contextlib.suppress(FormatError):
        read_elf(b"\x7fELF\x01\x01" + data, source="x")

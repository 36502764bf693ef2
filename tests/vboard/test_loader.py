# SPDX-License-Identifier: Apache-2.0
"""ELF and Intel HEX files into non-volatile memory; what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from intelhex import IntelHex
from support.asm import assemble
from vboard.errors import LoadError
from vboard.loader import load_files, read_file
from vboard.nv import NvMemory


def hex_file(path: Path, parts: dict[int, bytes]) -> Path:
    image = IntelHex()
    for address, data in parts.items():
        image.puts(address, data)
    image.write_hex_file(str(path))
    return path


def test_an_elf_is_loaded_at_its_load_addresses(tmp_path: Path) -> None:
    """Initialised data is behind the code in flash, not in RAM."""
    elf = assemble(tmp_path, "reset: b reset\n .data\n .word 0xCAFEF00D\n")
    segments = read_file(elf)
    data = b"".join(data for _, data in segments)
    assert all(address < 0x10_0000 for address, _ in segments)
    assert b"\x0d\xf0\xfe\xca" in data


def test_hex_files_may_have_uicr(tmp_path: Path) -> None:
    """NRFFW and the reset pin come with many factory images."""
    path = hex_file(
        tmp_path / "a.hex",
        {0: b"\x00\x00\x04\x20\x05\x00\x00\x00", 0x1000_1014: b"\x00\x60\x0f\x00"},
    )
    nv = NvMemory(seed=1)
    assert load_files(nv, [path]) == [(0, 8), (0x1000_1014, 4)]
    assert nv.read(0x1000_1014, 4) == b"\x00\x60\x0f\x00"


def test_several_files_are_laid_side_by_side(tmp_path: Path) -> None:
    """Boot record and application, say."""
    first = hex_file(tmp_path / "a.hex", {0: b"\x00\x00\x04\x20\x05\x00\x00\x00"})
    second = hex_file(tmp_path / "b.hex", {0x1000: b"app!"})
    nv = NvMemory(seed=1)
    load_files(nv, [first, second])
    assert nv.read(0x1000, 4) == b"app!"


def test_files_may_overlap_only_where_they_agree(tmp_path: Path) -> None:
    """The same words twice are fine; two programs at 0 are not."""
    vectors = b"\x00\x00\x04\x20\x05\x00\x00\x00"
    first = hex_file(tmp_path / "a.hex", {0: vectors, 0x1000: b"1234"})
    same = hex_file(tmp_path / "b.hex", {0x1002: b"34xx"})
    other = hex_file(tmp_path / "c.hex", {0x1002: b"3xxx"})
    load_files(NvMemory(seed=1), [first, same, first])
    message = r"c\.hex and .*a\.hex both have data at 0x00001002\.\.0x00001003"
    with pytest.raises(LoadError, match=message):
        load_files(NvMemory(seed=1), [first, other])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"\x00\x00\x04\x20\x05\x00\x00\x00", "a raw binary", id="binary"),
        pytest.param(b"", "a raw binary does not say", id="empty"),
        pytest.param(b":00000001FF\n", "there is nothing to load", id="no_data"),
        pytest.param(b":0400000001020304FF\n", "broken Intel HEX file", id="checksum"),
        pytest.param(b":04\xff\n", "broken Intel HEX file", id="not_ascii"),
        pytest.param(b"\x7fELF" + bytes(12), "broken ELF file", id="short_elf"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """One sentence that names the file."""
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=f"{path}: .*{message}|{path}: {message}"):
        read_file(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(LoadError, match=r"none\.elf: No such file or directory"):
        read_file(tmp_path / "none.elf")


def test_other_machines_are_refused(tmp_path: Path) -> None:
    """An ELF of this host, for example."""
    elf = bytearray(assemble(tmp_path, "reset: b reset").read_bytes())
    elf[18] = 62
    path = tmp_path / "host.elf"
    path.write_bytes(elf)
    with pytest.raises(LoadError, match="expected a little-endian ARM ELF, got EM_X86"):
        read_file(path)


def test_objects_are_refused(tmp_path: Path) -> None:
    """Only linked programs have addresses."""
    elf = bytearray(assemble(tmp_path, "reset: b reset").read_bytes())
    elf[16] = 1
    path = tmp_path / "object.o"
    path.write_bytes(elf)
    with pytest.raises(LoadError, match="expected a linked program"):
        read_file(path)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        pytest.param(0x2000_0000, "0x20000000..0x20000003 is RAM", id="ram"),
        pytest.param(0x0010_0000, "0x00100000..0x00100003 is outside", id="behind"),
        pytest.param(0x1000_0000, "0x10000000..0x10000003 is outside", id="ficr"),
        pytest.param(0x000F_FFFE, "0x000ffffe..0x00100001 is outside", id="across"),
    ],
)
def test_ranges_outside_of_flash_are_refused(
    tmp_path: Path, address: int, message: str
) -> None:
    """With the range."""
    path = hex_file(tmp_path / "a.hex", {address: b"1234"})
    with pytest.raises(LoadError, match=message):
        read_file(path)


def test_a_program_without_what_starts_it_is_refused(tmp_path: Path) -> None:
    """An application for 0x26000 alone cannot run: nothing is at 0."""
    path = hex_file(tmp_path / "a.hex", {0x26000: b"1234"})
    with pytest.raises(
        LoadError,
        match=r"no vector table at 0x00000000 \(the first data is at 0x26000\)",
    ):
        load_files(NvMemory(seed=1), [path])

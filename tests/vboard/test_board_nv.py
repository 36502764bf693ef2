# SPDX-License-Identifier: Apache-2.0
"""Flash, ACL, CryptoCell and watchdog as machine code on the whole board sees them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from support.asm import compile_c
from vboard.board import Board
from vboard.clock import NS_PER_S
from vboard.errors import GuestError, PowerCut
from vboard.loader import load_files
from vboard.nv import FLASH_SIZE, Cut, NvMemory

PROGRAMS = Path(__file__).parent / "programs"
MAILBOX = 0x2003_0000
DONE = 0x600D_600D


class Machine:
    """A board with one of the programs."""

    def __init__(self, elf: Path, *, faults: str = "strict") -> None:
        self.nv = NvMemory(seed=1)
        load_files(self.nv, [elf])
        self.board = Board(self.nv, seed=1, faults=faults)

    def slot(self, index: int) -> int:
        """A word of the mailbox."""
        return int.from_bytes(self.board.ram_read(MAILBOX + 4 * index, 4), "little")

    def slots(self, first: int, count: int) -> list[int]:
        """Words of the mailbox."""
        return [self.slot(index) for index in range(first, first + count)]

    def finish(self, *, seconds: int = 3) -> None:
        """Runs until the program is done."""
        self.board.run(seconds * NS_PER_S, stop=lambda: self.slot(63) == DONE)
        assert self.slot(63) == DONE
        self.check_mirror()

    def check_mirror(self) -> None:
        """The CPU reads what the non-volatile memory holds."""
        seen = self.board.core.cpu.memory_read(0, FLASH_SIZE)
        assert seen == bytes(self.nv.flash)


Start = Callable[..., Machine]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Builds a program and puts it on a board."""

    def make(name: str, **options: str) -> Machine:
        sources = [PROGRAMS / f"{name}.c", PROGRAMS / "start.c"]
        return Machine(compile_c(tmp_path, sources, name=name), **options)

    return make


def test_flash_operations_from_flash_and_from_ram(start: Start) -> None:
    """From flash the CPU stalls and READY is 1 again; from RAM it polls."""
    machine = start("flash")
    machine.finish()
    write_us, polls, word, twice, uicr, erase_polls, erase_us, blank = machine.slots(
        0, 8
    )
    assert 256 * 41 <= write_us < 256 * 42
    assert (polls, erase_polls) == (0, 0)
    assert (word, twice, uicr) == (200 * 0x0101_0101, 0xA500_00A5, 0xFFFF_1234)
    assert 85_000 <= erase_us < 85_100
    assert blank == 0xFFFF_FFFF
    after_slices, ram_erase_polls, ram_write_polls, ram_word = machine.slots(8, 4)
    assert after_slices == 0xFFFF_FFFF
    assert ram_erase_polls > 1000
    assert ram_write_polls > 100
    assert ram_word == 0x1234_5678
    assert machine.nv.wear[0x30] == 2
    assert machine.nv.operations == 256 + 2 + 1 + 1 + 1 + 9 + 2


@pytest.mark.parametrize("when", ["before", "torn", "after"])
@pytest.mark.parametrize("operation", [7, 258, 260, 262], ids=lambda n: f"op{n}")
def test_what_a_cut_left_is_what_the_cpu_reads_after_power_up(
    start: Start, operation: int, when: str
) -> None:
    """Writes and erases, at every point of the operation."""
    machine = start("flash")
    machine.nv.cut = Cut(operation=operation, when=when, seed=operation)
    with pytest.raises(PowerCut, match=f"{when} flash operation {operation}"):
        machine.finish()
    machine.check_mirror()
    machine.board.power_cycle()
    machine.check_mirror()


def test_a_board_whose_power_is_cut_in_an_erase_goes_on_from_there(
    start: Start,
) -> None:
    """The program starts again on what the cut left in flash."""
    machine = start("flash")
    machine.nv.cut = Cut(operation=260, when="torn", seed=4)
    with pytest.raises(PowerCut, match="torn flash operation 260"):
        machine.finish()
    page = machine.nv.read(0x3_0000, 4096)
    assert page != b"\xff" * 4096
    machine.nv.erase_page(0x3_0000)
    machine.board.power_cycle()
    machine.finish()
    assert machine.slot(11) == 0x1234_5678


BUS_FAULT_AT = 1 << 9 | 1 << 15  # PRECISERR, BFARVALID


def test_protected_flash_gives_bus_faults_to_the_guest(start: Start) -> None:
    """faults="guest": the handler sees CFSR and BFAR, and the access did nothing."""
    machine = start("protect", faults="guest")
    machine.finish()
    page = 0x4_0000
    assert machine.slots(0, 3) == [1, BUS_FAULT_AT, page]
    assert machine.slots(3, 3) == [1, BUS_FAULT_AT, page + 8]
    assert machine.slots(6, 3) == [1, BUS_FAULT_AT, page + 4]
    assert machine.slots(9, 2) == [0x1111_1111, 0xFFFF_FFFF]
    assert machine.slots(11, 2) == [1, BUS_FAULT_AT]
    assert machine.slots(14, 2) == [0x1111_1111, 0xFFFF_FFFF]
    assert machine.slots(16, 3) == [1, BUS_FAULT_AT, page + 0x1004]
    assert machine.slot(19) == 0x1000
    assert machine.board.resets == 2  # after the soft reset it all happens again


def test_a_store_to_flash_without_wen_ends_a_strict_run(start: Start) -> None:
    """The message has block, address, reason and PC."""
    machine = start("protect")
    with pytest.raises(
        GuestError, match=r"NVMC: store to 0x00040000: CONFIG is Ren.* at pc 0x0000"
    ):
        machine.finish()


def test_the_cryptocell_hashes_and_ciphers_for_machine_code(start: Start) -> None:
    """State carried between transfers, interrupt 42, in-place CBC both ways."""
    machine = start("crypto")
    machine.finish()
    data = bytes(i * 7 & 0xFF for i in range(4096 + 64))

    def digest(slot: int) -> bytes:
        return b"".join(word.to_bytes(4, "big") for word in machine.slots(slot, 8))

    assert machine.slot(0) == 0
    assert digest(1) == hashlib.sha256(data[: 4096 + 33]).digest()
    assert digest(9) == hashlib.sha256(data[:3]).digest()
    assert machine.slot(17) == 1
    cipher = Cipher(algorithms.AES(bytes(range(16))), modes.CBC(bytes(16))).encryptor()
    text = cipher.update(data[:4096])
    assert machine.slot(18).to_bytes(4, "little") == text[-16:-12]
    assert machine.slot(19).to_bytes(4, "little") == data[4080:4084]


def test_a_watchdog_survives_a_soft_reset_and_bites_in_an_erase(start: Start) -> None:
    """It keeps counting; the erase it hits is left half-way."""
    machine = start("watchdog")
    machine.nv.preload(0x5_0000, bytes(4096))
    machine.finish()
    assert machine.slots(3, 2) == [1 << 2, 1]
    assert machine.slots(0, 3) == [1 << 1 | 1 << 2, 0, 0]
    assert machine.slot(5) != DONE
    page = machine.nv.read(0x5_0000, 4096)
    done = int.from_bytes(page, "little").bit_count() / (4096 * 8)
    assert 0.1 < done < 0.3  # 15 of 85 ms, and it was not erased before
    assert machine.nv.wear[0x50] == 0

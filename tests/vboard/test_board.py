# SPDX-License-Identifier: Apache-2.0
"""The board: resets, what survives them, and the end of power."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from core_bench import LOG, Program
from support.asm import assemble
from vboard import Board, Cut, NvMemory, PowerCut, ResetKind, VboardError, load_files

MARK = 0x2000_2000

COUNT_BOOTS = f"""
reset:
    ldr r0, ={MARK:#x}
    ldr r1, [r0]
    log r1
    ldr r1, =0x600D
    str r1, [r0]
    ldr r0, =0x40000400
    ldr r1, [r0]
    log r1
    str r1, [r0]
    done
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """Logs a word of RAM and RESETREAS at each boot."""
    program = Program(tmp_path, COUNT_BOOTS)
    program.run()
    yield program
    program.board.close()


def again(program: Program) -> list[int]:
    program.board.ram_write(LOG - 8, bytes(4))
    return program.run()


def test_ram_survives_a_soft_reset(program: Program) -> None:
    """And RESETREAS says SREQ."""
    program.board.soft_reset()
    assert again(program) == [0x600D, 4]


def test_ram_survives_pin_and_watchdog_reset(program: Program) -> None:
    """Unless the board is told to corrupt it."""
    program.board.pin_reset()
    assert again(program) == [0x600D, 1]
    program.board.watchdog_reset()
    assert again(program) == [0x600D, 2]


def test_ram_is_noise_after_a_power_cycle(program: Program) -> None:
    """RESETREAS is 0; the noise follows from the seed."""
    program.board.power_cycle()
    word, reason = again(program)
    assert word != 0x600D
    assert reason == 0


def test_power_on_noise_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    """Two boards with one seed agree, one with another seed does not."""
    nv = NvMemory(seed=1)
    load_files(nv, [assemble(tmp_path, "reset: b reset")])
    words = []
    for seed in (1, 1, 2):
        board = Board(nv, seed=seed)
        words.append(board.ram_read(0x2000_0000, 64))
        board.close()
    assert words[0] == words[1] != words[2]


def test_pin_reset_may_corrupt_ram(tmp_path: Path) -> None:
    """`corrupt_ram` flips some bits on pin and watchdog reset, none on soft reset."""
    nv = NvMemory(seed=1)
    load_files(nv, [assemble(tmp_path, "reset: b reset")])
    board = Board(nv, seed=1, corrupt_ram=True)
    board.ram_write(0x2000_0000, bytes(0x40000))
    board.soft_reset()
    assert board.ram_read(0x2000_0000, 0x40000) == bytes(0x40000)
    board.pin_reset()
    assert board.ram_read(0x2000_0000, 0x40000) != bytes(0x40000)
    board.close()


def test_sysresetreq_resets_behind_the_store(tmp_path: Path) -> None:
    """The instruction after the store to AIRCR is not executed."""
    program = Program(
        tmp_path,
        f"""
reset:
    ldr r0, =0x40000400
    ldr r1, [r0]
    cmp r1, #4
    beq second
    ldr r4, ={MARK:#x}
    movs r5, #1
    str r5, [r4]
    ldr r2, =0xE000ED0C
    ldr r3, =0x05FA0004
    movs r5, #2
    str r3, [r2]
    str r5, [r4]
second:
    ldr r4, ={MARK:#x}
    ldr r4, [r4]
    log r4
    done
""",
    )
    assert program.run() == [1]


def test_aircr_without_the_key_does_nothing(tmp_path: Path) -> None:
    """And VECTKEYSTAT reads 0xFA05."""
    program = Program(
        tmp_path,
        """
reset:
    poke 0xE000ED0C, 0x00000004
    ldr r4, =0xE000ED0C
    ldr r4, [r4]
    log r4
    done
""",
    )
    assert program.run() == [0xFA05_0000]


def test_on_reset_is_told_the_kind(program: Program) -> None:
    """Also of resets that the guest makes."""
    kinds: list[ResetKind] = []
    program.board.on_reset.append(kinds.append)
    program.board.soft_reset()
    program.board.power_cycle()
    assert kinds == [ResetKind.SOFT, ResetKind.POWER_ON]


def test_a_power_cut_comes_out_of_run_and_the_board_is_dead(tmp_path: Path) -> None:
    """Until it gets its power back; the flash word is as the cut left it."""
    program = Program(
        tmp_path,
        """
reset:
    ldr r0, =0x80000
    ldr r4, [r0]
    log r4
    poke 0x4001E504, 1
    ldr r0, =0x80000
    ldr r1, =0x12345678
    str r1, [r0]
    done
""",
    )
    program.nv.cut = Cut(operation=1, when="after")
    with pytest.raises(PowerCut, match="power cut after flash operation 1"):
        program.run()
    with pytest.raises(VboardError, match="the board has no power"):
        program.board.run(1)
    program.board.power_cycle()
    assert program.run() == [0x1234_5678]


def test_blocks_are_found_by_name(program: Program) -> None:
    """An unknown one names those that exist."""
    assert program.board.block("TIMER3").base == 0x4001_A000
    with pytest.raises(KeyError, match="no block 'TIMER9'; there are ACL, CC310"):
        program.board.block("TIMER9")


def test_ram_access_is_checked(program: Program) -> None:
    """Addresses are the CPU's."""
    with pytest.raises(ValueError, match=r"expected an address in RAM, got 0x20040000"):
        program.board.ram_read(0x2004_0000, 4)


def test_faults_has_two_values(tmp_path: Path) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="expected faults 'strict' or 'guest'"):
        Board(NvMemory(seed=1), faults="none")


def test_importing_vboard_does_not_import_the_engine() -> None:
    """Unicorn is loaded with the first board only."""
    code = "import sys, vboard; sys.exit('unicorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_public_names_resolve() -> None:
    """Every name in `__all__`, and none else."""
    import vboard

    for name in vboard.__all__:
        assert getattr(vboard, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = vboard.Nothing

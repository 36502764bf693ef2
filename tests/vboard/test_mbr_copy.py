# SPDX-License-Identifier: Apache-2.0
"""COPY_BL: whatever instant the power goes away, one whole bootloader starts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from mbr_rig import BOOTLOADER, PARAMS, Rig, assemble
from vboard import Cut, NvMemory
from vboard.errors import PowerCut

NEW_IMAGE = 0xF0000  # where the new bootloader waits
NEW_WORDS = 1024 + 16  # one page and a bit
OLD, NEW = 0x01D, 0x2E3
COPY = 0x20007000  # a RAM word that survives resets: 1 = ask for the copy

OLD_SOURCE = f"""
reset: open_log
    ldr r0, ={OLD:#x}
    log r0
    ldr r1, ={COPY:#x}
    ldr r2, [r1]
    ldr r3, =0xC0B1C0B1
    cmp r2, r3
    bne 1f
    movs r2, #0
    str r2, [r1]
    ask copy
1:  done
    .ltorg
    .align 2
copy: .word 0, {NEW_IMAGE:#x}, {NEW_WORDS}
"""
NEW_SOURCE = f"""
reset: open_log
    ldr r0, ={NEW:#x}
    log r0
    ldr r0, [pc, #4]
    done
    .ltorg
    .space 4096
    .word 0x0FF5E7
"""


def programs(folder: Path) -> dict[int, bytes]:
    """Old bootloader, and the new one waiting."""
    new = assemble(folder, NEW_SOURCE, base=BOOTLOADER)
    assert NEW_WORDS * 4 - 64 < len(new) <= NEW_WORDS * 4 + 512
    old = assemble(folder, OLD_SOURCE, base=BOOTLOADER)
    return {NEW_IMAGE: new[: NEW_WORDS * 4], BOOTLOADER: old}


def asking(folder: Path) -> Rig:
    """A board whose old bootloader is about to ask for the copy."""
    rig = Rig(programs(folder))
    rig.board.ram_write(COPY, (0xC0B1C0B1).to_bytes(4, "little"))
    return rig


def test_the_new_bootloader_runs_and_the_page_is_empty(tmp_path: Path) -> None:
    """Copied word for word; the command is forgotten; two resets."""
    rig = asking(tmp_path)
    assert rig.run() == [NEW]
    size = NEW_WORDS * 4
    assert rig.nv.read(NEW_IMAGE, size) == rig.nv.read(BOOTLOADER, size)
    assert rig.nv.read(PARAMS, 4096) == b"\xff" * 4096
    assert rig.board.resets == 3  # power-on, the command's, the copy's


def test_the_record_is_committed_last(tmp_path: Path) -> None:
    """Until the last word of the record is written nothing happens to the old."""
    rig = asking(tmp_path)
    written: list[int] = []
    rig.nv.on_operation = lambda number, kind, address, value: written.append(address)
    rig.run()
    record = [at for at in written if PARAMS <= at < PARAMS + 32]
    assert written[0] == PARAMS
    assert record[8] == PARAMS + 28
    first_damage = next(i for i, at in enumerate(written) if at < PARAMS)
    assert first_damage > 8


def operations(folder: Path) -> int:
    """How many flash operations the whole copy takes."""
    rig = asking(folder)
    rig.run()
    return rig.nv.operations


@cache
def interesting(total: int) -> tuple[int, ...]:
    """Every operation but the middle of the page that is written."""
    head, tail = range(1, 40), range(total - 45, total + 1)
    return tuple(sorted({*head, *range(40, total - 45, 173), *tail}))


def boot_after(nv: NvMemory, rig: Rig) -> int:
    """What runs after the power came back (again and again if it must)."""
    rig.power_cycle()
    return rig.run()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("when", "unstable"),
    [
        pytest.param("before", False, id="before"),
        pytest.param("torn", False, id="torn"),
        pytest.param("torn", True, id="torn_and_unstable"),
        pytest.param("after", False, id="after"),
    ],
)
def test_a_cut_anywhere_leaves_a_whole_bootloader(
    tmp_path: Path, when: str, unstable: bool
) -> None:
    """The old one before the commit, the new one after; three boots agree."""
    total = operations(tmp_path)
    images = programs(tmp_path)
    seen: set[int] = set()
    for operation in interesting(total):
        rig = asking(tmp_path) if not seen else again(images)
        rig.nv.cut = Cut(operation=operation, when=when, seed=7, unstable=unstable)
        with pytest.raises(PowerCut):
            rig.run()
            rig.board.run()  # the last operations come before the new one's `done`
        rig.nv.cut = None
        boots = [boot_after(rig.nv, rig) for _ in range(3)]
        which = boots[-1]
        expected = images[BOOTLOADER] if which == OLD else images[NEW_IMAGE]
        context = f"cut {when} {operation}: boots {boots}"
        assert which in (OLD, NEW), context
        assert expected == rig.nv.read(BOOTLOADER, len(expected)), context
        seen.add(which)
    assert {OLD, NEW} == seen


def again(images: dict[int, bytes]) -> Rig:
    """As `asking`, without assembling."""
    rig = Rig(images)
    rig.board.ram_write(COPY, (0xC0B1C0B1).to_bytes(4, "little"))
    return rig


def test_a_second_cut_during_the_repeated_copy(tmp_path: Path) -> None:
    """Cuts at one operation of the first and one of the second try."""
    images = programs(tmp_path)
    for first in (30, 700, 1065):
        for second in (1, 3, 11, 600):
            rig = again(images)
            for operation in (first, second):
                at = rig.nv.operations + operation
                rig.nv.cut = Cut(operation=at, when="torn", seed=second)
                try:
                    rig.run()
                except PowerCut:
                    rig.power_cycle()
                rig.nv.cut = None
            rig.power_cycle()
            assert rig.run() == [NEW], f"cuts at {first} and {second}"


def test_a_watchdog_that_runs_is_fed_during_the_copy(tmp_path: Path) -> None:
    """A watchdog of half a second outlives the soft resets; it never bites."""
    rig = asking(tmp_path)
    watchdog = rig.board.block("WDT")
    watchdog.write(0x504, 16383)
    watchdog.write(0x000, 1)
    assert rig.run() == [NEW]
    assert rig.board.resets == 3


def test_a_source_that_changed_since_is_not_copied(tmp_path: Path) -> None:
    """The record's CRC guards against a copy that finished long ago."""
    rig = asking(tmp_path)
    rig.nv.cut = Cut(operation=9, when="after")  # the commit word
    with pytest.raises(PowerCut):
        rig.run()
    rig.nv.cut = None
    rig.nv.preload(NEW_IMAGE, b"\0\0\0\0")
    rig.power_cycle()
    assert rig.run() == [OLD]
    assert rig.nv.read(PARAMS, 4096) == b"\xff" * 4096

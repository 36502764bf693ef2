# SPDX-License-Identifier: Apache-2.0
"""Which image the boot record starts, and in which state."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from mbr_rig import (
    APP,
    BLANK,
    BOOTLOADER,
    LOG,
    PARAMS,
    RAM,
    STACK,
    Rig,
    assemble,
    mbr_segments,
    words,
)
from vboard.core import RunEnd

WHO_AM_I = """
reset: open_log
    ldr r0, ={name:#x}
    log r0
    done
"""


def program(folder: Path, base: int) -> bytes:
    """Logs its own address."""
    return assemble(folder, WHO_AM_I.format(name=base), base=base)


def test_the_image_is_at_most_one_page_with_64_vectors() -> None:
    """Everything lies below 0x1000; every vector is a Thumb address in it."""
    segments = mbr_segments()
    assert max(address + len(data) for address, data in segments) <= 0x1000
    table = struct.unpack("<64I", dict(segments)[0][:256])
    assert all(vector & 1 and vector < 0x1000 for vector in table[1:])


def test_words_name_the_bootloader_and_the_parameter_page() -> None:
    """0xFF8 and 0xFFC."""
    image = dict(mbr_segments())
    data = next(data for at, data in image.items() if at <= 0xFF8 < at + len(data))
    assert words(BOOTLOADER, PARAMS) == data[-8:]


def test_the_bootloader_starts_as_after_a_reset(tmp_path: Path) -> None:
    """MSP from its table, thread mode, nothing masked, VTOR 0, LR all ones."""
    source = """
reset: mov r0, lr
    mov r1, sp
    mrs r2, ipsr
    mrs r3, control
    mrs r4, primask
    ldr r5, =0xE000ED08
    ldr r5, [r5]
    open_log
    log r0
    log r1
    log r2
    log r3
    log r4
    log r5
    ldr r0, =0x20000000
    ldr r0, [r0]
    log r0
    done
"""
    rig = Rig({BOOTLOADER: assemble(tmp_path, source, base=BOOTLOADER)})
    assert rig.run() == [BLANK, STACK, 0, 0, 0, 0, BOOTLOADER]


def broken(image: bytes, *, stack: int = STACK, entry: int | None = None) -> bytes:
    """The program with other first words."""
    first = struct.unpack("<2I", image[:8])
    return words(stack, first[1] if entry is None else entry) + image[8:]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"stack": BLANK}, id="blank_stack"),
        pytest.param({"stack": 0x2000_0000}, id="stack_at_start_of_ram"),
        pytest.param({"stack": 0x2004_0004}, id="stack_behind_ram"),
        pytest.param({"stack": 0x2000_8002}, id="unaligned_stack"),
        pytest.param({"entry": BOOTLOADER + 0x200}, id="even_entry"),
        pytest.param({"entry": 0x1235}, id="entry_below_image"),
        pytest.param({"entry": 0x2000_0001}, id="entry_in_ram"),
        pytest.param({"entry": BLANK}, id="blank_entry"),
    ],
)
def test_a_table_that_cannot_run_is_passed_over(
    tmp_path: Path, change: dict[str, int]
) -> None:
    """Then the application at 0x1000 runs."""
    bad = broken(program(tmp_path, BOOTLOADER), **change)
    rig = Rig({BOOTLOADER: bad, APP: program(tmp_path, APP)})
    assert rig.run() == [APP]


@pytest.mark.parametrize(
    "address",
    [
        pytest.param(BLANK, id="blank"),
        pytest.param(0x1234_5678, id="outside_flash"),
        pytest.param(0, id="the_boot_record_itself"),
        pytest.param(BOOTLOADER + 4, id="not_a_page"),
    ],
)
def test_a_bad_bootloader_word_falls_back_to_the_application(
    tmp_path: Path, address: int
) -> None:
    """Nothing but a page in flash is believed."""
    programs = {
        BOOTLOADER: program(tmp_path, BOOTLOADER),
        APP: program(tmp_path, APP),
    }
    rig = Rig(programs, boot_words=(address, PARAMS))
    assert rig.run() == [APP]


def test_uicr_is_the_fallback_for_a_blank_word(tmp_path: Path) -> None:
    """NRFFW[0] names the bootloader when 0xFF8 does not."""
    other = 0xE4000
    programs = {other: program(tmp_path, other), APP: program(tmp_path, APP)}
    rig = Rig(programs, boot_words=(BLANK, BLANK), uicr=(other, BLANK))
    assert [other] == rig.run()


def test_without_any_image_the_cpu_sleeps() -> None:
    """No fault, no reset loop: it waits for a programmer."""
    rig = Rig({})
    assert RunEnd.IDLE is rig.board.run()
    assert rig.board.resets == 1


def test_ram_and_peripherals_stay_as_they_were(tmp_path: Path) -> None:
    """Over a soft reset only the boot record's word and a little stack change."""
    source = """
reset: open_log
    ldr r0, =0x4000051C // GPREGRET
    movs r1, #0xB1
    str r1, [r0]
    ldr r0, =0x40010000 // WDT: started, not fed
    movs r1, #1
    str r1, [r0]
    done
"""
    rig = Rig({APP: assemble(tmp_path, source, base=APP)})
    rig.run()
    pattern = bytes(index * 7 & 0xFF for index in range(0x40000 - 8))
    rig.board.ram_write(RAM + 8, pattern)
    rig.board.soft_reset()
    rig.board.run(stop=lambda: rig.board.cpu.get("pc") >= APP)
    after = rig.board.ram_read(RAM + 8, len(pattern))
    changed = [
        RAM + 8 + index
        for index, (old, new) in enumerate(zip(pattern, after, strict=True))
        if old != new
    ]
    stack_top = struct.unpack("<I", dict(mbr_segments())[0][:4])[0]
    own = [at for at in changed if at >= LOG + 0x200]
    assert all(stack_top - 256 <= at < stack_top for at in own)
    power = rig.board.block("CLOCK")
    assert power.read(0x51C) == 0xB1
    assert power.read(0x400) & 4 == 4  # RESETREAS.SREQ is left for others
    assert rig.board.block("WDT").read(0x400) == 1

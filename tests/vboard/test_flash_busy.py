# SPDX-License-Identifier: Apache-2.0
"""Code in RAM goes on while flash is busy, code in flash waits (nRF52840 PS, NVMC)."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_bench import Program

SYSTICK = 15
RAM, CODE_ALIAS = 0x2000_4000, 0x0080_4000
ERASE_MS = 85

# Copies `erase` to RAM and calls it there, with a SysTick each millisecond; logs
# how many ticks were handled before READY was seen.
ERASE = """
reset:
    movs r4, #0
    ldr r0, =0x20004000
    ldr r1, =from
    ldr r2, =to
copy:
    ldr r3, [r1], #4
    str r3, [r0], #4
    cmp r1, r2
    blo copy
    {table}
    poke 0xE000E014, 63999
    poke 0xE000E018, 0
    poke 0xE000E010, 7
    ldr r0, ={erase} + 1
    blx r0
    log r4
    done
    .ltorg
    .p2align 2
from:
    ldr r0, =0x4001E000
    movs r1, #2
    str r1, [r0, #0x504]
    ldr r2, =0x80000
    ldr r3, =0x4001E508
    str r2, [r3]
wait:
    ldr r1, [r0, #0x400]
    cmp r1, #0
    beq wait
    bx lr
    .ltorg
    .p2align 2
tick:
    adds r4, #1
    bx lr
    .p2align 2
to:
    .word 0
"""
TABLE_IN_RAM = """
    ldr r0, =0x20008000 + 4 * 15
    ldr r1, =0x20004000 + tick_offset + 1
    str r1, [r0]
    poke 0xE000ED08, 0x20008000
"""


def run(folder: Path, *, erase: int, table: str = "") -> int:
    """Ticks handled during the erase."""
    source = ERASE.replace("{erase}", hex(erase)).replace("{table}", table)
    source = ".equ tick_offset, tick - from\n" + source
    program = Program(folder, source, handlers={SYSTICK: "tick"})
    (ticks,) = program.run(ms=200)
    return ticks


@pytest.mark.parametrize("erase", [RAM, CODE_ALIAS], ids=["ram", "code_alias"])
def test_handlers_in_ram_run_during_an_erase(tmp_path: Path, erase: int) -> None:
    """Vector table and handler are in RAM."""
    ticks = run(tmp_path, erase=erase, table=TABLE_IN_RAM)
    assert ERASE_MS - 1 <= ticks <= ERASE_MS + 1


def test_a_handler_in_flash_waits_for_the_end_of_the_erase(tmp_path: Path) -> None:
    """The first tick holds the CPU until flash is ready, the others are lost."""
    assert run(tmp_path, erase=RAM) <= 2

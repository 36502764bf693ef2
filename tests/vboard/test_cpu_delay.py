# SPDX-License-Identifier: Apache-2.0
"""Delay loops take the chip's time, and nearly none of the host's."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_bench import Program

SYSTICK = 15
NS_PER_CYCLE = 15.625
MARGIN_NS = 4_000

# Logs the counter register behind the loop, and how many ticks came meanwhile.
DELAY = """
reset:
    movs r4, #0
    {ticks}
    ldr {register}, ={value}
    .p2align 2
loop:
    subs {register}, #{step}
    {nops}
    {branch} loop
    log {register}
    log r4
    done
tick:
    adds r4, #1
    bx lr
"""
TICKS = """
    poke 0xE000E014, 63999
    poke 0xE000E018, 0
    poke 0xE000E010, 7
"""


def delay(
    folder: Path,
    *,
    value: int,
    step: int = 1,
    branch: str = "bne",
    nops: int = 0,
    register: str = "r0",
    ticks: str = "",
) -> Program:
    """A program with one delay loop."""
    source = DELAY.format(
        value=value,
        step=step,
        branch=branch,
        nops="\n".join(["nop"] * nops),
        register=register,
        ticks=ticks,
    )
    return Program(folder, source, handlers={SYSTICK: "tick"})


@pytest.mark.parametrize(
    ("value", "step", "branch", "nops", "passes", "rest"),
    [
        pytest.param(64_000, 3, "bhi", 0, 21_334, -2, id="vendor_delay"),
        pytest.param(21_333, 1, "bne", 0, 21_333, 0, id="one_by_one"),
        pytest.param(10_000, 1, "bne", 13, 10_000, 0, id="with_nops"),
        pytest.param(40_000, 2, "bne", 0, 20_000, 0, id="two_by_two"),
        pytest.param(1, 1, "bne", 0, 1, 0, id="one_pass"),
        pytest.param(0, 3, "bhi", 0, 1, -3, id="zero"),
        pytest.param(3, 3, "bhi", 0, 1, 0, id="last_pass"),
    ],
)
def test_a_delay_loop_takes_its_cycles(
    tmp_path: Path,
    *,
    value: int,
    step: int,
    branch: str,
    nops: int,
    passes: int,
    rest: int,
) -> None:
    """Three cycles per pass and one for each NOP; the register ends as it must."""
    program = delay(tmp_path, value=value, step=step, branch=branch, nops=nops)
    assert program.run()[0] == rest & 0xFFFF_FFFF
    wanted_ns = passes * (3 + nops) * NS_PER_CYCLE
    assert abs(program.board.clock.now_ns - wanted_ns) < MARGIN_NS


def test_interrupts_come_in_the_middle_of_a_delay(tmp_path: Path) -> None:
    """10.5 ms of delay, ten SysTicks of a millisecond."""
    program = delay(tmp_path, value=224_000, register="r3", ticks=TICKS)
    assert program.run() == [0, 10]


def test_a_step_that_never_meets_zero_is_executed(tmp_path: Path) -> None:
    """5, 3, 1, -1 and on: nothing is counted off; the loop does not end."""
    program = delay(tmp_path, value=5, step=2)
    program.board.run(2_000_000)
    assert not program.is_done()
    assert program.board.cpu.get("r0") & 1


def test_loops_with_other_instructions_are_executed(tmp_path: Path) -> None:
    """A loop that counts in another register too."""
    program = Program(
        tmp_path,
        """
reset:
    ldr r0, =1000
    movs r1, #0
loop:
    adds r1, #2
    subs r0, #1
    bne loop
    log r1
    done
""",
    )
    assert program.run() == [2000]


def test_long_delays_cost_next_to_nothing(tmp_path: Path) -> None:
    """10 s of delay: 2e8 passes, of which a few thousand are executed."""
    program = delay(tmp_path, value=213_333_333)
    assert program.run(ms=11_000) == [0, 0]
    assert abs(program.board.clock.now_ns - 10_000_000_000) < 1_000_000


def test_a_loop_that_was_overwritten_is_executed(tmp_path: Path) -> None:
    """Flash changes without a reset: SUBS becomes ADDS, which counts up to 0."""
    program = Program(
        tmp_path,
        """
reset:
    movs r0, #9
    bl count
    poke 0x4001E504, 1              @ NVMC.CONFIG = Wen
    ldr r6, =count
    bic r6, #1
    ldr r7, =0xD1FD3001             @ adds r0, #1; bne count
    str r7, [r6]
    poke 0x4001E504, 0
    ldr r0, =-1000
    bl count
    log r0
    done
    .ltorg
    .p2align 2
count:
    .word 0xD1FD3801                @ subs r0, #1; bne count
    bx lr
""",
    )
    assert program.run(ms=1) == [0]

# SPDX-License-Identifier: Apache-2.0
"""WFI, WFE, SEV, SEVONPEND, SLEEPONEXIT, and time while the CPU sleeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_bench import Program
from vboard.cpu_stop import RunEnd

IRQ, SYSTICK = 16, 15
TICK = """
    poke 0xE000E014, 63999
    poke 0xE000E018, 0
    poke 0xE000E010, 7
"""


def test_wfi_sleeps_until_the_interrupt(tmp_path: Path) -> None:
    """Ten ticks of a millisecond take ten milliseconds, whatever the loop does."""
    program = Program(
        tmp_path,
        f"""
reset:
    movs r4, #0
{TICK}
loop:
    wfi
    cmp r4, #10
    bne loop
    log r4
    done
tick:
    adds r4, #1
    bx lr
""",
        handlers={SYSTICK: "tick"},
    )
    assert program.run() == [10]
    assert abs(program.board.clock.now_ns - 10_000_000) < 5_000


def test_wfi_with_primask_wakes_but_does_not_enter(tmp_path: Path) -> None:
    """The pending interrupt ends the sleep; the handler runs after CPSIE."""
    program = Program(
        tmp_path,
        f"""
reset:
    movs r4, #0
    cpsid i
{TICK}
    wfi
    log r4
    cpsie i
    log r4
    done
tick:
    adds r4, #1
    bx lr
""",
        handlers={SYSTICK: "tick"},
    )
    assert program.run() == [0, 1]


def test_wfi_with_nothing_to_wake_it_ends_the_run(tmp_path: Path) -> None:
    """Without a time to stop at, `run` says that the CPU is idle."""
    program = Program(tmp_path, "reset: wfi\n done\n")
    assert program.board.run() is RunEnd.IDLE


def test_sev_wfe_wfe_sleeps_once(tmp_path: Path) -> None:
    """SEV sets the event that the first WFE takes; the second one sleeps."""
    program = Program(
        tmp_path,
        f"""
reset:
    movs r4, #0
    sev
    wfe
    log r4
    cpsid i
    movs r0, #16
    ldr r1, =0xE000ED10
    str r0, [r1]
{TICK}
    wfe
    cpsie i
    nop
    log r4
    done
tick:
    adds r4, #1
    bx lr
""",
        handlers={SYSTICK: "tick"},
    )
    assert program.run() == [0, 1]


def test_the_return_from_a_handler_is_an_event(tmp_path: Path) -> None:
    """A WFE behind an interrupt that came just before does not sleep."""
    program = Program(
        tmp_path,
        """
reset:
    poke 0xE000E100, 1
    poke 0xE000E200, 1
    wfe
    logi 1
    done
irq0:
    bx lr
""",
        handlers={IRQ: "irq0"},
    )
    assert program.run() == [1]


@pytest.mark.parametrize(
    ("scr", "woken"),
    [pytest.param(16, True, id="sevonpend"), pytest.param(0, False, id="plain")],
)
def test_a_disabled_interrupt_wakes_wfe_only_with_sevonpend(
    tmp_path: Path, scr: int, woken: bool
) -> None:
    """TIMER0 compares after 100 us; its interrupt is not enabled in the NVIC."""
    program = Program(
        tmp_path,
        f"""
reset:
    poke 0xE000ED10, {scr}
    poke 0x40008508, 3
    poke 0x40008540, 100
    poke 0x40008304, 0x10000
    poke 0x40008000, 1
    wfe
    logi 1
    done
""",
    )
    program.board.run(10_000_000, stop=program.is_done)
    assert program.is_done() == woken


def test_sleeponexit_sleeps_instead_of_returning(tmp_path: Path) -> None:
    """Thread code runs once; the handler clears SLEEPONEXIT at the third tick."""
    program = Program(
        tmp_path,
        f"""
reset:
    movs r4, #0
    poke 0xE000ED10, 2
{TICK}
    wfi
    log r4
    done
tick:
    adds r4, #1
    cmp r4, #3
    bne out
    movs r0, #0
    ldr r1, =0xE000ED10
    str r0, [r1]
out:
    bx lr
""",
        handlers={SYSTICK: "tick"},
    )
    assert program.run() == [3]


def test_cyccnt_stops_while_the_cpu_sleeps(tmp_path: Path) -> None:
    """DWT counts executed cycles: a millisecond of WFI does not show."""
    program = Program(
        tmp_path,
        f"""
reset:
    poke 0xE000EDFC, 0x01000000
    poke 0xE0001004, 0
    poke 0xE0001000, 1
{TICK}
    ldr r0, =0xE0001004
    ldr r4, [r0]
    wfi
    ldr r5, [r0]
    subs r4, r5, r4
    log r4
    done
tick:
    bx lr
""",
        handlers={SYSTICK: "tick"},
    )
    assert program.run()[0] < 100


def test_time_is_one_cycle_per_instruction(tmp_path: Path) -> None:
    """A loop of three instructions, 1000 times, shows in CYCCNT."""
    program = Program(
        tmp_path,
        """
reset:
    poke 0xE000EDFC, 0x01000000
    poke 0xE0001000, 1
    ldr r0, =0xE0001004
    ldr r2, =1000
    ldr r4, [r0]
loop:
    adds r3, #1
    subs r2, #1
    bne loop
    ldr r5, [r0]
    subs r4, r5, r4
    log r4
    done
""",
    )
    assert program.run() == [3001]


def test_a_wfi_that_never_sleeps_does_not_hold_time_up(tmp_path: Path) -> None:
    """A tick is pending and masked for good: ten seconds take few passes."""
    program = Program(
        tmp_path,
        f"""
reset:
    cpsid i
{TICK}
loop:
    wfi
    b loop
""",
        handlers={SYSTICK: "unexpected"},
    )
    board = program.board
    passes = 0
    run = board.cpu.run

    def counting(limit: int) -> object:
        nonlocal passes
        passes += 1
        return run(limit)

    board.core.cpu.run = counting  # type: ignore[assignment]
    assert board.run(100_000_000) is RunEnd.TIME
    assert passes < 100 * 100

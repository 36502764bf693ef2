# SPDX-License-Identifier: Apache-2.0
"""Which busy-waiting loops time may jump over."""

from __future__ import annotations

from pathlib import Path

from core_bench import Program
from vboard.cpu_poll import PollWatch


def feed(watch: PollWatch, count: int, *, reads: int = 1, period: int = 4) -> list[int]:
    """`count` loads of a loop that reads `reads` registers per pass."""
    return [
        watch.load(0x1000 + i % reads, 0, i // reads * period + i % reads)
        for i in range(count)
    ]


def test_a_constant_loop_is_found() -> None:
    """The period comes once the state has been the same twice."""
    watch = PollWatch(lambda: "same")
    assert feed(watch, 40)[-1] == 4


def test_a_loop_of_two_registers_is_found() -> None:
    """The jump is offered at one of the two."""
    watch = PollWatch(lambda: "same")
    assert sorted(set(feed(watch, 60, reads=2))) == [0, 4]


def test_a_counting_loop_is_not() -> None:
    """Registers or RAM differ from pass to pass."""
    states = iter(range(1000))
    watch = PollWatch(lambda: next(states))
    assert set(feed(watch, 200)) == {0}


def test_an_irregular_loop_is_not() -> None:
    """The time between loads must repeat."""
    watch = PollWatch(lambda: "same")
    cycle = 0
    for i in range(200):
        cycle += 4 + i
        assert watch.load(0x1000, 0, cycle) == 0


def test_another_value_starts_again() -> None:
    """So does a store."""
    watch = PollWatch(lambda: "same")
    assert feed(watch, 40)[-1] == 4
    assert watch.load(0x1000, 1, 160) == 0
    assert watch.load(0x1000, 1, 164) == 0
    watch = PollWatch(lambda: "same")
    feed(watch, 40)
    watch.interrupted()
    assert watch.load(0x1000, 0, 160) == 0


def test_a_time_out_counter_is_honoured(tmp_path: Path) -> None:
    """A loop that counts in a register gives up after exactly as many passes."""
    program = Program(
        tmp_path,
        """
reset:
    poke 0x40008508, 3
    poke 0x40008510, 0
    poke 0x40008000, 1
    ldr r0, =0x40008140
    movw r1, #20000
loop:
    ldr r2, [r0]
    cbnz r2, out
    subs r1, #1
    bne loop
out:
    poke 0x40008040, 1
    ldr r4, =0x40008540
    ldr r4, [r4]
    log r4
    done
""",
    )
    # 80,000 cycles are 20,000 ticks of 16 MHz.
    assert abs(program.run()[0] - 20_000) < 10


def test_a_time_out_counter_in_ram_is_honoured(tmp_path: Path) -> None:
    """Unoptimised code keeps its counter on the stack."""
    program = Program(
        tmp_path,
        """
reset:
    poke 0x40008508, 3
    poke 0x40008510, 0
    poke 0x40008000, 1
    movw r1, #20000
    push {r1}
loop:
    ldr r0, =0x40008140
    ldr r2, [r0]
    cbnz r2, out
    ldr r2, [sp]
    subs r2, #1
    str r2, [sp]
    cmp r2, #0
    mov r2, #0
    bne loop
out:
    poke 0x40008040, 1
    ldr r4, =0x40008540
    ldr r4, [r4]
    log r4
    done
""",
    )
    assert abs(program.run()[0] - 45_000) < 10


def test_a_polled_event_ends_the_loop_in_time(tmp_path: Path) -> None:
    """TIMER0 compares after 1000 us; CC[1] is captured right behind the loop."""
    program = Program(
        tmp_path,
        """
reset:
    poke 0x40008508, 3
    poke 0x40008540, 1000
    poke 0x40008000, 1
    ldr r0, =0x40008140
loop:
    ldr r2, [r0]
    cmp r2, #0
    beq loop
    poke 0x40008044, 1
    ldr r4, =0x40008544
    ldr r4, [r4]
    log r4
    done
""",
    )
    assert program.run() == [1000]

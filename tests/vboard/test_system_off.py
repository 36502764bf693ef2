# SPDX-License-Identifier: Apache-2.0
"""System OFF on machine code (nRF52840 PS, POWER, System OFF mode, and GPIO)."""

from __future__ import annotations

from pathlib import Path

from core_bench import Program
from vboard.cpu_stop import RunEnd
from vboard.fabric import ResetKind
from vboard.peripherals.gpio import Gpio

MS = 1_000_000
PIN = 11
OFF = 1 << 16  # RESETREAS

# Sleeps in System OFF once; then logs RESETREAS and what became of RAM.
SLEEPER = """
.equ KEPT, 0x20000800
.equ LOST, 0x20004000
reset:
    ldr r0, =0x40000400
    ldr r4, [r0]
    tst r4, #0x10000
    bne woken
    poke KEPT, 0x11223344
    poke LOST, 0x55667788
    poke 0x40000904, 0x00010000     @ RAM[0].POWERSET: S0RETENTION
    poke 0x4000051C, 0xB1           @ GPREGRET
    {prepare}
    poke 0x40000500, 1              @ SYSTEMOFF
1:  b 1b
woken:
    log r4
    ldr r0, =KEPT
    ldr r4, [r0]
    log r4
    ldr r0, =LOST
    ldr r4, [r0]
    ldr r5, =0x55667788
    eors r4, r5
    log r4
    ldr r0, =0x4000051C
    ldr r4, [r0]
    log r4
    ldr r0, =0x40010400             @ WDT.RUNSTATUS
    ldr r4, [r0]
    log r4
    done
"""
SENSE_LOW = "poke 0x5000072C, 0x0003000C    @ P0.PIN_CNF[11]: pull-up, sense low"


def sleeper(folder: Path, prepare: str) -> tuple[Program, list[ResetKind]]:
    """The program, and the resets that it goes through."""
    program = Program(folder, SLEEPER.replace("{prepare}", prepare))
    kinds: list[ResetKind] = []
    program.board.on_reset.append(kinds.append)
    return program, kinds


def press(program: Program) -> None:
    """Somebody pulls the pin low."""
    gpio = program.board.block("GPIO")
    assert isinstance(gpio, Gpio)
    gpio.set_pin(PIN, 0)


def test_a_sensed_pin_wakes_and_ram_is_kept_where_it_is_retained(
    tmp_path: Path,
) -> None:
    """RESETREAS.OFF, GPREGRET and one RAM section survive; the rest of RAM is lost."""
    program, kinds = sleeper(tmp_path, SENSE_LOW)
    assert program.board.run(50 * MS) is RunEnd.TIME
    assert kinds == []
    press(program)
    reason, kept, lost, gpregret, _ = program.run()
    assert kinds == [ResetKind.SYSTEM_OFF]
    assert (reason, kept, gpregret) == (OFF, 0x11223344, 0xB1)
    assert lost != 0


def test_a_pin_that_senses_already_wakes_at_once(tmp_path: Path) -> None:
    """DETECT is high when SYSTEMOFF is written."""
    program, kinds = sleeper(tmp_path, SENSE_LOW)
    press(program)
    assert program.run(ms=1)[0] == OFF
    assert kinds == [ResetKind.SYSTEM_OFF]


def test_system_off_stops_the_watchdog(tmp_path: Path) -> None:
    """It neither bites in System OFF nor runs afterwards (erratum 213)."""
    program, kinds = sleeper(
        tmp_path,
        SENSE_LOW
        + """
    poke 0x40010504, 32             @ WDT.CRV: 1 ms
    poke 0x40010000, 1
""",
    )
    program.board.run(50 * MS)
    assert kinds == []
    press(program)
    assert program.run()[-1] == 0

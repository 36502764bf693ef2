# SPDX-License-Identifier: Apache-2.0
"""CLOCK: start-up times, status, calibration, what resets keep."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.clock import NS_PER_MS, NS_PER_US
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.clock_power import ClockPower
from vboard.peripherals.clock_power import Register as R

RUNNING = 1 << 16


class Power:
    """Stands for POWER: one register, 0x51C."""

    def __init__(self) -> None:
        self.register_names = {0x51C: "GPREGRET"}
        self.value = 0
        self.resets: list[ResetKind] = []

    def read(self, offset: int) -> int:
        return self.value

    def write(self, offset: int, value: int) -> None:
        self.value = value

    def reset(self, kind: ResetKind) -> None:
        self.resets.append(kind)


def make() -> tuple[Bench, ClockPower]:
    """CLOCK alone."""
    bench = Bench()
    block = ClockPower(bench.clock, bench.bus, bench.irq(0))
    bench.add(block)
    return bench, block


def test_the_crystal_needs_its_time() -> None:
    """360 us and the debounce time of 16 * 16 us."""
    bench, clock = make()
    assert clock.read(R.HFCLKSTAT) == RUNNING
    clock.write(R.INTENSET, 1)
    clock.write(R.TASKS_HFCLKSTART, 1)
    assert clock.read(R.HFCLKRUN) == 1
    bench.pass_ns(616 * NS_PER_US - 1)
    assert clock.read(R.EVENTS_HFCLKSTARTED) == 0
    assert clock.read(R.HFCLKSTAT) == RUNNING
    bench.pass_ns(1)
    assert clock.read(R.EVENTS_HFCLKSTARTED) == 1
    assert clock.irq.level is True
    assert clock.read(R.HFCLKSTAT) == RUNNING | 1
    clock.write(R.TASKS_HFCLKSTOP, 1)
    assert clock.read(R.HFCLKRUN) == 0
    assert clock.read(R.HFCLKSTAT) == RUNNING


def test_a_second_start_says_started_again() -> None:
    """The event comes at once when the crystal runs."""
    bench, clock = make()
    clock.write(R.TASKS_HFCLKSTART, 1)
    bench.pass_ns(NS_PER_MS)
    clock.write(R.EVENTS_HFCLKSTARTED, 0)
    clock.write(R.TASKS_HFCLKSTART, 1)
    bench.pass_ns(1)
    assert clock.read(R.EVENTS_HFCLKSTARTED) == 1


def test_lfrc_starts_in_600_us() -> None:
    """Source 0."""
    bench, clock = make()
    clock.write(R.TASKS_LFCLKSTART, 1)
    assert clock.read(R.LFCLKRUN) == 1
    bench.pass_ns(600 * NS_PER_US - 1)
    assert clock.read(R.LFCLKSTAT) == 0
    bench.pass_ns(1)
    assert clock.read(R.LFCLKSTAT) == RUNNING
    assert clock.read(R.EVENTS_LFCLKSTARTED) == 1
    assert bench.bus.signal("LFCLK").level == 1


def test_lfxo_runs_from_lfrc_until_the_crystal_is_ready() -> None:
    """LFCLK is there after 600 us, the event after 250 ms."""
    bench, clock = make()
    clock.write(R.LFCLKSRC, 1)
    clock.write(R.TASKS_LFCLKSTART, 1)
    assert clock.read(R.LFCLKSRCCOPY) == 1
    bench.pass_ns(NS_PER_MS)
    assert clock.read(R.LFCLKSTAT) == RUNNING
    assert clock.read(R.EVENTS_LFCLKSTARTED) == 0
    bench.pass_ns(249 * NS_PER_MS)
    assert clock.read(R.LFCLKSTAT) == RUNNING | 1
    assert clock.read(R.EVENTS_LFCLKSTARTED) == 1


def test_lfclk_stop_cancels_a_start() -> None:
    """No event after STOP."""
    bench, clock = make()
    clock.write(R.TASKS_LFCLKSTART, 1)
    clock.write(R.TASKS_LFCLKSTOP, 1)
    bench.pass_ns(NS_PER_MS)
    assert clock.read(R.EVENTS_LFCLKSTARTED) == 0
    assert clock.read(R.LFCLKRUN) == 0
    assert bench.bus.signal("LFCLK").level == 0


def test_calibration_needs_the_crystal() -> None:
    """CAL without HFXO is refused; with it DONE comes."""
    bench, clock = make()
    with pytest.raises(
        GuestError, match=r"CLOCK\.TASKS_CAL: calibration needs the cry"
    ):
        clock.write(R.TASKS_CAL, 1)
    clock.write(R.TASKS_HFCLKSTART, 1)
    bench.pass_ns(NS_PER_MS)
    clock.write(R.TASKS_CAL, 1)
    bench.pass_ns(16 * NS_PER_MS)
    assert clock.read(R.EVENTS_DONE) == 1


def test_the_calibration_timer_counts_quarters_of_a_second() -> None:
    """CTIV = 2: CTTO half a second after CTSTART."""
    bench, clock = make()
    clock.write(R.CTIV, 2)
    clock.write(R.TASKS_CTSTART, 1)
    assert clock.read(R.EVENTS_CTSTARTED) == 1
    bench.pass_ns(500 * NS_PER_MS - 1)
    assert clock.read(R.EVENTS_CTTO) == 0
    bench.pass_ns(1)
    assert clock.read(R.EVENTS_CTTO) == 1
    clock.write(R.TASKS_CTSTOP, 1)
    assert clock.read(R.EVENTS_CTSTOPPED) == 1


def test_erratum_36_keeps_three_registers() -> None:
    """DONE, CTTO and CTIV survive all but power-on; start-up code clears them."""
    _bench, clock = make()
    clock.write(R.CTIV, 9)
    clock.write(R.EVENTS_DONE, 1)
    clock.write(R.EVENTS_LFCLKSTARTED, 1)
    clock.write(R.TASKS_LFCLKSTART, 1)
    clock.reset(ResetKind.SOFT)
    assert clock.read(R.EVENTS_DONE) == 1
    assert clock.read(R.CTIV) == 9
    assert clock.read(R.EVENTS_LFCLKSTARTED) == 0
    assert clock.read(R.LFCLKRUN) == 0
    clock.reset(ResetKind.POWER_ON)
    assert clock.read(R.EVENTS_DONE) == 0
    assert clock.read(R.CTIV) == 0


def test_the_erratum_192_word_is_accepted() -> None:
    """0xC34 is written around calibration."""
    _, clock = make()
    clock.write(0xC34, 2)


def test_bad_accesses_name_the_register() -> None:
    """Reserved, read-only and meaningless."""
    _, clock = make()
    with pytest.raises(
        GuestError, match=r"CLOCK\.HFCLKSTAT: the register is read-only"
    ):
        clock.write(R.HFCLKSTAT, 1)
    with pytest.raises(GuestError, match=r"CLOCK\.\+0x700: no register"):
        clock.read(0x700)
    with pytest.raises(
        GuestError, match=r"LFCLKSRC: 0x00000003 is not an LFCLK source"
    ):
        clock.write(R.LFCLKSRC, 3)


def test_power_registers_go_to_their_part() -> None:
    """POWER shares page, events and resets."""
    bench = Bench()
    power = Power()
    block = ClockPower(bench.clock, bench.bus, bench.irq(0), power=power)
    block.write(0x51C, 0xB1)
    assert block.read(0x51C) == 0xB1
    assert block.register_name(0x51C) == "GPREGRET"
    block.write(R.INTENSET, 1 << 2)
    block.emit(R.EVENTS_POFWARN)
    assert block.irq.level is True
    block.reset(ResetKind.PIN)
    assert power.resets == [ResetKind.PIN]

# SPDX-License-Identifier: Apache-2.0
"""WDT (nRF52840 PS, WDT)."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.wdt import Register as R
from vboard.peripherals.wdt import Wdt

BASE = 0x4001_0000
KEY = 0x6E52_4635
SECOND = 1_000_000_000


class Dog:
    """A watchdog on a bench."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.wdt = Wdt(self.bench.clock, self.bench.bus, self.bench.irq(16))
        self.bench.add(self.wdt)

    def reg(self, register: int, value: int) -> None:
        self.bench.bus.write(BASE + register, value)

    def get(self, register: int) -> int:
        return self.bench.bus.read(BASE + register)

    def start(self, *, crv: int = 32767, rren: int = 1, config: int = 1) -> None:
        self.reg(R.CRV, crv)
        self.reg(R.RREN, rren)
        self.reg(R.CONFIG, config)
        self.reg(R.TASKS_START, 1)

    def feed(self, channel: int = 0, value: int = KEY) -> None:
        self.reg(0x600 + 4 * channel, value)


def test_reset_values_are_the_data_sheets() -> None:
    """Not running, CRV all ones, RR0 enabled, runs in sleep."""
    dog = Dog()
    values = [dog.get(r) for r in (R.RUNSTATUS, R.REQSTATUS, R.CRV, R.RREN, R.CONFIG)]
    assert values == [0, 1, 0xFFFF_FFFF, 1, 1]


@pytest.mark.parametrize("crv", [0xF, 32767, 65535])
def test_it_bites_after_crv_plus_1_ticks(crv: int) -> None:
    """(CRV + 1) / 32768 seconds after the start."""
    dog = Dog()
    dog.start(crv=crv)
    assert dog.get(R.RUNSTATUS) == 1
    period = (crv + 1) * SECOND // 32768
    dog.bench.pass_ns(period - 1)
    assert dog.bench.resets == []
    dog.bench.pass_ns(1)
    assert dog.bench.resets == ["watchdog"]
    assert dog.get(R.EVENTS_TIMEOUT) == 1


def test_with_its_interrupt_the_reset_comes_two_ticks_later() -> None:
    """61 us, enough to store a word."""
    dog = Dog()
    dog.reg(R.INTENSET, 1)
    dog.start()
    dog.bench.pass_ns(SECOND)
    assert (dog.bench.irq_changes, dog.bench.resets) == ([(16, True)], [])
    dog.bench.pass_ns(2 * SECOND // 32768)
    assert dog.bench.resets == ["watchdog"]


def test_a_reload_starts_the_period_again() -> None:
    """Feeding every 0.9 s keeps a 1 s watchdog quiet."""
    dog = Dog()
    dog.start()
    for _ in range(5):
        dog.bench.pass_ns(900_000_000)
        dog.feed()
    assert dog.bench.resets == []
    dog.bench.pass_ns(SECOND)
    assert dog.bench.resets == ["watchdog"]


def test_all_enabled_channels_must_ask() -> None:
    """REQSTATUS shows who has not; the last one reloads."""
    dog = Dog()
    dog.start(rren=0x83)
    dog.bench.pass_ns(900_000_000)
    for channel, left in ((0, 0x82), (7, 0x02), (7, 0x02), (1, 0x83)):
        dog.feed(channel)
        assert dog.get(R.REQSTATUS) == left
    dog.bench.pass_ns(900_000_000)
    assert dog.bench.resets == []


def test_another_value_than_the_key_is_no_request() -> None:
    """The chip ignores it, and so does the model."""
    dog = Dog()
    dog.start()
    dog.bench.pass_ns(900_000_000)
    dog.feed(value=KEY + 1)
    dog.bench.pass_ns(100_000_000)
    assert dog.bench.resets == ["watchdog"]


def test_settings_are_frozen_once_it_runs() -> None:
    """CRV, RREN and CONFIG keep what START found."""
    dog = Dog()
    dog.start(crv=100, rren=3, config=9)
    for register in (R.CRV, R.RREN, R.CONFIG):
        dog.reg(register, 0)
    assert [dog.get(r) for r in (R.CRV, R.RREN, R.CONFIG)] == [100, 3, 9]
    dog.reg(R.TASKS_START, 1)
    dog.bench.pass_ns(101 * SECOND // 32768)
    assert dog.bench.resets == ["watchdog"]


@pytest.mark.parametrize("kind", list(ResetKind), ids=lambda kind: kind.name)
def test_soft_and_lockup_resets_leave_it_counting(kind: ResetKind) -> None:
    """The old CRV goes on; every other reset stops it and clears its settings."""
    survives = kind in (ResetKind.SOFT, ResetKind.LOCKUP)
    dog = Dog()
    dog.start(rren=3)
    dog.bench.pass_ns(600_000_000)
    dog.wdt.reset(kind)
    assert dog.get(R.RUNSTATUS) == survives
    assert dog.get(R.RREN) == (3 if survives else 1)
    dog.bench.pass_ns(400_000_000)
    assert dog.bench.resets == (["watchdog"] if survives else [])


@pytest.mark.parametrize(("config", "bites"), [(1, True), (0, False)])
def test_it_pauses_in_sleep_when_told(config: int, bites: bool) -> None:
    """CONFIG.SLEEP=0 stops the counter while the CPU sleeps."""
    dog = Dog()
    dog.start(config=config)
    sleep = dog.bench.bus.signal("CPU_SLEEP")
    dog.bench.pass_ns(500_000_000)
    sleep.set(1)
    dog.bench.pass_ns(10 * SECOND)
    assert bool(dog.bench.resets) == bites
    if not bites:
        sleep.set(0)
        dog.bench.pass_ns(499_999_999)
        assert dog.bench.resets == []
        dog.bench.pass_ns(1)
        assert dog.bench.resets == ["watchdog"]


def test_a_reload_during_a_pause_gives_a_whole_period() -> None:
    """For instance by PPI."""
    dog = Dog()
    dog.start(config=0)
    sleep = dog.bench.bus.signal("CPU_SLEEP")
    dog.bench.pass_ns(500_000_000)
    sleep.set(1)
    dog.feed()
    sleep.set(0)
    dog.bench.pass_ns(999_999_999)
    assert dog.bench.resets == []


def test_bad_accesses_are_faults() -> None:
    """A period below the minimum, read-only and reserved offsets."""
    dog = Dog()
    with pytest.raises(GuestError, match=r"WDT.CRV: expected 0xf or more, got 0xe"):
        dog.reg(R.CRV, 0xE)
    with pytest.raises(GuestError, match=r"WDT.RUNSTATUS: the register is read-only"):
        dog.reg(R.RUNSTATUS, 1)
    with pytest.raises(GuestError, match="no register at this offset"):
        dog.reg(0x620, KEY)

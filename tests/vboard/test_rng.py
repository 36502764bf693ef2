# SPDX-License-Identifier: Apache-2.0
"""RNG (nRF52840 PS, RNG)."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.rng import Register as R
from vboard.peripherals.rng import Rng

BASE = 0x4000_D000


class Rig:
    """The generator on a bench."""

    def __init__(self, seed: int = 0) -> None:
        self.bench = Bench()
        self.rng = Rng(self.bench.clock, self.bench.bus, self.bench.irq(13), seed=seed)
        self.bench.add(self.rng)

    def reg(self, register: int, value: int) -> None:
        self.bench.bus.write(BASE + register, value)

    def get(self, register: int) -> int:
        return self.bench.bus.read(BASE + register)

    def take(self, count: int) -> list[int]:
        """Polls for `count` bytes."""
        values = []
        for _ in range(count):
            self.reg(R.EVENTS_VALRDY, 0)
            self.bench.pass_ns(self.rng.byte_ns)
            assert self.get(R.EVENTS_VALRDY) == 1
            values.append(self.get(R.VALUE))
        return values


def test_bytes_are_the_same_for_the_same_seed_only() -> None:
    """Runs repeat."""
    takes = []
    for seed in (1, 1, 2):
        rig = Rig(seed)
        rig.reg(R.TASKS_START, 1)
        takes.append(rig.take(32))
    assert takes[0] == takes[1] != takes[2]
    assert len(set(takes[0])) > 16


@pytest.mark.parametrize(("config", "time_us"), [(0, 30), (1, 120)])
def test_a_byte_takes_its_time(config: int, time_us: int) -> None:
    """Bias correction makes it slower."""
    rig = Rig()
    rig.reg(R.CONFIG, config)
    rig.reg(R.TASKS_START, 1)
    rig.bench.pass_ns(time_us * 1000 - 1)
    assert rig.get(R.EVENTS_VALRDY) == 0
    rig.bench.pass_ns(1)
    assert rig.get(R.EVENTS_VALRDY) == 1


def test_the_interrupt_is_a_level_until_the_event_is_cleared() -> None:
    """IRQ 13."""
    rig = Rig()
    rig.reg(R.INTENSET, 1)
    rig.reg(R.TASKS_START, 1)
    rig.bench.pass_ns(30_000)
    rig.reg(R.EVENTS_VALRDY, 0)
    assert rig.bench.irq_changes == [(13, True), (13, False)]
    rig.bench.pass_ns(30_000)
    assert rig.bench.irq_changes[-1] == (13, True)


def test_the_shortcut_stops_after_one_byte() -> None:
    """SHORTS.VALRDY_STOP."""
    rig = Rig()
    rig.reg(R.SHORTS, 1)
    rig.reg(R.TASKS_START, 1)
    rig.bench.pass_ns(30_000)
    rig.reg(R.EVENTS_VALRDY, 0)
    rig.bench.pass_ns(300_000)
    assert rig.get(R.EVENTS_VALRDY) == 0


def test_stop_stops_and_an_idle_generator_sets_no_alarms() -> None:
    """While VALRDY stands nothing is planned, but VALUE keeps changing."""
    rig = Rig()
    rig.reg(R.TASKS_START, 1)
    rig.bench.pass_ns(30_000)
    assert rig.bench.clock.next_ns() is None
    seen = set()
    for _ in range(20):
        rig.bench.pass_ns(30_000)
        seen.add(rig.get(R.VALUE))
    assert len(seen) > 10
    rig.reg(R.TASKS_STOP, 1)
    rig.reg(R.EVENTS_VALRDY, 0)
    rig.bench.pass_ns(300_000)
    assert rig.get(R.EVENTS_VALRDY) == 0


def test_every_byte_is_published_to_a_listener() -> None:
    """PPI sees each VALRDY."""
    rig = Rig()
    seen: list[int] = []
    rig.bench.bus.listen(BASE + R.EVENTS_VALRDY, seen.append)
    rig.reg(R.TASKS_START, 1)
    rig.bench.pass_ns(300_000)
    assert seen == [1] * 10


def test_reset_stops_it() -> None:
    """All registers are zero again."""
    rig = Rig()
    for register in (R.SHORTS, R.CONFIG, R.INTENSET):
        rig.reg(register, 1)
    rig.reg(R.TASKS_START, 1)
    rig.rng.reset(ResetKind.SOFT)
    rig.bench.pass_ns(1_000_000)
    values = [rig.get(r) for r in (R.SHORTS, R.CONFIG, R.INTENSET, R.EVENTS_VALRDY)]
    assert values == [0, 0, 0, 0]


def test_bad_accesses_are_faults() -> None:
    """VALUE is read-only; the rest of the page is reserved."""
    rig = Rig()
    with pytest.raises(GuestError, match=r"RNG.VALUE: the register is read-only"):
        rig.reg(R.VALUE, 1)
    with pytest.raises(GuestError, match="no register at this offset"):
        rig.get(0x50C)

# SPDX-License-Identifier: Apache-2.0
"""SysTick registers (ARMv7-M ARM B3.3)."""

from __future__ import annotations

from vboard.clock import Clock
from vboard.systick import CALIB, COUNTFLAG, CSR, CVR, RVR, SysTick


class Rig:
    """A SysTick on a clock, counting its ticks."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ticks = 0
        self.timer = SysTick(self.clock, self.tick)

    def tick(self) -> None:
        self.ticks += 1

    def cycles(self, count: int) -> None:
        """Lets `count` CPU cycles pass."""
        now = self.clock.now_ns * 8 // 125
        self.clock.advance_to_ns(-(-(now + count) * 125 // 8))


def started(reload: int, *, control: int = 7) -> Rig:
    rig = Rig()
    rig.timer.write(RVR, reload)
    rig.timer.write(CVR, 0)
    rig.timer.write(CSR, control)
    return rig


def test_the_period_is_reload_plus_one() -> None:
    """RVR 99 ticks every 100 cycles, the first time too."""
    rig = started(99)
    rig.cycles(99)
    assert rig.ticks == 0
    rig.cycles(1)
    assert rig.ticks == 1
    rig.cycles(1000)
    assert rig.ticks == 11


def test_the_value_counts_down() -> None:
    """From reload to 0, then reload again."""
    rig = started(99)
    rig.cycles(1)
    assert rig.timer.read(CVR) == 99
    rig.cycles(98)
    assert rig.timer.read(CVR) == 1
    rig.cycles(1)
    assert rig.timer.read(CVR) == 0
    rig.cycles(1)
    assert rig.timer.read(CVR) == 99


def test_countflag_is_set_by_the_wrap_and_cleared_by_reading() -> None:
    """And by writing the current value."""
    rig = started(9)
    rig.cycles(10)
    assert (rig.timer.read(CSR) or 0) & COUNTFLAG
    assert not (rig.timer.read(CSR) or 0) & COUNTFLAG
    rig.cycles(10)
    rig.timer.write(CVR, 123)
    assert not (rig.timer.read(CSR) or 0) & COUNTFLAG


def test_without_tickint_it_only_counts() -> None:
    """COUNTFLAG shows, no exception is pended."""
    rig = started(9, control=5)
    rig.cycles(100)
    assert rig.ticks == 0
    assert (rig.timer.read(CSR) or 0) & COUNTFLAG


def test_a_stopped_counter_keeps_its_value() -> None:
    """And goes on from there."""
    rig = started(99)
    rig.cycles(50)
    rig.timer.write(CSR, 4)
    value = rig.timer.read(CVR)
    rig.cycles(500)
    assert (rig.timer.read(CVR), rig.ticks) == (value, 0)
    rig.timer.write(CSR, 7)
    rig.cycles(value or 0)
    assert rig.ticks == 1


def test_the_core_clock_is_the_only_source() -> None:
    """CLKSOURCE reads 1, CALIB says NOREF."""
    rig = started(9, control=3)
    assert (rig.timer.read(CSR) or 0) & 4
    assert (rig.timer.read(CALIB) or 0) >> 31 == 1


def test_reload_0_stops_after_the_present_count() -> None:
    """RVR=0 disables the counter at the next wrap."""
    rig = started(9)
    rig.cycles(5)
    rig.timer.write(RVR, 0)
    rig.cycles(1000)
    assert rig.ticks == 1
    assert rig.timer.read(CVR) == 0


def test_reset_stops_it() -> None:
    """No tick comes from before the reset."""
    rig = started(9)
    rig.timer.reset()
    rig.cycles(100)
    assert rig.ticks == 0
    assert rig.timer.read(RVR) == 0

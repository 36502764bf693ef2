# SPDX-License-Identifier: Apache-2.0
"""TIMER: exact ticks, compare, shorts, counter mode."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.timer import Register as R
from vboard.peripherals.timer import Timer

CAPTURE, COMPARE, CC = 0x040, 0x140, 0x540
TIMER, COUNTER, LOW_POWER_COUNTER = 0, 1, 2
BITS_32 = 3


def make(
    *, index: int = 0, mode: int = TIMER, prescaler: int = 4
) -> tuple[Bench, Timer]:
    """A 32-bit timer on a bench."""
    bench = Bench()
    timer = Timer(bench.clock, bench.bus, bench.irq(8), index=index)
    bench.add(timer)
    timer.write(R.MODE, mode)
    timer.write(R.BITMODE, BITS_32)
    timer.write(R.PRESCALER, prescaler)
    return bench, timer


def capture(timer: Timer, n: int = 3) -> int:
    """The counter, as firmware reads it."""
    timer.write(CAPTURE + 4 * n, 1)
    return timer.read(CC + 4 * n)


@pytest.mark.parametrize("prescaler", range(10))
def test_the_counter_runs_at_16_mhz_over_a_power_of_two(prescaler: int) -> None:
    """Exactly, after any time, without drift."""
    bench, timer = make(prescaler=prescaler)
    bench.pass_ns(777)
    timer.write(R.TASKS_START, 1)
    for after_ns in (62, 63, 1_000, 999_937, 1_000_000_000):
        bench.clock.advance_to_ns(777 + after_ns)
        assert capture(timer) == after_ns * 16 // 1000 >> prescaler


@pytest.mark.parametrize(
    ("bitmode", "bits"),
    [(0, 16), (1, 8), (2, 24), (3, 32)],
    ids=["16", "8", "24", "32"],
)
def test_the_counter_wraps_at_its_width(bitmode: int, bits: int) -> None:
    """BITMODE is not in order of size."""
    _bench, timer = make(mode=COUNTER)
    timer.write(R.BITMODE, bitmode)
    timer.write(R.TASKS_START, 1)
    timer.trigger(R.TASKS_COUNT, (1 << bits) - 1)
    assert capture(timer) == (1 << bits) - 1
    timer.write(R.TASKS_COUNT, 1)
    assert capture(timer) == 0


def test_compare_comes_at_the_exact_tick() -> None:
    """CC = 3 at 16 MHz is 187.5 ns: the event is there at 188 ns, not at 187."""
    bench, timer = make(prescaler=0)
    timer.write(CC, 3)
    timer.write(R.INTENSET, 1 << 16)
    timer.write(R.TASKS_START, 1)
    bench.pass_ns(187)
    assert timer.irq.level is False
    bench.pass_ns(1)
    assert timer.irq.level is True
    assert timer.read(COMPARE) == 1
    timer.write(COMPARE, 0)
    assert timer.irq.level is False


def test_periods_made_by_the_clear_short_do_not_drift() -> None:
    """1000 periods of 187.5 ns are 187500 ns."""
    bench, timer = make(prescaler=0)
    times: list[int] = []
    bench.bus.listen(
        timer.base + COMPARE, lambda count: times.append(bench.clock.now_ns)
    )
    timer.write(CC, 3)
    timer.write(R.SHORTS, 1)
    timer.write(R.TASKS_START, 1)
    bench.pass_ns(187_500)
    assert len(times) == 1000
    assert times[:3] == [188, 375, 563]
    assert times[-1] == 187_500


def test_the_stop_short_stops_at_the_compare_value() -> None:
    """COMPARE[1] -> STOP leaves the counter there."""
    bench, timer = make()
    timer.write(CC + 4, 100)
    timer.write(R.SHORTS, 1 << 9)
    timer.write(R.TASKS_START, 1)
    bench.pass_ns(1_000_000)
    assert capture(timer) == 100
    assert bench.clock.next_ns() is None


def test_stop_keeps_the_count_and_start_goes_on() -> None:
    """STOP pauses; CLEAR zeroes, running or not."""
    bench, timer = make()
    timer.write(R.TASKS_START, 1)
    bench.pass_ns(10_000)
    timer.write(R.TASKS_STOP, 1)
    bench.pass_ns(5_000)
    assert capture(timer) == 10
    timer.write(R.TASKS_START, 1)
    bench.pass_ns(7_000)
    timer.write(R.TASKS_STOP, 1)
    assert capture(timer) == 17
    timer.write(R.TASKS_CLEAR, 1)
    assert capture(timer) == 0


@pytest.mark.parametrize("mode", [TIMER, COUNTER], ids=["timer", "counter"])
def test_shutdown_stops_and_forgets_the_count(mode: int) -> None:
    """A timer that was shut down begins at 0."""
    bench, timer = make(mode=mode)
    timer.write(R.TASKS_START, 1)
    timer.write(R.TASKS_COUNT, 1)
    bench.pass_ns(10_000)
    assert capture(timer) != 0
    timer.write(R.TASKS_SHUTDOWN, 1)
    bench.pass_ns(10_000)
    assert capture(timer) == 0


def test_a_second_start_changes_nothing() -> None:
    """START of a running timer is not a restart."""
    bench, timer = make()
    timer.write(R.TASKS_START, 1)
    bench.pass_ns(10_000)
    timer.write(R.TASKS_START, 1)
    bench.pass_ns(10_000)
    assert capture(timer) == 20


def test_compare_after_the_value_has_passed_waits_for_a_full_turn() -> None:
    """CC below the counter matches after the wrap."""
    bench, timer = make()
    timer.write(R.BITMODE, 1)
    timer.write(R.TASKS_START, 1)
    bench.pass_ns(10_000)
    timer.write(CC, 10)
    bench.pass_ns(255_999)
    assert timer.read(COMPARE) == 0
    bench.pass_ns(1)
    assert timer.read(COMPARE) == 1


def test_a_pending_event_that_nobody_wants_costs_no_alarm() -> None:
    """Until it is cleared, or somebody listens."""
    bench, timer = make()
    timer.write(R.BITMODE, 1)
    for n in range(4):
        timer.write(CC + 4 * n, 10 + n)
    timer.write(R.TASKS_START, 1)
    bench.pass_ns(1_000_000)
    assert bench.clock.next_ns() is None
    timer.write(COMPARE, 0)
    assert bench.clock.next_ns() is not None


def test_counter_mode_counts_tasks_only() -> None:
    """In both counter modes, while started."""
    for mode in (COUNTER, LOW_POWER_COUNTER):
        bench, timer = make(mode=mode)
        timer.write(R.TASKS_COUNT, 1)
        assert capture(timer) == 0
        timer.write(R.TASKS_START, 1)
        timer.write(R.TASKS_COUNT, 1)
        bench.bus.trigger(timer.base + R.TASKS_COUNT, 1000)
        bench.pass_ns(1_000_000)
        assert capture(timer) == 1001


def test_count_in_timer_mode_does_nothing() -> None:
    """COUNT belongs to the counter modes."""
    _, timer = make()
    timer.write(R.TASKS_COUNT, 1)
    assert capture(timer) == 0


def test_merged_counts_meet_every_compare_on_the_way() -> None:
    """Clear short at 10: 35 counts are three events and a rest of 5."""
    bench, timer = make(mode=COUNTER)
    events: list[int] = []
    bench.bus.listen(timer.base + COMPARE, events.append)
    timer.write(CC, 10)
    timer.write(R.SHORTS, 1)
    timer.write(R.TASKS_START, 1)
    assert timer.task_horizon(R.TASKS_COUNT) == 10
    timer.trigger(R.TASKS_COUNT, 35)
    assert events == [1, 1, 1]
    assert capture(timer) == 5


def test_the_horizon_is_the_nearest_compare() -> None:
    """A stopped counter, or one that counts time, needs no COUNT in time."""
    _, timer = make(mode=COUNTER)
    assert timer.task_horizon(R.TASKS_COUNT) is None
    for n, value in enumerate((500, 40, 0, 60)):
        timer.write(CC + 4 * n, value)
    timer.write(R.TASKS_START, 1)
    timer.trigger(R.TASKS_COUNT, 1)
    assert timer.task_horizon(R.TASKS_COUNT) == 39
    assert timer.task_horizon(R.TASKS_CLEAR) == 1


@pytest.mark.parametrize("index", range(5))
def test_number_of_channels(index: int) -> None:
    """TIMER0 to 2 have four CC registers, TIMER3 and 4 six."""
    _, timer = make(index=index)
    last = 5 if index > 2 else 3
    timer.write(CC + 4 * last, 7)
    assert timer.read(CC + 4 * last) == 7
    with pytest.raises(GuestError, match=rf"TIMER{index}\.\+0x\w+: no register"):
        timer.read(CC + 4 * (last + 1))


def test_configuration_is_checked() -> None:
    """Values out of range, and changes while running, are refused."""
    _, timer = make()
    with pytest.raises(GuestError, match=r"TIMER0\.PRESCALER: expected 0 to 9, got 10"):
        timer.write(R.PRESCALER, 10)
    timer.write(R.TASKS_START, 1)
    timer.write(R.MODE, TIMER)
    with pytest.raises(GuestError, match=r"MODE: may only change while .* stopped"):
        timer.write(R.MODE, COUNTER)


def test_reset_values() -> None:
    """As in the data sheet: PRESCALER 4, everything else 0."""
    bench, timer = make(prescaler=1)
    timer.write(CC, 5)
    timer.write(R.TASKS_START, 1)
    timer.reset(ResetKind.SOFT)
    assert timer.read(R.PRESCALER) == 4
    assert timer.read(R.BITMODE) == 0
    assert timer.read(CC) == 0
    bench.pass_ns(1_000_000)
    assert capture(timer) == 0

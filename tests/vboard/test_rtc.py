# SPDX-License-Identifier: Apache-2.0
"""RTC: exact 32768 Hz, events by EVTEN and INTEN, LFCLK."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.clock import NS_PER_S
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.rtc import Register as R
from vboard.peripherals.rtc import Rtc

COMPARE, CC = 0x140, 0x540
TICK, OVRFLW, COMPARE0 = 1 << 0, 1 << 1, 1 << 16


def make(*, prescaler: int = 0, running: bool = True) -> tuple[Bench, Rtc]:
    """RTC1 with LFCLK on."""
    bench = Bench()
    bench.bus.signal("LFCLK").set(1)
    rtc = Rtc(bench.clock, bench.bus, bench.irq(17), index=1)
    bench.add(rtc)
    rtc.write(R.PRESCALER, prescaler)
    if running:
        rtc.write(R.TASKS_START, 1)
    return bench, rtc


@pytest.mark.parametrize("prescaler", [0, 1, 7, 327, 4095])
def test_the_counter_is_exact(prescaler: int) -> None:
    """32768 / (PRESCALER + 1) per second, after any time."""
    bench, rtc = make(prescaler=prescaler)
    for seconds in (1, 2, 60, 400):
        bench.clock.advance_to_ns(seconds * NS_PER_S)
        assert rtc.read(R.COUNTER) == seconds * 32768 // (prescaler + 1) & 0xFF_FFFF


def test_without_lfclk_it_stands() -> None:
    """START is remembered; counting begins with the clock and ends with it."""
    bench, rtc = make()
    bench.pass_ns(NS_PER_S)
    bench.bus.signal("LFCLK").set(0)
    bench.pass_ns(NS_PER_S)
    assert rtc.read(R.COUNTER) == 32768
    bench.bus.signal("LFCLK").set(1)
    bench.pass_ns(NS_PER_S)
    assert rtc.read(R.COUNTER) == 65536


def test_stop_start_and_clear() -> None:
    """STOP keeps COUNTER, CLEAR zeroes it."""
    bench, rtc = make()
    bench.pass_ns(NS_PER_S)
    rtc.write(R.TASKS_STOP, 1)
    bench.pass_ns(NS_PER_S)
    assert rtc.read(R.COUNTER) == 32768
    rtc.write(R.TASKS_CLEAR, 1)
    assert rtc.read(R.COUNTER) == 0
    rtc.write(R.TASKS_START, 1)
    bench.pass_ns(NS_PER_S)
    assert rtc.read(R.COUNTER) == 32768


def test_compare_interrupts_at_its_edge() -> None:
    """INTEN is enough for the interrupt."""
    bench, rtc = make()
    rtc.write(CC, 100)
    rtc.write(R.INTENSET, COMPARE0)
    at_ns = -(-100 * NS_PER_S // 32768)
    bench.clock.advance_to_ns(at_ns - 1)
    assert rtc.irq.level is False
    bench.clock.advance_to_ns(at_ns)
    assert rtc.irq.level is True
    rtc.write(COMPARE, 0)
    assert rtc.irq.level is False


def test_without_evten_and_inten_there_is_no_event() -> None:
    """Nothing is set, nothing is published, no alarm is planned."""
    bench, rtc = make()
    rtc.write(CC, 100)
    bench.pass_ns(NS_PER_S)
    assert rtc.read(COMPARE) == 0
    assert rtc.read(R.EVENTS_TICK) == 0
    assert bench.clock.next_ns() is None


def test_ppi_needs_evten() -> None:
    """INTEN alone does not route the event."""
    bench, rtc = make()
    seen: list[int] = []
    bench.bus.listen(rtc.base + R.EVENTS_TICK, seen.append)
    rtc.write(R.INTENSET, TICK)
    bench.pass_ns(NS_PER_S // 10)
    assert rtc.read(R.EVENTS_TICK) == 1
    assert seen == []
    rtc.write(R.EVTENSET, TICK)
    bench.pass_ns(NS_PER_S // 10)
    assert len(seen) in (3276, 3277)


def test_evten_registers_are_one_mask() -> None:
    """EVTEN, EVTENSET, EVTENCLR."""
    _, rtc = make()
    rtc.write(R.EVTEN, 0xFFFF_FFFF)
    assert rtc.read(R.EVTENSET) == 0x000F_0003
    rtc.write(R.EVTENCLR, OVRFLW)
    assert rtc.read(R.EVTEN) == 0x000F_0001
    rtc.write(R.EVTENSET, OVRFLW)
    assert rtc.read(R.EVTENCLR) == 0x000F_0003


def test_overflow_after_trigovrflw() -> None:
    """COUNTER goes to 0xFFFFF0 and overflows sixteen ticks later."""
    bench, rtc = make()
    rtc.write(R.INTENSET, OVRFLW)
    rtc.write(R.TASKS_TRIGOVRFLW, 1)
    assert rtc.read(R.COUNTER) == 0xFF_FFF0
    bench.pass_ns(15 * NS_PER_S // 32768)
    assert rtc.read(R.EVENTS_OVRFLW) == 0
    bench.clock.advance_to_ns(-(-16 * NS_PER_S // 32768))
    assert rtc.read(R.EVENTS_OVRFLW) == 1
    assert rtc.read(R.COUNTER) == 0


def test_a_compare_value_that_is_now_waits_for_a_full_turn() -> None:
    """512 seconds at full speed."""
    bench, rtc = make()
    bench.pass_ns(NS_PER_S)
    rtc.write(R.INTENSET, COMPARE0)
    rtc.write(CC, 32768)
    bench.pass_ns(511 * NS_PER_S)
    assert rtc.read(COMPARE) == 0
    bench.pass_ns(2 * NS_PER_S)
    assert rtc.read(COMPARE) == 1


def test_the_prescaler_may_not_change_while_started() -> None:
    """PRESCALER is written while stopped."""
    _, rtc = make()
    with pytest.raises(GuestError, match=r"RTC1\.PRESCALER: may only change while"):
        rtc.write(R.PRESCALER, 7)


def test_rtc0_has_three_compare_registers() -> None:
    """RTC1 and RTC2 have four."""
    bench = Bench()
    rtc = Rtc(bench.clock, bench.bus, index=0)
    with pytest.raises(GuestError, match=r"RTC0\.\+0x54c: no register"):
        rtc.write(CC + 12, 1)
    Rtc(bench.clock, bench.bus, index=2).write(CC + 12, 1)
    with pytest.raises(GuestError, match=r"RTC0\.COUNTER: the register is read-only"):
        rtc.write(R.COUNTER, 1)


def test_reset_stops_and_clears() -> None:
    """Every kind of reset."""
    bench, rtc = make(prescaler=3)
    rtc.write(R.INTENSET, TICK)
    bench.pass_ns(NS_PER_S)
    rtc.reset(ResetKind.SOFT)
    bench.pass_ns(NS_PER_S)
    assert rtc.read(R.COUNTER) == 0
    assert rtc.read(R.PRESCALER) == 0
    assert rtc.irq.level is False
    assert bench.clock.next_ns() is None

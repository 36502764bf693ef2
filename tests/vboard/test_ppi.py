# SPDX-License-Identifier: Apache-2.0
"""PPI: channels, forks, groups, fixed channels, merged events."""

from __future__ import annotations

import pytest
from register_bench import Bench
from uarte_bench import BYTE_NS, UarteBench
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.egu import Egu
from vboard.peripherals.ppi import Ppi
from vboard.peripherals.ppi import Register as R
from vboard.peripherals.timer import Timer
from vboard.peripherals.uarte import Register as U

EEP, TEP, CHG, FORK = 0x510, 0x514, 0x800, 0x910
TRIGGER, TRIGGERED = 0x000, 0x100
EGU0, EGU1 = 0x4001_4000, 0x4001_5000


def make() -> tuple[Bench, Ppi, Egu, Egu]:
    """PPI between two EGUs."""
    bench = Bench()
    ppi = Ppi(bench.clock, bench.bus)
    source = Egu(bench.clock, bench.bus, bench.irq(20), index=0)
    sink = Egu(bench.clock, bench.bus, bench.irq(21), index=1)
    for block in (ppi, source, sink):
        bench.add(block)
    return bench, ppi, source, sink


def connect(ppi: Ppi, channel: int, event: int, task: int) -> None:
    """EEP and TEP of one channel."""
    ppi.write(EEP + 8 * channel, event)
    ppi.write(TEP + 8 * channel, task)


@pytest.mark.parametrize("channel", [0, 7, 19])
def test_an_enabled_channel_triggers_its_task(channel: int) -> None:
    """CHENSET connects, CHENCLR disconnects."""
    _, ppi, source, sink = make()
    connect(ppi, channel, EGU0 + TRIGGERED + 4, EGU1 + TRIGGER + 8)
    source.write(TRIGGER + 4, 1)
    assert sink.read(TRIGGERED + 8) == 0
    ppi.write(R.CHENSET, 1 << channel)
    source.write(TRIGGER + 4, 1)
    assert sink.read(TRIGGERED + 8) == 1
    sink.write(TRIGGERED + 8, 0)
    ppi.write(R.CHENCLR, 1 << channel)
    source.write(TRIGGER + 4, 1)
    assert sink.read(TRIGGERED + 8) == 0


def test_a_fork_triggers_a_second_task() -> None:
    """FORK.TEP of the same channel."""
    _, ppi, source, sink = make()
    connect(ppi, 3, EGU0 + TRIGGERED, EGU1 + TRIGGER)
    ppi.write(FORK + 12, EGU1 + TRIGGER + 4)
    ppi.write(R.CHEN, 1 << 3)
    source.write(TRIGGER, 1)
    assert sink.read(TRIGGERED) == 1
    assert sink.read(TRIGGERED + 4) == 1


def test_end_points_may_change_while_enabled() -> None:
    """The new ones count at once."""
    _, ppi, source, sink = make()
    ppi.write(R.CHENSET, 1)
    connect(ppi, 0, EGU0 + TRIGGERED, EGU1 + TRIGGER)
    ppi.write(EEP, EGU0 + TRIGGERED + 4)
    ppi.write(TEP, EGU1 + TRIGGER + 4)
    source.write(TRIGGER, 1)
    assert sink.events == 0
    source.write(TRIGGER + 4, 1)
    assert sink.read(TRIGGERED + 4) == 1
    assert ppi.read(EEP) == EGU0 + TRIGGERED + 4


def test_channels_can_be_chained() -> None:
    """A task whose event is the event of another channel."""
    _, ppi, source, sink = make()
    connect(ppi, 0, EGU0 + TRIGGERED, EGU1 + TRIGGER)
    connect(ppi, 1, EGU1 + TRIGGERED, EGU1 + TRIGGER + 4)
    ppi.write(R.CHENSET, 3)
    source.write(TRIGGER, 1)
    assert sink.read(TRIGGERED + 4) == 1


def test_groups_switch_channels_together() -> None:
    """CHG[n].EN and CHG[n].DIS, also as PPI tasks."""
    _, ppi, source, _ = make()
    ppi.write(CHG + 4, 0b1100)
    ppi.write(0x008, 1)
    assert ppi.read(R.CHEN) == 0b1100
    connect(ppi, 0, EGU0 + TRIGGERED, ppi.base + 0x00C)
    ppi.write(R.CHENSET, 1)
    source.write(TRIGGER, 1)
    assert ppi.read(R.CHEN) == 1
    assert ppi.read(CHG + 4) == 0b1100


def test_fixed_channels_are_wired() -> None:
    """Channel 30 is RTC0 COMPARE[0] -> TIMER0 CLEAR, 31 -> TIMER0 START."""
    bench, ppi, _, _ = make()
    timer = Timer(bench.clock, bench.bus, bench.irq(8))
    bench.add(timer)
    ppi.write(R.CHENSET, 1 << 31)
    bench.bus.publish(0x4000_B140)
    bench.pass_ns(10_000)
    timer.write(0x040, 1)
    assert timer.read(0x540) == 10
    ppi.write(R.CHENSET, 1 << 30)
    bench.bus.publish(0x4000_B140)
    timer.write(0x040, 1)
    assert timer.read(0x540) == 0


def test_end_points_are_checked() -> None:
    """EEP takes an event register, TEP and FORK a task register."""
    _, ppi, _, _ = make()
    ppi.write(EEP, 0)
    with pytest.raises(GuestError, match=r"CH\[0\]\.EEP: 0x40014000 is not an event"):
        ppi.write(EEP, EGU0 + TRIGGER)
    with pytest.raises(GuestError, match=r"CH\[1\]\.TEP: 0x40014100 is not a task"):
        ppi.write(TEP + 8, EGU0 + TRIGGERED)
    with pytest.raises(GuestError, match=r"FORK\[31\]\.TEP: 0x20000000 is not a task"):
        ppi.write(FORK + 4 * 31, 0x2000_0000)
    with pytest.raises(GuestError, match=r"PPI\.\+0x5b0: no register"):
        ppi.write(EEP + 8 * 20, 0)
    with pytest.raises(GuestError, match=r"PPI\.\+0x5b0: no register"):
        ppi.read(EEP + 8 * 20)


def test_reset_disconnects() -> None:
    """Every channel is off afterwards."""
    bench, ppi, source, sink = make()
    connect(ppi, 0, EGU0 + TRIGGERED, EGU1 + TRIGGER)
    ppi.write(R.CHENSET, 1)
    ppi.reset(ResetKind.SOFT)
    source.write(TRIGGER, 1)
    assert sink.events == 0
    assert ppi.read(R.CHEN) == 0
    assert not bench.bus.has_listener(EGU0 + TRIGGERED)


def test_rxdrdy_through_ppi_counts_in_bulk() -> None:
    """The standard way to count received bytes: one alarm for many bytes."""
    bench = UarteBench()
    ppi = Ppi(bench.clock, bench.bus)
    timer = Timer(bench.clock, bench.bus, bench.irq(9), index=1)
    bench.add(ppi)
    bench.add(timer)
    timer.write(0x504, 1)
    timer.write(0x000, 1)
    connect(ppi, 5, bench.uarte.base + U.EVENTS_RXDRDY, timer.base + 0x008)
    bench.receive_into(4096)
    ppi.write(R.CHENSET, 1 << 5)
    bench.arrive(bytes(3000))
    assert bench.clock.next_ns() == 3000 * BYTE_NS
    bench.pass_bytes(1234.5)
    timer.write(0x044, 1)
    assert timer.read(0x544) == 1234


def test_disconnecting_ends_the_count_at_that_instant() -> None:
    """Bytes before CHENCLR are counted, bytes after it are not."""
    bench = UarteBench()
    ppi = Ppi(bench.clock, bench.bus)
    timer = Timer(bench.clock, bench.bus, bench.irq(9), index=1)
    bench.add(ppi)
    bench.add(timer)
    timer.write(0x504, 1)
    timer.write(0x000, 1)
    connect(ppi, 5, bench.uarte.base + U.EVENTS_RXDRDY, timer.base + 0x008)
    bench.receive_into(4096)
    bench.arrive(bytes(3000))
    bench.pass_bytes(100.5)
    ppi.write(R.CHENSET, 1 << 5)
    bench.pass_bytes(100)
    ppi.write(R.CHENCLR, 1 << 5)
    bench.pass_bytes(100)
    timer.write(0x044, 1)
    assert timer.read(0x544) == 100

# SPDX-License-Identifier: Apache-2.0
"""EGU and ECB."""

from __future__ import annotations

import pytest
from register_bench import RAM, Bench
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.ecb import Ecb
from vboard.peripherals.ecb import Register as E
from vboard.peripherals.egu import Egu
from vboard.peripherals.egu import Register as R


@pytest.mark.parametrize("index", range(6))
def test_each_egu_has_its_page(index: int) -> None:
    """EGU0 is at 0x40014000."""
    bench = Bench()
    egu = Egu(bench.clock, bench.bus, bench.irq(20 + index), index=index)
    assert egu.base == 0x4001_4000 + 0x1000 * index
    assert egu.name == f"EGU{index}"


@pytest.mark.parametrize("channel", [0, 15])
def test_a_trigger_makes_its_event(channel: int) -> None:
    """With its interrupt, when enabled."""
    bench = Bench()
    egu = Egu(bench.clock, bench.bus, bench.irq(20))
    egu.write(R.INTEN, 1 << channel)
    egu.write(4 * channel, 1)
    assert egu.read(0x100 + 4 * channel) == 1
    assert egu.irq.level is True
    egu.write(0x100 + 4 * channel, 0)
    assert egu.irq.level is False
    egu.write(4 * channel, 0)
    assert egu.events == 0
    with pytest.raises(GuestError, match=r"EGU0\.\+0x140: no register"):
        egu.read(0x140)


def test_ecb_encrypts_one_block() -> None:
    """FIPS 197, appendix C.1."""
    bench = Bench()
    ecb = Ecb(bench.clock, bench.bus, bench.irq(14))
    key = bytes(range(16))
    clear = bytes.fromhex("00112233445566778899aabbccddeeff")
    bench.poke(RAM + 4, key + clear)
    ecb.write(E.ECBDATAPTR, RAM + 4)
    ecb.write(E.INTENSET, 1)
    ecb.write(E.TASKS_STARTECB, 1)
    assert ecb.read(E.EVENTS_ENDECB) == 0
    bench.pass_ns(10_000)
    assert ecb.irq.level is True
    cipher = bytes.fromhex("69c4e0d86a7b0430d8cdb78070b4c55a")
    assert bench.peek(RAM + 36, 16) == cipher


def test_ecb_can_be_stopped() -> None:
    """STOPECB of a running encryption gives ERRORECB and no result."""
    bench = Bench()
    ecb = Ecb(bench.clock, bench.bus, bench.irq(14))
    ecb.write(E.ECBDATAPTR, RAM)
    ecb.write(E.TASKS_STOPECB, 1)
    assert ecb.read(E.EVENTS_ERRORECB) == 0
    ecb.write(E.TASKS_STARTECB, 1)
    ecb.write(E.TASKS_STOPECB, 1)
    bench.pass_ns(10_000)
    assert ecb.read(E.EVENTS_ERRORECB) == 1
    assert ecb.read(E.EVENTS_ENDECB) == 0
    ecb.reset(ResetKind.SOFT)
    assert ecb.read(E.ECBDATAPTR) == 0


def test_ecb_reaches_ram_only() -> None:
    """The data structure is fetched by DMA."""
    bench = Bench()
    ecb = Ecb(bench.clock, bench.bus, bench.irq(14))
    ecb.write(E.ECBDATAPTR, 0x1000)
    ecb.write(E.TASKS_STARTECB, 1)
    with pytest.raises(GuestError, match=r"ECB: DMA reaches Data RAM only"):
        bench.pass_ns(10_000)

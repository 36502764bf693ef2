# SPDX-License-Identifier: Apache-2.0
"""TEMP (nRF52840 PS, TEMP)."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.temp import Register as R
from vboard.peripherals.temp import Temp

BASE = 0x4000_C000


class Rig:
    """The sensor on a bench."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.temp = Temp(self.bench.clock, self.bench.bus, self.bench.irq(12))
        self.bench.add(self.temp)

    def reg(self, register: int, value: int) -> None:
        self.bench.bus.write(BASE + register, value)

    def get(self, register: int) -> int:
        return self.bench.bus.read(BASE + register)


@pytest.mark.parametrize(
    ("degrees", "value"), [(25.0, 100), (36.6, 146), (-10.25, 0xFFFF_FFD7)]
)
def test_a_measurement_is_in_quarters_of_a_degree(degrees: float, value: int) -> None:
    """Two's complement, ready after 36 us, with interrupt 12."""
    rig = Rig()
    rig.temp.degrees = degrees
    rig.reg(R.INTENSET, 1)
    rig.reg(R.TASKS_START, 1)
    rig.bench.pass_ns(35_999)
    assert rig.get(R.EVENTS_DATARDY) == 0
    rig.bench.pass_ns(1)
    assert rig.get(R.EVENTS_DATARDY) == 1
    assert rig.get(R.TEMP) == value
    assert rig.bench.irq_changes == [(12, True)]


def test_25_degrees_is_the_default_and_stop_stops() -> None:
    """STOP before the end: no event."""
    rig = Rig()
    assert rig.temp.degrees == 25.0
    rig.reg(R.TASKS_START, 1)
    rig.reg(R.TASKS_STOP, 1)
    rig.bench.pass_ns(1_000_000)
    assert rig.get(R.EVENTS_DATARDY) == 0


def test_calibration_registers_have_the_data_sheets_reset_values() -> None:
    """They are kept (erratum 66 copies FICR words here) until the next reset."""
    rig = Rig()
    values = [
        0x326, 0x348, 0x3AA, 0x40E, 0x4BD, 0x5A3,
        0x3FEF, 0x3FBE, 0x3FBE, 0x012, 0x124, 0x27C,
        0xE2, 0x00, 0x19, 0x3C, 0x50,
    ]  # fmt: skip
    offsets = [
        *range(0x520, 0x538, 4),
        *range(0x540, 0x558, 4),
        *range(0x560, 0x574, 4),
    ]
    assert [rig.get(offset) for offset in offsets] == values
    for offset in offsets:
        rig.reg(offset, 0xFFFF_F123)
    assert [rig.get(offset) for offset in (0x520, 0x540, 0x560)] == [
        0x123,
        0x3123,
        0x23,
    ]
    rig.temp.reset(ResetKind.SOFT)
    assert [rig.get(offset) for offset in offsets] == values


def test_bad_accesses_are_faults() -> None:
    """TEMP is read-only; of reserved ones 0x504 may be cleared, as drivers do."""
    rig = Rig()
    rig.reg(0x504, 0)
    with pytest.raises(GuestError, match="no register at this offset"):
        rig.reg(0x504, 1)
    with pytest.raises(GuestError, match=r"TEMP.TEMP: the register is read-only"):
        rig.reg(R.TEMP, 1)
    with pytest.raises(GuestError, match="no register at this offset"):
        rig.get(0x538)

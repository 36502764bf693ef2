# SPDX-License-Identifier: Apache-2.0
"""POWER and APPROTECT registers (nRF52840 PS, POWER)."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.clock_power import ClockPower
from vboard.peripherals.power import PowerRegisters
from vboard.peripherals.power import Register as R

BASE = 0x4000_0000


class Page:
    """The page at 0x40000000 with its POWER part."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.power = PowerRegisters(self.bench.bus)
        self.block = ClockPower(
            self.bench.clock, self.bench.bus, self.bench.irq(0), power=self.power
        )
        self.bench.add(self.block)
        self.block.reset(ResetKind.POWER_ON)

    def reg(self, register: int, value: int) -> None:
        self.bench.bus.write(BASE + register, value)

    def get(self, register: int) -> int:
        return self.bench.bus.read(BASE + register)


def test_reset_values_are_the_data_sheets() -> None:
    """RAM is on, nothing forces protection, the rest is 0."""
    page = Page()
    values = {register.name: page.get(register) for register in R}
    assert values.pop("RAMSTATUS") == 0xF
    assert values.pop("APPROTECT_FORCEPROTECT") == 0xFFFF_FFFF
    assert set(values.values()) == {0}
    assert {page.get(0x900 + 0x10 * n) for n in range(9)} == {0xFFFF}


REASONS = {
    ResetKind.PIN: 1,
    ResetKind.WATCHDOG: 2,
    ResetKind.SOFT: 4,
    ResetKind.LOCKUP: 8,
    ResetKind.SYSTEM_OFF: 1 << 16,
}


@pytest.mark.parametrize("kind", REASONS, ids=lambda kind: kind.name)
def test_a_reset_adds_its_reason(kind: ResetKind) -> None:
    """RESETREAS is cumulative until its bits are written 1."""
    page = Page()
    page.block.reset(kind)
    page.block.reset(ResetKind.SOFT)
    assert page.get(R.RESETREAS) == REASONS[kind] | 4
    page.reg(R.RESETREAS, 4)
    assert page.get(R.RESETREAS) == REASONS[kind] & ~4
    page.block.reset(ResetKind.POWER_ON)
    assert page.get(R.RESETREAS) == 0


@pytest.mark.parametrize("kind", list(ResetKind), ids=lambda kind: kind.name)
def test_what_is_retained_follows_the_reset_table(kind: ResetKind) -> None:
    """GPREGRET and RAM power survive soft, lockup and System OFF."""
    page = Page()
    for register in (R.GPREGRET, R.GPREGRET2):
        page.reg(register, 0x1B1)
    page.reg(0x908, 1)
    for register in (R.DCDCEN, R.POFCON, R.APPROTECT_DISABLE):
        page.reg(register, 1)
    page.block.reset(kind)
    keeps = kind in (ResetKind.SOFT, ResetKind.LOCKUP, ResetKind.SYSTEM_OFF)
    assert [page.get(r) for r in (R.GPREGRET, R.GPREGRET2, 0x900)] == (
        [0xB1, 0xB1, 0xFFFE] if keeps else [0, 0, 0xFFFF]
    )
    plain = (R.DCDCEN, R.POFCON, R.APPROTECT_DISABLE)
    assert [page.get(register) for register in plain] == [0, 0, 0]


def test_ram_power_has_set_and_clear_registers() -> None:
    """Two sections in blocks 0 to 7, six in block 8."""
    page = Page()
    page.reg(0x904, 0xFFFF_FFFF)
    assert page.get(0x900) == 0x0003_FFFF
    page.reg(0x908, 0x0001_0001)
    assert page.get(0x900) == 0x0002_FFFE
    page.reg(0x980, 0xFFFF_FFFF)
    assert page.get(0x980) == 0x003F_003F
    page.reg(0x900, 0)
    assert page.get(R.RAMSTATUS) == 0xE


def test_retention_in_system_off_is_per_section() -> None:
    """4 KiB sections up to 64 KiB, 32 KiB sections above."""
    page = Page()
    page.reg(0x914, 1 << 17)
    page.reg(0x984, 1 << 21)
    places = (0x2000_2FFF, 0x2000_3000, 0x2000_3FFF, 0x2000_4000, 0x2003_8000)
    assert [page.power.ram_retained(a) for a in places] == [
        False,
        True,
        True,
        False,
        True,
    ]


def test_system_off_is_asked_of_the_board() -> None:
    """SYSTEMOFF does nothing by itself."""
    page = Page()
    calls: list[str] = []
    page.bench.bus.request_system_off = lambda: calls.append("off")
    page.reg(R.SYSTEMOFF, 0)
    page.reg(R.SYSTEMOFF, 1)
    assert calls == ["off"]


def test_forced_protection_lasts_until_reset() -> None:
    """Writing ones cannot take it back."""
    page = Page()
    page.reg(R.APPROTECT_FORCEPROTECT, 0)
    page.reg(R.APPROTECT_FORCEPROTECT, 0xFFFF_FFFF)
    assert page.get(R.APPROTECT_FORCEPROTECT) == 0
    page.block.reset(ResetKind.SOFT)
    assert page.get(R.APPROTECT_FORCEPROTECT) == 0xFFFF_FFFF


def test_latency_tasks_and_high_voltage_mode() -> None:
    """TASKS_CONSTLAT and TASKS_LOWPWR; MAINREGSTATUS is the board's."""
    page = Page()
    page.reg(R.TASKS_CONSTLAT, 1)
    assert page.power.constant_latency
    page.reg(R.TASKS_LOWPWR, 1)
    assert not page.power.constant_latency
    assert PowerRegisters(page.bench.bus, high_voltage=True).read(R.MAINREGSTATUS) == 1


def test_bad_accesses_are_faults_with_the_registers_name() -> None:
    """Read-only and reserved registers."""
    page = Page()
    with pytest.raises(
        GuestError, match=r"POWER.USBREGSTATUS: the register is read-on"
    ):
        page.reg(R.USBREGSTATUS, 1)
    for offset in (0x404, 0x90C, 0x990):
        with pytest.raises(GuestError, match=r"POWER.\+0x.*no register at this offset"):
            page.get(offset)

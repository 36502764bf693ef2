# SPDX-License-Identifier: Apache-2.0
"""System control block, debug, MPU and FPU registers on the private bus."""

from __future__ import annotations

import pytest
from vboard import nvic as n
from vboard.clock import Clock
from vboard.dwt import Debug
from vboard.errors import GuestError
from vboard.fpu import Fpu
from vboard.mpu import Mpu
from vboard.nvic import Nvic
from vboard.scb import PrivateBus, Scb, register_name
from vboard.systick import SysTick

SCS = 0xE000_E000
ICSR, AIRCR, SHPR2, SHPR3 = 0xE000_ED04, 0xE000_ED0C, 0xE000_ED1C, 0xE000_ED20
SHCSR, CFSR = 0xE000_ED24, 0xE000_ED28


class Rig:
    """The private bus without a CPU."""

    def __init__(self) -> None:
        self.nvic = Nvic()
        self.current = 0
        self.awake = 0
        self.fpca = False
        self.scb = Scb(self.nvic, lambda: self.current)
        self.bus = PrivateBus(
            nvic=self.nvic,
            scb=self.scb,
            systick=SysTick(Clock(), lambda: None),
            fpu=Fpu(lambda: self.fpca),
            mpu=Mpu(),
            debug=Debug(lambda: self.awake),
        )

    def read(self, address: int, size: int = 4) -> int:
        return self.bus.read(address, size)

    def write(self, address: int, value: int, size: int = 4) -> None:
        self.bus.write(address, size, value)


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.mark.parametrize(
    ("address", "value"),
    [
        pytest.param(0xE000_ED00, 0x410F_C241, id="CPUID"),
        pytest.param(0xE000_ED08, 0, id="VTOR"),
        pytest.param(0xE000_ED0C, 0xFA05_0000, id="AIRCR"),
        pytest.param(0xE000_ED14, 0x200, id="CCR"),
        pytest.param(0xE000_ED88, 0, id="CPACR"),
        pytest.param(0xE000_ED90, 0x800, id="MPU_TYPE"),
        pytest.param(0xE000_EF34, 0xC000_0000, id="FPCCR"),
        pytest.param(0xE000_EF40, 0x1011_0021, id="MVFR0"),
        pytest.param(0xE000_E004, 1, id="ICTR"),
        pytest.param(0xE000_EDF0, 0, id="DHCSR"),
    ],
)
def test_reset_values(rig: Rig, address: int, value: int) -> None:
    """Of the Cortex-M4 in the nRF52840."""
    assert rig.read(address) == value


def test_priorities_of_system_exceptions_take_bytes_and_halfwords(rig: Rig) -> None:
    """As CMSIS writes them: SHP is an array of bytes."""
    rig.write(SHPR3 + 3, 0xFF, 1)
    rig.write(SHPR3 + 2, 0x40, 1)
    rig.write(SHPR2 + 2, 0x2000, 2)
    assert rig.read(SHPR3) == 0xE040_0000
    assert rig.read(SHPR3 + 3, 1) == 0xE0
    assert rig.nvic.priority[n.SYSTICK] == 0xE0
    assert rig.nvic.priority[n.PENDSV] == 0x40
    assert rig.nvic.priority[n.SVCALL] == 0x20


def test_interrupt_priorities_take_bytes(rig: Rig) -> None:
    """NVIC_SetPriority writes one byte of IPR."""
    rig.write(0xE000_E400 + 17, 0xC0, 1)
    assert rig.read(0xE000_E410) == 0xC000
    assert rig.read(0xE000_E400 + 17, 1) == 0xC0


def test_icsr_pends_clears_and_shows(rig: Rig) -> None:
    """PendSV, SysTick, VECTPENDING, VECTACTIVE, RETTOBASE."""
    rig.write(ICSR, 1 << 28 | 1 << 26)
    assert rig.read(ICSR) == 1 << 28 | 1 << 26 | n.PENDSV << 12
    rig.write(ICSR, 1 << 27)
    assert rig.read(ICSR) == 1 << 26 | n.SYSTICK << 12
    rig.write(ICSR, 1 << 25)
    rig.current = 18
    rig.nvic.activate(18)
    assert rig.read(ICSR) == 18 | 1 << 11
    rig.nvic.activate(15)
    assert rig.read(ICSR) == 18
    rig.write(ICSR, 1 << 31)
    assert rig.nvic.pending == 1 << n.NMI


def test_shcsr_enables_and_shows(rig: Rig) -> None:
    """Enable bits of the configurable faults; active bits read back."""
    rig.write(SHCSR, 7 << 16)
    assert rig.read(SHCSR) == 7 << 16
    assert rig.nvic.enabled >> n.USAGE_FAULT & 1
    rig.nvic.activate(n.SVCALL)
    assert rig.read(SHCSR) == 7 << 16 | 1 << 7


def test_cfsr_bits_are_cleared_by_writing_ones(rig: Rig) -> None:
    """Also by bytes: BFSR is byte 1."""
    rig.scb.cfsr = 0x0001_8200
    rig.write(CFSR + 1, 0x80, 1)
    assert rig.read(CFSR) == 0x0001_0200
    assert rig.read(CFSR + 2, 2) == 1
    rig.write(CFSR, 0xFFFF_FFFF)
    assert rig.read(CFSR) == 0


def test_prigroup_reads_back(rig: Rig) -> None:
    """With the key."""
    rig.write(AIRCR, 0x05FA_0300)
    assert rig.read(AIRCR) == 0xFA05_0300
    assert rig.nvic.group_mask == 0xF0


def test_sysresetreq_asks_for_a_reset(rig: Rig) -> None:
    """Once."""
    asked: list[bool] = []
    rig.scb.on_reset_request = lambda: asked.append(True)
    rig.write(AIRCR, 0x05FA_0004)
    assert asked == [True]


def test_the_mpu_keeps_regions(rig: Rig) -> None:
    """RBAR with VALID selects the region; RASR and CTRL read back."""
    rig.write(0xE000_ED9C, 0x2000_0000 | 1 << 4 | 3)
    rig.write(0xE000_EDA0, 0x1305_0023)
    rig.write(0xE000_ED94, 5)
    rig.write(0xE000_ED98, 0)
    assert rig.read(0xE000_ED9C) == 0
    rig.write(0xE000_ED98, 3)
    assert rig.read(0xE000_ED9C) == 0x2000_0003
    assert rig.read(0xE000_EDA0) == 0x1305_0023
    assert rig.read(0xE000_ED94) == 5


def test_cyccnt_counts_only_with_trcena(rig: Rig) -> None:
    """And from what was written."""
    rig.write(0xE000_1000, 1)
    rig.awake = 100
    assert rig.read(0xE000_1004) == 0
    rig.write(0xE000_EDFC, 1 << 24)
    rig.write(0xE000_1004, 0xFFFF_FFF0)
    rig.awake = 132
    assert rig.read(0xE000_1004) == 0x10
    rig.write(0xE000_1000, 0)
    rig.awake = 500
    assert rig.read(0xE000_1004) == 0x10


def test_swo_set_up_does_no_harm(rig: Rig) -> None:
    """ITM ports are ready and swallow what is written; TPIU keeps its settings."""
    rig.write(0xE000_0FB0, 0xC5AC_CE55)
    rig.write(0xE004_0010, 31)
    rig.write(0xE000_0E80, 1)
    rig.write(0xE000_0000, 0x41, 1)
    assert rig.read(0xE000_0000) == 1
    assert rig.read(0xE004_0010) == 31


def test_an_unknown_register_is_refused(rig: Rig) -> None:
    """For loads and stores."""
    for access in (
        lambda: rig.read(0xE000_EF90),
        lambda: rig.write(0xE00F_0000, 1),
    ):
        with pytest.raises(GuestError, match="no register at 0xe00"):
            access()


def test_registers_have_names() -> None:
    """For traces."""
    assert register_name(0xE000_ED08) == "VTOR"
    assert register_name(0xE000_E104) == "NVIC_ISER1"
    assert register_name(0xE000_2000) == "0xe0002000"

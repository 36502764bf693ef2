# SPDX-License-Identifier: Apache-2.0
"""NVMC registers and stores (nRF52840 PS, NVMC)."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.errors import GuestError, PowerCut
from vboard.fabric import ResetKind
from vboard.nv import Cut, NvMemory
from vboard.peripherals.acl import Acl, AclViolation
from vboard.peripherals.nvmc import FlashStoreFault, Nvmc
from vboard.peripherals.nvmc import Register as R

BASE = 0x4001_E000
REN, WEN, EEN = 0, 1, 2
PAGE = 0x3_0000
UICR = 0x1000_1000


class Rig:
    """NVMC and ACL on a bench."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.nv = NvMemory()
        self.nvmc = Nvmc(self.bench.clock, self.bench.bus, nv=self.nv)
        self.bench.add(self.nvmc)
        self.bench.add(Acl(self.bench.clock, self.bench.bus))

    def reg(self, register: int, value: int) -> None:
        self.bench.bus.write(BASE + register, value)

    def get(self, register: int) -> int:
        return self.bench.bus.read(BASE + register)

    def store(self, address: int, value: int, size: int = 4) -> None:
        self.bench.bus.flash_store(address, size, value)


def test_reset_values_are_the_data_sheets() -> None:
    """READY and READYNEXT 1, ERASEPAGEPARTIALCFG 10 ms, the rest 0."""
    rig = Rig()
    values = {register.name: rig.get(register) for register in R}
    assert values.pop("READY") == values.pop("READYNEXT") == 1
    assert values.pop("ERASEPAGEPARTIALCFG") == 0x0A
    assert set(values.values()) == {0}


@pytest.mark.parametrize("address", [PAGE, UICR + 0x80], ids=["flash", "uicr"])
def test_a_store_in_wen_takes_41_us(address: int) -> None:
    """READY is 0 meanwhile, and the CPU is told to stall until then."""
    rig = Rig()
    rig.reg(R.CONFIG, WEN)
    rig.store(address, 0x1234_5678)
    assert rig.nv.read(address, 4) == b"\x78\x56\x34\x12"
    assert rig.bench.stalls == [41_000]
    assert rig.get(R.READY) == rig.get(R.READYNEXT) == 0
    rig.bench.pass_ns(40_999)
    assert rig.get(R.READY) == 0
    rig.bench.pass_ns(1)
    assert rig.get(R.READY) == 1


@pytest.mark.parametrize(
    ("register", "value", "time_ms"),
    [
        (R.ERASEPAGE, PAGE, 85),
        (R.ERASEALL, 1, 169),
        (R.ERASEUICR, 1, 85),
        (R.ERASEPAGEPARTIAL, PAGE, 11),
    ],
    ids=["page", "all", "uicr", "partial"],
)
def test_erases_take_the_data_sheets_time(
    register: R, value: int, time_ms: int
) -> None:
    """tERASEPAGE 85 ms, tERASEALL 169 ms, a slice its duration and set-up."""
    rig = Rig()
    rig.reg(R.CONFIG, EEN)
    rig.reg(register, value)
    assert rig.bench.stalls == [time_ms * 1_000_000]
    assert rig.nv.operations == 1


def test_erases_reach_what_they_should() -> None:
    """ERASEPAGE one page; ERASEUICR the UICR; ERASEALL both."""
    rig = Rig()

    def fill() -> None:
        for address in (PAGE, PAGE + 0x1000, UICR):
            rig.nv.preload(address, b"\x00")

    def blank() -> list[bool]:
        places = (PAGE, PAGE + 0x1000, UICR)
        return [rig.nv.read(address, 1) == b"\xff" for address in places]

    rig.reg(R.CONFIG, EEN)
    for register, value, expected in (
        (R.ERASEPAGE, PAGE, [True, False, False]),
        (R.ERASEUICR, 1, [False, False, True]),
        (R.ERASEALL, 1, [True, True, True]),
    ):
        fill()
        rig.reg(register, value)
        assert expected == blank()
        rig.bench.pass_ns(200_000_000)


def test_partial_erase_reaches_85_ms_in_nine_slices_of_10() -> None:
    """ERASEPAGEPARTIALCFG is the duration of each slice."""
    rig = Rig()
    rig.nv.preload(PAGE, bytes(4096))
    rig.reg(R.CONFIG, EEN)
    rig.reg(R.ERASEPAGEPARTIALCFG, 10)
    for _ in range(9):
        assert rig.nv.wear[PAGE // 4096] == 0
        rig.reg(R.ERASEPAGEPARTIAL, PAGE)
        rig.bench.pass_ns(11_000_000)
    assert rig.nv.wear[PAGE // 4096] == 1
    assert rig.nv.read(PAGE, 4096) == b"\xff" * 4096


BAD_STORES = {
    "ren": (REN, PAGE, 4, "CONFIG is Ren, a store needs Wen"),
    "een": (EEN, PAGE, 4, "CONFIG is Een, a store needs Wen"),
    "byte": (WEN, PAGE, 1, "expected an aligned word, got 1 bytes"),
    "halfword": (WEN, PAGE, 2, "expected an aligned word, got 2 bytes"),
    "unaligned": (WEN, PAGE + 2, 4, "expected an aligned word, got 4 bytes"),
    "ficr": (WEN, 0x1000_0100, 4, "the FICR is read-only"),
    "beyond": (WEN, 0x10_0000, 4, "there is no non-volatile memory here"),
}


@pytest.mark.parametrize("case", BAD_STORES)
def test_a_bad_store_is_a_bus_error_and_changes_nothing(case: str) -> None:
    """The message names the address and the reason."""
    config, address, size, message = BAD_STORES[case]
    rig = Rig()
    rig.reg(R.CONFIG, config)
    with pytest.raises(FlashStoreFault, match=f"NVMC: store to 0x.*: {message}"):
        rig.store(address, 0, size)
    assert rig.nv.operations == 0


def test_a_store_while_busy_is_a_bus_error() -> None:
    """Code in RAM has to poll READY."""
    rig = Rig()
    rig.reg(R.CONFIG, WEN)
    rig.store(PAGE, 0)
    with pytest.raises(FlashStoreFault, match="the NVMC is busy"):
        rig.store(PAGE + 4, 0)
    rig.reg(R.CONFIG, EEN)
    with pytest.raises(GuestError, match="ERASEPAGE: the NVMC is busy"):
        rig.reg(R.ERASEPAGE, PAGE)


@pytest.mark.parametrize("register", [R.ERASEPAGE, R.ERASEALL, R.ERASEUICR])
def test_an_erase_without_een_is_a_fault(register: R) -> None:
    """On the chip nothing would happen, which firmware would not notice."""
    rig = Rig()
    with pytest.raises(GuestError, match="CONFIG is Ren, an erase needs Een"):
        rig.reg(register, 1)


def test_wrong_register_values_are_faults() -> None:
    """Reserved modes, addresses that are no page, read-only and reserved offsets."""
    rig = Rig()
    with pytest.raises(GuestError, match=r"NVMC.CONFIG: expected Ren .0., Wen .1. or"):
        rig.reg(R.CONFIG, 3)
    rig.reg(R.CONFIG, EEN)
    for value in (PAGE + 4, 0x10_0000):
        with pytest.raises(GuestError, match="expected the address of a flash page"):
            rig.reg(R.ERASEPAGE, value)
    with pytest.raises(GuestError, match=r"NVMC.READY: the register is read-only"):
        rig.reg(R.READY, 1)
    for call in (lambda: rig.get(0x404), lambda: rig.reg(0x404, 0)):
        with pytest.raises(GuestError, match=r"NVMC.\+0x404: no register"):
            call()


def test_acl_protected_pages_are_blocked_and_counted() -> None:
    """Stores, ERASEPAGE, partial erase and ERASEALL."""
    rig = Rig()
    for offset, value in ((0x800, PAGE), (0x804, 0x1000), (0x808, 2)):
        rig.reg(offset, value)
    rig.reg(R.CONFIG, WEN)
    with pytest.raises(AclViolation, match="store to page 0x30000, which the ACL"):
        rig.store(PAGE + 8, 0)
    rig.store(PAGE + 0x1000, 0)
    rig.bench.pass_ns(41_000)
    rig.reg(R.CONFIG, EEN)
    for register, value in (
        (R.ERASEPAGE, PAGE),
        (R.ERASEPAGEPARTIAL, PAGE),
        (R.ERASEALL, 1),
    ):
        with pytest.raises(AclViolation, match="page 0x30000, which the ACL protects"):
            rig.reg(register, value)
    assert rig.nvmc.blocked == 4
    assert rig.nv.operations == 1


def test_a_cut_comes_out_of_the_store() -> None:
    """The plan of the memory is the plan of the chip."""
    rig = Rig()
    rig.nv.cut = Cut(operation=1, when="after")
    rig.reg(R.CONFIG, WEN)
    with pytest.raises(PowerCut):
        rig.store(PAGE, 0)
    assert rig.nv.read(PAGE, 4) == bytes(4)


def test_reset_goes_back_to_ren_and_ready() -> None:
    """Every reset reaches the NVMC."""
    rig = Rig()
    rig.reg(R.CONFIG, WEN)
    rig.reg(R.ICACHECNF, 0xFFFF_FFFF)
    assert rig.get(R.ICACHECNF) == 0x101
    rig.store(PAGE, 0)
    rig.bench.pass_ns(20_000)
    rig.nvmc.reset(ResetKind.SOFT)
    assert (rig.get(R.CONFIG), rig.get(R.READY), rig.get(R.ICACHECNF)) == (0, 1, 0)
    word = int.from_bytes(rig.nv.read(PAGE, 4), "little")
    assert 0 < word < 0xFFFF_FFFF  # code in RAM can reset in the middle of a write
    rig.nvmc.reset(ResetKind.SOFT)
    assert word == int.from_bytes(rig.nv.read(PAGE, 4), "little")


@pytest.mark.parametrize("config", [WEN, EEN], ids=["write", "erase"])
def test_a_reset_in_the_middle_tears_the_operation(config: int) -> None:
    """As far as it got: a third of the time, about a third of the bits."""
    rig = Rig()
    rig.nv.preload(PAGE + 4, bytes(4092))
    rig.reg(R.CONFIG, config)
    if config == WEN:
        rig.store(PAGE, 0)
        rig.bench.pass_ns(41_000 // 3)
    else:
        rig.reg(R.ERASEPAGE, PAGE)
        rig.bench.pass_ns(85_000_000 // 3)
    rig.bench.bus.signal("RESET").set(1)
    word = int.from_bytes(rig.nv.read(PAGE, 4), "little")
    page = int.from_bytes(rig.nv.read(PAGE, 4096), "little")
    if config == WEN:
        assert 0 < word < 0xFFFF_FFFF
    else:
        assert 0.3 < page.bit_count() / 32768 < 0.37
        assert (rig.nv.wear[PAGE // 4096], rig.nv.writes_of(PAGE + 4)) == (0, 1)
    assert rig.get(R.READY) == 1


def test_a_reset_after_the_operation_tears_nothing() -> None:
    """READY was 1 again."""
    rig = Rig()
    rig.reg(R.CONFIG, WEN)
    rig.store(PAGE, 0)
    rig.bench.pass_ns(41_000)
    rig.bench.bus.signal("RESET").set(1)
    assert rig.nv.read(PAGE, 4) == bytes(4)

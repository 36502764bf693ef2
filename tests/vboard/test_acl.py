# SPDX-License-Identifier: Apache-2.0
"""ACL registers and what they protect (nRF52840 PS, ACL)."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.acl import Acl

BASE = 0x4001_E800


def acl_on(bench: Bench) -> Acl:
    """An ACL on the bench."""
    acl = Acl(bench.clock, bench.bus)
    bench.add(acl)
    return acl


def arm(bench: Bench, instance: int, address: int, size: int, perm: int) -> None:
    """Writes the three registers of an instance."""
    for offset, value in enumerate((address, size, perm)):
        bench.bus.write(BASE + 0x10 * instance + 4 * offset, value)


def registers(bench: Bench, instance: int) -> tuple[int, int, int]:
    """ADDR, SIZE, PERM."""
    at = BASE + 0x10 * instance
    return bench.bus.read(at), bench.bus.read(at + 4), bench.bus.read(at + 8)


@pytest.mark.parametrize("instance", range(8))
def test_an_instance_protects_its_region_only(instance: int) -> None:
    """From ADDR up to ADDR + SIZE."""
    bench = Bench()
    acl_on(bench)
    arm(bench, instance, 0x1000, 0x2000, 2)
    assert [bench.bus.flash_protection(a) for a in (0xFFF, 0x1000, 0x2FFF, 0x3000)] == [
        0,
        2,
        2,
        0,
    ]
    assert registers(bench, instance) == (0x1000, 0x2000, 2)


def test_the_most_restrictive_of_overlapping_regions_wins() -> None:
    """PERM bits are united."""
    bench = Bench()
    acl_on(bench)
    arm(bench, 0, 0x1000, 0x2000, 2)
    arm(bench, 1, 0x2000, 0x2000, 4)
    assert [bench.bus.flash_protection(a) for a in (0x1000, 0x2000, 0x3000)] == [
        2,
        6,
        4,
    ]


def test_the_first_write_of_each_register_is_the_only_one() -> None:
    """Later writes are ignored without a word; reading back tells."""
    bench = Bench()
    acl_on(bench)
    arm(bench, 0, 0x1000, 0x1000, 2)
    arm(bench, 0, 0x5000, 0x3000, 6)
    assert registers(bench, 0) == (0x1000, 0x1000, 2)


def test_nothing_is_protected_until_all_three_are_valid() -> None:
    """A SIZE or PERM of 0 has no effect and is not the one write."""
    bench = Bench()
    acl_on(bench)
    arm(bench, 0, 0, 0, 0)
    assert bench.bus.flash_protection(0) == 0
    bench.bus.write(BASE + 4, 0x1000)
    assert bench.bus.flash_protection(0) == 0
    bench.bus.write(BASE + 8, 6)
    assert bench.bus.flash_protection(0) == 6


@pytest.mark.parametrize("kind", list(ResetKind), ids=lambda kind: kind.name)
def test_every_reset_clears_every_instance(kind: ResetKind) -> None:
    """Protection lasts until the next reset, whatever it is."""
    bench = Bench()
    acl = acl_on(bench)
    arm(bench, 7, 0, 0x1000, 4)
    acl.reset(kind)
    assert registers(bench, 7) == (0, 0, 0)
    assert bench.bus.flash_protection(0) == 0
    assert bench.protected == [[(0, 0x1000)], []]


def test_the_cpu_hears_of_read_protected_regions_only() -> None:
    """It has to hide them; write protection is the NVMC's."""
    bench = Bench()
    acl_on(bench)
    arm(bench, 0, 0, 0x1000, 2)
    assert bench.protected == []
    arm(bench, 1, 0xFC000, 0x2000, 6)
    arm(bench, 2, 0xFE000, 0x1000, 4)
    assert bench.protected[-1] == [(0xFC000, 0x2000), (0xFE000, 0x1000)]


def test_a_region_beyond_half_the_flash_works_and_is_noted_once() -> None:
    """The data sheet says 512 KiB at most, Nordic's boot record uses more."""
    bench = Bench()
    acl = acl_on(bench)
    for instance in (0, 0, 0):
        arm(bench, instance, 0, 0xFE000, 2)
    assert bench.bus.flash_protection(0xFDFFF) == 2
    assert acl.notes == [
        "ACL[0] covers 0xfe000 bytes; the data sheet allows at most 0x80000"
    ]


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (0x00, 0x1004, r"ACL\[0\].ADDR: expected the address of a flash page"),
        (0x10, 0x10_0000, r"ACL\[1\].ADDR: expected the address of a flash page"),
        (0x24, 0x1800, r"ACL\[2\].SIZE: expected a multiple of 4096 bytes"),
    ],
    ids=["unaligned_address", "address_outside", "unaligned_size"],
)
def test_what_can_never_arm_is_a_fault(offset: int, value: int, message: str) -> None:
    """On the chip such a region would silently not protect."""
    bench = Bench()
    acl_on(bench)
    with pytest.raises(GuestError, match=message):
        bench.bus.write(BASE + offset, value)


def test_offsets_that_are_no_register_are_faults() -> None:
    """Only aligned ADDR, SIZE, PERM and the unused word."""
    bench = Bench()
    acl_on(bench)
    bench.bus.write(BASE + 0xC, 5)
    assert bench.bus.read(BASE + 0xC) == 0
    with pytest.raises(GuestError, match="no register at this offset"):
        bench.bus.read(BASE + 2)

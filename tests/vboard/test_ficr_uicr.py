# SPDX-License-Identifier: Apache-2.0
"""FICR and UICR windows (nRF52840 PS, FICR and UICR)."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.fabric import ResetKind
from vboard.nv import NvMemory
from vboard.peripherals.ficr import Ficr, FicrRegister
from vboard.peripherals.nvmc import FlashStoreFault, Nvmc
from vboard.peripherals.uicr import Uicr, UicrRegister

FICR, UICR = 0x1000_0000, 0x1000_1000


class Rig:
    """FICR, UICR and NVMC on a bench."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.nv = NvMemory(seed=9)
        parts = (self.bench.clock, self.bench.bus)
        self.ficr = Ficr(*parts, nv=self.nv)
        self.uicr = Uicr(*parts, nv=self.nv)
        for block in (self.ficr, self.uicr, Nvmc(*parts, nv=self.nv)):
            self.bench.add(block)


def test_ficr_values_describe_the_chip() -> None:
    """The words that vendor start-up code reads."""
    rig = Rig()
    values = {
        FicrRegister.CODEPAGESIZE: 4096,
        FicrRegister.CODESIZE: 256,
        FicrRegister.INFO_PART: 0x52840,
        FicrRegister.INFO_VARIANT: int.from_bytes(b"AAD0", "big"),
        FicrRegister.INFO_RAM: 256,
        FicrRegister.INFO_FLASH: 1024,
        FicrRegister.PRODTEST0: 0xBB42_319F,
    }
    for register, value in values.items():
        assert rig.bench.bus.read(FICR + register) == value
    assert rig.bench.bus.read(FICR + 0x200) == 0xFFFF_FFFF
    assert rig.ficr.register_name(0x100) == "INFO_PART"
    assert rig.ficr.register_name(0x200) == "+0x200"


def test_a_store_to_ficr_is_a_bus_error_in_every_mode() -> None:
    """Also with CONFIG=Wen."""
    rig = Rig()
    rig.bench.bus.write(0x4001_E504, 1)
    with pytest.raises(FlashStoreFault, match="the FICR is read-only"):
        rig.bench.bus.write(FICR + 0x60, 0)


def test_uicr_is_written_through_the_nvmc_and_survives_resets() -> None:
    """1 to 0 only, and a store needs CONFIG=Wen."""
    rig = Rig()
    with pytest.raises(FlashStoreFault, match="CONFIG is Ren"):
        rig.bench.bus.write(UICR + UicrRegister.NRFFW0, 0xF_6000)
    rig.bench.bus.write(0x4001_E504, 1)
    rig.bench.bus.write(UICR + UicrRegister.NRFFW0, 0xF_6000)
    rig.uicr.reset(ResetKind.POWER_ON)
    assert rig.bench.bus.read(UICR + UicrRegister.NRFFW0) == 0xF_6000
    assert rig.nv.operations == 1


def test_the_reset_pin_needs_both_words() -> None:
    """PSELRESET[0] and [1] must agree and be connected."""
    rig = Rig()
    assert not rig.uicr.reset_pin_enabled
    rig.nv.preload(UICR + UicrRegister.PSELRESET0, (18).to_bytes(4, "little"))
    assert not rig.uicr.reset_pin_enabled
    rig.nv.preload(UICR + UicrRegister.PSELRESET1, (18).to_bytes(4, "little"))
    assert rig.uicr.reset_pin_enabled


@pytest.mark.parametrize(
    ("offset", "name"),
    [
        (0x14, "NRFFW[0]"),
        (0x18, "NRFFW[1]"),
        (0x84, "CUSTOMER[1]"),
        (0x208, "APPROTECT"),
    ],
)
def test_uicr_registers_have_their_names(offset: int, name: str) -> None:
    """For logs and faults."""
    assert Rig().uicr.register_name(offset) == name

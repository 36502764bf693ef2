# SPDX-License-Identifier: Apache-2.0
"""The shipped bootloader behind boot records that are not the project's."""

from __future__ import annotations

from pathlib import Path

import pytest
from device import Device, package, release
from intelhex import IntelHex
from support.firmware import build_dir
from support.sdk_image import image
from vboard import Cut
from vboard.errors import PowerCut

BOOTLOADER = 0xF6000
MAKES = [pytest.param(0, id="mbr_2.3"), pytest.param(1, id="mbr_2.4")]


@pytest.fixture(params=MAKES)
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Device:
    """Version 1 from a factory.hex with that boot record."""
    define = (f"OWN_WORDS={request.param}",)
    record = IntelHex()
    record.frombytes(image("other_mbr", base=0, defines=define), offset=0)
    record_hex = tmp_path / "other_mbr.hex"
    record.write_hex_file(str(record_hex))
    elf = build_dir(app_version=1) / "app" / "app.elf"
    factory = package(elf, 1, factory=True, options=("--mbr", str(record_hex))).factory
    assert factory is not None
    device = Device(factory=factory, modem_dir=tmp_path / "modem")
    assert device.run_until("app: version 1 running (reason normal)")
    return device


def test_application_update_is_confirmed(device: Device) -> None:
    """The same binary starts and updates an application."""
    new = release(2)
    device.store("fw_2.ebin", new.ebin)
    device.request(new.fw_info, "E:/fw_2.ebin")
    assert device.run_until("app: confirmed version 2")
    device.board.soft_reset()
    assert device.run_until("app: version 2 running (reason normal)")


def ask_for_bootloader(device: Device) -> bytes:
    """Requests an update of the bootloader; its plain image."""
    args = ("-DBOOTLOADER_VERSION=101",)
    elf = build_dir(app_version=1, cmake_args=args) / "bootloader" / "bootloader.elf"
    update = package(elf, 101)
    device.store("bl_101.ebin", update.ebin)
    device.request(update.fw_info, "E:/bl_101.ebin")
    return elf.with_suffix(".bin").read_bytes()


def test_bootloader_update_by_its_copy_command(device: Device) -> None:
    """Its copy takes several resets; the new bootloader finds the update done."""
    plain = ask_for_bootloader(device)
    assert device.run_until("boot: bootloader 101 runs", max_s=300)
    assert device.run_until("app: bootloader 101", max_s=30)
    assert plain == device.nv.read(BOOTLOADER, len(plain))


def test_bootloader_update_with_a_cut_in_its_copy(device: Device) -> None:
    """The copy begins again when the power comes back."""
    ask_for_bootloader(device)
    assert device.run_until("boot: copy bootloader 101", max_s=300)
    device.nv.cut = Cut(operation=device.nv.operations + 900, when="after")
    with pytest.raises(PowerCut):
        device.run_until("boot: bootloader 101 runs")
    device.power_cycle()
    assert device.run_until("app: bootloader 101", max_s=30)

# SPDX-License-Identifier: Apache-2.0
"""Whole updates with the shipped ARM binaries on the virtual board."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.firmware import build_dir
from system.device import Device, Release, package, release
from vboard.nv_cut import Cut

FILE = "fw_2.ebin"
PATH = f"E:/{FILE}"
SEED = 20
# Two pages of filler make the image three pages long.
NEW_ARGS = ("-DAPP_PAD_BYTES=6000",)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """Version 1 as it leaves the factory, its file in the modem, running."""
    old = release(1, factory=True)
    assert old.factory is not None
    device = Device(factory=old.factory, modem_dir=tmp_path / "modem")
    device.store("fw_1.ebin", old.ebin)
    assert device.run_until("app: version 1 running (reason normal)")
    return device


@pytest.fixture
def new() -> Release:
    """Version 2."""
    return release(2, *NEW_ARGS)


def test_update_runs_is_confirmed_and_stays(device: Device, new: Release) -> None:
    """The whole way: request, trial, confirmation, commit at the next boot."""
    device.store(FILE, new.ebin)
    device.request(new.fw_info, PATH)
    assert device.run_until("app: confirmed version 2")
    assert "app: version 2 running (reason trial)" in device.console
    device.power_cycle()
    assert device.run_until("app: version 2 running (reason normal)")
    assert "boot: version 2 confirmed" in device.console


def test_bare_cipher_text_is_taken_too(device: Device, new: Release) -> None:
    """A file without the public header, as the predecessor's devices expect."""
    device.store(FILE, new.ebin[112:])
    device.request(new.fw_info, PATH)
    assert device.run_until("app: version 2 running (reason trial)")


def test_flash_holds_exactly_the_plain_image(device: Device, new: Release) -> None:
    """What runs is the ELF's content, byte for byte."""
    device.store(FILE, new.ebin)
    device.request(new.fw_info, PATH)
    assert device.run_until("app: version 2 running")
    binary = build_dir(app_version=2, cmake_args=NEW_ARGS) / "app" / "app.bin"
    expected = binary.read_bytes()
    assert expected == bytes(device.nv.read(0x1000, len(expected)))


def flipped(data: bytes) -> bytes:
    return data[:3000] + bytes([data[3000] ^ 0x10]) + data[3001:]


BAD_FILES = {
    "missing_file": lambda data: None,
    "truncated": lambda data: data[:-16],
    "one_bit_flipped": flipped,
    "foreign_header": lambda data: b"\x07" + data[1:],
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_file_leaves_the_old_version(
    device: Device, new: Release, kind: str
) -> None:
    """CHECK refuses; not one page of the application is touched."""
    before = bytes(device.nv.read(0x1000, 0xEF000))
    data = BAD_FILES[kind](new.ebin)
    if data is not None:
        device.store(FILE, data)
    device.request(new.fw_info, PATH)
    assert device.run_until("app: version 1 running (reason update failed)", max_s=300)
    assert bytes(device.nv.read(0x1000, 0xEF000)) == before


def test_wrong_key_leaves_the_old_version(device: Device, new: Release) -> None:
    """The cipher text is whole, the key is another one."""
    before = bytes(device.nv.read(0x1000, 0xEF000))
    device.store(FILE, new.ebin)
    wrong = new.fw_info[:16] + bytes(16) + new.fw_info[32:]
    device.request(wrong, PATH)
    assert device.run_until("app: version 1 running (reason update failed)", max_s=300)
    assert bytes(device.nv.read(0x1000, 0xEF000)) == before


def test_running_version_is_refused(device: Device) -> None:
    """A request for what already runs changes nothing."""
    old = release(1, factory=True)
    device.request(old.fw_info, "E:/fw_1.ebin")
    assert device.run_until("app: version 1 running (reason update refused)")


def test_bootloader_updates_itself(device: Device) -> None:
    """Staged, verified, copied by the boot record; the application stays."""
    args = ("-DBOOTLOADER_VERSION=101",)
    elf = build_dir(app_version=1, cmake_args=args) / "bootloader" / "bootloader.elf"
    update = package(elf, 101)
    device.store("bl_101.ebin", update.ebin)
    device.request(update.fw_info, "E:/bl_101.ebin")
    assert device.run_until("boot: bootloader 101 runs", max_s=300)
    assert device.run_until("app: bootloader 101", max_s=30)


@pytest.mark.parametrize("when", ["before", "torn", "after"])
def test_power_cuts_never_lose_the_device(
    device: Device, new: Release, when: str
) -> None:
    """A seeded sample of cuts: every one ends in a verified application."""
    device.store(FILE, new.ebin)
    start = device.nv.snapshot()
    first = device.nv.operations + 1
    device.request(new.fw_info, PATH)
    assert device.run_until("app: confirmed version 2")
    last = device.nv.operations
    rng = random.Random(SEED)
    for operation in sorted(rng.sample(range(first, last + 1), 12)):
        device.nv.restore(start)
        device.power_cycle()
        assert device.run_until("app: version 1 running")
        device.nv.cut = Cut(operation=operation, when=when, seed=operation)
        device.request(new.fw_info, PATH)
        name = f"update[cut=#{operation}:{when},seed={operation}]"
        assert device.run_into_cut("app: confirmed version 2"), f"{name} did not fire"
        device.power_cycle()
        assert device.run_until("app: version "), name
        assert device.run_until("running (reason"), name
        if device.runs(1):
            continue
        assert device.runs(2), name

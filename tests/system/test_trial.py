# SPDX-License-Identifier: Apache-2.0
"""Trial and rollback with the shipped ARM binaries on the virtual board."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from system.device import Device, Release, release

PATHS = {version: f"fw_{version}.ebin" for version in (1, 2, 3)}
BACK = "running (reason rolled back)"


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Device]:
    """Version 1 from the factory; `staged=False`: its file is not in the modem."""

    def make(*, staged: bool = True) -> Device:
        old = release(1, factory=True)
        assert old.factory is not None
        device = Device(factory=old.factory, modem_dir=tmp_path / "modem")
        if staged:
            device.store(PATHS[1], old.ebin)
        assert device.run_until("app: version 1 running (reason normal)")
        return device

    return make


def start_update(device: Device, new: Release, version: int) -> None:
    """Stages `version`, asks for it, and lets its trial begin."""
    device.store(PATHS[version], new.ebin)
    device.request(new.fw_info, f"E:/{PATHS[version]}")
    started = f"app: version {version} running (reason trial)"
    assert device.run_until(started), device.console


def faulty(fault: str) -> Release:
    """Version 2 that breaks as soon as it has reported itself."""
    return release(2, f"-DAPP_FAULT={fault}")


def image(device: Device) -> bytes:
    """The application region."""
    return bytes(device.nv.read(0x1000, 0xEF000))


@pytest.mark.parametrize(
    ("fault", "reason", "starts"),
    [("hang", 2, 3), ("lockup", 8, 3), ("fault", 8, 3), ("reset", 4, 10)],
)
def test_an_application_that_breaks_is_rolled_back(
    make: Callable[..., Device], fault: str, reason: int, starts: int
) -> None:
    """Watchdog, lockup and fault three times, soft reset ten times; then the old."""
    device = make()
    before = image(device)
    start_update(device, faulty(fault), 2)
    assert device.run_until(f"app: version 1 {BACK}", max_s=400), device.console
    assert device.console.count("app: version 2 running") == starts
    assert f"boot: trial reset {starts}, reason {reason}" in device.console
    assert device.run_until("app: bootloader 100, last error -60")
    assert image(device)[:0x1000] == before[:0x1000]
    device.power_cycle()
    assert device.run_until("app: version 1 running (reason normal)")


def test_the_watchdog_runs_on_trial_after_a_power_cycle(
    make: Callable[..., Device],
) -> None:
    """A version that hangs is found out, though power cycles stop the watchdog."""
    device = make()
    start_update(device, faulty("hang"), 2)
    device.power_cycle()
    assert device.run_until(f"app: version 1 {BACK}", max_s=400), device.console


def test_power_cycles_never_roll_back(make: Callable[..., Device]) -> None:
    """Twenty on trial, at any time after the start: it is still the new version."""
    device = make()
    start_update(device, release(2, "-DAPP_CONFIRM=OFF"), 2)
    rng = random.Random(3)
    for cycle in range(20):
        device.power_cycle()
        assert device.run_until("app: version 2 running (reason trial)"), cycle
        device.run_until("nothing says this", max_s=rng.uniform(0, 2))
        assert "trial reset" not in device.console
    operations = device.nv.operations
    device.power_cycle()
    assert device.run_until("app: version 2 running (reason trial)")
    assert device.nv.operations == operations


def test_faults_of_a_confirmed_version_never_roll_back(
    make: Callable[..., Device],
) -> None:
    """Its watchdog may bite as often as it likes."""
    device = make()
    start_update(device, release(2), 2)
    assert device.run_until("app: confirmed version 2")
    for _ in range(5):
        device.console = ""
        device.board.watchdog_reset()
        assert device.run_until("app: version 2 running (reason normal)")


def test_without_a_previous_file_the_trial_goes_on(
    make: Callable[..., Device],
) -> None:
    """A rollback needs a file; before it was read, no page is touched."""
    device = make(staged=False)
    start_update(device, faulty("lockup"), 2)
    before = image(device)
    device.console = ""
    started = "app: version 2 running (reason trial)"
    for _ in range(6):
        device.console = ""
        assert device.run_until(started, max_s=400), device.console
    assert image(device) == before


def two_updates(device: Device) -> None:
    """Version 2 confirmed; version 3 on trial, which locks up."""
    start_update(device, release(2), 2)
    assert device.run_until("app: confirmed version 2")
    device.power_cycle()
    assert device.run_until("app: version 2 running (reason normal)")
    assert device.run_until("app: version 1 is kept in the modem")
    start_update(device, release(3, "-DAPP_FAULT=lockup"), 3)


def test_rollback_takes_the_newest_previous_version(
    make: Callable[..., Device],
) -> None:
    """From 3 back to 2, and 1 is still kept."""
    device = make()
    two_updates(device)
    assert device.run_until(f"app: version 2 {BACK}", max_s=400), device.console
    assert device.run_until("app: version 2 is kept in the modem")
    assert device.run_until("app: version 1 is kept in the modem")
    assert "app: version 3 is kept" not in device.console.split(BACK)[1]


@pytest.mark.parametrize("damage", ["missing", "truncated", "one_bit_flipped"])
def test_rollback_goes_past_a_damaged_file(
    make: Callable[..., Device], damage: str
) -> None:
    """Version 2's file is no good: version 1 comes back."""
    device = make()
    two_updates(device)
    path = device.modem_dir / "E" / PATHS[2]
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(data[:-16])
    else:
        path.write_bytes(data[:2000] + bytes([data[2000] ^ 4]) + data[2001:])
    assert device.run_until(f"app: version 1 {BACK}", max_s=600), device.console
    assert image(device)[:0x800] == release_image(1)[:0x800]


def release_image(version: int) -> bytes:
    """The plain image of the sample application."""
    from support.firmware import build_dir

    return (build_dir(app_version=version) / "app" / "app.bin").read_bytes()


def test_a_version_whose_file_was_deleted_is_forgotten(
    make: Callable[..., Device],
) -> None:
    """Space was needed: the next update finds that version 1 is gone, key and all."""
    device = make()
    start_update(device, release(2), 2)
    assert device.run_until("app: confirmed version 2")
    device.power_cycle()
    assert device.run_until("app: version 1 is kept in the modem")
    (device.modem_dir / "E" / PATHS[1]).unlink()
    start_update(device, release(3), 3)
    assert f"boot: E:/{PATHS[1]} is gone" in device.console
    journal = bytes(device.nv.read(0xFC000, 0x2000))
    assert release(1, factory=True).fw_info[16:32] not in journal
    assert release(2).fw_info[16:32] in journal

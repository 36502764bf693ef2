# SPDX-License-Identifier: Apache-2.0
"""Updates whose file is staged in parts (SPEC.md, section 13)."""

from __future__ import annotations

from pathlib import Path

import pytest
from system.device import Device, Release, release
from vboard.nv_cut import Cut

PATH = "E:/fw_2.ebin"
PART = 131_072
# A page of the file lies across the end of the first part, four follow it.
NEW_ARGS = ("-DAPP_PAD_BYTES=144000",)

pytestmark = pytest.mark.slow


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """Version 1 running, its file in the modem."""
    old = release(1, factory=True)
    assert old.factory is not None
    device = Device(factory=old.factory, modem_dir=tmp_path / "modem")
    device.store("fw_1.ebin", old.ebin)
    assert device.run_until("app: version 1 running (reason normal)")
    return device


@pytest.fixture
def new() -> Release:
    """Version 2, larger than a part."""
    return release(2, *NEW_ARGS)


def store_parts(device: Device, new: Release) -> None:
    """As a download by ranges leaves it."""
    assert PART < len(new.ebin) < 2 * PART
    device.store("fw_2.ebin", new.ebin[:PART])
    device.store("fw_2.ebi1", new.ebin[PART:])


def test_an_update_in_parts_is_taken_and_gone_back_to(
    device: Device, new: Release
) -> None:
    """Confirmed; then its successor breaks, and it comes back from the parts."""
    store_parts(device, new)
    device.request(new.fw_info, PATH)
    assert device.run_until("app: confirmed version 2", max_s=300)
    assert f"boot: check {len(new.ebin) - 112} bytes {PATH}" in device.console
    device.power_cycle()
    assert device.run_until("app: version 2 running (reason normal)")
    broken = release(3, "-DAPP_FAULT=lockup")
    device.store("fw_3.ebin", broken.ebin)
    device.request(broken.fw_info, "E:/fw_3.ebin")
    assert device.run_until("app: version 2 running (reason rolled back)", max_s=600)


def test_a_power_cut_within_either_part_is_survived(
    device: Device, new: Release
) -> None:
    """PROGRAM goes on in the part where it stopped, in the next boot."""
    store_parts(device, new)
    start = device.nv.snapshot()
    first = device.nv.operations + 1
    device.request(new.fw_info, PATH)
    assert device.run_until("app: confirmed version 2", max_s=300)
    count = device.nv.operations - first
    # Thousandths of the way: the first part ends at about 0.88.
    for place in (300, 875, 885, 950):
        device.nv.restore(start)
        device.power_cycle()
        assert device.run_until("app: version 1 running")
        operation = first + count * place // 1000
        device.nv.cut = Cut(operation=operation, when="torn", seed=place)
        device.request(new.fw_info, PATH)
        name = f"update_in_parts[cut=#{operation}:torn,seed={place}]"
        assert device.run_into_cut("app: confirmed version 2"), f"{name} did not fire"
        device.power_cycle()
        assert device.run_until("app: confirmed version 2", max_s=300), name


@pytest.mark.parametrize("change", ["missing", "short"])
def test_an_incomplete_file_leaves_the_old_version(
    device: Device, new: Release, change: str
) -> None:
    """A download that was not finished is a file of the wrong size."""
    store_parts(device, new)
    part = device.modem_dir / "E" / "fw_2.ebi1"
    if change == "missing":
        part.unlink()
    else:
        part.write_bytes(part.read_bytes()[:-16])
    device.request(new.fw_info, PATH)
    assert device.run_until("app: version 1 running (reason update failed)")
    assert "error -24" in device.console

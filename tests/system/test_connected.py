# SPDX-License-Identifier: Apache-2.0
"""The connected application on the virtual board: request, download, update, report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cloud import (
    GROUP,
    REQUEST,
    TELEMETRY,
    Cloud,
    cloud_release,
    make_request,
)
from system.device import Device

# A quarter of a megabyte: three parts.
LARGE = ("-DAPP_PAD_BYTES=260000",)
PART = 131072
WHOLE_WAY = ["accepted", "downloading", "downloaded", "updating", "confirmed"]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    cloud = Cloud(monkeypatch)
    yield cloud
    cloud.close()


@pytest.fixture
def device(cloud: Cloud, tmp_path: Path) -> Device:
    """Version 1, connected."""
    device = cloud.device(tmp_path, cloud_release(1, factory=True))
    assert cloud.run(device, lambda: bool(cloud.broker.received), 60)
    return device


def test_update_by_cloud_is_confirmed_and_reported(
    cloud: Cloud, device: Device
) -> None:
    """From the request to the confirmation, every stage; telemetry after connects."""
    new = cloud_release(2)
    url = cloud.serve("fw.ebin", new.ebin)
    cloud.broker.publish(REQUEST, make_request(new, url, id="r1"))
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"))
    assert cloud.broker.stages("r1") == WHOLE_WAY
    assert "app: version 2 running (reason trial)" in device.console
    assert "app: confirmed version 2" in device.console
    telemetry = [text for topic, text in cloud.broker.received if topic == TELEMETRY]
    expected = b'{"type":"telemetry","device":"bench-7","version":%d,'
    assert telemetry[0] == expected % 1 + b'"temperature_c":25.00}'
    assert telemetry[-1].startswith(expected % 2)
    device.power_cycle()
    connects = cloud.broker.connects
    assert cloud.run(device, lambda: cloud.broker.connects > connects, 60)
    assert "app: version 2 running (reason normal)" in device.console
    assert cloud.broker.stages("r1") == WHOLE_WAY

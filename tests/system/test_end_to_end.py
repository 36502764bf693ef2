# SPDX-License-Identifier: Apache-2.0
"""From `west ota-publish` to the device's confirmation, and back: real servers.

mosquitto with client certificates, nginx, and the connected application on the
virtual board, whose modem really connects to them.
"""

from __future__ import annotations

import hashlib

import pytest
from support.end_to_end import IMEI, PAD, Site
from support.pki import Pki

WHOLE_WAY = ["accepted", "downloading", "downloaded", "updating", "confirmed"]
LARGE = f"-DAPP_PAD_BYTES={PAD}"


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def site(tmp_path, pki):
    with Site(tmp_path, pki) as site:
        yield site


def test_a_published_update_is_confirmed_and_the_publisher_knows(site):
    device = site.device()
    site.connect(device)
    package = site.package(2)
    publisher = site.publish(package)
    site.follow(device, publisher)
    assert publisher.code == 0, publisher.errors
    request = publisher.result["id"]
    assert site.stages(request) == WHOLE_WAY
    last = site.told(request)[-1]
    assert (last["device"], last["version"], last["target"]) == (IMEI, 2, 2)
    assert "app: version 2 running (reason trial)" in device.console
    # The key is gone from the publisher's folder, and the file was fetched once to
    # be checked and once by the device.
    assert not (package.folder / "ota.json").exists()
    ebin = (site.files.root / package.name).read_bytes()
    assert hashlib.sha256(ebin).digest() == hashlib.sha256(package.ebin).digest()
    device.power_cycle()
    assert device.run_until("app: version 2 running (reason normal)")

# SPDX-License-Identifier: Apache-2.0
"""The site that the tests of `west ota-publish` share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mosquitto import Mosquitto, running
from support.pki import Identity, Pki
from support.publish_site import Site
from support.publishing import FileServer


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def operator(pki: Pki) -> Identity:
    return pki.operator()


@pytest.fixture
def site(tmp_path: Path, pki: Pki, operator: Identity) -> Iterator[Site]:
    broker = Mosquitto(tmp_path / "broker", pki=pki, persistence=True)
    with FileServer(tmp_path / "www") as files, running(broker):
        yield Site(tmp_path, files, broker, operator)

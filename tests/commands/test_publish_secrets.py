# SPDX-License-Identifier: Apache-2.0
"""What `west ota-publish` leaves behind holds no key, and ota.json is overwritten."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from nrfota.cloud.keys import destroy
from nrfota.errors import OtaError
from support.mosquitto import Mosquitto, running
from support.publishing import IV, KEY, NAME, FileServer, answering, package
from support.witness import Witness, leaks, spellings

SECRETS = {"key": KEY, "iv": IV}
HAPPY = ["accepted", "confirmed"]


def test_a_whole_run_leaves_no_key_behind(tmp_path: Path) -> None:
    witness = Witness(tmp_path)
    home = witness.home
    with (
        FileServer(home / "www") as files,
        running(Mosquitto(tmp_path / "broker")) as broker,
        answering(broker.port, {"dev-0": HAPPY, "dev-1": ["accepted", "failed"]}),
    ):
        (home / "cloud.yml").write_text(
            f"profile: mqtt\nhost: 127.0.0.1\nport: {broker.port}\ndevice_id: imei\n"
        )
        package(home / "build/ota", url=files.url(NAME))
        common = ["nrfota", "publish", "--cloud", "cloud.yml"]
        common += ["--to", f"file://{home}/www", "--device", "dev-0"]
        for more, code in (
            (["-n"], 0),
            (["--device", "dev-1", "--stages", "100", "--id", "a"], 1),
            (["--device", "dev-1", "--stages", "100", "--id", "a", "--abort"], 0),
        ):
            done = witness.run(*common, *more)
            assert done.returncode == code, (done.stdout + done.stderr).decode()
    traces = list(witness.traces())
    assert leaks(iter(traces), SECRETS, allowed=[]) == []
    destroyed = [t for t in traces if t.where == f"deleted {home}/build/ota/ota.json"]
    destroyed += [t for t in traces if t.where == "deleted build/ota/ota.json"]
    assert len(destroyed) == 1
    for secret in SECRETS.values():
        for text in spellings(secret).values():
            assert text not in destroyed[0].data


def test_a_file_is_overwritten_through_every_name_of_it(tmp_path: Path) -> None:
    path = tmp_path / "ota.json"
    path.write_bytes(KEY * 20)
    (tmp_path / "second").hardlink_to(path)
    assert destroy(path)
    assert not path.exists()
    left = (tmp_path / "second").read_bytes()
    assert len(left) == 320 and KEY not in left
    assert not destroy(path)


def test_a_file_that_cannot_be_destroyed_is_told(tmp_path: Path) -> None:
    with pytest.raises(OtaError, match=r"cannot destroy '.*': Is a directory"):
        destroy(tmp_path)
    assert stat.S_ISDIR(tmp_path.stat().st_mode)

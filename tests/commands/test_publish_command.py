# SPDX-License-Identifier: Apache-2.0
"""`west ota-publish` against a real broker (mosquitto, TLS) and file server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.pki import Pki
from support.process import wait_until
from support.publish_site import HAPPY, Site, names
from support.publishing import NAME, answering, report


def test_an_update_goes_out_in_stages_and_every_device_confirms(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package()
    with answering(site.broker.port, dict.fromkeys(names(40), HAPPY)) as got:
        assert site.run(*site.to, *site.devices(names(40))) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("==> stage")] == [
        "==> stage 1 of 4: publishing to 1 of 40 devices",
        "==> stage 2 of 4: publishing to 1 of 40 devices",
        "==> stage 3 of 4: publishing to 8 of 40 devices",
        "==> stage 4 of 4: publishing to 30 of 40 devices",
    ]
    assert "is complete: 40 of 40 devices settled: 40 confirmed" in out
    assert sorted(device for device, _ in got) == sorted(names(40))
    requests = {payload for _, payload in got}
    assert len(requests) == 1
    request = json.loads(requests.pop())
    assert request["type"] == "update_fw"
    assert request["id"].startswith("fw7-")
    assert not (site.build / "ota/ota.json").exists()
    assert (site.files.folder / "fw" / NAME).exists()


def test_a_finished_rollout_is_told_and_not_begun_again(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package()
    with answering(site.broker.port, {"dev-0": HAPPY}) as got:
        assert site.run(*site.to, "--device", "dev-0") == 0
        assert site.run(*site.to, "--device", "dev-0") == 0
        assert site.run(*site.to, "--device", "dev-0", "--json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].endswith("is complete already, and its ota.json is gone")
    assert json.loads(lines[-1])["keys"] == "destroyed"
    assert len(got) == 1


def test_json_is_all_that_json_prints(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package()
    devices = {"dev-0": HAPPY, "dev-1": ["accepted", "rolled_back"], "dev-2": HAPPY}
    with answering(site.broker.port, devices):
        code = site.run(
            *(*site.to, *site.devices(names(3)), "--stages", "100", "--stop-at", "50%"),
            *("--json", "--keep-keys", "--id", "release-7"),
        )
    end = json.loads(capsys.readouterr().out)
    assert code == end["exit_code"] == 0
    assert (end["id"], end["version"], end["state"]) == ("release-7", 7, "complete")
    assert end["devices"]["stages"] == {"confirmed": 2, "rolled_back": 1}
    assert end["failures"] == {"rolled_back: http": 1}
    assert end["urls"][0]["ranges"] is True
    assert end["keys"] == "kept"
    assert (site.build / "ota/ota.json").exists()


def test_too_many_failures_stop_it_with_exit_1(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package()
    devices = {name: ["accepted", "failed"] for name in names(20)}
    with answering(site.broker.port, devices) as got:
        assert site.run(*site.to, *site.devices(names(20))) == 1
        said = capsys.readouterr()
        assert "1  failed: http" in said.out
        assert said.err == (
            "nrfota publish: stopped: 1 of 1 devices failed, more than 2 % of 10; "
            "nothing more is published. To go on, start it again with a higher "
            "--stop-at; to give up, with --abort\n"
        )
        assert len(got) == 1
        assert site.run(*site.to, *site.devices(names(20)), "--abort") == 0
    assert "is aborted" in capsys.readouterr().out
    assert not (site.build / "ota/ota.json").exists()


def test_reports_wait_in_the_broker_while_nobody_follows(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """The session is kept between runs, and removed at the end."""
    site.package()
    site.run(*site.to, "--device", "dev-0", "--no-follow", "--id", "kept")
    assert "kept is published" in capsys.readouterr().out
    with site.broker.client() as device:
        device.publish("ota/device/dev-0/report", report("dev-0", "kept", "confirmed"))
    assert site.run(*site.to, "--device", "dev-0", "--id", "kept") == 0
    assert "kept is complete: 1 of 1 devices settled: 1 confirmed" in (
        capsys.readouterr().out
    )
    assert not session_present(site.broker.port, "publisher-kept")


def session_present(port: int, client_id: str) -> bool:
    """Whether the broker remembers a client."""
    import paho.mqtt.client as mqtt

    found: list[bool] = []
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False
    )
    client.on_connect = lambda _c, _d, flags, *_: found.append(flags.session_present)
    client.connect("127.0.0.1", port)
    while not found:
        client.loop(1.0)
    client.disconnect()
    return found[0]


def test_a_broker_that_dies_while_following_is_met_again(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package()
    codes: list[int] = []
    arguments = [*site.to, "--device", "dev-0", "--id", "again"]
    with site.broker.client() as device:
        device.subscribe("ota/device/dev-0/request")
        thread = threading.Thread(target=lambda: codes.append(site.run(*arguments)))
        thread.start()
        device.wait_for(lambda messages: len(messages) == 1)
        site.broker.save()
        site.broker.kill()
        site.broker.start()
        device.wait_for(lambda _: device._connected)
        device.publish("ota/device/dev-0/report", report("dev-0", "again", "confirmed"))
        thread.join()
        assert codes == [0]
        assert len(device.messages) == 1


def test_a_group_gets_one_message(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package()
    with site.broker.client() as device:
        device.subscribe("ota/group/all/request")
        for name in names(3):
            device.publish(
                f"ota/device/{name}/report", report(name, "group", "confirmed")
            )
        assert site.run(*site.to, "--group", "all", "--no-follow", "--id", "group") == 0
        for name in names(3):
            device.publish(
                f"ota/device/{name}/report", report(name, "group", "confirmed")
            )
        arguments = [*site.to, "--group", "all", "--timeout", "0", "--id", "group"]
        assert site.run(*arguments) == 1
        assert "3 of 3 devices settled: 3 confirmed" in capsys.readouterr().out
        assert len(device.messages) == 1


def test_a_dry_run_does_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.package(alt=True)
    before = sorted(site.folder.rglob("*"))
    cloud = site.cloud(operator="operator: {host: broker.invalid}\n")
    arguments = [*site.to, *site.devices(names(100)), "-n", "--id", "dry"]
    assert site.run(*arguments, cloud=cloud) == 0
    out = capsys.readouterr().out
    assert "stage 3: 20 devices (" in out
    assert f"upload  file://{site.files.folder}/fw as {NAME}" in out
    assert "check   http://127.0.0.1:" in out
    assert "cost    100 requests of " in out
    after = sorted(site.folder.rglob("*"))
    assert set(after) - set(before) == {cloud, site.folder / "devices.txt"}
    assert site.files.requests == []


def test_wrong_bytes_on_one_url_are_exit_3_unless_one_is_enough(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package(alt=True)
    with answering(site.broker.port, {"dev-0": HAPPY}) as got:
        assert site.run(*site.to, "--device", "dev-0") == 3
        assert f"/alt/{NAME}: expected status 200, got 404" in capsys.readouterr().err
        assert got == []
        assert site.run(*site.to, "--device", "dev-0", "--allow-one-url") == 0
    assert f"/alt/{NAME}: expected status 200, got 404" in capsys.readouterr().out


def test_one_right_url_is_the_least(site: Site) -> None:
    site.package(alt=True)
    arguments = ["--no-upload", "--device", "dev-0", "--allow-one-url"]
    assert site.run(*arguments) == 3


def test_both_places_are_filled(site: Site) -> None:
    site.package(alt=True)
    alt = ["--to", site.files.url("alt")]
    with answering(site.broker.port, {"dev-0": HAPPY}):
        assert site.run(*site.to, *alt, "--device", "dev-0") == 0
    one, other = (site.files.folder / name / NAME for name in ("fw", "alt"))
    assert one.read_bytes() == other.read_bytes()


def test_a_broker_out_of_reach_is_exit_4(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package()
    site.broker.stop()
    assert site.run(*site.to, "--device", "dev-0") == 4
    assert capsys.readouterr().err == (
        f"nrfota publish: cannot reach broker 127.0.0.1:{site.broker.tls_port}: "
        "connection refused\n"
    )


def test_a_stranger_is_not_let_in(
    site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    site.package()
    stranger = Pki(tmp_path / "other").operator()
    pair = f"cert: {stranger.certificate}, key: {stranger.key}"
    for operator in (f"operator: {{{pair}}}\n", ""):
        cloud = site.cloud(operator=operator)
        arguments = [*site.to, "--device", "dev-0", "--id", "new"]
        assert site.run(*arguments, cloud=cloud) == 4
        assert capsys.readouterr().err == (
            f"nrfota publish: broker 127.0.0.1:{site.broker.tls_port} ends the "
            "connection or stays silent; does it allow client id 'publisher-new' with "
            "this certificate?\n"
        )


def test_a_broker_of_another_authority_is_not_trusted(
    site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    site.package()
    other = Pki(tmp_path / "other")
    cloud = site.cloud(operator=f"operator: {{ca: {other.ca}}}\n")
    assert site.run(*site.to, "--device", "dev-0", cloud=cloud) == 4
    assert "its certificate does not verify: " in capsys.readouterr().err


def test_gcp_requests_are_retained_until_the_device_has_finished(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package()
    cloud = site.cloud()
    cloud.write_text(cloud.read_text().replace("profile: mqtt", "profile: gcp"))
    arguments = [*site.to, "--device", "dev-0", "--id", "gcp"]
    assert site.run(*arguments, "--no-follow", cloud=cloud) == 0
    with site.broker.client() as device:
        device.subscribe("/devices/dev-0/config")
        device.wait_for(lambda messages: len(messages) == 1)
        assert device.messages[0].retain
        device.publish("/devices/dev-0/state", report("dev-0", "gcp", "confirmed"))
        assert site.run(*arguments, cloud=cloud) == 0
        device.wait_for(lambda messages: len(messages) == 2)
        assert device.messages[1].payload == b""
    with site.broker.client() as device:
        device.subscribe("/devices/dev-0/config")
        device.publish("/devices/dev-0/config", b"mark")
        device.wait_for(lambda messages: len(messages) == 1)
        assert device.messages[0].payload == b"mark"


def test_a_terminal_gets_a_table(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("FORCE_COLOR", "1")
    site.package()
    devices = {"dev-0": HAPPY, "dev-1": ["accepted", "failed"], "dev-2": HAPPY}
    with answering(site.broker.port, devices):
        code = site.run(*site.to, *site.devices(names(3)), "--stop-at", "100")
    assert code == 0
    out = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().out)
    assert re.search(r"stage .* devices .* confirmed .* failed .* silent", out)
    assert "failed: http" in out


@pytest.mark.parametrize("reached", [1, 30, 120])
def test_a_run_that_is_killed_goes_on(site: Site, reached: int) -> None:
    """SIGKILL once so many devices have it; each has it once or twice in the end."""
    site.package()
    with answering(site.broker.port, dict.fromkeys(names(150), HAPPY)) as got:
        arguments = [*site.to, *site.devices(names(150))]
        running_ = subprocess.Popen(
            [
                *(sys.executable, "-m", "nrfota", "publish", "--cloud"),
                *(str(site.cloud()), "-d", str(site.build), *arguments),
            ],
            stdout=subprocess.DEVNULL,
        )
        wait_until("requests", lambda: len(got) >= reached, running_)
        running_.kill()
        running_.wait()
        assert site.run(*arguments) == 0
        times = Counter(device for device, _ in got)
    assert len(times) == 150
    assert max(times.values()) <= 2
    assert len({payload for _, payload in got}) == 1


def test_of_two_runs_that_begin_at_once_one_is_refused(site: Site) -> None:
    """Neither knows an id: devices would be asked twice."""
    site.package()
    command: list[Any] = [
        *(sys.executable, "-m", "nrfota", "publish", "--cloud", site.cloud()),
        *("-d", site.build, *site.to, "--device", "dev-0"),
    ]
    with site.broker.client() as device:
        device.subscribe("ota/device/dev-0/request")
        runs = [
            subprocess.Popen(
                [str(word) for word in command],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        request = json.loads(device.wait_for(lambda got: len(got) == 1)[0].payload)
        wait_until("a refusal", lambda: any(run.poll() is not None for run in runs))
        topic = "ota/device/dev-0/report"
        device.publish(topic, report("dev-0", request["id"], "confirmed"))
        said = sorted((run.communicate()[1], run.returncode) for run in runs)
        assert said[0] == ("", 0)
        assert said[1][1] == 2
        assert "another west ota-publish is at work on" in said[1][0]
        assert len(device.messages) == 1

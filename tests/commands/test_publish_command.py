# SPDX-License-Identifier: Apache-2.0
"""`west ota-publish` against a real broker (mosquitto, TLS) and file server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nrfota import cli
from nrfota.ota_json import OtaJson
from support.firmware import ROOT
from support.mosquitto import Mosquitto, running
from support.pki import Identity, Pki
from support.process import wait_until
from support.publishing import NAME, FileServer, answering, package, report

HAPPY = ["accepted", "downloading", "downloaded", "updating", "confirmed"]


@dataclass
class Site:
    """A build directory, a file server and a broker."""

    folder: Path
    files: FileServer
    broker: Mosquitto
    operator: Identity

    def package(self, *, alt: bool = False) -> OtaJson:
        url = self.files.url(f"fw/{NAME}")
        alt_url = self.files.url(f"alt/{NAME}") if alt else ""
        return package(self.build / "ota", url=url, alt_url=alt_url)[0]

    @property
    def build(self) -> Path:
        return self.folder / "build"

    @property
    def to(self) -> list[str]:
        return ["--to", f"file://{self.files.folder}/fw"]

    def cloud(self, text: str = "", *, operator: str | None = None) -> Path:
        """A cloud file of the broker's TLS listener."""
        pki = self.broker.pki
        assert pki is not None
        if operator is None:
            cert, key = self.operator.certificate, self.operator.key
            operator = f"operator: {{cert: {cert}, key: {key}}}\n"
        path = self.folder / "cloud.yml"
        path.write_text(
            f"profile: mqtt\nhost: 127.0.0.1\nport: {self.broker.tls_port}\n"
            f"device_id: imei\ntls: {{ca: {pki.ca}}}\n{operator}{text}"
        )
        return path

    def devices(self, names: list[str]) -> list[str]:
        path = self.folder / "devices.txt"
        lines = ["# the fleet", "", *(f"{name}  # a device" for name in names)]
        path.write_text("\n".join(lines))
        return ["--devices", str(path)]

    def run(self, *arguments: str, cloud: Path | None = None) -> int:
        where = ["--cloud", str(cloud or self.cloud()), "-d", str(self.build)]
        return cli.main(["publish", *where, *arguments])


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


def names(count: int) -> list[str]:
    return [f"dev-{number}" for number in range(count)]


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


def test_a_package_that_does_not_belong_together_is_exit_3(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package()
    path = site.build / "ota/ota.ebin"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert site.run(*site.to, "--device", "dev-0") == 3
    assert "is not what ota.json is for: its SHA-256 differs" in capsys.readouterr().err
    path.write_bytes(b"short")
    assert site.run(*site.to, "--device", "dev-0") == 3
    assert "is not what ota.json is for: ebin: expected" in capsys.readouterr().err


USAGE: dict[str, tuple[list[str], str]] = {
    "nobody": ([], "expected --device, --devices or --group"),
    "bad_device": (["--device", "a/b"], "--device id: expected 1 to 64 of"),
    "bad_group": (["--group", "a/b", "--no-follow"], "--group: expected 1 to 64 of"),
    "endless": (["--group", "all"], "add --timeout, --devices or --no-follow"),
    "group_stages": (
        ["--group", "all", "--stages", "100"],
        "--stages: a group gets one message, without stages",
    ),
    "group_rate": (
        ["--group", "all", "--rate", "5"],
        "--rate: a group gets one message, without stages",
    ),
    "idle_timeout": (
        ["--device", "d", "--no-follow", "--timeout", "5"],
        "--timeout: there is nothing to wait for with --no-follow",
    ),
    "job_again": (
        ["--device", "d", "--via", "aws-job", "--republish"],
        "--republish: a job is not repeated; begin one with --id",
    ),
    "bad_stages": (["--device", "d", "--stages", "5"], "--stages: expected rising"),
    "bad_threshold": (["--device", "d", "--stop-at", "x"], "--stop-at: expected a per"),
    "bad_id": (["--device", "d", "--id", "a b"], "--id: expected A-Z a-z 0-9 _ -"),
    "aws_with_mqtt": (
        ["--device", "d", "--via", "aws-data"],
        "--via aws-data: expected a cloud file of profile aws, got mqtt",
    ),
    "rate_growth": (
        ["--device", "d", "--rate-growth", "1,2,3"],
        "--rate-growth is for --via aws-job alone",
    ),
    "job_timeout": (
        ["--device", "d", "--job-timeout", "5"],
        "--job-timeout is for --via aws-job alone",
    ),
    "job_stages": (
        ["--device", "d", "--via", "aws-job", "--stages", "100"],
        "AWS does the rollout; use --rate, not --stages",
    ),
    "abort_republish": (
        ["--device", "d", "--abort", "--republish"],
        "expected --abort or --republish, got both",
    ),
    "third_place": (
        ["--device", "d", "--to", "file:///b"],
        "--to: given 2 times, but ota.json has 1 URL",
    ),
    "unfollowed_stages": (
        ["--device", "a", "--device", "b", "--no-follow"],
        "--no-follow: 2 stages cannot be decided unfollowed; add --stages 100",
    ),
}


@pytest.mark.parametrize("name", USAGE)
def test_arguments_that_cannot_work_are_exit_2(
    site: Site, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    site.package()
    arguments, message = USAGE[name]
    assert site.run(*site.to, *arguments) == 2
    assert message in capsys.readouterr().err


def test_what_is_missing_is_told(
    site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    site.package()
    assert site.run("--device", "d") == 2
    assert "expected --to, or --no-upload" in capsys.readouterr().err
    assert site.run("--no-upload", "--force", "--device", "d") == 2
    assert "--force: there is nothing to overwrite" in capsys.readouterr().err
    assert cli.main(["publish", "-d", str(site.build), *site.to]) == 2
    assert (
        "expected --cloud: broker, topics and certificates" in capsys.readouterr().err
    )
    assert site.run(*site.to, "--devices", str(tmp_path / "none")) == 2
    assert "none': No such file or directory" in capsys.readouterr().err
    for text, message in (
        ("# nobody\n", "expected one device a line, got none"),
        ("dev-0\ndev 1\n", "list, line 2: device id: expected 1 to 64"),
    ):
        (tmp_path / "list").write_text(text)
        assert site.run(*site.to, "--devices", str(tmp_path / "list")) == 2
        assert message in capsys.readouterr().err
    shutil.rmtree(site.build)
    assert site.run(*site.to, "--device", "d") == 2
    assert "ota.json': No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--timeout", "-1"], ["--soak", "x"], ["--rate", "0"], ["--min-sample", "no"]],
    ids=lambda value: value[0],
)
def test_numbers_are_checked(site: Site, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        site.run(*site.to, *arguments)
    assert caught.value.code == 2


def test_gcp_has_no_groups(
    site: Site, capsys: pytest.CaptureFixture[str], pki: Pki
) -> None:
    site.package()
    cloud = site.cloud()
    cloud.write_text(cloud.read_text().replace("profile: mqtt", "profile: gcp"))
    assert site.run(*site.to, "--group", "all", "--no-follow", cloud=cloud) == 2
    assert "--group: profile gcp has no groups" in capsys.readouterr().err


def test_another_list_needs_another_id(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package()
    site.run(*site.to, "--device", "dev-0", "--timeout", "0")
    assert site.run(*site.to, "--device", "dev-1", "--timeout", "0") == 2
    assert "differs in the list of devices; repeat it as it was" in (
        capsys.readouterr().err
    )
    assert site.run(*site.to, "--device", "dev-1", "--timeout", "0", "--id", "b") == 1


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


def test_a_missing_package_is_told_with_its_extra(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.package()
    for name, place in (
        ("boto3", "s3://bucket/fw"),
        ("google.cloud.storage", "gs://bucket/fw"),
        ("paho.mqtt.client", site.to[1]),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            assert site.run("--to", place, "--device", "dev-0") == 1
        error = capsys.readouterr().err
        assert error == (
            f"nrfota publish: Python package '{name}' is missing; install the project "
            "with: pip install 'nrfota[cloud]'\n"
        )


def test_showing_a_plan_imports_nothing_of_the_cloud(site: Site) -> None:
    """Whoever has not installed the extra can still look."""
    site.package()
    program = (
        "import sys; from nrfota import cli; code = cli.main(sys.argv[1:]); "
        "slow = {'boto3', 'google', 'paho', 'rich', 'moto', 'jinja2'}; "
        "print(sorted(slow & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    arguments: list[Any] = [
        *("publish", "--cloud", site.cloud(), "-d", site.build, *site.to),
        *("--device", "dev-0", "--dry-run"),
    ]
    ran = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "[]\n")


def test_west_knows_the_command() -> None:
    ran = subprocess.run(
        [Path(sys.executable).with_name("west"), "ota-publish", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0
    assert "--stop-at PERCENT" in ran.stdout


def test_certificates_are_looked_at_before_anything_is_done(
    site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    site.package()
    cloud = site.cloud(operator="operator: {cert: none.pem, key: none.key}\n")
    assert site.run(*site.to, "--device", "d", "--dry-run", cloud=cloud) == 2
    assert "none.pem' does not exist" in capsys.readouterr().err
    key = tmp_path / "open.key"
    key.write_bytes(site.operator.key.read_bytes())
    key.chmod(0o644)
    cloud = site.cloud(
        operator=f"operator: {{cert: {site.operator.certificate}, key: {key}}}\n"
    )
    site.run(*site.to, "--device", "d", "--timeout", "0", cloud=cloud)
    assert "can be read by everybody" in capsys.readouterr().out


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

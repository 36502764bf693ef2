# SPDX-License-Identifier: Apache-2.0
"""`west ota-publish`: what cannot work is told before anything is done."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nrfota import cli
from support.firmware import ROOT
from support.pki import Pki
from support.publish_site import Site


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
    "group_retries": (
        ["--group", "all", "--retries", "1"],
        "--retries: a group gets one message, without stages",
    ),
    "job_retries": (
        ["--device", "d", "--via", "aws-job", "--retries", "1"],
        "--retries is for the other ways",
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
    "abort_dry": (
        ["--device", "d", "--abort", "-n"],
        "expected --abort or --dry-run, got both",
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
        ("dev-0 # one\ndev#1\n", "list, line 2: device id: expected 1 to 64"),
    ):
        (tmp_path / "list").write_text(text)
        assert site.run(*site.to, "--devices", str(tmp_path / "list")) == 2
        assert message in capsys.readouterr().err
    shutil.rmtree(site.build)
    assert site.run(*site.to, "--device", "d") == 2
    assert "ota.json': No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--timeout", "-1"],
        ["--soak", "x"],
        ["--rate", "0"],
        ["--min-sample", "no"],
        ["--retries", "x"],
    ],
    ids=lambda value: value[0],
)
def test_numbers_are_checked(
    site: Site, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        site.run(*site.to, *arguments)
    assert caught.value.code == 2
    assert f"argument {arguments[0]}: expected " in capsys.readouterr().err


def test_no_stages_at_all_are_not_the_usual_ones(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.package()
    assert site.run(*site.to, "--device", "d", "-n", "--stages", "") == 2
    assert "--stages: expected rising percentages" in capsys.readouterr().err


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

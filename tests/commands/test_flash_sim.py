# SPDX-License-Identifier: Apache-2.0
"""`west ota-flash -r sim`: from factory.hex to the new version, on the real images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from nrfota import cli
from nrfota.runners.base import NO_RAM
from nrfota.runners.sim import SimRunner
from support.firmware import ROOT, build_dir
from vboard.modem.sim7600 import Sim7600


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """factory.hex with version 1, the update to version 2."""
    folder = tmp_path_factory.mktemp("packages")
    for version, more in ((1, ["--factory"]), (2, [])):
        arguments = ["package", "-d", str(build_dir(app_version=version))]
        arguments += ["-A", str(version), "-u", "http://host/x"]
        assert cli.main([*arguments, "-o", str(folder / str(version)), *more]) == 0
    return folder


def options(packages: Path, build: Path) -> list[str]:
    return [
        *("-r", "sim", "-d", str(build)),
        *("--hex-file", str(packages / "1/factory.hex")),
        *("--ebin", str(packages / "2/ota.ebin")),
        *("--timeout", "300"),
    ]


def test_one_command_from_nothing_to_the_new_version(
    packages: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nrfota", "flash", *options(packages, tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    console = [line.partition("  | ")[2] for line in lines if "  | " in line]
    versions = [line for line in console if "running" in line]
    assert versions == [
        "app: version 1 running (reason normal)",
        "app: version 2 running (reason trial)",
    ]
    assert "app: confirmed version 2" in console
    assert any(line.startswith("staged E:/fw_2_") for line in lines)
    table = lines[lines.index("step               simulated     bytes          rate") :]
    assert [line.split("  ")[0] for line in table[1:9]] == [
        *("provision", "upload", "read back", "check", "program", "verify", "start"),
        "reset to start",
    ]
    assert lines[-1].endswith(", on trial, and confirmed itself")


def test_the_board_keeps_the_new_version(
    packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["flash", *options(packages, tmp_path)]) == 0
    capsys.readouterr()
    watch = ["flash", "-r", "sim", "-d", str(tmp_path), "--watch", "-A"]
    assert cli.main([*watch, "2"]) == 0
    assert "app: version 2 running (reason normal)" in capsys.readouterr().out
    assert cli.main([*watch, "1"]) == 1
    assert "expected version 1 to start" in capsys.readouterr().err


def test_stage_and_arm_can_be_separate_commands(
    packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = options(packages, tmp_path)
    assert cli.main(["flash", *common, "--provision"]) == 0
    assert cli.main(["flash", *common, "--stage", "--name", "up.ebin"]) == 0
    arm = ["--arm", "--watch", "--modem-path", "E:/up.ebin"]
    assert cli.main(["flash", *common, *arm]) == 0
    assert "app: version 2 running (reason trial)" in capsys.readouterr().out


@pytest.mark.parametrize("apart", [False, True], ids=["one_command", "two_commands"])
def test_arming_by_the_journal_ends_in_the_update(
    packages: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    apart: bool,
) -> None:
    """As with a probe whose tool cannot write RAM."""
    monkeypatch.setattr(SimRunner, "capabilities", NO_RAM)
    common = options(packages, tmp_path)
    if apart:
        assert cli.main(["flash", *common, "--provision", "--stage"]) == 0
        name = next((tmp_path / "sim/modem/E").iterdir()).name
        common += ["--arm", "--watch", "--modem-path", f"E:/{name}"]
    assert cli.main(["flash", *common]) == 0
    out = capsys.readouterr().out
    assert "by 'journal' (0x000fc000..0x000fe000)" in out
    assert "app: version 2 running (reason trial)" in out
    assert "app: confirmed version 2" in out


def test_a_modem_that_is_off_is_switched_on_by_its_power_key(
    packages: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The board file's pwrkey is wired; the bootloader finds nobody and presses it."""
    common = options(packages, tmp_path)
    staging = ["--provision", "--stage", "--name", "up.ebin"]
    assert cli.main(["flash", *common, *staging]) == 0
    modems: list[Sim7600] = []

    def start_off(modem: Sim7600) -> None:
        modem.supplied = True
        modems.append(modem)

    monkeypatch.setattr(Sim7600, "start_ready", start_off)
    arm = ["--arm", "--watch", "--modem-path", "E:/up.ebin"]
    assert cli.main(["flash", *common, *arm]) == 0
    assert "app: version 2 running (reason trial)" in capsys.readouterr().out
    assert [modem.boots for modem in modems] == [1]


def test_a_file_that_is_not_in_the_modem_leaves_the_old_version(
    packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = options(packages, tmp_path)
    assert cli.main(["flash", *common, "--provision"]) == 0
    arm = ["--arm", "--watch", "--modem-path", "E:/none.ebin"]
    assert cli.main(["flash", *common, *arm]) == 1
    assert "expected version 2 to start, got 'app: version 1" in capsys.readouterr().err


def test_going_back_to_an_older_version_needs_leave(
    packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The host reads the board's journal; the bootloader would refuse it, too."""
    assert cli.main(["flash", *options(packages, tmp_path)]) == 0
    back = ["flash", "-r", "sim", "-d", str(tmp_path), "--stage", "--arm", "--watch"]
    back += ["--ebin", str(packages / "1/ota.ebin"), "--timeout", "300"]
    assert cli.main(back) == 2
    assert "runs version 2 and the update is version 1" in capsys.readouterr().err
    assert cli.main([*back, "--allow-downgrade"]) == 0
    assert "app: confirmed version 1" in capsys.readouterr().out

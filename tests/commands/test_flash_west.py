# SPDX-License-Identifier: Apache-2.0
"""`west ota-flash` as a user runs it: through west, with the real images."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nrfota import cli
from support.firmware import ROOT, build_dir

WEST = Path(sys.executable).with_name("west")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """factory.hex with version 1, the update to version 2."""
    folder = tmp_path_factory.mktemp("packages")
    for version, more in ((1, ["--factory"]), (2, [])):
        arguments = ["package", "-d", str(build_dir(app_version=version))]
        arguments += ["-A", str(version), "-u", "http://host/x"]
        assert cli.main([*arguments, "-o", str(folder / str(version)), *more]) == 0
    return folder


def flash(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    done = subprocess.run(
        [WEST, "ota-flash", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def sim(packages: Path, build: Path) -> list[str | Path]:
    return [
        *("-r", "sim", "-d", build),
        *("--hex-file", packages / "1/factory.hex"),
        *("--ebin", packages / "2/ota.ebin"),
    ]


def test_code_0_the_new_version_reports(packages: Path, tmp_path: Path) -> None:
    code, out, err = flash(*sim(packages, tmp_path))
    assert (code, err) == (0, "")
    assert "  | app: version 2 running (reason trial)" in out
    assert out.endswith(", on trial, and confirmed itself\n")


def test_code_1_the_new_version_never_reports(packages: Path, tmp_path: Path) -> None:
    """The modem lost the end of the file: the old version starts again."""
    common = sim(packages, tmp_path)
    assert flash(*common, "--provision", "--stage", "--name", "up.ebin")[0] == 0
    stored = tmp_path / "sim/modem/E/up.ebin"
    stored.write_bytes(stored.read_bytes()[:-1000])
    arm = ["--arm", "--watch", "--modem-path", "E:/up.ebin"]
    code, out, err = flash(*common, *arm)
    assert code == 1
    assert err == (
        "west ota-flash: expected version 2 to start, got 'app: version 1 running "
        "(reason update failed)' on the virtual console\n"
    )
    assert "boot: update given up" in out


def test_code_1_nothing_reports_in_time(packages: Path, tmp_path: Path) -> None:
    code, _, err = flash(*sim(packages, tmp_path), "--timeout", "0.25")
    assert code == 1
    assert err.startswith(
        "west ota-flash: expected 'app: version 2 running' on the virtual console "
        "within 0.25 s; the last line was 'boot: "
    )


def test_code_2_for_usage(packages: Path, tmp_path: Path) -> None:
    common = sim(packages, tmp_path)
    code, out, err = flash(*common, "--arm", "--modem-path", "E:/a", "--no-reset")
    assert (code, out) == (2, "")
    assert "so --arm needs --reset" in err
    code, _, err = flash(*common, "--no-such-option")
    assert code == 2
    assert "--no-such-option" in err
    code, _, err = flash("-r", "sim", "-d", tmp_path / "none")
    assert code == 2
    assert "nothing to do: expected" in err


def test_code_3_the_json_belongs_to_another_update(
    packages: Path, tmp_path: Path
) -> None:
    """Nothing is touched."""
    other = tmp_path / "ota.json"
    shutil.copy(packages / "1/ota.json", other)
    code, out, err = flash(*sim(packages, tmp_path / "b"), "--ota-json", other)
    assert (code, out) == (3, "")
    assert f"2/ota.ebin is not what {other} is for: ebin header: version" in err
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-r", "pyocd", "-i", "no-such-probe"), "expected a debug probe with"),
        (("--modem-space", "--port", "/dev/ttyNOPE"), "expected a serial port at"),
    ],
    ids=["no_probe", "no_port"],
)
def test_code_4_there_is_no_device(
    packages: Path, arguments: tuple[str, ...], message: str
) -> None:
    factory = packages / "1/factory.hex"
    code, _, err = flash("--hex-file", factory, "--provision", *arguments)
    assert code == 4
    assert err.startswith(f"west ota-flash: {message}")
    assert err.count("\n") == 1


def test_a_build_directory_may_have_a_space(packages: Path, tmp_path: Path) -> None:
    """As a path of a user may."""
    build = tmp_path / "my build"
    factory = tmp_path / "factory file.hex"
    shutil.copy(packages / "1/factory.hex", factory)
    code, out, _ = flash("-r", "sim", "-d", build, "--hex-file", factory)
    assert code == 0
    assert "  | app: version 1 running (reason normal)" in out

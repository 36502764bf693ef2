# SPDX-License-Identifier: Apache-2.0
"""`west ota-inspect`: the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from nrfota import cli
from support.elf_builder import Elf, Section

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.elf").write_bytes(Elf((Section(".text", 0x1000, 500),)).build())
    options = ["--elf-file", "app.elf", "-A", "3", "-u", "http://a/b"]
    assert cli.main(["package", *options]) == 0
    return tmp_path


def inspect(*arguments: str) -> int:
    return cli.main(["inspect", *arguments])


def key(folder: Path) -> str:
    digits: str = json.loads((folder / "ota.json").read_text())["fw_info"]
    return digits[32:64]


def test_text_says_what_it_is_and_that_it_verifies(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the key: down to the plain image."""
    capsys.readouterr()
    assert inspect("ota.ebin", "--ota-json", "ota.json") == 0
    output = capsys.readouterr().out
    assert output.startswith("encrypted image (ota.ebin)\n")
    assert "  ok    plain image    SHA-256 " in output
    assert key(folder) not in output


def test_json_is_one_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For programs."""
    capsys.readouterr()
    assert inspect("ota.json", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["kind"], report["ok"]) == ("ota.json", True)
    assert report["fw_info"]["aes_key"] == "hidden"


def test_secrets_are_shown_when_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--show-secrets."""
    assert inspect("ota.json", "--show-secrets") == 0
    assert key(folder) in capsys.readouterr().out


def test_what_does_not_verify_exits_with_3(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And is still shown."""
    data = bytearray((folder / "ota.ebin").read_bytes())
    data[-1] ^= 1
    (folder / "bad.ebin").write_bytes(data)
    assert inspect("bad.ebin") == 3
    assert "FAIL  cipher text    expected SHA-256" in capsys.readouterr().out


def test_unknown_file_exits_with_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence."""
    (folder / "x").write_bytes(b"what is this")
    assert inspect("x") == 1
    assert "nrfota inspect: x: expected a .ebin with header" in capsys.readouterr().err


def test_missing_file_exits_with_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named."""
    assert inspect("none") == 2
    assert "cannot read 'none': No such file" in capsys.readouterr().err


def test_bad_ota_json_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is what the file is judged with."""
    (folder / "bad.json").write_text("{}")
    assert inspect("ota.ebin", "--ota-json", "bad.json") == 1
    assert "ota.json: expected type 'update_fw'" in capsys.readouterr().err


def test_another_layout_moves_the_destination(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--layout."""
    text = (ROOT / "templates/layout.yml").read_text()
    text = text.replace("{start: 0x00001000, end", "{start: 0x00002000, end")
    (folder / "layout.yml").write_text(text)
    assert inspect("ota.json", "--layout", "layout.yml") == 3
    output = capsys.readouterr().out
    assert "FAIL  destination    expected 0x00002000 ('app')" in output


def test_as_a_west_command(folder: Path) -> None:
    """The real entry point, and its exit code."""
    west = Path(sys.executable).with_name("west")
    (folder / "bad.ebin").write_bytes((folder / "ota.ebin").read_bytes()[:-16])
    for name, code in (("ota.ebin", 0), ("bad.ebin", 3)):
        done = subprocess.run(
            [str(west), "ota-inspect", str(folder / name)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert "cipher text" in done.stdout

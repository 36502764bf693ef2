# SPDX-License-Identifier: Apache-2.0
"""`python -m nrfota`: how commands end, whatever happens."""

from __future__ import annotations

import argparse
import errno
import subprocess
import sys
from pathlib import Path

import pytest
from nrfota import cli
from nrfota.errors import NoDeviceError
from nrfota.serial_link import SerialLink
from support.firmware import ROOT


class Fails:
    """A command that raises `error`."""

    HELP = DESCRIPTION = "fails"

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def add_arguments(
        self, parser: argparse.ArgumentParser, config: cli.Config
    ) -> None:
        """None."""

    def run(self, args: argparse.Namespace) -> int:
        raise self._error


def undecodable() -> UnicodeDecodeError:
    return UnicodeDecodeError("utf-8", b"ab\x9fcd", 2, 3, "invalid start byte")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/x/nv.bin"),
            "nrfota x: cannot use '/x/nv.bin': Permission denied",
        ),
        (
            OSError(errno.EXDEV, "Invalid cross-device link", "/a", None, "/b"),
            "nrfota x: cannot use '/b': Invalid cross-device link",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "nrfota x: failed: No space left on device",
        ),
        (OSError("odd"), "nrfota x: failed: odd"),
        (
            BrokenPipeError(errno.EPIPE, "Broken pipe"),  # not standard output's
            "nrfota x: failed: Broken pipe",
        ),
        (undecodable(), "nrfota x: expected utf-8 text, got byte 0x9f at offset 2"),
        (
            ModuleNotFoundError("no", name="unicorn"),
            "nrfota x: Python package 'unicorn' is missing; install the project with: "
            "pip install 'nrfota[sim]'",
        ),
    ],
    ids=[
        *("permission", "two_names", "no_name", "no_number", "other_pipe", "text"),
        "package",
    ],
)
def test_an_expected_failure_is_one_sentence(
    error: BaseException, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(Fails(error), argparse.Namespace(), prog="nrfota x") == 1
    assert capsys.readouterr().err == f"{message}\n"


def test_an_interrupt_is_exit_code_130(capsys: pytest.CaptureFixture[str]) -> None:
    command = Fails(KeyboardInterrupt())
    assert cli.execute(command, argparse.Namespace(), prog="nrfota x") == 130
    assert capsys.readouterr().err == "nrfota x: interrupted\n"


def test_our_own_mistakes_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        cli.execute(Fails(ZeroDivisionError()), argparse.Namespace(), prog="x")


def test_an_unknown_command_is_told_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["flahs"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(
        "nrfota: unknown command 'flahs', expected one of build, package"
    )


def test_no_command_is_told_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("usage: python -m nrfota COMMAND")


def test_help_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    assert "  flash " in capsys.readouterr().out


def test_a_reader_that_goes_away_ends_a_command_quietly() -> None:
    """`python -m nrfota flash ... | head -0`, with the pipe closed before."""
    program = (
        "import sys; from nrfota import cli\n"
        "sys.stdin.read()\n"  # until the test has closed the reading end
        "raise SystemExit(cli.main(['flash', '-n', '-r', 'sim', '--watch', '-A1']))"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdin and running.stdout and running.stderr
    running.stdout.close()
    running.stdin.close()
    assert running.stderr.read() == b""
    running.stderr.close()
    assert running.wait() == cli.READER_GONE


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.EACCES, "could not open port: [Errno 13] Permission denied"),
    ],
    ids=["permission_error", "number"],
)
def test_a_port_that_may_not_be_used_is_told(
    error: OSError, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("serial.Serial", refuse)
    with pytest.raises(NoDeviceError, match=r"permission denied .*'dialout'") as caught:
        SerialLink("/dev/ttyACM0", baud=115200)
    assert caught.value.exit_code == 4

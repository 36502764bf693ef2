# SPDX-License-Identifier: Apache-2.0
"""`west ota-flash`: options, files, exit codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from nrfota import cli
from nrfota.cli.flash_view import View, times_table
from nrfota.ota_json import OtaJson
from nrfota.stage import Progress
from nrfota.update_times import StepTime
from support.elf_builder import Elf, Section
from support.recorder import Recorder

APP = Section(".text", 0x1000, 1000)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with version 1 as factory.hex and version 2 as update."""
    built = tmp_path / "build"
    for name, section in (
        ("app/app.elf", APP),
        ("mbr/mbr.elf", Section(".text", 0x0, 100)),
        ("bootloader/bootloader.elf", Section(".text", 0xF6000, 200)),
    ):
        (built / name).parent.mkdir(parents=True)
        (built / name).write_bytes(Elf((section,)).build())
    monkeypatch.chdir(tmp_path)
    url = ("-u", "http://h/x")
    assert cli.main(["package", "-A", "1", *url, "--factory", "-o", "one"]) == 0
    assert cli.main(["package", "-A", "2", *url, "-o", "build/ota"]) == 0
    return tmp_path


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(tmp_path / "bin", monkeypatch)


def flash(*arguments: str) -> int:
    return cli.main(["flash", *arguments])


ALL = ("-r", "nrfjprog", "--hex-file", "one/factory.hex")


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip()


def test_a_dry_run_shows_every_step_and_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert flash(*ALL, "-n") == 0
    out = capsys.readouterr().out.splitlines()
    steps = [line.split(":")[0] for line in out if line.startswith("==>")]
    assert steps == [
        *("==> provision", "==> reset", "==> stage", "==> arm", "==> reset"),
        "==> watch",
    ]
    assert (
        "    $ nrfjprog --program one/factory.hex --sectorerase --verify -f NRF52"
        in out
    )
    assert out.count("    $ nrfjprog --reset -f NRF52") == 2
    read = "    $ nrfjprog --memrd 0x000FC000 --n 8192 --w 32 -f NRF52"
    arm = next(line for line in out if line.startswith("==> arm"))
    assert arm.endswith(", by 'journal' (0x000fc000..0x000fe000)")
    assert out[out.index(arm) + 1] == read
    assert sum("journal.hex --sectorerase" in line for line in out) == 1
    assert out[-1] == "dry run: nothing was touched"


def test_provisioning_runs_the_tool(folder: Path, recorder: Recorder) -> None:
    recorder.add("nrfjprog")
    assert flash(*ALL, "--provision", "-i", "683", "--erase") == 0
    assert recorder.calls == [
        [
            *("nrfjprog", "--program", "one/factory.hex", "--chiperase", "--verify"),
            *("-f", "NRF52", "--snr", "683"),
        ],
        ["nrfjprog", "--reset", "-f", "NRF52", "--snr", "683"],
    ]


def test_an_application_gets_boot_record_bootloader_and_journal(
    folder: Path, recorder: Recorder
) -> None:
    recorder.add("nrfjprog")
    arguments = ("--provision", "--no-reset", "--elf-file", "build/app/app.elf")
    assert flash("-r", "nrfjprog", *arguments, "-A", "7") == 0
    (files,) = recorder.files
    from nrfota.hexfile import read_hex
    from nrfota.provision import factory_version
    from support.layouts import layout

    segments = read_hex(files["factory.hex"].encode(), source="x")
    current = factory_version(segments, layout=layout(), source="x")
    assert current.fw_info.version == 7
    starts = (0x0, 0x1000, 0xF6000, 0xFC000)
    for start in starts:
        assert any(part.address <= start < part.end for part in segments), hex(start)


def test_a_missing_tool_is_exit_code_4(
    folder: Path, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flash(*ALL, "--provision") == 4
    assert said(capsys).startswith(
        "nrfota flash: expected the program 'nrfjprog' on PATH, found none; install"
    )


def test_a_failing_tool_is_exit_code_1(
    folder: Path, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder.add("nrfjprog", complains="it broke", code=9)
    assert flash(*ALL, "--provision") == 1
    assert "failed with exit code 9 and said: it broke" in said(capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-r", "jtag"), "expected a runner from pyocd"),
        (("--port", "/dev/x", *ALL), "watching needs --console-port"),
        ((*ALL, "--console-port", "/dev/x"), "staging needs --port"),
        ((*ALL, "--stage"), "staging needs --port"),
        (("-r", "nrfjprog", "--arm"), "arming without staging needs --modem-path"),
        (("-r", "nrfutil-dfu"), "needs the board's USB serial port"),
        ((*ALL, "--stage", "--drive", "Q", "-n"), "expected a drive from"),
        ((*ALL, "--stage", "--name", "a b", "-n"), "expected a file name of at most"),
        ((*ALL, "--stage", "--pace", "x", "-n"), "expected a pace from safe, fast"),
        ((*ALL, "--stage", "--modem-baud", "7", "-n"), "expected a baud rate from"),
        ((*ALL, "-A", "3", "-n"), "brings its journal"),
        (("-r", "nrfjprog", "--watch"), "--watch alone needs --app-version"),
        ((*ALL, "-n", "--no-reset"), "--watch after --arm needs --reset"),
        (("-r", "nrfjprog", "--modem-list"), "expected --port"),
        ((*ALL, "-n", "--timeout", "0"), "expected a --timeout above 0 s, got 0"),
        (
            ("--provision", "--elf-file", "build/app/app.elf"),
            "provisioning the application build/app/app.elf needs --app-version",
        ),
        (("--provision",), "nothing to provision: expected build/ota/factory.hex"),
        (("-d", "nowhere"), "nothing to do: expected nowhere/ota/factory.hex"),
        (
            ("-r", "sim", "--arm", "--modem-path", "E:/a", "--no-reset"),
            "so --arm needs --reset",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_cannot_work_is_exit_code_2(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert flash(*arguments) == 2
    assert message in said(capsys)


OLDER = ("-r", "nrfjprog", "--hex-file", "three/factory.hex", "-n")


@pytest.fixture
def three(folder: Path) -> None:
    """Version 3 as factory.hex; the update is version 2."""
    package = ("package", "-A", "3", "-u", "http://h/x", "--factory", "-o", "three")
    assert cli.main(list(package)) == 0


@pytest.mark.usefixtures("three")
def test_an_update_to_an_older_version_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    assert flash(*OLDER) == 2
    assert said(capsys) == (
        "nrfota flash: the device runs version 3 and the update is version 2: to go "
        "to an older version, use --allow-downgrade or "
        '"allow_downgrade": true in ota.json'
    )
    assert flash(*OLDER, "--provision", "--stage") == 0  # asks for nothing


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("by", ["option", "json"])
def test_an_update_to_an_older_version_can_be_allowed(
    folder: Path, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    more: tuple[str, ...] = ("--allow-downgrade",)
    if by == "json":
        path = folder / "build/ota/ota.json"
        message = replace(OtaJson.unpack(path.read_bytes()), allow_downgrade=True)
        path.write_bytes(message.pack())
        more = ()
    assert flash(*OLDER, *more) == 0
    assert "==> arm: version 2" in capsys.readouterr().out


def test_an_update_that_does_not_match_its_json_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--ebin", "build/ota/ota.ebin", "--ota-json", "one/ota.json")
    assert flash(*ALL, *arguments, "-n") == 3
    assert said(capsys) == (
        "nrfota flash: build/ota/ota.ebin is not what one/ota.json is for: "
        "ebin header: version, ebin_hash differs from the trusted fw_info"
    )


def test_an_update_with_a_flipped_bit_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it is staged: the device would refuse it much later."""
    ebin = folder / "build/ota/ota.ebin"
    data = bytearray(ebin.read_bytes())
    data[-1] ^= 1
    ebin.write_bytes(data)
    assert flash(*ALL, "-n") == 3
    assert "cipher text: expected SHA-256" in said(capsys)


def test_a_factory_without_journal_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nrfota.hexfile import write_hex
    from nrfota.segment import Segment

    (folder / "bare.hex").write_text(write_hex([Segment(0xF6000, b"boot", "x")]))
    assert flash("-r", "nrfjprog", "--hex-file", "bare.hex", "-n") == 1
    assert "expected a factory.hex with a journal in" in said(capsys)


def test_the_same_version_is_not_staged(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--ebin", "one/ota.ebin", "--ota-json", "one/ota.json", "-n")
    assert flash(*ALL, *arguments) == 0
    out = capsys.readouterr().out
    assert "nothing to stage" in out
    assert "==> arm" not in out


def test_a_port_that_is_not_there_is_exit_code_4(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flash("--modem-space", "--port", "/dev/ttyNOPE") == 4
    assert "expected a serial port at /dev/ttyNOPE" in said(capsys)


def test_defaults_come_from_west_config(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import argparse

    from nrfota.cli import flash as command

    parser = argparse.ArgumentParser()
    command.add_arguments(
        parser, {"runner": "sim", "port": "/dev/p", "build-dir": "b2", "board": "x"}
    )
    args = parser.parse_args([])
    assert (args.runner, args.port, args.build_dir, args.board) == (
        *("sim", "/dev/p", Path("b2"), "x"),
    )


def test_the_dfu_runner_provisions_only(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dfu = ("-r", "nrfutil-dfu", "--dfu-port", "/dev/ttyACM0", "-n")
    assert flash(*dfu, "--hex-file", "one/factory.hex", "--provision") == 0
    out = capsys.readouterr().out
    assert "$ nrfutil dfu usb-serial -pkg" in out
    assert flash(*dfu, "--hex-file", "one/factory.hex", "--arm", "--stage") == 2
    assert "cannot write RAM; use a debug probe" in said(capsys)


# Files in the emulated modem


def test_files_in_the_modem_can_be_listed_and_deleted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flash("-r", "sim", "--stage", "--name", "a.ebin", "--drive", "F:") == 0
    capsys.readouterr()
    assert flash("-r", "sim", "--modem-list") == 0
    size = (folder / "build/ota/ota.ebin").stat().st_size
    assert capsys.readouterr().out == f"F:/a.ebin {size}\n"
    assert flash("-r", "sim", "--modem-delete", "a.ebin", "--drive", "E:") == 1
    assert "expected a file a.ebin on E:, found none" in said(capsys)
    assert flash("-r", "sim", "--modem-delete", "a.ebin") == 0
    assert capsys.readouterr().out == "deleted F:/a.ebin\n"
    assert flash("-r", "sim", "--modem-list") == 0
    assert capsys.readouterr().out == ""


def test_space_in_the_modem_is_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert flash("-r", "sim", "--modem-space", "--drive", "E:") == 0
    out = capsys.readouterr().out
    assert out.startswith("E: ")
    assert out.endswith(" bytes free\n")


# What is shown


def test_progress_is_plain_lines_without_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with View() as view:
        for done in range(0, 101, 2):
            view.progress(Progress("upload", done * 100, 10_000, done / 10))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[4] == ("    upload 50 %, 5000 of 10000 bytes, 1.0 kB/s, 5 s left")


def test_console_lines_have_the_time_since_the_reset(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with View() as view:
        view.line("boot: check 4096 bytes E:/x", 0.1)
        view.line("boot: page 1/2", 12.3456)
        view.line("app: version 2 running (reason trial)", 123.0)
    assert capsys.readouterr().out.splitlines() == [
        "     0.10 s  | boot: check 4096 bytes E:/x",
        "    12.35 s  | boot: page 1/2",
        "   123.00 s  | app: version 2 running (reason trial)",
    ]


def test_the_update_is_bars_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console's own lines stay whole."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    lines = ["boot: check 9 bytes E:/x", "boot: check ok", "boot: page 1/2"]
    lines += ["boot: page 2/2", "boot: verify ok", "app: version 2 running [x]"]
    with View() as view:
        for line in lines:
            view.line(line, 1.0)
    out = capsys.readouterr().out
    for line in lines:
        assert f"     1.00 s  | {line}\n" in out
    assert "check" in out.replace("boot: check", "")
    assert "page 2 of 2" in out


def test_the_table_of_times() -> None:
    times = (
        StepTime("provision", None),
        StepTime("upload", 57.69, 204336),
        StepTime("start", 0.266),
    )
    assert times_table(times, clock="simulated") == [
        "step               simulated     bytes          rate",
        "provision                  -",
        "upload               57.69 s    204336      3.5 kB/s",
        "start                 0.27 s",
    ]


def test_progress_is_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    with View() as view:
        view.progress(Progress("upload", 5000, 10_000, 5.0))
        view.note("a note")
        view.progress(Progress("verify", 10_000, 10_000, 5.0))
        view.step("next")
    out = capsys.readouterr().out
    assert "verify" in out
    assert "100 %, 2.0 kB/s, 0 s left" in out
    assert "a note" in out
    assert "==> next" in out

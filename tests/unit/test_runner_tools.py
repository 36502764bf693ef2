# SPDX-License-Identifier: Apache-2.0
"""Runners that call external tools: their command lines, up to the process boundary."""

from __future__ import annotations

from pathlib import Path

import pytest
from nrfota.errors import FormatError, NoDeviceError, UsageError
from nrfota.hexfile import write_hex
from nrfota.runners import RUNNERS, Capability, Erase, Runner, RunnerOptions, create
from nrfota.runners.base import Tool, ToolError, words
from nrfota.segment import Segment
from support.recorder import Recorder

TOOLS = {"nrfjprog": "nrfjprog", "nrfutil": "nrfutil", "openocd": "openocd"}
HEX = Path("/tmp/factory.hex")
OPENOCD = ["openocd", "-f", "interface/jlink.cfg", "-c", "transport select swd"]
NRF52 = ["-f", "target/nrf52.cfg"]


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(tmp_path / "bin", monkeypatch)


def seg(address: int, data: bytes) -> Segment:
    return Segment(address, data, "test")


def runner(name: str, **options: object) -> Runner:
    return create(name, RunnerOptions(**options))  # type: ignore[arg-type]


# Real command lines


def test_nrfjprog_programs_touched_sectors_and_verifies(recorder: Recorder) -> None:
    recorder.add("nrfjprog")
    runner("nrfjprog", dev_id="683").provision(HEX, erase=Erase.TOUCHED)
    assert recorder.calls == [
        [
            "nrfjprog",
            "--program",
            "/tmp/factory.hex",
            "--sectorerase",
            "--verify",
            "-f",
            "NRF52",
            "--snr",
            "683",
        ]
    ]


def test_nrfjprog_erases_the_chip_when_asked(recorder: Recorder) -> None:
    recorder.add("nrfjprog")
    runner("nrfjprog").provision(HEX, erase=Erase.CHIP)
    assert recorder.calls == [
        [
            "nrfjprog",
            "--program",
            "/tmp/factory.hex",
            "--chiperase",
            "--verify",
            "-f",
            "NRF52",
        ]
    ]


def test_nrfjprog_resets(recorder: Recorder) -> None:
    recorder.add("nrfjprog")
    runner("nrfjprog").reset()
    assert recorder.calls == [["nrfjprog", "--reset", "-f", "NRF52"]]


def test_nrfjprog_reads_flash(recorder: Recorder) -> None:
    recorder.add("nrfjprog", says="0x00000FF8: 000F6000 000FE000   |..`.....|")
    assert runner("nrfjprog").read_flash(0xFF8, 8) == bytes.fromhex("00600f0000e00f00")
    assert recorder.calls == [
        ["nrfjprog", "--memrd", "0x00000FF8", "--n", "8", "--w", "32", "-f", "NRF52"]
    ]


def test_nrfutil_programs_touched_ranges_and_verifies(recorder: Recorder) -> None:
    recorder.add("nrfutil")
    runner("nrfutil", dev_id="683").provision(HEX, erase=Erase.TOUCHED)
    assert recorder.calls == [
        [
            "nrfutil",
            "device",
            "program",
            "--firmware",
            "/tmp/factory.hex",
            "--options",
            "chip_erase_mode=ERASE_RANGES_TOUCHED_BY_FIRMWARE,verify=VERIFY_READ,"
            "reset=RESET_NONE",
            "--serial-number",
            "683",
        ]
    ]


def test_nrfutil_erases_the_chip_when_asked(recorder: Recorder) -> None:
    recorder.add("nrfutil")
    runner("nrfutil").provision(HEX, erase=Erase.CHIP)
    assert "chip_erase_mode=ERASE_ALL," in recorder.calls[0][6]


def test_nrfutil_resets(recorder: Recorder) -> None:
    recorder.add("nrfutil")
    runner("nrfutil", dev_id="1").reset()
    serial = ["--serial-number", "1"]
    assert recorder.calls == [
        ["nrfutil", "device", "reset", "--reset-kind", "RESET_SYSTEM", *serial],
    ]


@pytest.mark.parametrize("name", ["nrfjprog", "nrfutil"])
def test_words_for_ram_are_never_arguments(name: str, recorder: Recorder) -> None:
    recorder.add(name)
    with pytest.raises(
        UsageError, match="cannot write RAM; arming goes by the journal"
    ):
        runner(name).write_ram(0x2003FC00, b"OTAR")
    assert recorder.calls == []
    assert Capability.WRITE_RAM not in runner(name).capabilities


def test_what_a_tool_writes_is_for_us_alone(recorder: Recorder, tmp_path: Path) -> None:
    recorder.add("nrfutil", writes={"--to-file": b"dump"})
    dump = tmp_path / "dump.hex"
    Tool("nrfutil", RunnerOptions(), install="").run("--to-file", dump)
    assert dump.stat().st_mode & 0o777 == 0o600


def test_nrfutil_reads_flash_by_way_of_a_hex_file(recorder: Recorder) -> None:
    text = write_hex([seg(0xFF8, b"12345678")])
    recorder.add("nrfutil", writes={"--to-file": text.encode()})
    assert runner("nrfutil").read_flash(0xFF8, 8) == b"12345678"
    assert recorder.calls[0][:7] == [
        *("nrfutil", "device", "read", "--address", "0x00000FF8", "--bytes", "8")
    ]


def test_nrfutil_without_its_device_command_is_told_apart(recorder: Recorder) -> None:
    recorder.add("nrfutil", complains="Error: No such command 'device'.", code=2)
    with pytest.raises(
        NoDeviceError, match="expected Nordic's native nrfutil with its device command"
    ):
        runner("nrfutil").check()


def test_openocd_programs_and_verifies(recorder: Recorder) -> None:
    recorder.add("openocd")
    runner("openocd", dev_id="683").provision(HEX, erase=Erase.TOUCHED)
    assert recorder.calls == [
        [
            *OPENOCD,
            "-c",
            "adapter serial {683}",
            *NRF52,
            "-c",
            "init",
            "-c",
            "reset init",
            "-c",
            "flash write_image erase {/tmp/factory.hex}",
            "-c",
            "verify_image {/tmp/factory.hex}",
            "-c",
            "shutdown",
        ]
    ]


def test_openocd_erases_the_chip_when_asked(recorder: Recorder) -> None:
    recorder.add("openocd")
    runner("openocd", interface="cmsis-dap").provision(HEX, erase=Erase.CHIP)
    assert "nrf5 mass_erase" in recorder.calls[0]
    assert "interface/cmsis-dap.cfg" in recorder.calls[0]


def test_openocd_writes_ram_from_a_script_that_only_we_can_read(
    recorder: Recorder,
) -> None:
    recorder.add("openocd")
    runner("openocd").write_ram(0x2003FC00, bytes(range(8)))
    (call,) = recorder.calls
    assert call[: len(OPENOCD) + 2] == [*OPENOCD, *NRF52]
    assert recorder.files == [
        {"arm.tcl": "mww 0x2003fc00 0x03020100\nmww 0x2003fc04 0x07060504\n"}
    ]
    assert not any("0x03020100" in argument for argument in call)


def test_openocd_resets(recorder: Recorder) -> None:
    recorder.add("openocd")
    runner("openocd").reset()
    assert recorder.calls == [
        [*OPENOCD, *NRF52, "-c", "init", "-c", "reset run", "-c", "shutdown"]
    ]


def test_openocd_reads_flash(recorder: Recorder) -> None:
    recorder.add("openocd", writes={"dump_image": b"abcd"})
    assert runner("openocd").read_flash(0x1000, 4) == b"abcd"


def test_openocd_refuses_names_that_break_out_of_tcl() -> None:
    with pytest.raises(UsageError, match="OpenOCD cannot take the name"):
        runner("openocd", dry_run=True).provision(Path("/a}b.hex"), erase=Erase.TOUCHED)


def test_the_dfu_runner_packs_and_sends_the_application_alone(
    recorder: Recorder, tmp_path: Path
) -> None:
    recorder.add("nrfutil")
    factory = tmp_path / "factory.hex"
    app = seg(0x1000, b"application!")
    factory.write_text(write_hex([seg(0, b"mbr!"), app, seg(0xF6000, b"boot")]))
    notes: list[str] = []
    board = runner("nrfutil-dfu", serial_port="/dev/ttyACM0", on_note=notes.append)
    board.provision(factory, erase=Erase.TOUCHED)
    generate, send = recorder.calls
    assert generate[:7] == [
        *("nrfutil", "pkg", "generate", "--hw-version", "52", "--sd-req", "0x00")
    ]
    assert recorder.files[0]["app.hex"] == write_hex([app])
    assert send[1:4] == ["dfu", "usb-serial", "-pkg"]
    assert send[4].endswith("dfu.zip")
    assert send[5:] == ["-p", "/dev/ttyACM0", "-b", "115200"]
    assert any("no updates over the air" in note for note in notes)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([seg(0xF6000, b"boot")], "expected an application in 'app'"),
        ([seg(0xDFFFC, b"12345678")], "to end below the factory bootloader"),
    ],
    ids=["none", "too_long"],
)
def test_the_dfu_runner_refuses_what_cannot_fit(
    tmp_path: Path, segments: list[Segment], message: str
) -> None:
    path = tmp_path / "x.hex"
    path.write_text(write_hex(segments))
    with pytest.raises(FormatError, match=message):
        runner("nrfutil-dfu", serial_port="/dev/x").provision(path, erase=Erase.TOUCHED)


def test_the_dfu_runner_says_what_it_cannot_do() -> None:
    board = runner("nrfutil-dfu", serial_port="/dev/x")
    with pytest.raises(UsageError, match="cannot write RAM; use a debug probe"):
        board.write_ram(0x20000000, b"1234")
    with pytest.raises(UsageError, match="cannot reset the chip; press the board's"):
        board.reset()
    with pytest.raises(UsageError, match="cannot read flash"):
        board.read_flash(0, 4)
    with pytest.raises(UsageError, match="cannot erase the whole chip"):
        board.provision(HEX, erase=Erase.CHIP)
    assert board.capabilities == {Capability.PROVISION}


def test_the_dfu_runner_needs_a_port() -> None:
    with pytest.raises(UsageError, match="needs the board's USB serial port"):
        runner("nrfutil-dfu")


# What all of them share


@pytest.mark.parametrize("name", TOOLS)
def test_a_missing_tool_is_one_sentence(name: str, recorder: Recorder) -> None:
    with pytest.raises(
        NoDeviceError,
        match=f"expected the program '{TOOLS[name]}' on PATH, found none; install",
    ):
        runner(name).check()


@pytest.mark.parametrize("name", TOOLS)
def test_a_dry_run_tells_every_command_and_runs_none(
    name: str, recorder: Recorder
) -> None:
    recorder.add(TOOLS[name])
    notes: list[str] = []
    board = runner(name, dry_run=True, on_note=notes.append)
    board.provision(HEX, erase=Erase.TOUCHED)
    board.read_flash(0xFC000, 0x2000)
    board.reset()
    assert recorder.calls == []
    commands = [note for note in notes if note.startswith("$ ")]
    assert len(commands) == 3
    assert all(note.startswith(f"$ {TOOLS[name]} ") for note in commands)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("nrfjprog", "ERROR: There is no debugger connected to the PC."),
        ("openocd", "Error: unable to find a matching CMSIS-DAP device"),
        ("openocd", "Error: No J-Link device found."),
        ("nrfutil", "Error: No devices found"),
    ],
)
def test_no_probe_is_told_apart_from_a_failure(
    name: str, complaint: str, recorder: Recorder
) -> None:
    recorder.add(name, complains=complaint, code=1)
    with pytest.raises(NoDeviceError, match="failed with exit code 1 and said: "):
        runner(name).reset()


@pytest.mark.parametrize("name", TOOLS)
def test_a_failing_tool_is_quoted(name: str, recorder: Recorder) -> None:
    recorder.add(TOOLS[name], complains="verify failed at 0x1000", code=3)
    with pytest.raises(
        ToolError, match="failed with exit code 3 and said: verify failed at 0x1000"
    ):
        runner(name).provision(HEX, erase=Erase.TOUCHED)


@pytest.mark.parametrize("name", ["nrfjprog", "openocd"])
def test_a_short_read_is_not_taken(name: str, recorder: Recorder) -> None:
    recorder.add(name, says="", writes={"dump_image": b"ab"})
    with pytest.raises(FormatError, match="expected 4 bytes from 0x00001000, got"):
        runner(name).read_flash(0x1000, 4)


def test_nrfutil_short_read_is_not_taken(recorder: Recorder) -> None:
    text = write_hex([seg(0x1000, b"ab")])
    recorder.add("nrfutil", writes={"--to-file": text.encode()})
    with pytest.raises(FormatError, match="expected 4 bytes from 0x00001000, got 2"):
        runner("nrfutil").read_flash(0x1000, 4)


def test_a_tool_that_hangs_is_ended(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.add("nrfjprog")
    script = Path(recorder._folder / "nrfjprog")
    script.write_text("#!/bin/sh\nread forever < /dev/zero\n")
    monkeypatch.setattr("nrfota.runners.base.TOOL_TIMEOUT_S", 0.05)
    with pytest.raises(ToolError, match="expected nrfjprog to end within"):
        Tool("nrfjprog", RunnerOptions(), install="").run("--reset")


@pytest.mark.parametrize(("address", "size"), [(2, 4), (0, 3)])
def test_ram_is_written_in_whole_words(address: int, size: int) -> None:
    with pytest.raises(UsageError, match="expected whole words of RAM"):
        list(words(address, bytes(size)))


def test_an_unknown_runner_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match=r"expected a runner from pyocd, .*sim, got 'jtag'"
    ):
        create("jtag", RunnerOptions())


def test_every_runner_has_a_name_of_its_own() -> None:
    for name in RUNNERS:
        board = runner(
            name, serial_port="/dev/x", sim_dir=Path("/x"), board="nrf52840dk_sim7600e"
        )
        assert board.name == name

# SPDX-License-Identifier: Apache-2.0
"""`python -m vboard run`: options, outputs, exit status; RTT and traces."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.asm import assemble
from vboard.__main__ import main
from vboard.cli import main as run_main
from vboard.errors import VboardError
from vboard.run import RunOptions, Session

# Sends "hello, board" on UARTE0 and sleeps.
UART_HELLO = """
.macro put address, value
    ldr r0, =\\address
    ldr r1, =\\value
    str r1, [r0]
.endm
reset:
    ldr r0, =text
    ldr r1, =0x20000000
    movs r2, #12
copy:
    ldrb r3, [r0], #1
    strb r3, [r1], #1
    subs r2, #1
    bne copy
    put 0x4000250C, 6
    put 0x40002524, 0x01D60000
    put 0x40002500, 8
    put 0x40002544, 0x20000000
    put 0x40002548, 12
    put 0x40002008, 1
    wfi
    b .
    .ltorg
text: .ascii "hello, board"
"""

# An RTT control block with one up-buffer of 16 bytes; writes "rtt text".
RTT_HELLO = """
reset:
    ldr r0, =0x20001000
    ldr r1, =block
    movs r2, #12
copy:
    ldr r3, [r1], #4
    str r3, [r0], #4
    subs r2, #1
    bne copy
    ldr r0, =0x20002000
    ldr r1, =text
    ldm r1, {r2, r3}
    stm r0, {r2, r3}
    ldr r0, =0x20001000
    movs r1, #8
    str r1, [r0, #0x24]
    b .
    .ltorg
    .align 2
block:
    .ascii "SEGGER RTT\\0\\0\\0\\0\\0\\0"
    .word 1, 0
    .word 0, 0x20002000, 16, 0, 0, 0
text: .ascii "rtt text"
"""


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    return assemble(tmp_path, UART_HELLO)


def test_the_text_ends_the_run_with_status_0(
    hello: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`--uart 0=-` shows it on standard output; the seed is printed."""
    arguments = ["--load", str(hello), "--uart", "0=-", "--until", "lo, boa"]
    assert run_main([*arguments, "--seed", "7"]) == 0
    output = capfd.readouterr()
    assert output.out == "hello, board"
    assert "seed 7" in output.err
    assert "found 'lo, boa'" in output.err


def test_a_text_that_does_not_come_is_status_1(
    hello: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """After the given simulated time."""
    arguments = ["--load", str(hello), "--until", "goodbye", "--max-time", "0.1"]
    assert run_main(arguments) == 1
    assert "0.1 s of simulated time are over" in capfd.readouterr().err


def test_without_a_text_the_time_is_up_with_status_0(hello: Path) -> None:
    """Nothing was asked for."""
    assert run_main(["--load", str(hello), "--max-time", "0.01"]) == 0


def test_a_hidden_uart_does_not_count_when_another_is_shown(
    tmp_path: Path, hello: Path
) -> None:
    """TEXT must appear in what is shown; without any `--uart`, in anything."""
    base = ["--load", str(hello), "--until", "hello", "--max-time", "0.01"]
    assert run_main([*base, "--uart", f"1={tmp_path / 'one'}"]) == 1
    assert run_main(base) == 0


def test_output_goes_to_a_file(tmp_path: Path, hello: Path) -> None:
    """Every byte, nothing else."""
    out = tmp_path / "out"
    run_main(["--load", str(hello), "--uart", f"0={out}", "--max-time", "0.01"])
    assert out.read_bytes() == b"hello, board"


def test_rtt_is_read_from_ram(tmp_path: Path) -> None:
    """The block is found and the read offset moves."""
    elf = assemble(tmp_path, RTT_HELLO)
    options = RunOptions(load=(elf,), until="rtt text", max_time_s=0.1)
    session = Session(options, lambda text: None)
    result = session.run()
    assert result.found
    assert session.board.ram_read(0x2000_1028, 4) == (8).to_bytes(4, "little")
    session.close()


def test_traces_name_registers(hello: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One line per access, with the time and the program counter."""
    arguments = ["--load", str(hello), "--trace", "regs", "--max-time", "0.01"]
    assert run_main(arguments) == 0
    errors = capfd.readouterr().err
    assert "UARTE0.ENABLE <- 0x00000008" in errors
    assert "UARTE0.TASKS_STARTTX <- 0x00000001" in errors


def test_flash_operations_are_traced(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With number and address."""
    elf = assemble(
        tmp_path,
        """
reset:
    ldr r0, =0x4001E504
    movs r1, #1
    str r1, [r0]
    ldr r0, =0x80000
    str r1, [r0]
    b .
""",
    )
    assert run_main(["--load", str(elf), "--trace", "flash", "--max-time", "0.01"]) == 0
    assert "flash operation 1: write 0x00080000 <- 0x00000001" in capfd.readouterr().err


def test_a_broken_rule_is_status_1(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The message names the place and points to `--faults guest`."""
    elf = assemble(tmp_path, "reset: ldr r0, =0x40040000\n ldr r0, [r0]\n b .")
    assert run_main(["--load", str(elf)]) == 1
    errors = capfd.readouterr().err
    assert "stopped: bus: no register block at 0x40040000" in errors
    assert "--faults guest" in errors


def test_guest_faults_are_noted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A run that hangs in a fault handler says why."""
    elf = assemble(tmp_path, "reset: udf #0")
    assert run_main(["--load", str(elf), "--max-time", "0.01"]) == 0
    assert "guest HardFault: UNDEFINSTR at pc 0x" in capfd.readouterr().err


def test_a_fault_that_keeps_coming_is_counted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Three lines and a total, not a million lines."""
    again = "reset: ldr r0, =0x30000000\nculprit: ldr r1, [r0, r2]\nhard: bx lr"
    path = assemble(tmp_path, again, handlers={3: "hard"})
    run_main(["--load", str(path), "--faults", "guest", "--max-time", "0.01"])
    lines = capfd.readouterr().err.splitlines()
    shown = [line for line in lines if " guest HardFault: PRECISERR on 0x3" in line]
    assert len(shown) == 3
    assert shown[-1].endswith("(more of these are only counted)")
    assert any(" times: guest HardFault: PRECISERR at pc" in line for line in lines)


NFCT = """
reset:
    ldr r0, =0x40005000
    ldr r1, [r0]
    b .
"""


def test_a_block_that_is_not_modelled_stops_the_run_with_a_hint(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The name of the block, and how to get past it."""
    path = assemble(tmp_path, NFCT)
    assert run_main(["--load", str(path), "--max-time", "0.1"]) == 1
    error = capfd.readouterr().err
    assert "stopped: NFCT.+0x000: this block is not modelled (a load)" in error
    assert "(--allow NFCT lets it read as 0 and ignore stores)" in error
    allowed = ["--load", str(path), "--max-time", "0.1", "--allow", "NFCT"]
    assert run_main(allowed) == 0


def test_only_blocks_that_are_not_modelled_can_be_allowed(
    hello: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The others are not refused; the message has the names."""
    assert run_main(["--load", str(hello), "--allow", "TIMER0"]) == 2
    error = capfd.readouterr().err
    assert "expected the name of a block that is not modelled, got 'TIMER0'" in error
    assert "TWIM0" in error


def test_a_semihosting_call_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a debugger it is a HardFault."""
    path = assemble(tmp_path, "reset: bkpt #0xab\nhard: b .", handlers={3: "hard"})
    run_main(["--load", str(path), "--max-time", "0.01"])
    assert "HardFault: BKPT 0xAB (a semihosting call" in capfd.readouterr().err


SYSTEM_OFF = "ldr r0, =0x40000500\n movs r1, #1\n str r1, [r0]\n b ."


@pytest.mark.parametrize(
    ("code", "state"),
    [
        pytest.param("cpsid i\n wfi\n b .", "asleep at pc 0x0000", id="asleep"),
        pytest.param("b .", "running at pc 0x0000", id="running"),
        pytest.param(SYSTEM_OFF, "the chip is in System OFF", id="off"),
    ],
)
def test_a_run_that_is_over_says_what_the_chip_does(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], *, code: str, state: str
) -> None:
    """Somebody waits for a text that does not come: where does it hang?"""
    path = assemble(tmp_path, f"reset: {code}")
    assert run_main(["--load", str(path), "--until", "x", "--max-time", "0.1"]) == 1
    assert state in capfd.readouterr().err


def test_a_missing_file_is_status_2(
    hello: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the reason."""
    missing = hello.with_name("missing.elf")
    assert run_main(["--load", str(missing)]) == 2
    assert "No such file or directory" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no_load"),
        pytest.param(["--load", "x", "--uart", "2=-"], id="uart_2"),
        pytest.param(["--load", "x", "--uart", "0"], id="no_target"),
        pytest.param(["--load", "x", "--trace", "cpu"], id="unknown_trace"),
    ],
)
def test_usage_errors_have_status_2(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """As argparse says them."""
    with pytest.raises(SystemExit) as stopped:
        run_main(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"uarts": {3: "-"}}, "expected UART 0 or 1, got 3", id="uart"),
        pytest.param(
            {"uarts": {1: "-"}, "modem": Path("m")}, "UART 1 belongs to the modem",
            id="modem_uart",
        ),
        pytest.param(
            {"trace": frozenset({"at"})}, "--trace at needs --modem", id="at_alone"
        ),
        pytest.param(
            {"modem_pwrkey": "1.03"}, "--modem-pwrkey needs --modem", id="key_alone"
        ),
        pytest.param(
            {"modem_profile": "has_E=0"}, "--modem-profile needs --modem",
            id="profile_alone",
        ),
        pytest.param(
            {"modem_faults": "dead"}, "--modem-faults needs --modem",
            id="faults_alone",
        ),
        pytest.param(
            {"max_time_s": 0.0}, "expected a time of more than 0 seconds", id="time"
        ),
        pytest.param(
            {"trace": frozenset({"x"})}, "expected a trace of regs, at, flash, got x",
            id="trace",
        ),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(
    options: dict[str, object], message: str
) -> None:
    """Before anything is opened."""
    with pytest.raises(VboardError, match=message):
        RunOptions(load=(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["--modem-pwrkey", "1.16"], "expected a pin from 0.00 to 0.31", id="pin"
        ),
        pytest.param(["--modem-profile", "has_Z=1"], "no knob is called", id="knob"),
        pytest.param(["--modem-faults", "fire"], "fault plan: expected", id="fault"),
    ],
)
def test_a_modem_that_cannot_be_is_status_2(
    hello: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    """With the reason."""
    modem = ["--modem", str(tmp_path / "modem")]
    assert run_main(["--load", str(hello), *modem, *arguments]) == 2
    assert message in capfd.readouterr().err


# Drives P1.03 high for 20,000 loops, then low.
PRESS = """
reset:
    ldr r0, =0x50000800
    movs r1, #8
    str r1, [r0, #0x18]
    str r1, [r0, #0x08]
    ldr r2, =20000
wait:
    subs r2, #1
    bne wait
    str r1, [r0, #0x0C]
    b .
"""


def test_a_pin_presses_the_power_key(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A knob makes the key quick: it is on at first, so holding it switches off."""
    elf = assemble(tmp_path, PRESS)
    notes: list[str] = []
    options = RunOptions(
        load=(elf,),
        modem=tmp_path / "modem",
        modem_pwrkey="1.03",
        modem_profile="pwrkey_off_ms=0,shutdown_ms=1,power_returns=true",
        trace=frozenset({"at"}),
        max_time_s=0.1,
    )
    session = Session(options, notes.append)
    session.run()
    assert session.modem.boots == 1
    session.close()


def test_planned_faults_are_counted_at_the_end(
    hello: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """So that a plan that never fired is seen."""
    arguments = ["--modem", str(tmp_path / "modem"), "--modem-faults", "silence"]
    assert run_main(["--load", str(hello), *arguments, "--max-time", "0.01"]) == 0
    assert "fault Silence fired 0" in capfd.readouterr().err


def test_a_modem_answers_the_board(tmp_path: Path) -> None:
    """`--modem DIR` puts a SIM7600E on UART 1: AT gets its echo and OK."""
    elf = assemble(
        tmp_path,
        UART_HELLO.replace("0x400025", "0x400285")
        .replace("0x40002008", "0x40028008")
        .replace("hello, board", "AT\\rAT\\rAT\\rAT\\r"),
    )
    lines: list[str] = []
    options = RunOptions(
        load=(elf,),
        modem=tmp_path / "modem",
        trace=frozenset({"at"}),
        max_time_s=1.0,
    )
    session = Session(options, lines.append)
    session.run()
    session.close()
    assert any("OK" in line for line in lines), lines


def test_a_pseudo_terminal_shows_the_output(hello: Path) -> None:
    """Its path is noted; what the board sends can be read from it."""
    notes: list[str] = []
    options = RunOptions(
        load=(hello,), uarts={0: "pty"}, until="board", max_time_s=0.05
    )
    session = Session(options, notes.append)
    path = next(note.split(" on ")[1] for note in notes if "uart 0 on" in note)
    terminal = os.open(path, os.O_RDONLY | os.O_NOCTTY)
    assert session.run().found
    assert os.read(terminal, 64) == b"hello, board"
    os.close(terminal)
    session.close()


def test_the_module_dispatches(capfd: pytest.CaptureFixture[str]) -> None:
    """Help is status 0, an unknown command status 2."""
    assert main(["--help"]) == 0
    assert main(["fly"]) == 2
    assert "python -m vboard run" in capfd.readouterr().err


def test_it_runs_as_a_program(hello: Path) -> None:
    """The real entry point once."""
    done = subprocess.run(
        [
            sys.executable, "-m", "vboard", "run", "--load", str(hello),
            "--uart", "0=-", "--until", "board",
        ],
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, b"hello, board")


def test_a_paced_run_waits_for_real_time(hello: Path) -> None:
    session = Session(RunOptions(load=(hello,), max_time_s=0.2, pace=2.0))
    result = session.run()
    session.close()
    assert result.now_ns == 200_000_000
    assert result.wall_s >= 0.09


@pytest.mark.parametrize("pace", [[], ["--pace", "1"]])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_in_order(
    tmp_path: Path, number: int, pace: list[str]
) -> None:
    busy = assemble(tmp_path, RTT_HELLO)
    command = [sys.executable, "-m", "vboard", "run", "--load", str(busy)]
    command += ["--rtt", "-", "--max-time", "inf", *pace]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(8) == b"rtt text"
        process.send_signal(number)
        assert b"interrupted, the CPU is running at pc" in process.stderr.read()
        assert process.wait() == 0


def test_an_interrupted_run_that_waited_for_a_text_failed(hello: Path) -> None:
    session = Session(RunOptions(load=(hello,), until="never", max_time_s=math.inf))
    session.interrupt()
    result = session.run()
    session.close()
    assert not result.found and result.reason.startswith("interrupted")


@pytest.mark.parametrize("pace", ["0", "-1", "nan", "inf"])
def test_a_pace_that_is_none_is_refused(
    hello: Path, pace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(["--load", str(hello), "--pace", pace]) == 2
    assert "expected a pace of more than 0" in capsys.readouterr().err


def test_in_real_time_the_network_knows_the_time(hello: Path, tmp_path: Path) -> None:
    def network_time(**more: object) -> int:
        options = RunOptions(load=(hello,), modem=tmp_path / "modem", **more)
        session = Session(options)
        session.close()
        return session.modem.profile.network_time

    assert abs(network_time(pace=1.0) - time.time()) < 600
    assert network_time() < 1_767_225_601
    assert network_time(pace=1.0, modem_profile="network_time=5") == 5

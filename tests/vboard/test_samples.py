# SPDX-License-Identifier: Apache-2.0
"""Firmware in C with newlib that knows nothing of this project."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.asm import compile_c
from vboard.run import RunOptions, Session

SAMPLES = Path(__file__).parent / "firmware_samples"


def output_of(
    folder: Path, sample: str, *, optimise: str, until: str
) -> tuple[str, list[str]]:
    """What the sample prints on UART 0, and the notes of the run."""
    elf = compile_c(
        folder,
        [SAMPLES / "startup.c", SAMPLES / f"{sample}.c"],
        name=sample,
        flags=(optimise, "-u", "_printf_float", "-lm"),
    )
    out = folder / "out"
    notes: list[str] = []
    options = RunOptions(load=(elf,), uarts={0: str(out)}, until=until, max_time_s=10.0)
    session = Session(options, notes.append)
    assert session.run().found, (out.read_text(), notes)
    session.close()
    return out.read_text(), notes


@pytest.mark.parametrize("optimise", ["-O0", "-Os", "-O2"])
def test_polled_drivers_with_newlib(tmp_path: Path, optimise: str) -> None:
    """Start-up with UICR writes and soft reset, printf of floats, RTC, RNG, flash."""
    text, notes = output_of(
        tmp_path, "uart_polled", optimise=optimise, until="sample done"
    )
    lines = text.splitlines()
    assert lines[0] == "hello from newlib, pi is about 3.1416"
    duration = int(lines[1].split()[3])
    assert 99_960 <= duration < 100_100  # one LFCLK period of doubt
    assert lines[2:4] == ["random yes, temperature 25.00", "flash sum 0605fe00"]
    assert sum("soft reset" in note for note in notes) == 1


@pytest.mark.parametrize("optimise", ["-O1", "-O2"])
def test_a_preemptive_kernel(tmp_path: Path, optimise: str) -> None:
    """Time slices, FPU contexts, locks, critical sections, interrupt-driven output."""
    text, _ = output_of(
        tmp_path, "kernel", optimise=optimise, until="kernel sample done"
    )
    lines = text.splitlines()
    assert {"thread 0 sum 52403", "thread 1 sum 26201", "thread 2 sum 17468"} <= set(
        lines
    )
    assert "shared 15 after many ticks" in lines


def test_a_run_is_repeatable(tmp_path: Path) -> None:
    """The same seed gives the same notes, times included."""
    first = output_of(tmp_path, "kernel", optimise="-O2", until="sample done")
    second = output_of(tmp_path, "kernel", optimise="-O2", until="sample done")
    assert first == second

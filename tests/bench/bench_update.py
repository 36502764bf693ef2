# SPDX-License-Identifier: Apache-2.0
"""How fast the virtual board does a 512 KB update: simulated time against wall time.

    .venv/bin/python tests/bench/bench_update.py [--pad-bytes 520000] [--runs 1]

Builds version 1 and a padded version 2, packages them, and runs `ota-flash -r sim`
as a user does; wall time, and processor time of that one thread, are taken as the
lines come: on a machine that does nothing else they are the same. The update is what
runs on the board, from the reset to the new version's line. It has to run at least 10
times faster than the time it simulates, by processor time; exits with 1 when it does
not.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from nrfota.update_times import UpdateTimes

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.firmware import build_dir  # noqa: E402

AIM = 10.0
CONSOLE = re.compile(r"\s*([0-9.]+) s  \| (.*)")
STAGED = re.compile(r"staged .* (\d+) bytes in ([0-9.]+) s .* read back in ([0-9.]+) s")


def cpu_s(pid: int) -> float:
    """Processor time of a process so far (proc(5), /proc/pid/stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def nrfota(*arguments: str | Path) -> Iterator[tuple[float, float, str]]:
    """Runs a command; its lines as they come, with wall and processor time."""
    command = [sys.executable, "-m", "nrfota", *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            yield time.perf_counter(), cpu_s(running.pid), line.rstrip("\n")
    if running.returncode:
        raise SystemExit(f"failed with {running.returncode}: {' '.join(command)}")


def package(folder: Path, *, pad_bytes: int) -> int:
    """Builds and packages both versions; the size of the update's image."""
    pads = {1: (), 2: (f"-DAPP_PAD_BYTES={pad_bytes}",)}
    for version, pad in pads.items():
        built = build_dir(app_version=version, cmake_args=pad)
        more = ["--factory"] if version == 1 else []
        out = folder / str(version)
        list(
            nrfota(
                *("package", "-d", built, "-A", str(version)),
                *("-u", "http://host/x", "-o", out, *more),
            )
        )
    return (folder / "2/ota.ebin").stat().st_size


def update(folder: Path, *, size: int) -> bool:
    """One run from a new board; prints it, and whether it was fast enough."""
    clocks = [UpdateTimes(cipher_size=size, plain_size=size) for _ in range(3)]
    reset = begin = end = (0.0, 0.0)
    staging_s = 0.0
    for wall, cpu, line in nrfota(
        *("flash", "-r", "sim", "-d", folder / "board"),
        *("--hex-file", folder / "1/factory.hex", "--ebin", folder / "2/ota.ebin"),
    ):
        if line.startswith("==> stage"):
            begin = (wall, cpu)
        elif line.startswith("==> arm"):
            end = (wall, cpu)
        elif line.startswith("==> reset: the bootloader"):
            reset = (wall, cpu)
        elif reset[0] and (match := CONSOLE.match(line)):
            seconds = (float(match[1]), wall - reset[0], cpu - reset[1])
            for clock, value in zip(clocks, seconds, strict=True):
                clock.line(match[2], seconds=value)
        elif match := STAGED.match(line):
            staging_s = float(match[2]) + float(match[3])
    print(
        f"{'step':10}{'simulated':>12}{'wall':>10}{'ratio':>9}{'cpu':>10}{'ratio':>9}"
    )
    show("stage", staging_s, end[0] - begin[0], end[1] - begin[1])
    for steps in zip(*(clock.steps for clock in clocks), strict=True):
        show(steps[0].name, *(step.seconds or 0.0 for step in steps))
    ratio = show("update", *(clock.total or 0.0 for clock in clocks))
    print("" if ratio >= AIM else f"BELOW THE AIM of {AIM:g}", flush=True)
    return ratio >= AIM


def show(name: str, simulated_s: float, wall_s: float, cpu: float) -> float:
    """Prints a row; returns the ratio to processor time."""
    ratios = [simulated_s / max(seconds, 0.01) for seconds in (wall_s, cpu)]
    print(
        f"{name:10}{simulated_s:>10.2f} s{wall_s:>8.2f} s{ratios[0]:>9.1f}"
        f"{cpu:>8.2f} s{ratios[1]:>9.1f}"
    )
    return ratios[1]


def main() -> int:
    """Measures; 1 when a run is slower than the aim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pad-bytes", type=int, default=520_000)
    parser.add_argument("--runs", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = package(folder, pad_bytes=args.pad_bytes)
        print(f"ota.ebin of {size} bytes")
        results = [update(folder, size=size) for _ in range(args.runs)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())

# SPDX-License-Identifier: Apache-2.0
"""The project's own images, built once for all tests.

elf = built("mbr")            # build/test-firmware/mbr/mbr.elf
folder = build_dir(app_version=2)
"""

from __future__ import annotations

import fcntl
import functools
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def build_dir(*, app_version: int = 1, cmake_args: tuple[str, ...] = ()) -> Path:
    """A build directory with the three images; nothing is built when it is fresh."""
    variant = "-".join(
        ["test-firmware", str(app_version), *(arg.lstrip("-D") for arg in cmake_args)]
    )
    folder = ROOT / "build" / variant.replace("=", "-")
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "nrfota", "build", f"-d{folder}"]
    command += [f"-A{app_version}", *(f"--cmake-arg={arg}" for arg in cmake_args)]
    # Several test processes may ask at the same time.
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise AssertionError(f"the firmware did not build:\n{done.stdout}{done.stderr}")
    return folder


def built(name: str) -> Path:
    """The ELF file of "mbr", "bootloader" or "app"."""
    return build_dir() / name / f"{name}.elf"

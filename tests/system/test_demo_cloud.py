# SPDX-License-Identifier: Apache-2.0
"""`scripts/demo_cloud.sh`: an update by cloud, as a newcomer sees it."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from support.process import accepts

ROOT = Path(__file__).resolve().parents[2]


def demo(*args: str, path: str = "") -> subprocess.CompletedProcess[str]:
    path = ":".join(filter(None, (path, os.environ["PATH"])))
    return subprocess.run(
        ["sh", "scripts/demo_cloud.sh", *args],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def ports(done: subprocess.CompletedProcess[str]) -> list[int]:
    """Of the two servers."""
    line = next(line for line in done.stdout.splitlines() if "nginx on" in line)
    return [int(port) for port in re.findall(r"localhost:(\d+)", line)]


def test_the_demo_ends_with_the_devices_confirmation(tmp_path: Path) -> None:
    done = demo(str(tmp_path / "demo"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is complete: 1 of 1 devices settled: 1 confirmed" in done.stdout
    assert "app: version 2 running (reason trial)" in done.stdout
    last = done.stdout.rstrip().splitlines()[-1]
    assert re.fullmatch(r"app: update fw2-\S+: confirmed", last)
    assert not any(accepts(port) for port in ports(done))
    keys = list((tmp_path / "demo" / "fleet" / "certs").glob("*.key"))
    assert len(keys) == 4
    assert all(stat.S_IMODE(key.stat().st_mode) == 0o600 for key in keys)


def test_a_step_that_fails_is_told_and_the_servers_end(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    cmake = tools / "cmake"
    cmake.write_text("#!/bin/sh\necho this cmake is broken >&2\nexit 3\n")
    cmake.chmod(0o755)
    done = demo(str(tmp_path / "demo"), path=str(tools))
    assert done.returncode == 1
    assert "this cmake is broken" in done.stderr
    assert "demo: failed: west ota-build" in done.stderr
    assert not any(accepts(port) for port in ports(done))


@pytest.mark.parametrize("option, status", [("--help", 0), ("--nonsense", 2)])
def test_usage(option: str, status: int) -> None:
    done = demo(option)
    assert done.returncode == status
    assert "usage: sh scripts/demo_cloud.sh [DIR]" in done.stdout + done.stderr

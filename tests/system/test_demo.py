# SPDX-License-Identifier: Apache-2.0
"""`scripts/demo.sh`: the first thing that a newcomer runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def demo(
    folder: Path, *, path: str = os.environ["PATH"]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "scripts/demo.sh", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_demo_ends_with_the_new_versions_own_line(tmp_path: Path) -> None:
    """Build, package, stage, update, and the console of version 2 at last."""
    done = demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "app: version 1 running (reason normal)" in done.stdout
    assert "app: version 2 running (reason trial)" in done.stdout
    last = done.stdout.rstrip().splitlines()[-1]
    assert last.endswith("app: version 2 running (reason normal)")


def test_demo_fails_when_a_step_fails(tmp_path: Path) -> None:
    """A tool that fails is told, and ends the demo."""
    tools = tmp_path / "tools"
    tools.mkdir()
    cmake = tools / "cmake"
    cmake.write_text("#!/bin/sh\necho this cmake is broken >&2\nexit 3\n")
    cmake.chmod(0o755)
    done = demo(tmp_path / "demo", path=f"{tools}:{os.environ['PATH']}")
    assert done.returncode != 0
    assert "this cmake is broken" in done.stderr

# SPDX-License-Identifier: Apache-2.0
"""A short, seeded run of every libFuzzer target on its corpus.

The sources say what each target holds to be true. A longer run, which also keeps the
inputs that reach new code: `sh tests/fuzz/run.sh 600`.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TARGETS = sorted(source.stem for source in HERE.glob("fuzz_*.c"))
RUNS = 20000
SLOW_RUNS = {"fuzz_boot": 4000, "fuzz_journal": 6000, "fuzz_mqtt": 8000}


@pytest.fixture(scope="session")
def fuzz_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configure and build the fuzz targets with clang; return the build folder."""
    if shutil.which("clang") is None:
        pytest.fail("clang is needed for libFuzzer: apt-get install clang")
    build = tmp_path_factory.mktemp("fuzz")
    for command in (
        ["cmake", "-G", "Ninja", "-S", str(HERE), "-B", str(build)],
        ["cmake", "--build", str(build)],
    ):
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "CC": "clang"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return build


@pytest.mark.parametrize("target", TARGETS)
def test_fuzz(fuzz_build: Path, tmp_path: Path, target: str) -> None:
    """The target's promises hold for the corpus and for seeded inputs."""
    found = tmp_path / "found"
    found.mkdir()
    done = subprocess.run(
        [
            str(fuzz_build / target),
            f"-runs={SLOW_RUNS.get(target, RUNS)}",
            "-seed=1",
            "-max_len=9000",
            "-timeout=20",
            "-detect_leaks=1",
            "-print_final_stats=1",
            f"-artifact_prefix={tmp_path}/",
            str(found),
            str(HERE / "corpus" / target),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    assert "stat::number_of_executed_units:" in done.stderr


def test_every_target_has_a_corpus() -> None:
    """A corpus folder per target, none without a target, none empty."""
    folders = sorted(folder.name for folder in (HERE / "corpus").iterdir())
    assert folders == TARGETS
    inputs = [path for path in (HERE / "corpus").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in inputs) < 300_000
    assert all(any((HERE / "corpus" / name).iterdir()) for name in folders)

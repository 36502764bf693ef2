# SPDX-License-Identifier: Apache-2.0
"""The images as they ship: limits, reproducibility, options, and the hand-over."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.firmware import ROOT, build_dir, built
from vboard import Board, NvMemory, load_files

IMAGES = ("mbr", "bootloader", "app")
LIMITS = {"mbr": 0x1000, "bootloader": 0x4000}
SOURCES = ("CMakeLists.txt", "app", "bootloader", "cmake", "templates")


def nrfota(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m nrfota ...`."""
    command = [sys.executable, "-m", "nrfota", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", LIMITS)
def test_boot_record_and_bootloader_keep_their_limits(name: str) -> None:
    """4 KB and 16 KB."""
    data = built(name).with_suffix(".bin").read_bytes()
    assert len(data) <= LIMITS[name]


def test_builds_in_different_folders_give_identical_images(tmp_path: Path) -> None:
    """Source and build folder both differ; not one byte of an image does."""
    from nrfota.build import BuildRequest, build

    for name in SOURCES:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    build(
        BuildRequest(
            build_dir=tmp_path / "some/where/else",
            app_version=1,
            source_dir=tmp_path,
        )
    )
    for name in IMAGES:
        for suffix in (".hex", ".bin"):
            ours = built(name).with_suffix(suffix).read_bytes()
            theirs = tmp_path / f"some/where/else/{name}/{name}{suffix}"
            assert ours == theirs.read_bytes(), f"{name}{suffix}"


@pytest.mark.parametrize("name", IMAGES)
def test_no_path_of_the_build_machine_is_in_an_image(name: str) -> None:
    """Neither in flash nor in the debug information's file names."""
    assert str(ROOT).encode() not in built(name).read_bytes()


def test_a_second_build_does_nothing() -> None:
    """Ninja has no work."""
    folder = build_dir()
    before = {name: built(name).stat().st_mtime_ns for name in IMAGES}
    done = nrfota("build", f"-d{folder}", "-A1")
    assert done.returncode == 0, done.stderr
    assert "no work to do" in done.stdout
    assert before == {name: built(name).stat().st_mtime_ns for name in IMAGES}


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        pytest.param(
            "-DOTA_CRYPTO=nrf_cc310",
            "OTA_CRYPTO=nrf_cc310 is not available yet",
            id="nordic_crypto",
        ),
        pytest.param(
            "-DOTA_CRYPTO=rot13", "OTA_CRYPTO is 'rot13', expected cc310", id="crypto"
        ),
        pytest.param(
            "-DAPP_PAD_BYTES=many",
            "APP_PAD_BYTES is 'many', expected a whole number",
            id="padding",
        ),
    ],
)
def test_options_that_cannot_work_are_refused(
    tmp_path: Path, argument: str, sentence: str
) -> None:
    """One sentence from CMake, exit status 1."""
    done = nrfota("build", f"-d{tmp_path}", f"--cmake-arg={argument}")
    assert done.returncode == 1
    assert sentence in " ".join(done.stderr.split())


def test_cmake_alone_says_what_is_missing(tmp_path: Path) -> None:
    """The rendered files come from `west ota-build`."""
    toolchain = ROOT / "cmake/toolchain-arm-none-eabi.cmake"
    done = subprocess.run(
        [
            *("cmake", "-GNinja", f"-S{ROOT}", f"-B{tmp_path}"),
            f"-DCMAKE_TOOLCHAIN_FILE={toolchain}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "layout.cmake is missing: build with `west ota-build`" in " ".join(
        done.stderr.split()
    )


def console(board: Board) -> list[bytes]:
    """Collects what the console UART sends."""
    sent: list[bytes] = []
    board.uart(0).tx.on_burst = lambda burst: sent.append(burst.data)
    return sent


def test_the_application_runs_behind_the_boot_record_alone() -> None:
    """Without bootloader: no boot status, and it says so."""
    nv = NvMemory(seed=1)
    load_files(nv, [built("mbr"), built("app")])
    board = Board(nv, seed=1)
    sent = console(board)
    board.run(500_000_000)
    assert b"app: version 1 running (no boot status)\r\n" in b"".join(sent)


def test_the_bootloader_starts_nothing_without_a_journal() -> None:
    """An application that no journal vouches for is not started."""
    nv = NvMemory(seed=1)
    load_files(nv, [built("mbr"), built("bootloader"), built("app")])
    board = Board(nv, seed=1)
    sent = console(board)
    board.run(2_000_000_000)
    assert b"boot: " in b"".join(sent)
    assert b"app: " not in b"".join(sent)

# SPDX-License-Identifier: Apache-2.0
"""The sample application behind the boot record, without a bootloader."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from support.firmware import build_dir
from vboard import Board, NvMemory, load_files

STATUS = 0x2003_FE00
HANDSHAKE = 0xFF000
CONFIRM = 0x4D52_4643
TOKEN = 0x1234_5678
NS_PER_S = 1_000_000_000


def status(*, reason: int, token: int = 0, error: int = 0) -> bytes:
    """What a bootloader leaves in RAM (SPEC.md, section 5)."""
    head = struct.pack("<IHHIII", 0x5341544F, 1, 128, 100, 1, reason)
    rest = struct.pack("<iIIII", error, 0, 4, 1, token)
    kept = struct.pack("<I4II", 2, 9, 8, 0, 0, 7556)
    body = (head + rest + kept).ljust(124, b"\0")
    return body + struct.pack("<I", zlib.crc32(body))


class App:
    """A board that boots the application with a status in RAM."""

    def __init__(self, folder: Path, ram_status: bytes) -> None:
        self.nv = NvMemory(seed=2)
        load_files(self.nv, [folder / "mbr/mbr.elf", folder / "app/app.elf"])
        self.board = Board(self.nv, seed=2)
        self.text = b""
        self.board.uart(0).tx.on_burst = self._burst
        self.board.ram_write(STATUS, ram_status)

    def _burst(self, burst: object) -> None:
        self.text += burst.data  # type: ignore[attr-defined]

    def run(self, seconds: float) -> list[str]:
        """Runs; the lines printed so far."""
        end = self.board.clock.now_ns + round(seconds * NS_PER_S)
        self.board.run(end)
        return self.text.decode().split("\r\n")


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (1, "normal"),
        (2, "trial"),
        (3, "update refused"),
        (4, "update failed"),
        (5, "rolled back"),
    ],
)
def test_prints_why_it_was_started(reason: int, text: str) -> None:
    """Version, reason, last error, kept versions, duration of the update."""
    app = App(build_dir(), status(reason=reason, error=-23))
    lines = app.run(0.5)
    assert lines[:5] == [
        f"app: version 1 running (reason {text})",
        "app: bootloader 100, last error -23, reset reason 4",
        "app: version 9 is kept in the modem",
        "app: version 8 is kept in the modem",
        "app: update took 7556 ms",
    ]


def test_confirms_itself_on_trial_only() -> None:
    """Magic and token in the hand-shake page; nothing there on an ordinary start."""
    trial = App(build_dir(), status(reason=2, token=TOKEN))
    assert "app: confirmed version 1" in trial.run(3)
    assert trial.nv.read(HANDSHAKE, 8) == struct.pack("<II", CONFIRM, TOKEN)
    normal = App(build_dir(), status(reason=1))
    assert "app: confirmed version 1" not in normal.run(3)
    assert normal.nv.operations == 0


def test_a_version_that_never_confirms() -> None:
    """APP_CONFIRM=OFF, for trials that shall fail."""
    folder = build_dir(app_version=7, cmake_args=("-DAPP_CONFIRM=OFF",))
    app = App(folder, status(reason=2, token=TOKEN))
    assert "app: version 7 running (reason trial)" in app.run(3)
    assert app.nv.operations == 0


def test_a_spoilt_status_is_not_believed() -> None:
    """One wrong bit: no reason, no token."""
    spoilt = bytearray(status(reason=2, token=TOKEN))
    spoilt[36] ^= 1
    app = App(build_dir(), bytes(spoilt))
    assert "app: version 1 running (no boot status)" in app.run(3)
    assert app.nv.operations == 0


def test_feeds_the_watchdog_and_says_that_it_lives() -> None:
    """Two minutes: no reset, a line each minute, the light blinks."""
    app = App(build_dir(), status(reason=1))
    levels = set()
    for _ in range(8):
        app.run(0.25)
        levels.add(app.board.bus.read(0x5000_0504) >> 13 & 1)  # P0.OUT, LED on P0.13
    lines = app.run(120)
    assert app.board.resets == 1
    assert app.board.bus.read(0x4001_0400) == 1  # WDT.RUNSTATUS
    assert lines.count("app: alive 1") == 1
    assert lines.count("app: alive 2") == 1
    assert levels == {0, 1}


def test_padding_makes_the_image_larger() -> None:
    """APP_PAD_BYTES constants that differ from version to version."""
    folder = build_dir(app_version=7, cmake_args=("-DAPP_PAD_BYTES=50000",))
    plain = (build_dir() / "app/app.bin").stat().st_size
    padded = (folder / "app/app.bin").read_bytes()
    assert plain + 50000 - 64 <= len(padded) <= plain + 50000 + 64
    assert len(set(padded[-4096:])) == 256

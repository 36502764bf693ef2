# SPDX-License-Identifier: Apache-2.0
"""The shipped bootloader replaces itself: staging, COPY_BL of the boot record."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from intelhex import IntelHex
from nrfota.arm import BootRequest
from nrfota.fw_info import FwInfo
from support.firmware import ROOT, build_dir, built
from vboard import Board, Cut, NvMemory, load_files
from vboard.errors import PowerCut
from vboard.modem.sim7600 import Sim7600
from vboard.modem.storage import Storage

BOOTLOADER, PARAMS, REQUEST = 0xF6000, 0xFE000, 0x2003_FC00
RESERVED_VECTOR = 13 * 4
NEW_VERSION = 200
NS_PER_MS = 1_000_000


def nrfota(*arguments: str) -> None:
    """`python -m nrfota ...`, which must succeed."""
    command = [sys.executable, "-m", "nrfota", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


class Device:
    """A provisioned board with a modem that holds the new bootloader."""

    def __init__(self, folder: Path) -> None:
        # Another image that does the same: a reserved vector and a tail differ,
        # so the first and the last page have to be replaced.
        image_bytes = bytearray(built("bootloader").with_suffix(".bin").read_bytes())
        image_bytes[RESERVED_VECTOR : RESERVED_VECTOR + 4] = bytes(4)
        self.new = bytes(image_bytes) + b"tail" * 4
        image = IntelHex()
        image.frombytes(self.new, offset=BOOTLOADER)
        image.write_hex_file(str(folder / "new.hex"))
        url = "--url=https://x.example/ota.ebin"
        nrfota("package", f"-d{build_dir()}", "-A1", url, "--factory", f"-o{folder}/v1")
        hex_file = f"--hex-file={folder}/new.hex"
        nrfota("package", hex_file, f"-A{NEW_VERSION}", url, f"-o{folder}/bl")
        storage = folder / "modem"
        (storage / "E").mkdir(parents=True)
        shutil.copy(folder / "bl/ota.ebin", storage / "E/bl.ebin")
        info = json.loads((folder / "bl/ota.json").read_text())["fw_info"]
        self.request = BootRequest(FwInfo.unpack(bytes.fromhex(info)), "E:/bl.ebin")

        self.nv = NvMemory(seed=4)
        load_files(self.nv, [folder / "v1/factory.hex"])
        self.old = self.nv.read(BOOTLOADER, len(self.new))
        self.board = Board(self.nv, seed=4)
        self.text = b""
        self.board.uart(0).tx.on_burst = self._burst
        modem = Sim7600(self.board.clock, Storage(storage), seed=4)
        modem.attach(self.board.uart(1).tx, self.board.uart(1).rx)
        modem.start_ready()
        self.run_until(b"app: bootloader")

    def _burst(self, burst: object) -> None:
        self.text += burst.data  # type: ignore[attr-defined]

    def run_until(self, text: bytes, *, ms: int = 20_000) -> None:
        """Runs until the console has said `text` since the last call."""
        self.text = b""
        end = self.board.clock.now_ns + ms * NS_PER_MS
        self.board.run(end, stop=lambda: text in self.text)
        assert text in self.text, self.text.decode()

    def ask(self) -> None:
        """Leaves the request in RAM and resets."""
        self.board.ram_write(REQUEST, self.request.pack())
        self.board.soft_reset()

    def in_flash(self) -> bytes:
        """The bootloader that would run."""
        return self.nv.read(BOOTLOADER, len(self.new))


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """Version 1 runs."""
    return Device(tmp_path)


def test_the_new_bootloader_is_copied_and_starts_the_application(
    device: Device,
) -> None:
    """Old to new without touching the application; nothing is left to do."""
    device.ask()
    device.run_until(b"app: version 1 running (reason normal)")
    assert device.in_flash() == device.new
    assert device.nv.read(PARAMS, 4096) == b"\xff" * 4096


@pytest.mark.parametrize("when", ["before", "torn", "after"])
def test_power_cut_while_the_running_bootloader_is_erased(
    device: Device, when: str
) -> None:
    """The boot record finishes the copy at the next power-up."""
    pages: list[int] = []

    def watch(number: int, kind: object, address: int, value: int) -> None:
        erased = getattr(kind, "value", "") == "erase" and address >= BOOTLOADER
        if erased and address < BOOTLOADER + 0x4000:
            pages.append(number)
            if len(pages) == 1:
                device.nv.cut = Cut(operation=number + 40, when=when, seed=9)

    device.nv.on_operation = watch
    device.ask()
    with pytest.raises(PowerCut):
        device.run_until(b"app: version")
    device.nv.cut = None
    assert device.in_flash() not in (device.old, device.new)
    device.board.power_cycle()
    device.run_until(b"app: version 1 running")
    assert device.in_flash() == device.new

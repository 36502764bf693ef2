# SPDX-License-Identifier: Apache-2.0
"""A device of the field: the shipped binaries on a virtual board, with its modem.

device = Device(factory=release(1).factory)
device.store("fw_2.ebin", release(2).ebin)
device.request(release(2).fw_info, "E:/fw_2.ebin")
device.run_until("app: version 2 running")
"""

from __future__ import annotations

import functools
import json
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from support.firmware import build_dir
from vboard.board import Board
from vboard.clock import NS_PER_S
from vboard.errors import PowerCut
from vboard.loader import load_files
from vboard.modem.faults import FaultPlan
from vboard.modem.profile import ModemProfile
from vboard.modem.sim7600 import Sim7600
from vboard.modem.storage import Storage
from vboard.nv import NvMemory

REQUEST_ADDRESS = 0x2003_FC00
APP_START = 0x0000_1000
APP_END = 0x000F_0000


@dataclass(frozen=True)
class Release:
    """What `west ota-package` makes of one build."""

    ebin: bytes
    fw_info: bytes
    factory: Path | None = None


@functools.cache
def package(
    image: Path,
    version: int,
    *,
    build: Path | None = None,
    factory: bool = False,
    options: tuple[str, ...] = (),
) -> Release:
    """Packages an ELF or HEX file by the command line, as a user does.

    `build` is the build directory; None means the one that made the image.
    """
    folder = Path(tempfile.mkdtemp(prefix="release-"))
    kind = "--hex-file" if image.suffix == ".hex" else "--elf-file"
    command = [sys.executable, "-m", "nrfota", "package", kind, str(image)]
    command += ["-d", str(build or image.parents[1])]
    command += ["-A", str(version), "-o", str(folder)]
    command += ["-u", "https://example.com/fw.ebin", *options]
    if factory:
        command += ["--factory", "--modem-path", f"E:/fw_{version}.ebin"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    fw_info = json.loads((folder / "ota.json").read_text())["fw_info"]
    return Release(
        ebin=(folder / "ota.ebin").read_bytes(),
        fw_info=bytes.fromhex(fw_info),
        factory=folder / "factory.hex" if factory else None,
    )


def release(version: int, *cmake_args: str, factory: bool = False) -> Release:
    """The sample application, built as `version` and packaged."""
    folder = build_dir(app_version=version, cmake_args=cmake_args)
    return package(folder / "app" / "app.elf", version, factory=factory)


class Device:
    """Flash, modem storage and, while it is powered, a board."""

    def __init__(
        self,
        *,
        factory: Path,
        modem_dir: Path,
        seed: int = 1,
        faults: Literal["strict", "guest"] = "strict",
        profile: ModemProfile | None = None,
        plan: FaultPlan | None = None,
        pace: float | None = None,
    ) -> None:
        """`profile`, `plan` and `pace` are the modem's, over all power cycles."""
        self.nv = NvMemory(seed=seed)
        self.faults = faults
        load_files(self.nv, [factory])
        self.modem_dir = modem_dir
        self.seed = seed
        self.profile = profile
        self.plan = plan
        self.pace = pace
        self.console = ""
        self.on_at: Callable[[str], None] = lambda text: None
        self.resets = 0
        (modem_dir / "E").mkdir(parents=True, exist_ok=True)
        self._start()

    def _start(self) -> None:
        self.board = Board(self.nv, seed=self.seed, faults=self.faults)
        self.board.uart(0).tx.on_burst = lambda burst: self._heard(burst.data)
        uart = self.board.uart(1)
        storage = Storage(self.modem_dir)
        self.modem = Sim7600(
            self.board.clock,
            storage,
            profile=self.profile,
            faults=self.plan,
            seed=self.seed,
            pace=self.pace,
            trace=self._at,
        )
        self.modem.attach(uart.tx, uart.rx)
        self.modem.start_ready()

    def _at(self, text: str) -> None:
        self.on_at(text)

    def _heard(self, data: bytes) -> None:
        self.console += data.decode("ascii", "replace")

    def store(self, name: str, data: bytes) -> None:
        """Puts a file into the modem's E: drive."""
        (self.modem_dir / "E" / name).write_bytes(data)

    def request(self, fw_info: bytes, path: str) -> None:
        """Leaves the boot request of SPEC.md section 4 and resets softly."""
        head = struct.pack("<IHHI", 0x5241_544F, 1, 196, 1)
        body = head + fw_info + struct.pack("<I", 0) + path.encode().ljust(64, b"\0")
        body += struct.pack("<I", zlib.crc32(body))
        self.board.ram_write(REQUEST_ADDRESS, body)
        self.console = ""
        self.board.soft_reset()

    def run_until(self, text: str, *, max_s: float = 120.0) -> bool:
        """Runs until the console said `text`; False when time is over."""
        end_ns = self.board.clock.now_ns + round(max_s * NS_PER_S)
        self.board.run(until_ns=end_ns, stop=lambda: text in self.console)
        return text in self.console

    def run_into_cut(self, text: str) -> bool:
        """Like `run_until`, but True when the planned power cut came first."""
        try:
            self.run_until(text)
        except PowerCut:
            return True
        return False

    def power_cycle(self) -> None:
        """Everything off and on again; flash and modem files are kept."""
        self.modem.power_off()
        self.board.close()
        self.console = ""
        self._start()

    def runs(self, version: int) -> bool:
        """True when `version` has reported itself since the last power-on."""
        return f"app: version {version} running" in self.console

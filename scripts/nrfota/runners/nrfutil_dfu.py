# SPDX-License-Identifier: Apache-2.0
"""Runner for PyPI's `nrfutil`: boards with nothing but Nordic's factory bootloader.

That bootloader takes an application over USB serial and nothing else: no boot record,
no bootloader, no journal. So the application runs, but cannot be updated over the
air. The tool must live in a virtual environment of its own, on PATH: it pins a PyYAML
that breaks west.

Command lines: pc-nrfutil documentation, "pkg generate" and "dfu usb-serial".
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from nrfota.errors import FormatError, UsageError
from nrfota.hexfile import read_hex, write_hex
from nrfota.layout import default_layout_path, load_layout
from nrfota.outputs import read_input
from nrfota.runners.base import (
    BenchRunner,
    Capability,
    Erase,
    RunnerOptions,
    Tool,
    cannot,
)
from nrfota.segment import Segment

# Where the factory bootloader of the nRF52840 Dongle begins (its MBR parameters say
# 0xE0000); an application must end below.
FACTORY_BOOTLOADER = 0xE0000
_INSTEAD = "use a debug probe with -r pyocd, nrfutil, nrfjprog or openocd"


class NrfutilDfuRunner(BenchRunner):
    """`nrfutil pkg generate` and `nrfutil dfu usb-serial`."""

    name = "nrfutil-dfu"
    capabilities = frozenset({Capability.PROVISION})

    def __init__(self, options: RunnerOptions) -> None:
        self._options = options
        self._tool = Tool(
            "nrfutil",
            options,
            install=(
                "install it with 'pip install nrfutil' in a virtual environment of "
                "its own and put that on PATH"
            ),
        )
        if not options.serial_port:
            raise UsageError(
                "runner nrfutil-dfu needs the board's USB serial port: "
                "--dfu-port /dev/ttyACM0"
            )
        self._port = options.serial_port

    def check(self) -> None:
        """The program must be on PATH."""
        self._tool.check()

    def provision(self, hex_path: Path, *, erase: Erase) -> None:
        """Sends the application of `hex_path`; the factory bootloader erases."""
        if erase is Erase.CHIP:
            raise UsageError(
                f"runner nrfutil-dfu cannot erase the whole chip; {_INSTEAD}"
            )
        with tempfile.TemporaryDirectory() as folder:
            application = Path(folder) / "app.hex"
            package = Path(folder) / "dfu.zip"
            application.write_text(self._application(hex_path))
            self._options.on_note(
                "the factory bootloader takes the application alone: no updates "
                "over the air on this board"
            )
            self._tool.run(
                "pkg",
                "generate",
                "--hw-version",
                "52",
                "--sd-req",
                "0x00",
                "--application",
                application,
                "--application-version",
                "1",
                package,
            )
            self._tool.run(
                "dfu",
                "usb-serial",
                "-pkg",
                package,
                "-p",
                self._port,
                "-b",
                "115200",
            )

    def write_ram(self, address: int, data: bytes) -> None:
        """Refused."""
        raise cannot(self.name, Capability.WRITE_RAM, _INSTEAD)

    def reset(self) -> None:
        """Refused."""
        raise cannot(self.name, Capability.RESET, "press the board's reset button")

    def read_flash(self, address: int, size: int) -> bytes:
        """Refused."""
        raise cannot(self.name, Capability.READ_FLASH, _INSTEAD)

    def _application(self, hex_path: Path) -> str:
        """The application region of `hex_path`, as Intel HEX."""
        region = load_layout(default_layout_path()).flash_region("app")
        segments = []
        for segment in read_hex(read_input(hex_path), source=str(hex_path)):
            start = max(segment.address, region.start)
            end = min(segment.end, region.end)
            if start < end:
                part = segment.data[start - segment.address : end - segment.address]
                segments.append(Segment(start, part, segment.origin))
        if not segments:
            raise FormatError(
                f"{hex_path}: expected an application in {region}, got none"
            )
        if segments[-1].end > FACTORY_BOOTLOADER:
            raise FormatError(
                f"{hex_path}: expected the application to end below the factory "
                f"bootloader at 0x{FACTORY_BOOTLOADER:08x}, "
                f"it ends at 0x{segments[-1].end:08x}"
            )
        return write_hex(segments)

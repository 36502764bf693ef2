# SPDX-License-Identifier: Apache-2.0
"""Runner for Nordic's native `nrfutil` with its `device` command (J-Link probes).

Command lines: nRF Util documentation, "nrfutil device", subcommands program, read
and reset.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from nrfota.errors import FormatError, NoDeviceError
from nrfota.hexfile import read_hex
from nrfota.runners.base import (
    NO_RAM,
    BenchRunner,
    Capability,
    Erase,
    RunnerOptions,
    Tool,
    ToolError,
    cannot,
)

_ERASE_MODE = {
    Erase.TOUCHED: "ERASE_RANGES_TOUCHED_BY_FIRMWARE",
    Erase.CHIP: "ERASE_ALL",
}


class NrfutilRunner(BenchRunner):
    """`nrfutil device ...`."""

    name = "nrfutil"
    capabilities = NO_RAM

    def __init__(self, options: RunnerOptions) -> None:
        self._options = options
        self._tool = Tool(
            "nrfutil",
            options,
            install=(
                "install Nordic's nRF Util and run 'nrfutil install device', "
                "or use -r pyocd"
            ),
        )
        self._common = ["--serial-number", options.dev_id] if options.dev_id else []

    def check(self) -> None:
        """The program must be there and be the native one with `device`."""
        self._tool.check()
        try:
            self._tool.run("device", "--version")
        except ToolError as error:
            raise NoDeviceError(
                "expected Nordic's native nrfutil with its device command (run "
                "'nrfutil install device'; PyPI's nrfutil is -r nrfutil-dfu), "
                f"got: {error}"
            ) from error

    def provision(self, hex_path: Path, *, erase: Erase) -> None:
        """`device program`, read back, no reset."""
        options = ",".join(
            (
                f"chip_erase_mode={_ERASE_MODE[erase]}",
                "verify=VERIFY_READ",
                "reset=RESET_NONE",
            )
        )
        self._device("program", "--firmware", hex_path, "--options", options)

    def write_ram(self, address: int, data: bytes) -> None:
        """Refused: `device write` takes the word from its arguments."""
        raise cannot(self.name, Capability.WRITE_RAM, "arming goes by the journal")

    def reset(self) -> None:
        """RESET_SYSTEM sets SYSRESETREQ."""
        self._device("reset", "--reset-kind", "RESET_SYSTEM")

    def read_flash(self, address: int, size: int) -> bytes:
        """`device read` into a HEX file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "flash.hex"
            self._device(
                "read",
                "--address",
                f"0x{address:08X}",
                "--bytes",
                str(size),
                "--to-file",
                path,
            )
            if self._options.dry_run:
                return b""
            segments = read_hex(path.read_bytes(), source="nrfutil device read")
        data = b"".join(segment.data for segment in segments)
        if not segments or segments[0].address != address or len(data) != size:
            raise FormatError(
                f"nrfutil: expected {size} bytes from 0x{address:08x}, got {len(data)}"
            )
        return data

    def _device(self, *arguments: str | Path) -> str:
        return self._tool.run("device", *arguments, *self._common)

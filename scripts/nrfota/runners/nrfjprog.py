# SPDX-License-Identifier: Apache-2.0
"""Runner for `nrfjprog` of Nordic's nRF Command Line Tools (J-Link probes).

Command lines: "nrfjprog commands", nRF Command Line Tools documentation.
"""

from __future__ import annotations

import re
from pathlib import Path

from nrfota.errors import FormatError
from nrfota.runners.base import (
    NO_RAM,
    BenchRunner,
    Capability,
    Erase,
    RunnerOptions,
    Tool,
    cannot,
)

_DUMP_LINE = re.compile(r"0x[0-9A-Fa-f]{8}:((?:\s+[0-9A-Fa-f]{8})+)")


class NrfjprogRunner(BenchRunner):
    """`nrfjprog -f NRF52 ...`."""

    name = "nrfjprog"
    capabilities = NO_RAM

    def __init__(self, options: RunnerOptions) -> None:
        self._options = options
        self._tool = Tool(
            "nrfjprog",
            options,
            install="install Nordic's nRF Command Line Tools or use -r pyocd",
        )
        self._common = ["-f", "NRF52"]
        if options.dev_id:
            self._common += ["--snr", options.dev_id]

    def check(self) -> None:
        """The program must be on PATH."""
        self._tool.check()

    def provision(self, hex_path: Path, *, erase: Erase) -> None:
        """`--program` erases, programs and reads back."""
        how = "--chiperase" if erase is Erase.CHIP else "--sectorerase"
        self._tool.run("--program", hex_path, how, "--verify", *self._common)

    def write_ram(self, address: int, data: bytes) -> None:
        """Refused: `--memwr` takes the words from its arguments."""
        raise cannot(self.name, Capability.WRITE_RAM, "arming goes by the journal")

    def reset(self) -> None:
        """`--reset` sets SYSRESETREQ."""
        self._tool.run("--reset", *self._common)

    def read_flash(self, address: int, size: int) -> bytes:
        """`--memrd` in words."""
        text = self._tool.run(
            "--memrd",
            f"0x{address:08X}",
            "--n",
            str(size),
            "--w",
            "32",
            *self._common,
        )
        if self._options.dry_run:
            return b""
        found = [word for line in _DUMP_LINE.findall(text) for word in line.split()]
        data = b"".join(int(word, 16).to_bytes(4, "little") for word in found)
        if len(data) != size:
            raise FormatError(
                f"nrfjprog: expected {size} bytes from 0x{address:08x}, got {len(data)}"
            )
        return data

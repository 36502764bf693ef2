# SPDX-License-Identifier: Apache-2.0
"""Runner for OpenOCD 0.12 and newer with its `target/nrf52.cfg`.

Commands: OpenOCD User's Guide, "Flash Programming", "General Commands" and the nrf5
flash driver.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from nrfota.errors import FormatError, UsageError
from nrfota.runners.base import (
    EVERYTHING,
    BenchRunner,
    Erase,
    RunnerOptions,
    Tool,
    words,
)


class OpenocdRunner(BenchRunner):
    """`openocd -f interface/X.cfg -f target/nrf52.cfg -c ...`."""

    name = "openocd"
    capabilities = EVERYTHING

    def __init__(self, options: RunnerOptions) -> None:
        self._options = options
        self._tool = Tool("openocd", options, install="install openocd or use -r pyocd")
        interface = options.interface
        if not interface.endswith(".cfg"):
            interface = f"interface/{interface}.cfg"
        self._start = ["-f", interface, "-c", "transport select swd"]
        if options.dev_id:
            self._start += ["-c", f"adapter serial {_quoted(options.dev_id)}"]
        self._start += ["-f", "target/nrf52.cfg"]

    def check(self) -> None:
        """The program must be on PATH."""
        self._tool.check()

    def provision(self, hex_path: Path, *, erase: Erase) -> None:
        """Erases what is touched (or all), writes, verifies; the chip stays halted."""
        path = _quoted(str(hex_path))
        before = ["nrf5 mass_erase"] if erase is Erase.CHIP else []
        self._run(
            "init",
            "reset init",
            *before,
            f"flash write_image erase {path}",
            f"verify_image {path}",
        )

    def write_ram(self, address: int, data: bytes) -> None:
        """`mww` through the bus, while the CPU runs; the words are in a script."""
        stores = [f"mww 0x{at:08x} 0x{value:08x}" for at, value in words(address, data)]
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "arm.tcl"
            script.touch(mode=0o600)
            script.write_text("\n".join([*stores, ""]))
            self._options.on_note(
                f"{script}: {len(stores)} mww commands from 0x{address:08x}"
            )
            self._run("init", f"source {_quoted(str(script))}")

    def reset(self) -> None:
        """`target/nrf52.cfg` makes this SYSRESETREQ."""
        self._run("init", "reset run")

    def read_flash(self, address: int, size: int) -> bytes:
        """`dump_image`."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "flash.bin"
            self._run("init", f"dump_image {_quoted(str(path))} 0x{address:08x} {size}")
            if self._options.dry_run:
                return b""
            data = path.read_bytes() if path.exists() else b""
        if len(data) != size:
            raise FormatError(
                f"openocd: expected {size} bytes from 0x{address:08x}, got {len(data)}"
            )
        return data

    def _run(self, *commands: str) -> None:
        arguments = list(self._start)
        for command in (*commands, "shutdown"):
            arguments += ["-c", command]
        self._tool.run(*arguments)


def _quoted(text: str) -> str:
    """`text` as one Tcl word."""
    if any(char in text for char in "{}\\\n"):
        raise UsageError(f"OpenOCD cannot take the name '{text}'")
    return f"{{{text}}}"

# SPDX-License-Identifier: Apache-2.0
"""What a runner is, and how runners call external tools.

Rule 1: a runner does what it says or raises; what a tool cannot do is missing from
        `capabilities` and refused with a sentence.
Rule 2: with `dry_run` nothing is touched; each step is told instead, external
        commands exactly as they would be run.
Rule 3: anybody on the machine can read a process's arguments. Keys are never among
        them: they go through files of mode 0600, and what a tool writes is that too.
"""

from __future__ import annotations

import enum
import shlex
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nrfota.errors import NoDeviceError, OtaError, UsageError

if TYPE_CHECKING:
    from nrfota.at import Link

# A tool that takes longer hangs: programming 1 MB takes well under a minute.
TOOL_TIMEOUT_S = 300.0


class Erase(enum.Enum):
    """What is erased before programming."""

    TOUCHED = "only touched sectors"
    CHIP = "the whole chip"


class Capability(enum.Enum):
    """What a runner can do."""

    PROVISION = "program factory.hex"
    WRITE_RAM = "write RAM"
    RESET = "reset the chip"
    READ_FLASH = "read flash"


EVERYTHING = frozenset(Capability)
# Tools that take words for RAM from their arguments alone: arming is by the journal.
NO_RAM = EVERYTHING - {Capability.WRITE_RAM}


@dataclass(frozen=True, kw_only=True)
class RunnerOptions:
    """What runners may need; each takes what concerns it.

    `serial_port` is for tools that program over a serial port, `interface` is
    OpenOCD's interface configuration. `sim_dir` holds the virtual board's memory.
    """

    dev_id: str | None = None
    dry_run: bool = False
    on_note: Callable[[str], None] = field(default=lambda text: None)
    serial_port: str | None = None
    interface: str = "jlink"
    sim_dir: Path | None = None
    board: str = ""
    seed: int = 0


class Runner(Protocol):
    """A way to a board."""

    name: str
    capabilities: frozenset[Capability]

    def check(self) -> None:
        """Raises `NoDeviceError` when the tool or the board is not there."""

    def provision(self, hex_path: Path, *, erase: Erase) -> None:
        """Programs and verifies an Intel HEX file; the chip is not reset."""

    def write_ram(self, address: int, data: bytes) -> None:
        """Writes whole words of RAM while the application runs."""

    def reset(self) -> None:
        """Soft reset (SYSRESETREQ): RAM keeps its content."""

    def read_flash(self, address: int, size: int) -> bytes:
        """Reads `size` bytes."""

    def modem_link(self) -> Link | None:
        """The modem's serial link when this runner brings it; None to use a port."""

    def console_link(self) -> Link | None:
        """The console when this runner brings it; None to use a port."""

    def close(self) -> None:
        """Gives the probe back; harmless when called again."""


def cannot(runner: str, capability: Capability, instead: str) -> UsageError:
    """The refusal of a step that a tool has no way to do."""
    return UsageError(f"runner {runner} cannot {capability.value}; {instead}")


def words(address: int, data: bytes) -> Iterator[tuple[int, int]]:
    """Addresses and values of the little-endian words of `data`."""
    if address % 4 or len(data) % 4:
        raise UsageError(
            f"expected whole words of RAM, got {len(data)} bytes at 0x{address:08x}"
        )
    for index, (value,) in enumerate(struct.iter_unpack("<I", data)):
        yield address + 4 * index, value


class ToolError(OtaError):
    """An external tool failed."""


class Tool:
    """An external program: found on PATH, run, its failure turned into a sentence."""

    def __init__(self, program: str, options: RunnerOptions, *, install: str) -> None:
        self._program = program
        self._options = options
        self._install = install

    def check(self) -> None:
        """Raises `NoDeviceError` when the program is not on PATH."""
        if shutil.which(self._program) is None:
            raise NoDeviceError(
                f"expected the program '{self._program}' on PATH, found none; "
                f"{self._install}"
            )

    def run(self, *arguments: str | Path) -> str:
        """Runs the tool (dry run: only tells); returns what it printed."""
        command = [self._program, *map(str, arguments)]
        self._options.on_note(f"$ {shlex.join(command)}")
        if self._options.dry_run:
            return ""
        self.check()
        try:
            done = subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TOOL_TIMEOUT_S,
                stdin=subprocess.DEVNULL,
                umask=0o077,
            )
        except subprocess.TimeoutExpired as error:
            raise ToolError(
                f"expected {self._program} to end within {TOOL_TIMEOUT_S:.0f} s, "
                f"it did not: {shlex.join(command)}"
            ) from error
        except OSError as error:
            raise NoDeviceError(f"cannot run {self._program}: {error}") from error
        if done.returncode:
            raise self._failure(command, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def _failure(
        self, command: Sequence[str], code: int, stdout: str, stderr: str
    ) -> OtaError:
        text = "\n".join((stderr, stdout))
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = " / ".join(lines[-3:]) or "nothing"
        kind = NoDeviceError if _no_device(text) else ToolError
        return kind(
            f"{command[0]} failed with exit code {code} and said: {said} "
            f"(command: {shlex.join(command)})"
        )


# What the tools say when there is no probe or no chip behind it.
_NO_DEVICE = (
    "no debugger",  # nrfjprog
    "no debuggers",
    "unable to open the debug",  # openocd: unable to open CMSIS-DAP/J-Link
    "no j-link device found",
    "no device found",
    "unable to find a matching cmsis-dap",
    "could not open port",  # PyPI's nrfutil
    "no devices",  # nrfutil device
    "unable to connect to a debugger",
    "error connecting dp",  # openocd: chip does not answer
)


def _no_device(text: str) -> bool:
    lower = text.lower()
    return any(phrase in lower for phrase in _NO_DEVICE)


class BenchRunner:
    """Parts that runners for real boards share: links come from serial ports."""

    def modem_link(self) -> Link | None:
        """The modem is on a serial port of its own."""
        return None

    def console_link(self) -> Link | None:
        """The console is on a serial port of its own."""
        return None

    def close(self) -> None:
        """Each call of a tool opens and closes the probe."""

# SPDX-License-Identifier: Apache-2.0
"""Runner that uses pyOCD's Python API (CMSIS-DAP, J-Link and ST-Link probes).

The session is opened at the first step and kept until `close`: the chip runs on in
between, and RAM keeps what was written.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from nrfota.errors import LinkError, NoDeviceError, UsageError
from nrfota.runners.base import EVERYTHING, BenchRunner, Erase, RunnerOptions

TARGET = "nrf52840"


class PyocdRunner(BenchRunner):
    """pyOCD in this process."""

    name = "pyocd"
    capabilities = EVERYTHING

    def __init__(self, options: RunnerOptions) -> None:
        self._options = options
        self._session: Any = None

    def check(self) -> None:
        """Exactly one probe must be meant."""
        from pyocd.core.helpers import ConnectHelper

        probes = ConnectHelper.get_all_connected_probes(
            blocking=False, unique_id=self._options.dev_id
        )
        if not probes:
            wanted = self._options.dev_id
            which = f" with '{wanted}' in its id" if wanted else ""
            raise NoDeviceError(f"expected a debug probe{which}, found none")
        if len(probes) > 1:
            found = ", ".join(str(probe.unique_id) for probe in probes)
            raise UsageError(f"expected one debug probe (-i ID), found {found}")

    def provision(self, hex_path: Path, *, erase: Erase) -> None:
        """Programs what differs, after erasing the sectors or the chip."""
        how = "chip" if erase is Erase.CHIP else "sector"
        self._tell(f"FileProgrammer(chip_erase='{how}').program('{hex_path}')")
        if self._options.dry_run:
            return
        from pyocd.flash.file_programmer import FileProgrammer

        with self._failures(f"programming {hex_path}"):
            session = self._open()
            programmer = FileProgrammer(session, chip_erase=how, keep_unwritten=False)
            programmer.program(str(hex_path), file_format="hex")

    def write_ram(self, address: int, data: bytes) -> None:
        """A block write while the CPU runs."""
        self._tell(f"write_memory_block8(0x{address:08x}, {len(data)} bytes)")
        if self._options.dry_run:
            return
        with self._failures(f"writing RAM at 0x{address:08x}"):
            target = self._open().target
            target.write_memory_block8(address, data)
            back = bytes(target.read_memory_block8(address, len(data)))
        if back != data:
            raise LinkError(f"RAM at 0x{address:08x} did not take what was written")

    def reset(self) -> None:
        """SYSRESETREQ."""
        self._tell("target.reset(ResetType.SYSRESETREQ)")
        if self._options.dry_run:
            return
        from pyocd.core.target import Target

        with self._failures("resetting the chip"):
            self._open().target.reset(Target.ResetType.SYSRESETREQ)

    def read_flash(self, address: int, size: int) -> bytes:
        """A block read while the CPU runs."""
        self._tell(f"read_memory_block8(0x{address:08x}, {size})")
        if self._options.dry_run:
            return b""
        with self._failures(f"reading 0x{address:08x}"):
            return bytes(self._open().target.read_memory_block8(address, size))

    def close(self) -> None:
        """Lets the chip run and the probe go."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _tell(self, call: str) -> None:
        self._options.on_note(f"pyocd: {call}")

    def _open(self) -> Any:
        if self._session is None:
            from pyocd.core.helpers import ConnectHelper

            self.check()
            self._session = ConnectHelper.session_with_chosen_probe(
                blocking=False,
                return_first=True,
                unique_id=self._options.dev_id,
                auto_open=True,
                options={
                    "target_override": TARGET,
                    "connect_mode": "attach",
                    "resume_on_disconnect": True,
                },
            )
            if self._session is None:
                raise NoDeviceError("expected a debug probe, it went away")
            self._session.open()
        return self._session

    @contextlib.contextmanager
    def _failures(self, doing: str) -> Any:
        """pyOCD's errors as ours."""
        from pyocd.core import exceptions

        try:
            yield
        except exceptions.ProbeError as error:
            raise NoDeviceError(f"pyocd, {doing}: {error}") from error
        except exceptions.Error as error:
            raise LinkError(f"pyocd, {doing}: {error}") from error
        except OSError as error:  # USB: no permission, unplugged
            raise NoDeviceError(f"pyocd, {doing}: {error}") from error

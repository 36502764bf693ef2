# SPDX-License-Identifier: Apache-2.0
"""Server programs that a test starts on ports of loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

READY_S = 30.0
_POLL_S = 0.01


class ServerError(AssertionError):
    """A server did not start, or stopped by itself."""


def program(name: str) -> str:
    """Full path of a server program; Debian's /usr/sbin is often not in PATH."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise ServerError(f"{name} is not installed: sh scripts/setup.sh --tests")
    return found


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(held.getsockname()[1]) for held in sockets]
    for held in sockets:
        held.close()
    return ports


def wait_until(
    what: str, done: Callable[[], bool], process: subprocess.Popen[bytes] | None = None
) -> None:
    """Waits for `done`; ends at once when the process it depends on is gone."""
    end = time.monotonic() + READY_S
    while not done():
        if process is not None and process.poll() is not None:
            raise ServerError(f"{what}: the server exited with {process.returncode}")
        if time.monotonic() > end:
            raise ServerError(f"{what}: not within {READY_S:g} s")
        if process is None:
            time.sleep(_POLL_S)
            continue
        try:
            process.wait(timeout=_POLL_S)
        except subprocess.TimeoutExpired:
            continue


def accepts(port: int) -> bool:
    """True when something listens on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Server:
    """A program in the foreground; `ports` stay the same over its restarts.

    A port that was free may be taken before the program binds it: the first
    start is tried again with other ports. That another program answers is no sign
    that ours is up, so `ready_text`, printed once the ports are bound, is waited for.
    """

    ready_text = ""

    def __init__(self, folder: Path, port_count: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ports = free_ports(port_count)
        self._started = False
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        """Writes the configuration for `ports`; returns the command line."""
        raise NotImplementedError

    @property
    def output(self) -> str:
        """What the program printed."""
        path = self.folder / "output.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def ready_output(self) -> str:
        """Where `ready_text` is looked for."""
        return self.output

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process, for signals that are no end."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts it and returns when all its ports answer."""
        for attempt in range(5):
            try:
                self._launch()
            except ServerError as error:
                self.kill()
                if self._started or attempt == 4:
                    raise ServerError(f"{error}\n{self.output}") from None
                self.ports = free_ports(len(self.ports))
            else:
                self._started = True
                return

    def _launch(self) -> None:
        command = self.command()
        before = len(self.ready_output)
        with (self.folder / "output.log").open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )
        self._process = process
        wait_until(
            f"{command[0]} on {self.ports}",
            lambda: (
                self.ready_text in self.ready_output[before:]
                and all(accepts(port) for port in self.ports)
            ),
            process,
        )

    def stop(self) -> None:
        """An orderly end."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """The end without a word to anybody, as a power cut is."""
        self._end(signal.SIGKILL)

    def _end(self, signal_number: int) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal_number)
        try:
            process.wait(timeout=READY_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ServerError(f"{process.args!r} did not stop") from None

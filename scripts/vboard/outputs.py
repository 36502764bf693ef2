# SPDX-License-Identifier: Apache-2.0
"""Where a board's serial output goes: standard output, a file, a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import tty
from pathlib import Path
from typing import BinaryIO

from vboard.errors import VboardError


class Finder:
    """Looks for a text in several streams, also across chunk borders."""

    def __init__(self, text: str | None) -> None:
        self._wanted = (text or "").encode()
        self._tails: dict[str, bytes] = {}
        self.found = False

    def feed(self, stream: str, data: bytes) -> None:
        """More bytes of `stream`."""
        if self.found or not self._wanted:
            return
        text = self._tails.get(stream, b"") + data
        self.found = self._wanted in text
        keep = len(self._wanted) - 1
        self._tails[stream] = text[-keep:] if keep else b""


class Sink:
    """One place for bytes; `read` gives what came back (pseudo-terminals only)."""

    def write(self, data: bytes) -> None:
        """Shows bytes."""

    def read(self) -> bytes:
        """Bytes typed on the other side."""
        return b""

    def close(self) -> None:
        """Ends it."""


class FileSink(Sink):
    """A file, or standard output for "-"."""

    def __init__(self, target: str) -> None:
        self._stdout = target == "-"
        self._file: BinaryIO = sys.stdout.buffer
        try:
            if not self._stdout:
                self._file = Path(target).open("wb")  # noqa: SIM115
        except OSError as error:
            raise VboardError(f"{target}: {error.strerror}") from error

    def write(self, data: bytes) -> None:
        """Writes through at once: somebody may be watching."""
        self._file.write(data)
        self._file.flush()

    def close(self) -> None:
        """Closes the file; standard output stays open."""
        if not self._stdout:
            self._file.close()


class PtySink(Sink):
    """A pseudo-terminal; `path` is what to open."""

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._slave = slave  # held open, so that reads never see a hang-up
        os.set_blocking(self._master, False)

    def write(self, data: bytes) -> None:
        """Bytes that nobody fetches are dropped when the terminal is full."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, data)

    def read(self) -> bytes:
        """What was typed since the last call."""
        try:
            return os.read(self._master, 4096)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Closes both ends."""
        os.close(self._master)
        os.close(self._slave)

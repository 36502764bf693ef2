# SPDX-License-Identifier: Apache-2.0
"""Writes a set of files so that all of them appear, or none.

Each is written to a temporary file beside its target and renamed; when a rename
fails, the ones before it are put back as they were. The folders are locked
meanwhile, so that two runs at once do not leave a mixed set. A secret file is mode
0600 from its first byte on.

    write_outputs([Output(Path("ota.json"), data, secret=True)])
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from nrfota.errors import OtaError, UsageError


@dataclass(frozen=True)
class Output:
    """A file to write."""

    path: Path
    data: bytes = field(repr=False)
    secret: bool = False

    @property
    def temporary(self) -> Path:
        """Where the bytes are until the rename."""
        return self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")

    @property
    def backup(self) -> Path:
        """Where an older file waits until all renames are done."""
        return self.path.with_name(f".{self.path.name}.{os.getpid()}.old")


def read_input(path: Path, *, limit: int = -1) -> bytes:
    """A file's bytes, at most `limit`; raises UsageError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise UsageError(f"cannot read '{path}': {error.strerror}") from None


def write_outputs(outputs: Sequence[Output]) -> None:
    """Writes all files or none; raises OtaError naming the one that failed."""
    for output in outputs:
        if output.path.is_dir():
            raise UsageError(f"cannot write '{output.path}': it is a directory")
    current = outputs[0] if outputs else None
    try:
        for current in outputs:
            current.path.parent.mkdir(parents=True, exist_ok=True)
            _write(current)
        with locked({output.path.parent for output in outputs}):
            _rename_all(outputs)
    except OSError as error:
        path = current.path if current else Path()
        if error.filename is not None:
            path = Path(error.filename2 or error.filename)
        targets = {output.temporary: output.path for output in outputs}
        path = targets.get(path, path)
        raise OtaError(f"cannot write '{path}': {error.strerror}") from None
    finally:
        for output in outputs:
            with suppress(OSError):
                output.temporary.unlink(missing_ok=True)


def _write(output: Output) -> None:
    mode = 0o600 if output.secret else 0o666
    with suppress(FileNotFoundError):
        output.temporary.unlink()
    handle = os.open(
        output.temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode
    )
    with os.fdopen(handle, "wb") as file:
        file.write(output.data)


@contextmanager
def locked(folders: set[Path]) -> Iterator[None]:
    """Waits until no other run writes to `folders`; then keeps others out."""
    try:
        from fcntl import LOCK_EX, flock
    except ImportError:  # Windows: no lock for a folder
        yield
        return
    handles: list[int] = []
    try:
        for folder in sorted(folders):
            handles.append(os.open(folder, os.O_RDONLY | os.O_CLOEXEC))
            with suppress(OSError):  # a file system without locks
                flock(handles[-1], LOCK_EX)
        yield
    finally:
        for handle in handles:
            os.close(handle)


def _keep(output: Output) -> None:
    """Keeps the older file under a second name, by a hard link where possible."""
    try:
        os.link(output.path, output.backup)
    except OSError:
        os.rename(output.path, output.backup)


def _rename_all(outputs: Sequence[Output]) -> None:
    done: list[Output] = []
    kept: list[Output] = []
    try:
        for output in outputs:
            if output.path.exists():
                _keep(output)
                kept.append(output)
            os.replace(output.temporary, output.path)
            done.append(output)
    except BaseException:
        for output in done:
            output.path.unlink(missing_ok=True)
        for output in kept:
            os.replace(output.backup, output.path)
            # rename() leaves both names when they are the same file
            output.backup.unlink(missing_ok=True)
        raise
    for output in kept:
        output.backup.unlink(missing_ok=True)

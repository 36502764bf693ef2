# SPDX-License-Identifier: Apache-2.0
"""A folder that a web server shows.

A file appears whole or not at all, and its readers may be other users.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from nrfota.errors import OtaError

MODE = 0o644


class FolderStore:
    """Objects are files of the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def where(self, name: str) -> str:
        """The file's path."""
        return str(self._folder / name)

    def read(self, name: str, *, limit: int) -> bytes | None:
        """The file's beginning."""
        path = self._folder / name
        try:
            with path.open("rb") as file:
                return file.read(limit)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OtaError(f"cannot read '{path}': {error.strerror}") from None

    def write(self, name: str, data: bytes, *, new: bool) -> None:
        """By a temporary file; `new` holds also against another run."""
        path = self._folder / name
        temporary = path.with_name(f".{name}.{os.getpid()}.tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(MODE)
            if new:
                self._link(temporary, path)
            else:
                os.replace(temporary, path)
        except OSError as error:
            raise OtaError(f"cannot write '{path}': {error.strerror}") from None
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _link(self, temporary: Path, path: Path) -> None:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise OtaError(f"'{path}' appeared meanwhile; run again") from None

# SPDX-License-Identifier: Apache-2.0
"""The modem's file storage: a folder on the host.

`DIR/C`, `DIR/D`, `DIR/E`, `DIR/F` are the drives, `DIR/mssl_cert` the certificate
store, `DIR/settings.json` what AT&W and AT+IPREX keep. It outlives the modem.

Law 1: no name from the AT side leaves its drive (checked characters, no `..`, links
       are not followed).
Law 2: a file is replaced as a whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
import string
from pathlib import Path
from typing import Any

MAX_PATH = 254
_FORBIDDEN = set('\\:*?"<>|,;/')
_FIRST = set(string.ascii_letters + string.digits + "_")


class StorageError(Exception):
    """The storage cannot do it; `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def valid_name(name: str) -> bool:
    """True for a legal file or folder name (AT manual, file system chapter).

    The first character may be a letter, digit or underscore of any script.
    """
    if not name or len(name) > MAX_PATH or name[-1] == ".":
        return False
    if not (name[0] in _FIRST or (ord(name[0]) > 0x7F and name[0].isalnum())):
        return False
    return not any(char in _FORBIDDEN or ord(char) < 0x20 for char in name)


class Storage:
    """Drives in a folder. Paths are `X:/dir/name` with any case of X."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mssl_cert").mkdir(exist_ok=True)

    def make_drives(self, letters: str) -> None:
        """Makes the folders of these drives."""
        for letter in letters:
            (self.folder / letter).mkdir(exist_ok=True)

    # Paths

    def normal(self, path: str, *, current: str = "") -> str:
        """`path` as `X:/a/b`; relative ones start at `current`; `..` goes up."""
        text = path if path[1:2] == ":" else current.rstrip("/") + "/" + path
        if len(text) > MAX_PATH or text[1:2] != ":" or text[2:3] not in ("", "/"):
            raise StorageError(f"not a path: {path!r}")
        parts: list[str] = []
        for part in text[2:].split("/"):
            if part == "..":
                if not parts:
                    raise StorageError("above the root")
                parts.pop()
            elif part:
                if not valid_name(part):
                    raise StorageError(f"not a name: {part!r}")
                parts.append(part)
        return text[0].upper() + ":/" + "/".join(parts)

    def host(self, path: str) -> Path:
        """Where a normal path is on the host; links on the way are refused."""
        place = self.folder / path[0]
        if path[0] not in string.ascii_uppercase or not place.is_dir():
            raise StorageError(f"no drive {path[0]}:")
        for part in filter(None, path[3:].split("/")):
            if not valid_name(part):
                raise StorageError(f"not a name: {part!r}")
            place = place / part
            if place.is_symlink():
                raise StorageError(f"a link: {part!r}")
        return place

    def certificate(self, name: str) -> Path:
        """Where a certificate of this name is or would be."""
        place = self.folder / "mssl_cert" / name
        if not valid_name(name) or place.is_symlink():
            raise StorageError(f"not a name: {name!r}")
        return place

    # Files

    def is_dir(self, path: str) -> bool:
        """True for an existing folder."""
        return self.host(path).is_dir()

    def is_file(self, path: str) -> bool:
        """True for an existing file."""
        return self.host(path).is_file()

    def size(self, path: str) -> int:
        """Size of a file in bytes."""
        return self._stat(path).st_size

    def modified(self, path: str) -> int:
        """When the file was written: seconds since 1970."""
        return int(self._stat(path).st_mtime)

    def _stat(self, path: str) -> os.stat_result:
        place = self.host(path)
        if not place.is_file():
            raise StorageError(f"no file {path}")
        return place.stat()

    def read(self, path: str, *, offset: int = 0, size: int = -1) -> bytes:
        """Bytes of a file from `offset`; all of them with size -1."""
        self._stat(path)
        with self.host(path).open("rb") as stream:
            stream.seek(offset)
            return stream.read(size)

    def write(self, path: str, data: bytes, *, seconds: int) -> None:
        """Replaces or makes a file; `seconds` since 1970 is its date."""
        place = self.host(path)
        if not place.parent.is_dir() or place.is_dir():
            raise StorageError(f"cannot write {path}")
        write_whole(place, data)
        os.utime(place, (seconds, seconds))

    def delete(self, path: str) -> None:
        """Removes a file."""
        self._stat(path)
        self.host(path).unlink()

    def rename(self, old: str, new: str) -> None:
        """Renames a file; the new name must be free."""
        self._stat(old)
        if self.host(new).exists():
            raise StorageError(f"{new} exists")
        self.host(old).rename(self.host(new))

    def copy(self, old: str, new: str) -> None:
        """Copies a file; the new name must be free."""
        self._stat(old)
        shutil.copy2(self.host(old), self.host(new))

    def make_dir(self, path: str) -> None:
        """Makes a folder."""
        place = self.host(path)
        if place.exists() or not place.parent.is_dir():
            raise StorageError(f"cannot make {path}")
        place.mkdir()

    def remove_dir(self, path: str) -> None:
        """Removes an empty folder (not a drive)."""
        place = self.host(path)
        if path.endswith(":/") or not place.is_dir() or any(place.iterdir()):
            raise StorageError(f"cannot remove {path}")
        place.rmdir()

    def list(self, path: str) -> tuple[list[str], list[str]]:
        """Names of folders and of files, sorted; what has no legal name is hidden."""
        place = self.host(path)
        if not place.is_dir():
            raise StorageError(f"no folder {path}")
        entries = [
            entry
            for entry in sorted(place.iterdir())
            if valid_name(entry.name) and not entry.is_symlink()
        ]
        dirs = [entry.name for entry in entries if entry.is_dir()]
        return dirs, [entry.name for entry in entries if entry.is_file()]

    def used(self, drive: str) -> int:
        """Bytes that the files of a drive hold."""
        total = 0
        for folder, _, names in os.walk(self.folder / drive):
            total += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
        return total

    # Settings

    def load_settings(self) -> dict[str, Any]:
        """What was stored last ({} when there is nothing usable)."""
        try:
            settings = json.loads((self.folder / "settings.json").read_text())
        except (OSError, ValueError):
            return {}
        return settings if isinstance(settings, dict) else {}

    def save_settings(self, settings: dict[str, Any]) -> None:
        """Stores settings."""
        text = json.dumps(settings, indent=1, sort_keys=True)
        write_whole(self.folder / "settings.json", text.encode())


def write_whole(place: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Writes a file so that a reader sees the old or the new one, never a part."""
    # The leading dot keeps the temporary name from being legal on the AT side.
    temporary = place.with_name(f".{place.name[:100]}.new")
    temporary.unlink(missing_ok=True)  # its mode may be another
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(temporary, flags, mode), "wb") as file:
        file.write(data)
    os.replace(temporary, place)

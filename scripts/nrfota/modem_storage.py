# SPDX-License-Identifier: Apache-2.0
"""Files in the modem: drives, space, list, delete, read back.

Rule 1: the current directory is the modem's global state and a restart changes it,
        so every operation goes to its drive first.
Rule 2: a missing file is never deleted; on some firmware that breaks later commands.
Rule 3: names are checked here, before they become part of a command.

Sources: SIM7500_SIM7600 AT Command Manual V3.00, chapters "File System" and "File
Transmission".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nrfota.at import Client, commands
from nrfota.at.client import PROBE_BAUDS
from nrfota.errors import LinkError, ModemError, ModemRebooted, UsageError

# Where a file goes when nothing else is asked for: the large data partition, then
# the cache partition, then the small one.
AUTO_DRIVES = ("E:", "F:", "C:")
ALL_DRIVES = ("C:", "D:", "E:", "F:")
# The boot request has 64 bytes for the path, its NUL included (SPEC.md, section 4).
MAX_NAME = 60
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?<!\.)")
_UPDATE = re.compile(r"fw_[A-Za-z0-9_.-]*\.ebi[n1-9a-f]")
# A file in parts (SPEC.md, section 13): they end in these, the first one in `n`.
_PARTS = "123456789abcdef"

# One read command takes about this long on the wire, so that its latency (10 to
# 100 ms) does not count; 16 KB at 115200 baud.
READ_SIZE = 16 * 1024
READ_BAUD = 115200
MIN_READ = 512
READ_ATTEMPTS = 5
# File systems come up a little after the modem answers.
MOUNT_TRIES = 10


@dataclass(frozen=True)
class Space:
    """Free bytes of a drive."""

    drive: str
    free: int


def check_name(name: str) -> str:
    """`name`, or `UsageError` when the modem or the boot request cannot take it."""
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise UsageError(
            f"expected a file name of at most {MAX_NAME} letters, digits, '_', '-' "
            f"or '.', got '{name}'"
        )
    return name


def check_drive(drive: str) -> str:
    """`drive` as `E:`, from `e`, `E:` or `E:/`."""
    letter = drive.rstrip("/").rstrip(":").upper() + ":"
    if letter not in ALL_DRIVES:
        raise UsageError(
            f"expected a drive from {', '.join(ALL_DRIVES)}, got '{drive}'"
        )
    return letter


def is_part(file: str, name: str) -> bool:
    """True when `file` is a part, but not the first one, of the file `name`."""
    return (
        file[:-1] == name[:-1]
        and file[-1:] in tuple(_PARTS)
        and name[-1:] not in tuple(_PARTS)
    )


class ModemStorage:
    """Drives and files of the modem at the other end of `client`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def go_to(self, drive: str) -> bool:
        """Makes `drive` current; False when the modem does not have it."""
        try:
            self._client.retry(commands.change_directory(drive))
        except ModemRebooted:
            raise
        except ModemError:
            return False
        return True

    def wait_for(self, drive: str) -> None:
        """Goes to `drive`, waiting for it after a restart of the modem."""
        for _ in range(MOUNT_TRIES):
            if self.go_to(drive):
                return
            self._client.pause(1.0)
        raise ModemError(
            f"expected drive {drive} in the modem, got ERROR to "
            f"AT+FSCD={drive}/ for {MOUNT_TRIES} s"
        )

    def spaces(self, drives: tuple[str, ...] = ALL_DRIVES) -> list[Space]:
        """Free space of those `drives` that the modem has."""
        found: list[Space] = []
        for drive in drives:
            if self.go_to(drive):
                found.append(Space(drive, self._client.retry(commands.free_space())))
        return found

    def choose(self, size: int, *, name: str) -> tuple[Space, str]:
        """The drive that a file of `size` bytes called `name` goes to, and why.

        Waits for the file systems when not even one answers. An older file of that
        name does not count as used. Raises `ModemError` when nothing is large enough.
        """
        for _ in range(MOUNT_TRIES):
            if found := self.spaces(AUTO_DRIVES):
                break
            self._client.pause(1.0)
        why = [
            f"{drive} is not in this modem"
            for drive in AUTO_DRIVES
            if drive not in [space.drive for space in found]
        ]
        for space in found:
            self.go_to(space.drive)
            free = space.free + (self.size(space.drive, name) or 0)
            if free >= size:
                why.append(f"{space.drive} has {free} bytes free")
                return Space(space.drive, free), "; ".join(why)
            why.append(f"{space.drive} has only {free} bytes free")
        raise ModemError(
            f"expected room for {size} bytes in the modem: {'; '.join(why)}"
        )

    def make_room(
        self, drive: str, size: int, *, name: str, keep: frozenset[str]
    ) -> list[str]:
        """Deletes updates until `size` bytes are free on `drive`; their names.

        Only files called as staging calls them (`fw_*.ebin`) that are not in `keep`,
        a set of paths like `E:/fw_2.ebin`, each with all its parts; parts without a
        file go, too. Nothing is deleted when all of them together would not be enough.
        """
        free = self.spaces((drive,))[0].free
        found: dict[str, list[tuple[str, int]]] = {}
        for file, length in sorted(self.files(drive)):
            if file == name or is_part(file, name):
                free += length or 0
            elif _UPDATE.fullmatch(file) and f"{drive}/{file[:-1]}n" not in keep:
                found.setdefault(f"{file[:-1]}n", []).append((file, length or 0))
        if free + sum(length for group in found.values() for _, length in group) < size:
            return []
        deleted: list[str] = []
        for group in found.values():
            if free >= size:
                break
            for file, length in group:
                self.delete(drive, file)
                deleted.append(file)
                free += length
        return deleted

    def delete_parts(self, drive: str, name: str) -> list[str]:
        """Deletes what a download in parts left of `name`, but not the file itself."""
        self.wait_for(drive)
        names = self._client.retry(commands.list_files())
        found = [file for file in names if is_part(file, name)]
        for file in found:
            self.delete(drive, file)
        return found

    def size(self, drive: str, name: str) -> int | None:
        """Size of a file in bytes; None when it does not exist."""
        self.wait_for(drive)
        try:
            return self._client.retry(commands.file_size(check_name(name)))
        except ModemRebooted:
            raise
        except ModemError:
            return None

    def files(self, drive: str) -> list[tuple[str, int | None]]:
        """Names and sizes on `drive`; the size is None for a name we cannot use."""
        self.wait_for(drive)
        names = self._client.retry(commands.list_files())
        return [
            (name, self.size(drive, name) if _NAME.fullmatch(name) else None)
            for name in names
        ]

    def delete(self, drive: str, name: str) -> bool:
        """Deletes a file; False when there is none."""
        if self.size(drive, name) is None:
            return False
        self._client.run(commands.delete_file(name))
        return True

    def read(
        self,
        path: str,
        size: int,
        *,
        on_read: Callable[[int], None] | None = None,
    ) -> Iterator[bytes]:
        """Yields the file's `size` bytes in pieces.

        A piece that does not arrive whole is asked for again, in smaller commands;
        after `READ_ATTEMPTS` failures in a row the `LinkError` is raised.
        """
        step = READ_SIZE * max(1, self._client.link.baud // READ_BAUD)
        offset, failures = 0, 0
        while offset < size:
            want = min(step, size - offset)
            try:
                data = self._client.run(
                    commands.download(path, offset=offset, size=want)
                )
                if len(data) != want:
                    raise LinkError(
                        f"expected {want} bytes of {path} from offset {offset}, "
                        f"got {len(data)}"
                    )
            except LinkError:
                failures += 1
                if failures == READ_ATTEMPTS:
                    raise
                step = max(MIN_READ, step // 4)
                self._find_again()
                continue
            failures = 0
            offset += want
            if on_read is not None:
                on_read(offset)
            yield data

    def _find_again(self) -> None:
        """In step again, or found again when the modem was silent for long."""
        try:
            self._client.resync()
        except LinkError:
            here = self._client.link.baud
            self._client.sync(bauds=tuple(dict.fromkeys((here, *PROBE_BAUDS))))

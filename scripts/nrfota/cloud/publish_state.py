# SPDX-License-Identifier: Apache-2.0
"""What a rollout remembers between runs: `publish_ID.json` and `publish_ID.log`.

Rule 1: the .json says what was asked and which steps are done; it is replaced as a
        whole. The .log has a line of JSON for each event of a device, appended and
        flushed before the broker is told that the report arrived. A line that a power
        cut tore is dropped.
Rule 2: neither holds a key, nor the query of a presigned URL; both are mode 0600.
Rule 3: one run at a time: the .log is locked while a run works on it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nrfota.cloud.report import Report, Stage
from nrfota.cloud.rollout import Rollout
from nrfota.errors import FormatError, OtaError, UsageError
from nrfota.outputs import Output, read_input, write_outputs

FORMAT = 1
PREFIX = "publish_"


@dataclass(frozen=True)
class Identity:
    """What must be the same for a run to go on where another one stopped."""

    ebin_sha256: str
    urls_sha256: str
    version: int
    via: str
    group: str
    devices: int
    devices_sha256: str
    allow_downgrade: bool

    def difference(self, other: Identity) -> str:
        """What is not the same, for a message; empty when all is."""
        names = {
            "ebin_sha256": "ota.ebin",
            "urls_sha256": "the URLs in ota.json",
            "version": "the version",
            "via": "--via",
            "group": "--group",
            "devices": "the list of devices",
            "devices_sha256": "the list of devices",
            "allow_downgrade": "--allow-downgrade",
        }
        mine, others = asdict(self), asdict(other)
        return next((names[key] for key in names if mine[key] != others[key]), "")


@dataclass
class State:
    """The content of the .json."""

    id: str
    identity: Identity
    started_at: float
    uploads: dict[str, str] = field(default_factory=dict)  # where -> SHA-256
    published: bool = False  # something has been
    group_at: float | None = None  # when a group's message, or the job, went out
    end: str = ""  # complete or aborted; empty while it can go on
    keys: str = "kept"

    def pack(self) -> bytes:
        """The file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode()

    @classmethod
    def unpack(cls, data: bytes, *, source: Path) -> State:
        """Checks the file; raises FormatError."""
        try:
            members = json.loads(data.decode())
            if members.pop("format") != FORMAT:
                raise ValueError
            identity = Identity(**members.pop("identity"))
            return cls(identity=identity, **members)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise FormatError(
                f"{source}: expected the state of a rollout, got something else"
            ) from None


@contextmanager
def choosing(folder: Path) -> Iterator[None]:
    """Two runs that begin at once do not both begin a rollout: one waits here until
    the other has noted its own. The lock is on the package itself."""
    try:
        handle = os.open(folder / "ota.ebin", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # whoever needs the file says so
        yield
        return
    try:
        _lock(handle, wait=True)
        yield
    finally:
        os.close(handle)


class StateFiles:
    """The two files of one rollout, locked until `close`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{PREFIX}{name}.json"
        self.log_path = folder / f"{PREFIX}{name}.log"
        self._handle = -1

    def open(self) -> None:
        """Locks; raises UsageError when another run has it."""
        try:
            self._handle = os.open(
                self.log_path,
                os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
                0o600,
            )
        except OSError as error:
            raise self._unwritable(error) from None
        if not _lock(self._handle):
            self.close()
            raise UsageError(
                f"another west ota-publish is at work on '{self.path}'; wait for it "
                "or end it"
            )

    def close(self) -> None:
        """Gives the lock back."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def load(self) -> State | None:
        """The state, if there is one."""
        if not self.path.exists():
            return None
        return State.unpack(read_input(self.path, limit=1 << 20), source=self.path)

    def save(self, state: State) -> None:
        """Replaces the .json."""
        write_outputs([Output(self.path, state.pack(), secret=True)])

    def append(self, events: Sequence[dict[str, Any]]) -> None:
        """Adds lines to the .log and waits until they are on the disk."""
        if not events:
            return
        text = "".join(json.dumps(event) + "\n" for event in events)
        try:
            data = memoryview(text.encode())
            while data:
                data = data[os.write(self._handle, data) :]
            os.fsync(self._handle)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> OtaError:
        return OtaError(f"cannot write '{self.log_path}': {error.strerror}")

    def events(self) -> list[dict[str, Any]]:
        """All whole lines; a torn end is cut off the file."""
        data = read_input(self.log_path)
        whole, newline, rest = data.rpartition(b"\n")
        if rest:
            os.ftruncate(self._handle, len(whole) + len(newline))
        found = []
        for number, line in enumerate(whole.split(b"\n") if whole else (), 1):
            try:
                event = json.loads(line)
                if not isinstance(event, dict):
                    raise ValueError
            except ValueError:
                raise FormatError(
                    f"{self.log_path}: line {number} is not an event"
                ) from None
            found.append(event)
        return found


def published_event(devices: Iterable[str], *, at: float) -> dict[str, Any]:
    """Devices that the broker has the message for."""
    return {"at": at, "event": "published", "devices": list(devices)}


def cleared_event(devices: Iterable[str], *, at: float) -> dict[str, Any]:
    """Devices whose retained message is gone."""
    return {"at": at, "event": "cleared", "devices": list(devices)}


def report_event(report: Report, *, at: float) -> dict[str, Any]:
    """A report that said something new."""
    members = {key: value for key, value in asdict(report).items() if value is not None}
    del members["id"]
    return {"at": at, "event": "report", **members}


def replay(
    events: Iterable[dict[str, Any]], rollout: Rollout, *, id: str, now: float
) -> set[str]:
    """Brings a rollout to where the events left it; returns the cleared devices.

    A clock that was set back since does not put events into the future.
    """
    cleared: set[str] = set()
    for event in events:
        at = min(float(event.get("at", 0.0)), now)
        match event:
            case {"event": "published", "devices": list(devices)}:
                mine = [name for name in devices if name in rollout.devices]
                rollout.published(mine, at=at)
                cleared.difference_update(mine)
            case {"event": "cleared", "devices": list(devices)}:
                cleared.update(devices)
            case {"event": "report", "stage": str(stage)}:
                rest = {k: v for k, v in event.items() if k not in ("at", "event")}
                report = Report(**{**rest, "id": id, "stage": Stage(stage)})
                rollout.note(report, at=at)
    return cleared


def find_states(folder: Path) -> list[Path]:
    """The .json files of a folder, newest first."""
    found = list(folder.glob(f"{PREFIX}*.json"))
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def id_of(path: Path) -> str:
    """The request's id in a file's name."""
    return path.name.removeprefix(PREFIX).removesuffix(".json")


def _lock(handle: int, *, wait: bool = False) -> bool:
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:  # Windows: no lock
        return True
    try:
        flock(handle, LOCK_EX if wait else LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True

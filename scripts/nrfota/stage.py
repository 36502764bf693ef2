# SPDX-License-Identifier: Apache-2.0
"""Puts a file into the modem's storage over a serial link, and proves it is there.

Rule 1: what is on the drive under that name is deleted first; a partial file never
        stays.
Rule 2: nothing is believed before size and every byte have been read back.
Rule 3: every retry is bounded, and each is slower than the one that failed.
Rule 4: the link is left as it was found: baud rate and flow control.

Without RTS/CTS the modem loses bytes that come too fast (its receive FIFO holds 512),
so the payload goes out in blocks of 256 bytes with a gap after each, and at no more
than the FIFO's own rate.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from nrfota.at import Client, Link, Pace, commands
from nrfota.at.client import PROBE_BAUDS
from nrfota.at.session import upload_time_s
from nrfota.errors import (
    LinkError,
    ModemError,
    ModemRebooted,
    UsageError,
    VerifyError,
)
from nrfota.modem_storage import (
    AUTO_DRIVES,
    ModemStorage,
    Space,
    check_drive,
    check_name,
)

T = TypeVar("T")

BLOCK = 256
GAPS_S = {"safe": (0.05, 0.1), "fast": (0.01, 0.05, 0.1)}
# Without RTS/CTS the modem empties its FIFO at about this rate in bytes per second,
# whatever the baud rate: faster lines need longer gaps.
FIFO_RATE = 8000
# With RTS/CTS the modem says when it is full; a piece takes a third of a second.
FLOW_CONTROL_CHUNK = 4096
FLOW_CONTROL_BAUD = 115200
MAX_ATTEMPTS = 5
MAX_RESTARTS = 3
# What AT+IPR takes and an nRF52840 could follow (manual, AT+IPR).
BAUDS = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 3000000)


@dataclass(frozen=True)
class Progress:
    """How far staging is; `phase` is "upload" or "verify"."""

    phase: str
    done: int
    total: int
    elapsed_s: float

    @property
    def rate(self) -> float:
        """Bytes per second in this phase."""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds left in this phase; None before anything was measured."""
        return (self.total - self.done) / self.rate if self.rate else None


@dataclass(frozen=True, kw_only=True)
class StageOptions:
    """How to stage; the defaults work with three wires."""

    drive: str = "auto"
    pace: str = "safe"
    flow_control: bool = False
    baud: int | None = None  # raise to this rate while staging
    bauds: tuple[int, ...] = PROBE_BAUDS
    # Asked when there is no room: paths that must stay while other updates are
    # deleted. None: nothing is known, so nothing is deleted.
    keep: Callable[[], frozenset[str] | None] = field(default=lambda: None)
    on_progress: Callable[[Progress], None] = field(default=lambda progress: None)
    on_note: Callable[[str], None] = field(default=lambda text: None)

    def __post_init__(self) -> None:
        if self.drive != "auto":
            check_drive(self.drive)
        if self.pace not in GAPS_S:
            raise UsageError(
                f"expected a pace from {', '.join(GAPS_S)}, got '{self.pace}'"
            )
        if self.baud is not None and self.baud not in BAUDS:
            raise UsageError(
                f"expected a baud rate from {', '.join(map(str, BAUDS))}, "
                f"got {self.baud}"
            )


@dataclass(frozen=True)
class Staged:
    """What is in the modem now, and what it took."""

    path: str
    size: int
    sha256: bytes
    upload_s: float
    verify_s: float
    attempts: int
    restarts: int
    lost_bytes: int


def stage(data: bytes, link: Link, *, name: str, options: StageOptions) -> Staged:
    """Stores `data` in the modem as `name`.

    Raises `LinkError` (no modem), `ModemError` (no room, refused), `VerifyError`
    (what can be read back is not what was sent).
    """
    check_name(name)
    if not data:
        raise UsageError(
            f"expected a file with content to stage as {name}, got 0 bytes"
        )
    return _Stager(data, link, name=name, options=options).run()


def paced(name: str, *, baud: int, slower: int = 0) -> Pace:
    """Blocks and gaps without RTS/CTS; `slower` counts the attempts that failed."""
    gaps = GAPS_S[name]
    wire_s = BLOCK * 10 / baud
    fifo_s = BLOCK / FIFO_RATE - wire_s
    return Pace(chunk=BLOCK, gap_s=max(gaps[min(slower, len(gaps) - 1)], fifo_s))


def flow_control_pace(baud: int) -> Pace:
    """Pieces without gaps, so large that the time between two does not count."""
    pieces = max(1, baud // FLOW_CONTROL_BAUD)
    return Pace(chunk=FLOW_CONTROL_CHUNK * pieces, gap_s=0.0)


class _Stager:
    """One staging run."""

    def __init__(
        self, data: bytes, link: Link, *, name: str, options: StageOptions
    ) -> None:
        self._data = data
        self._link = link
        self._name = name
        self._options = options
        self._client = Client(link)
        self._storage = ModemStorage(self._client)
        self._found_baud = link.baud
        self._flow = options.flow_control
        self._gap = 0
        self._restarts = 0
        self._lost = 0
        self._sent = 0
        self._upload_s = 0.0

    def run(self) -> Staged:
        self._found_baud = self._client.sync(bauds=self._bauds())
        self._note(f"modem answers at {self._found_baud} baud on {self._link.name}")
        try:
            self._persist(self._set_up_link)
            drive = self._persist(self._pick_drive)
            return self._attempts(drive)
        except KeyboardInterrupt:
            if missing := self._client.payload_missing:
                self._note(
                    f"the modem still waits for {missing} bytes of {self._name}; "
                    "restart it before the next command"
                )
            raise
        finally:
            if not self._client.payload_missing:
                self._restore_link()

    def _persist(self, step: Callable[[], T]) -> T:
        """Does `step`, again when the modem restarts or goes silent meanwhile."""
        for _ in range(MAX_RESTARTS):
            try:
                return step()
            except (ModemRebooted, LinkError) as error:
                self._restarts += isinstance(error, ModemRebooted)
                self._note(f"{error}; waiting for it")
                self._client.sync(bauds=self._bauds())
        return step()

    def _bauds(self) -> tuple[int, ...]:
        """Where the modem may be found, the likeliest first."""
        likely = (self._found_baud, self._options.baud or 0)
        every = (*likely, *self._options.bauds)
        return tuple(dict.fromkeys(baud for baud in every if baud))

    def _note(self, text: str) -> None:
        self._options.on_note(text)

    # The link

    def _set_up_link(self) -> None:
        if self._options.flow_control:
            self._client.retry(commands.set_flow_control(enabled=self._flow))
            self._link.set_flow_control(self._flow)
        if self._options.baud and self._options.baud != self._link.baud:
            self._client.set_baud(self._options.baud)
            self._note(f"raised to {self._options.baud} baud")

    def _restore_link(self) -> None:
        """As it was found; a modem that does not answer now is left as it is."""
        with contextlib.suppress(LinkError, ModemError):
            if self._link.baud != self._found_baud:
                self._client.set_baud(self._found_baud)
        with contextlib.suppress(LinkError, ModemError):
            if self._options.flow_control:
                self._client.run(commands.set_flow_control(enabled=False))
        if self._options.flow_control:
            self._link.set_flow_control(False)

    def _pick_drive(self) -> str:
        try:
            space, why = self._find_room()
        except ModemRebooted:
            raise
        except ModemError:
            if not self._make_room():
                raise
            space, why = self._find_room()
        self._note(f"drive {space.drive} ({why})")
        return space.drive

    def _find_room(self) -> tuple[Space, str]:
        if self._options.drive == "auto":
            return self._storage.choose(len(self._data), name=self._name)
        return self._forced(check_drive(self._options.drive))

    def _make_room(self) -> bool:
        """Deletes updates that the device does not need; False when that is no help."""
        keep = self._options.keep()
        if keep is None:
            return False
        forced = self._options.drive
        drives = AUTO_DRIVES if forced == "auto" else (check_drive(forced),)
        for space in self._storage.spaces(drives):
            deleted = self._storage.make_room(
                space.drive, len(self._data), name=self._name, keep=keep
            )
            if deleted:
                names = ", ".join(deleted)
                self._note(f"no room: deleted {names} from {space.drive}")
                return True
        return False

    def _forced(self, drive: str) -> tuple[Space, str]:
        found = self._storage.spaces((drive,))
        if not found:
            raise ModemError(
                f"expected drive {drive} in the modem, got ERROR to AT+FSCD={drive}/"
            )
        old = self._storage.size(drive, self._name) or 0
        free = found[0].free + old
        if free < len(self._data):
            raise ModemError(
                f"expected room for {len(self._data)} bytes on {drive}, "
                f"got {free} bytes free"
            )
        return Space(drive, free), f"as asked for; {free} bytes free"

    # The file

    def _attempts(self, drive: str) -> Staged:
        path = f"{drive}/{self._name}"
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                self._upload(drive, path)
                verify_s = self._verify(drive, path)
            except ModemRebooted as error:
                self._restarts += 1
                self._give_up_or_note(error, attempt=attempt, drive=drive)
                self._recover()
            except (LinkError, ModemError, VerifyError) as error:
                if isinstance(error, ModemError) and not self._sent:
                    raise
                self._give_up_or_note(error, attempt=attempt, drive=drive)
                self._slower()
                self._recover()
            else:
                return Staged(
                    path=path,
                    size=len(self._data),
                    sha256=hashlib.sha256(self._data).digest(),
                    upload_s=self._upload_s,
                    verify_s=verify_s,
                    attempts=attempt,
                    restarts=self._restarts,
                    lost_bytes=self._lost,
                )
        raise AssertionError("the last attempt returns or raises")

    def _give_up_or_note(self, error: Exception, *, attempt: int, drive: str) -> None:
        if attempt < MAX_ATTEMPTS:
            self._note(f"{error}; starting again")
            return
        with contextlib.suppress(LinkError, ModemError):
            self._recover()
            self._storage.delete(drive, self._name)
        raise error

    def _upload(self, drive: str, path: str) -> None:
        self._sent = 0
        if self._storage.delete(drive, self._name):
            self._note(f"deleted the older {path}")
        if parts := self._storage.delete_parts(drive, self._name):
            self._note(f"deleted {', '.join(parts)} of an unfinished download")
        # `delete` has gone to the drive; the upload itself takes a full path.
        pace = self._pace()
        start = self._link.now()

        def on_sent(sent: int) -> None:
            self._sent = sent
            self._progress("upload", sent, start)

        self._client.run(
            commands.upload(path, self._data),
            timeout_s=upload_time_s(len(self._data), pace=pace, baud=self._link.baud),
            pace=pace,
            on_sent=on_sent,
        )
        self._upload_s = self._link.now() - start
        if self._client.filler:
            self._lost += self._client.filler
            raise LinkError(
                f"expected the modem to take {len(self._data)} bytes, "
                f"it lost {self._client.filler}"
            )

    def _verify(self, drive: str, path: str) -> float:
        size = self._storage.size(drive, self._name)
        if size != len(self._data):
            raise VerifyError(f"expected {len(self._data)} bytes in {path}, got {size}")
        start = self._link.now()
        expected = hashlib.sha256(self._data).hexdigest()
        got = self._read_back(path, start)
        if got != expected:
            self._note(f"{path} read back differs; reading it once more")
            got = self._read_back(path, start)
        if got != expected:
            raise VerifyError(
                f"expected SHA-256 {expected} of {path} read back, got {got}"
            )
        return self._link.now() - start

    def _read_back(self, path: str, start: float) -> str:
        digest = hashlib.sha256()
        for piece in self._storage.read(
            path,
            len(self._data),
            on_read=lambda done: self._progress("verify", done, start),
        ):
            digest.update(piece)
        return digest.hexdigest()

    def _progress(self, phase: str, done: int, start: float) -> None:
        elapsed_s = self._link.now() - start
        self._options.on_progress(Progress(phase, done, len(self._data), elapsed_s))

    # Going on after trouble

    def _pace(self) -> Pace:
        if self._flow:
            return flow_control_pace(self._link.baud)
        return paced(self._options.pace, baud=self._link.baud, slower=self._gap)

    def _slower(self) -> None:
        if self._flow:
            self._flow = False
            self._note("flow control does not hold: pacing instead")
            return
        self._gap += 1
        self._note(f"gap of {self._pace().gap_s * 1000:.0f} ms after each block")

    def _recover(self) -> None:
        """Finds the modem again, wherever a restart or lost bytes left it."""
        self._client.sync(bauds=self._bauds())
        self._persist(self._set_up_link)

# SPDX-License-Identifier: Apache-2.0
"""Certificates and keys into the modem's store (`AT+CCERTDOWN`).

Rule 1: the store cannot be read back: what is there stays unless it is to be replaced,
        and what was done is said. Certificate and key are one: with only one of them
        there, both are sent.
Rule 2: a file that the modem did not take whole is deleted, also when the command is
        interrupted; the modem says nothing, so the bytes are counted.
Rule 3: nothing of a key leaves but to the modem.
Rule 4: every retry is bounded, and slower than the one that failed.

    with CertStore(link) as store:
        done = store.install(checked.files)
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from nrfota.at import Client, Link, Pace, commands
from nrfota.at.session import upload_time_s
from nrfota.cloud.files import CERT_NAME, KEY_NAME, CertFile
from nrfota.errors import (
    LinkError,
    ModemError,
    ModemRebooted,
    UsageError,
    VerifyError,
)
from nrfota.stage import GAPS_S, flow_control_pace, paced

T = TypeVar("T")

MAX_ATTEMPTS = 5
MAX_RESTARTS = 3
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,123}\.(pem|der)")


@dataclass(frozen=True)
class CertAction:
    """What was done with one file; `what` is stored, replaced or kept."""

    file: CertFile
    what: str


@dataclass(frozen=True, kw_only=True)
class CertOptions:
    """How to talk to the modem; the defaults work with three wires."""

    pace: str = "safe"
    flow_control: bool = False
    on_note: Callable[[str], None] = field(default=lambda text: None)

    def __post_init__(self) -> None:
        if self.pace not in GAPS_S:
            raise UsageError(
                f"expected a pace from {', '.join(GAPS_S)}, got '{self.pace}'"
            )


def check_store_name(name: str) -> str:
    """`name`, when the modem's store can have a file of that name."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            "expected a name of at most 128 letters, digits, '_', '-' or '.' that ends "
            f"with .pem or .der, got '{name[:140]}'"
        )
    return name


class CertStore:
    """The store of the modem at the other end of `link`."""

    def __init__(self, link: Link, *, options: CertOptions | None = None) -> None:
        self._link = link
        self._options = options or CertOptions()
        self._client = Client(link)
        self._flow = self._options.flow_control
        self._slower = 0
        self._sent = 0

    def __enter__(self) -> CertStore:
        """Finds the modem; raises `LinkError` when there is none."""
        self._client.sync()
        self._persist(self._set_up_link)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._options.flow_control:
            with contextlib.suppress(LinkError, ModemError):
                self._client.run(commands.set_flow_control(enabled=False))
            self._link.set_flow_control(False)

    def imei(self) -> str:
        """The modem's IMEI."""
        return self._persist(lambda: self._client.retry(commands.imei()))

    def names(self) -> tuple[str, ...]:
        """Names of the files in the store."""
        return self._persist(lambda: self._client.retry(commands.list_certificates()))

    def delete(self, names: Sequence[str]) -> tuple[str, ...]:
        """Deletes those of `names` that are there; which ones they were."""
        found = tuple(name for name in names if name in self.names())
        for name in found:
            self._persist(lambda name=name: self._remove(name))  # type: ignore[misc]
        return found

    def install(
        self, files: Sequence[CertFile], *, force: bool = False
    ) -> tuple[CertAction, ...]:
        """Stores `files`; one that is there stays unless `force`.

        Raises `LinkError` (no modem, lost bytes), `ModemError` (refused),
        `VerifyError` (not in the list afterwards).
        """
        present = self.names()
        half = self._half_pair(files, present)
        done = []
        for file in files:
            there = file.store_name in present
            if there and not force and file.store_name != half:
                done.append(CertAction(file, "kept"))
                continue
            self._put(file)
            done.append(CertAction(file, "replaced" if there else "stored"))
        return tuple(done)

    def _half_pair(
        self, files: Sequence[CertFile], present: Sequence[str]
    ) -> str | None:
        """The certificate or key that is there without the other."""
        pair = {CERT_NAME, KEY_NAME}
        there = pair.intersection(present)
        if len(there) != 1 or not pair <= {file.store_name for file in files}:
            return None
        (half,) = there
        (other,) = pair - there
        self._options.on_note(f"{half} is in the modem without {other}: sending both")
        return half

    # One file

    def _put(self, file: CertFile) -> None:
        name = file.store_name
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                self._remove(name)
                self._send(file)
                return
            except (LinkError, ModemError, VerifyError) as error:
                refused = isinstance(error, ModemError) and not self._sent
                if refused and not isinstance(error, ModemRebooted):
                    raise
                if attempt == MAX_ATTEMPTS:
                    self._clean(name)
                    raise
                self._options.on_note(f"{error}; sending {name} again")
                if not isinstance(error, ModemRebooted):
                    self._slow_down()
                self._recover()
            except BaseException:
                self._clean(name)
                raise

    def _send(self, file: CertFile) -> None:
        name, data = file.store_name, file.data
        self._sent = 0
        pace = self._pace()

        def on_sent(sent: int) -> None:
            self._sent = sent

        self._client.run(
            commands.store_certificate(name, data, secret=file.secret),
            timeout_s=upload_time_s(len(data), pace=pace, baud=self._link.baud),
            pace=pace,
            on_sent=on_sent,
        )
        if self._client.filler:
            raise LinkError(
                f"expected the modem to take {len(data)} bytes of {name}, it lost "
                f"{self._client.filler}"
            )
        if name not in self._client.retry(commands.list_certificates()):
            raise VerifyError(
                f"expected {name} in the modem's list of certificates, found it not"
            )

    def _remove(self, name: str) -> None:
        """Deletes `name` when it is there: the modem need not overwrite."""
        self._sent = 0
        if name in self._client.retry(commands.list_certificates()):
            self._client.run(commands.delete_certificate(name))

    def _clean(self, name: str) -> None:
        """Leaves no half file, as far as the modem still answers."""
        with contextlib.suppress(LinkError, ModemError):
            self._recover()
            self._remove(name)

    # The link

    def _pace(self) -> Pace:
        if self._flow:
            return flow_control_pace(self._link.baud)
        return paced(self._options.pace, baud=self._link.baud, slower=self._slower)

    def _slow_down(self) -> None:
        if self._flow:
            self._flow = False
            self._options.on_note("flow control does not hold: pacing instead")
        else:
            self._slower += 1

    def _set_up_link(self) -> None:
        if self._options.flow_control:
            self._client.retry(commands.set_flow_control(enabled=self._flow))
            self._link.set_flow_control(self._flow)

    def _recover(self) -> None:
        """Ends what the modem still waits for, and finds it again."""
        missing = self._client.payload_missing
        pace = self._pace()
        while missing > 0:
            piece = bytes(min(pace.chunk, missing))
            missing -= len(piece)
            self._link.write(piece)
            self._link.drain()
            self._client.pause(pace.gap_s)
        self._client.sync()
        self._persist(self._set_up_link)

    def _persist(self, step: Callable[[], T]) -> T:
        """Does `step`, again when the modem restarts or goes silent meanwhile."""
        for _ in range(MAX_RESTARTS):
            try:
                return step()
            except (ModemRebooted, LinkError) as error:
                self._options.on_note(f"{error}; waiting for it")
                self._client.sync()
        return step()

# SPDX-License-Identifier: Apache-2.0
"""Runs AT exchanges over a `Link`, one after the other, and finds the modem again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from nrfota.at import commands
from nrfota.at.commands import Command
from nrfota.at.link import Link
from nrfota.at.session import Done, Failed, Pace, Session, Urc
from nrfota.errors import LinkError, ModemError, ModemRebooted

log = logging.getLogger(__name__)

T = TypeVar("T")

# Where a SIM7600 can be found: factory setting first, then what is in use.
PROBE_BAUDS = (115200, 921600, 460800, 230400, 9600)
# A restarted modem answers 10 to 25 s later.
START_S = 30.0
QUIET_S = 0.5
MAX_DRAIN_S = 5.0


class Client:
    """A blocking AT client.

    `restarted` is set when the modem was seen to restart between two exchanges;
    the next `run` raises `ModemRebooted`, `sync` clears it. `filler` is how many zero
    bytes the last payload needed on top, `payload_missing` how many of it a broken-off
    exchange left unsent.
    """

    def __init__(
        self, link: Link, *, on_urc: Callable[[str], None] | None = None
    ) -> None:
        self.link = link
        self.restarted = False
        self.filler = 0
        self.payload_missing = 0
        self._session = Session()
        self._on_urc = on_urc

    def run(
        self,
        command: Command[T],
        *,
        timeout_s: float | None = None,
        pace: Pace | None = None,
        on_sent: Callable[[int], None] | None = None,
    ) -> T:
        """Runs one exchange and returns the command's value.

        `on_sent` hears how many bytes of the payload have left. Raises `ModemError`
        (refused), `ModemRebooted`, or `LinkError` (no answer; call `sync` then).
        """
        self._drop_input()
        if self.restarted:
            raise ModemRebooted("the modem restarted", command=command.text)
        session = self._session
        self.payload_missing = 0
        session.begin(command, now=self.link.now(), timeout_s=timeout_s, pace=pace)
        try:
            while True:
                if data := session.output():
                    self.link.write(data)
                    session.sent(now=self.link.drain())
                    if on_sent is not None and session.sent_bytes:
                        on_sent(session.sent_bytes)
                now = self.link.now()
                data = self.link.read(max(0.0, session.wake_at - now))
                now = self.link.now()
                events: Sequence[Any] = session.feed(data, now=now)
                ended = self._ended(events) or self._ended(session.tick(now=now))
                if isinstance(ended, Failed):
                    raise ended.error
                if isinstance(ended, Done):
                    self.filler = ended.filler
                    value: T = ended.value
                    return value
        except BaseException:
            self.payload_missing = session.missing_bytes
            session.abandon()
            raise

    def retry(self, command: Command[T]) -> T:
        """Runs `command` up to its `attempts` when the link, not the modem, fails."""
        for attempt in range(1, command.attempts + 1):
            try:
                return self.run(command)
            except LinkError as error:
                log.info("attempt %d: %s", attempt, error)
                if attempt == command.attempts:
                    raise
                self.resync()
        raise AssertionError("attempts is at least 1")

    def _ended(self, events: Sequence[Any]) -> Done | Failed | None:
        ended = None
        for event in events:
            if isinstance(event, Urc):
                self._urc(event)
            else:
                ended = event
        return ended

    def _urc(self, urc: Urc) -> None:
        self.restarted = self.restarted or urc.restart
        if self._on_urc is not None:
            self._on_urc(urc.text)

    def _drop_input(self) -> None:
        """What is in the input before a command is no reply; `RDY` is noticed."""
        while data := self.link.read(0):
            self._idle(data)

    def _idle(self, data: bytes) -> None:
        """Input without an exchange."""
        for event in self._session.feed(data, now=self.link.now()):
            if isinstance(event, Urc):
                self._urc(event)

    # Finding the modem

    def quiet(self, *, quiet_s: float = QUIET_S, limit_s: float = MAX_DRAIN_S) -> None:
        """Reads and forgets until nothing came for `quiet_s`, at most `limit_s`."""
        end = self.link.now() + limit_s
        while self.link.now() < end:
            if not (data := self.link.read(quiet_s)):
                return
            self._idle(data)

    def pause(self, seconds: float) -> None:
        """Lets time pass, still hearing what the modem says."""
        end = self.link.now() + seconds
        while (rest := end - self.link.now()) > 0:
            self._idle(self.link.read(rest))

    def answers(self, *, tries: int = 3) -> bool:
        """True when `AT` is answered at the present baud rate."""
        for _ in range(tries):
            try:
                self.run(commands.attention())
                return True
            except (LinkError, ModemError) as error:
                log.debug("%s", error)
                self.restarted = False  # a modem that restarts is what we look for
        return False

    def resync(self) -> None:
        """Gets back in step at the present baud rate: drain, `CR`, `AT` until `OK`."""
        self.quiet()
        self.link.write(b"\r")
        self.link.drain()
        self.quiet(quiet_s=0.1, limit_s=1.0)
        if not self.answers(tries=5):
            raise LinkError(
                f"expected OK to AT at {self.link.baud} baud on {self.link.name}, "
                "got no answer"
            )

    def sync(
        self, *, bauds: Sequence[int] = PROBE_BAUDS, start_s: float = START_S
    ) -> int:
        """Finds the modem and sets up the session; returns its baud rate.

        Goes through `bauds` again and again for `start_s` seconds (a modem that
        restarts is silent for 10 to 25 s), then `ATE0`, `AT+CMEE=2`, `AT+CATR=1`.
        """
        end = self.link.now() + start_s
        self.restarted = False
        while True:
            for baud in bauds:
                if self.link.baud != baud:
                    self.link.set_baud(baud)
                try:
                    self.resync()
                    self._session.boot_was_seen(now=self.link.now())
                    self.restarted = False
                    self._set_up()
                    return baud
                except (LinkError, ModemRebooted) as error:
                    log.debug("%s", error)
            if self.link.now() >= end:
                tried = ", ".join(str(baud) for baud in bauds)
                raise LinkError(
                    f"expected a modem on {self.link.name}, got no OK to AT "
                    f"at {tried} baud within {start_s:.0f} s"
                )

    def _set_up(self) -> None:
        for command in (
            commands.echo_off(),
            commands.error_text(),
            commands.urc_port_uart(),
        ):
            self.retry(command)

    def set_baud(self, baud: int) -> None:
        """Moves modem and host to `baud` until the modem restarts (`AT+IPR`)."""
        self.run(commands.set_baud(baud))
        self.link.set_baud(baud)
        # The modem needs about 100 ms to switch.
        self.quiet(quiet_s=0.1, limit_s=1.0)
        self.resync()

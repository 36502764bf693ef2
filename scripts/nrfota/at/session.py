# SPDX-License-Identifier: Apache-2.0
"""One exchange at a time: which bytes to send, what the modem's bytes mean, until when.

Rule 1: no I/O and no clock: bytes and the time are passed in, bytes to write and the
        next instant that matters come out.
Rule 2: an exchange has one deadline, set when it begins.
Rule 3: after a secret payload, lines that may be its echo are not logged; a modem
        that restarts in the middle takes the rest for commands.
Rule 4: everything that moves an exchange from state to state is in `_TABLE`.

    events = session.begin(command, now=0.0)
    loop:  link.write(session.output()); link.drain(); session.sent(now=...)
           session.feed(link.read(session.wake_at - now), now=...)  -> events
           session.tick(now=...)                                     -> events
"""

from __future__ import annotations

import enum
import logging
import re
from dataclasses import dataclass
from typing import Any

from nrfota.at import parser
from nrfota.at.commands import Command, Reply
from nrfota.errors import FormatError, LinkError, ModemError, ModemRebooted, OtaError

log = logging.getLogger(__name__)

# After an early `OK` or an `ERROR`, what still belongs to the exchange comes within
# this time.
SETTLE_S = 0.2
# No `OK` this long after the last payload byte: the modem still waits for bytes.
COMMIT_S = 10.0
# Most zero bytes sent to get the modem out of its data mode.
MAX_FILLER = 64 * 1024
# The first of them go one by one, so that their number is the number of lost bytes.
COUNTED_FILLER = 64
FILLER_GAP_S = 0.05
# `+CPIN: READY` this long after `RDY` belongs to the same start.
BOOT_TAIL_S = 30.0

_URC = re.compile(
    r"RDY$|SMS DONE$|PB DONE$|RING$|NO CARRIER$|Autobaud: OK$|UNDER-VOLTAGE WARN"
    r"|\+(?:CPIN|CREG|CGREG|CEREG|CTZV|CTZE|CGEV|CNSMOD|CMTI|SIMCARD|CIPEVENT|NETOPEN"
    r"|NETCLOSE|IPCLOSE|HTTP_PEER_CLOSED|HTTP_NONET_EVENT|CMQTT\w*|CUSATEND|CNTP"
    r"|HTTPACTION)(?:[:\s]|$)"
)

# What a modem says and no line of a PEM file looks like.
_NO_KEY = re.compile(r"OK|ERROR|RDY|\+[A-Z]+(?: [A-Z]+)?: .{0,80}")


@dataclass(frozen=True)
class Pace:
    """How a payload is sent: `chunk` bytes, then `gap_s` seconds of silence.

    A gap of 0 is for flow control by RTS/CTS. The modem's receive FIFO holds 512
    bytes (UART application note), so `chunk` stays below that without it.
    """

    chunk: int = 256
    gap_s: float = 0.05


@dataclass(frozen=True)
class Urc:
    """A line that belongs to no exchange; `restart` when it tells of a restart."""

    text: str
    restart: bool = False


@dataclass(frozen=True)
class Done:
    """The exchange succeeded; `filler` zero bytes were needed to end it."""

    value: Any
    filler: int = 0


@dataclass(frozen=True)
class Failed:
    """The exchange failed."""

    error: OtaError


Event = Urc | Done | Failed


class State(enum.Enum):
    """Where an exchange is."""

    IDLE = "idle"
    REPLY = "reply"  # command sent, reply expected
    PROMPT = "prompt"  # command sent, prompt expected
    SENDING = "sending"  # payload on its way
    COMMIT = "commit"  # payload sent, final result expected
    FILLING = "filling"  # the modem missed bytes: zeros until it answers
    SETTLE = "settle"  # complete; a late line may still follow


class _On(enum.Enum):
    PROMPT = "prompt"
    ALL_SENT = "all sent"
    QUIET = "quiet"  # the state's own timer ran out
    ALMOST = "almost"  # complete but for what may come late
    COMPLETE = "complete"
    FAIL = "fail"


# What is not in here is ignored in that state.
_TABLE: dict[State, dict[_On, State]] = {
    State.REPLY: {
        _On.ALMOST: State.SETTLE,
        _On.COMPLETE: State.IDLE,
        _On.FAIL: State.IDLE,
    },
    State.PROMPT: {_On.PROMPT: State.SENDING, _On.FAIL: State.IDLE},
    State.SENDING: {_On.ALL_SENT: State.COMMIT, _On.FAIL: State.IDLE},
    State.COMMIT: {
        _On.QUIET: State.FILLING,
        _On.COMPLETE: State.IDLE,
        _On.FAIL: State.IDLE,
    },
    State.FILLING: {_On.COMPLETE: State.IDLE, _On.FAIL: State.IDLE},
    State.SETTLE: {
        _On.QUIET: State.IDLE,
        _On.COMPLETE: State.IDLE,
        _On.FAIL: State.IDLE,
    },
}


class Session:
    """The state of the conversation with one modem."""

    def __init__(self) -> None:
        self._digester = parser.Digester()
        self._state = State.IDLE
        self._command: Command[Any] | None = None
        self._out = bytearray()
        self._deadline = 0.0
        self._timer: float | None = None
        self._boot_tail_until = float("-inf")
        self._pace = Pace()
        self._had_secret = False
        self._begin_state()

    def _begin_state(self) -> None:
        self._lines: list[str] = []
        self._data = bytearray()
        self._ok = False
        self._result = False
        self._outcome: OtaError | None = None
        self._sent = 0
        self._filler = 0

    # What the caller may ask

    @property
    def state(self) -> State:
        """Where the exchange is."""
        return self._state

    @property
    def sent_bytes(self) -> int:
        """Payload bytes handed out by `output` so far."""
        return self._sent

    @property
    def missing_bytes(self) -> int:
        """Payload bytes that the modem waits for and that were not handed out."""
        if self._state is not State.SENDING or self._command is None:
            return 0
        return len(self._command.payload or b"") - self._sent

    @property
    def filler_bytes(self) -> int:
        """Zero bytes sent to complete a payload of which bytes were lost."""
        return self._filler

    @property
    def wake_at(self) -> float:
        """When `tick` should be called at the latest; infinite when idle."""
        if self._state is State.IDLE:
            return float("inf")
        if self._timer is None:
            return self._deadline
        return min(self._deadline, self._timer)

    # What the caller does

    def begin(
        self,
        command: Command[Any],
        *,
        now: float,
        timeout_s: float | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Begins an exchange; `output` has its bytes.

        `timeout_s` replaces the command's own limit, which does not count the time
        that a payload needs on the wire.
        """
        if self._state is not State.IDLE:
            raise RuntimeError("one exchange at a time")
        self._begin_state()
        self._command = command
        self._had_secret = self._had_secret or command.secret
        self._pace = pace or Pace()
        self._deadline = now + (command.timeout_s if timeout_s is None else timeout_s)
        self._timer = None
        self._state = State.REPLY
        if command.payload is not None:
            self._digester.expect_prompt()
            self._state = State.PROMPT
        if command.data_name:
            self._digester.expect_data(command.data_name, limit=command.data_limit)
        log.debug("> %s", command.text)
        self._out += command.wire()

    def output(self) -> bytes:
        """Bytes to write now; after they have left, call `sent`."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def sent(self, *, now: float) -> None:
        """What `output` gave has left the wire at `now`."""
        if self._state is State.SENDING:
            assert self._command is not None and self._command.payload is not None
            if self._sent == len(self._command.payload):
                self._move(_On.ALL_SENT)
                self._timer = now + COMMIT_S
            else:
                self._timer = now + self._pace.gap_s

    def feed(self, data: bytes, *, now: float) -> list[Event]:
        """Takes what came from the modem."""
        events: list[Event] = []
        for event in self._digester.feed(data):
            self._take(event, now, events)
        return events

    def tick(self, *, now: float) -> list[Event]:
        """Lets time pass; also hands out the next piece of a payload when due."""
        events: list[Event] = []
        if self._timer is not None and now >= self._timer:
            self._timer = None
            self._timer_ran_out(now, events)
        if self._command is not None and now >= self._deadline:
            self._time_out(events)
        return events

    def abandon(self) -> None:
        """Forgets the exchange; the stream must be resynchronised after this."""
        self._state = State.IDLE
        self._command = None
        self._timer = None
        self._out.clear()
        self._digester.reset()

    # Inside

    def _move(self, on: _On) -> bool:
        """Follows `_TABLE`; False when `on` means nothing in this state."""
        state = _TABLE.get(self._state, {}).get(on)
        if state is None:
            return False
        self._state = state
        return True

    def _timer_ran_out(self, now: float, events: list[Event]) -> None:
        if self._state is State.SENDING:
            self._send_next()
        elif self._state is State.COMMIT:
            self._move(_On.QUIET)
            self._fill(now)
        elif self._state is State.FILLING:
            self._fill(now)
        elif self._state is State.SETTLE:
            self._finish(_On.QUIET, events)

    def _send_next(self) -> None:
        assert self._command is not None and self._command.payload is not None
        piece = self._command.payload[self._sent : self._sent + self._pace.chunk]
        self._sent += len(piece)
        self._out += piece

    def _fill(self, now: float) -> None:
        """More zero bytes: one by one as long as the lost ones can be counted."""
        size = 1 if self._filler < COUNTED_FILLER else 64
        if self._filler >= 1024:
            size = 256
        if self._filler < MAX_FILLER:
            self._filler += size
            self._out += bytes(size)
            self._timer = now + FILLER_GAP_S

    def _time_out(self, events: list[Event]) -> None:
        assert self._command is not None
        lacking = {
            State.PROMPT: "no prompt",
            State.SENDING: "the payload was not taken",
            State.COMMIT: "no final result",
            State.FILLING: f"no final result after {self._filler} filler bytes",
        }.get(self._state, "no final result")
        self._fail(
            LinkError(f"expected an answer to {self._command.text}, got {lacking}"),
            events,
        )

    def _fail(self, error: OtaError, events: list[Event]) -> None:
        self._outcome = error
        self._finish(_On.FAIL, events)

    def _finish(self, on: _On, events: list[Event]) -> None:
        """Ends the exchange with the outcome that is noted."""
        command = self._command
        assert command is not None
        moved = self._move(on)
        assert moved, (self._state, on)
        self._command = None
        self._timer = None
        self._out.clear()
        self._digester.expect_nothing()
        if self._outcome is not None:
            if isinstance(self._outcome, LinkError | ModemRebooted):
                self._digester.reset()
            events.append(Failed(self._outcome))
            return
        try:
            value = command.parse(Reply(tuple(self._lines), bytes(self._data)))
        except FormatError as error:
            events.append(Failed(LinkError(f"{command.text}: {error}")))
        else:
            events.append(Done(value, self._filler))

    def _take(self, event: parser.Event, now: float, events: list[Event]) -> None:
        if isinstance(event, parser.Line):
            self._take_line(event.text, now, events)
        elif isinstance(event, parser.Prompt):
            if self._move(_On.PROMPT):
                self._send_next()
        elif isinstance(event, parser.Data):
            self._take_data(event, events)
        elif isinstance(event, parser.BadCount):
            log.warning("bad count in '%s'", event.header)
            if self._state is not State.IDLE:
                self._fail(
                    LinkError(
                        f"expected a count from 1 to {event.limit}, "
                        f"got '{event.header}'"
                    ),
                    events,
                )
        else:
            log.warning("dropped a line of %d bytes", event.size)

    def _take_data(self, event: parser.Data, events: list[Event]) -> None:
        command = self._command
        if command and command.data_name and event.header.startswith(command.data_name):
            self._data += event.data
        else:
            events.append(Urc(event.header))

    def _take_line(self, text: str, now: float, events: list[Event]) -> None:
        log.debug("< %s", self._shown(text))
        command = self._command
        if self._is_restart(text, now):
            events.append(Urc(text, restart=True))
            if command is not None:
                self._fail(
                    ModemRebooted(
                        f"the modem restarted during {command.text}",
                        command=command.text,
                    ),
                    events,
                )
        elif command is None:
            log.debug("stray: %s", self._shown(text))
            events.append(Urc(text))
        elif text == "OK":
            self._take_ok(now, events)
        elif text == "ERROR" or text.startswith(("+CME ERROR", "+CMS ERROR")):
            self._take_error(text, now, events)
        elif text == command.text:
            log.debug("echo")
        elif _belongs(text, command):
            self._lines.append(text)
            self._take_result(text, now, events)
        else:
            events.append(Urc(text))

    def _shown(self, text: str) -> str:
        """`text`, or its length when it may be part of a key that was echoed."""
        if not self._had_secret or _NO_KEY.fullmatch(text):
            return text
        if self._command is not None and text == self._command.text:
            return text
        return f"({len(text)} characters)"

    def _is_restart(self, text: str, now: float) -> bool:
        if text == "RDY":
            self._boot_tail_until = now + BOOT_TAIL_S
            return True
        if text == "+CPIN: READY" and now >= self._boot_tail_until:
            asked = self._command is not None and "+CPIN" in self._command.text
            if not asked:
                self._boot_tail_until = now + BOOT_TAIL_S
                return True
        return False

    def boot_was_seen(self, *, now: float) -> None:
        """Lines of a start that is going on are no new restart."""
        self._boot_tail_until = now + BOOT_TAIL_S

    def _take_ok(self, now: float, events: list[Event]) -> None:
        command = self._command
        assert command is not None
        if self._state in (State.PROMPT, State.SENDING):
            self._fail(
                LinkError(
                    f"expected OK after the last byte of {command.text}, "
                    f"got it after {self._sent} bytes"
                ),
                events,
            )
        elif command.result and not self._result and self._state is State.REPLY:
            self._ok = True
        else:
            self._finish(_On.COMPLETE, events)

    def _take_result(self, text: str, now: float, events: list[Event]) -> None:
        """A reply line that may be the one that must come besides the final result."""
        command = self._command
        assert command is not None
        if not command.result or not text.startswith(command.result):
            return
        self._result = True
        if self._state is State.SETTLE:
            self._outcome = _refusal(command.text, text)
            self._finish(_On.QUIET, events)
        elif self._ok:
            self._settle(now)

    def _take_error(self, text: str, now: float, events: list[Event]) -> None:
        command = self._command
        assert command is not None
        results = [line for line in self._lines if line.startswith(command.result)]
        said = results[-1] if command.result and results else text
        self._outcome = _refusal(command.text, said)
        if text == "ERROR" and command.result and not self._result:
            self._settle(now)
        else:
            self._finish(_On.FAIL, events)

    def _settle(self, now: float) -> None:
        """Waits for what may still belong to this exchange."""
        if self._move(_On.ALMOST):
            self._timer = now + SETTLE_S


def _belongs(text: str, command: Command[Any]) -> bool:
    """Is this line part of the command's reply?"""
    if text.startswith(command.prefixes or ("\n",)):
        return True
    return command.bare and not _URC.match(text)


def _refusal(command: str, said: str) -> ModemError:
    """The modem's refusal, with its number when it gave one."""
    number = re.search(r":\s*(\d+)", said)
    return ModemError(
        f"the modem answered '{said}' to {command}",
        command=command,
        code=int(number[1]) if number else None,
    )


def upload_time_s(size: int, *, pace: Pace, baud: int) -> float:
    """Deadline for storing `size` bytes: prompt, wire and gaps, commit, filler."""
    wire_s = size * 10 / baud
    gaps_s = (size // pace.chunk + 1) * pace.gap_s
    return 5.0 + 1.5 * (wire_s + gaps_s) + 60.0 + 40.0

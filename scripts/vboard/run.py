# SPDX-License-Identifier: Apache-2.0
"""Runs firmware on a virtual board until a text appears or time is up.

This is the library behind `python -m vboard run` and `west ota-sim`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vboard.board import Board
from vboard.clock import NS_PER_MS, NS_PER_S
from vboard.cpu_memory import RAM_BASE, RAM_SIZE
from vboard.cpu_stop import RunEnd
from vboard.errors import GuestError, NotModelled, VboardError
from vboard.fabric import ResetKind
from vboard.loader import load_files
from vboard.nv import NvMemory
from vboard.outputs import FileSink, Finder, PtySink, Sink
from vboard.peripherals.gpio import Gpio
from vboard.rtt import RttReader
from vboard.terminal import Terminal
from vboard.trace import KINDS, FaultNotes, stamp, trace_flash, trace_registers
from vboard.unmodelled import allow

UARTS = (0, 1)
_LIVE_SLICE_NS = 5 * NS_PER_MS  # in real time: how often the world is looked at
_END_NS = 1 << 62  # a century


@dataclass(frozen=True)
class RunOptions:
    """What to run, and what to show. `uarts` maps a UART number to "-", a file or
    "pty"; `max_time_s` is simulated time, which runs at most `pace` times as fast as
    real time."""

    load: tuple[Path, ...]
    uarts: Mapping[int, str] = field(default_factory=dict)
    rtt: str | None = None
    modem: Path | None = None
    modem_uart: int = 1
    modem_pwrkey: str | None = None  # "port.pin"
    modem_profile: str = ""
    modem_faults: str = ""
    until: str | None = None
    max_time_s: float = 60.0
    trace: frozenset[str] = frozenset()
    seed: int = 0
    faults: str = "strict"
    allow: tuple[str, ...] = ()  # blocks that are not modelled
    pace: float | None = None

    def __post_init__(self) -> None:
        for number in (*self.uarts, self.modem_uart):
            if number not in UARTS:
                raise VboardError(f"expected UART 0 or 1, got {number}")
        if self.modem is not None and self.modem_uart in self.uarts:
            raise VboardError(
                f"UART {self.modem_uart} belongs to the modem; "
                "show its traffic with --trace at"
            )
        unknown = self.trace - set(KINDS)
        if unknown:
            raise VboardError(
                f"expected a trace of {', '.join(KINDS)}, got {', '.join(unknown)}"
            )
        if self.modem is None:
            for option, value in (
                ("--trace at", "at" in self.trace),
                ("--modem-pwrkey", self.modem_pwrkey),
                ("--modem-profile", self.modem_profile),
                ("--modem-faults", self.modem_faults),
            ):
                if value:
                    raise VboardError(f"{option} needs --modem")
        if self.pace is not None and not 0 < self.pace < math.inf:
            raise VboardError(f"expected a pace of more than 0, got {self.pace}")
        if not self.max_time_s > 0:
            raise VboardError(
                f"expected a time of more than 0 seconds, got {self.max_time_s}"
            )


@dataclass(frozen=True)
class RunResult:
    """How a run ended. `found` is True when there was no text to wait for."""

    found: bool
    reason: str
    now_ns: int
    wall_s: float


class Session:
    """A board with its outputs attached."""

    def __init__(
        self, options: RunOptions, note: Callable[[str], None] | None = None
    ) -> None:
        self.options = options
        self.note = note or _to_stderr
        self.finder = Finder(options.until)
        self._interrupted = False
        self._sinks: list[Sink] = []
        self._live: list[tuple[PtySink, Terminal]] = []
        self._terminals: list[tuple[Terminal, Callable[[], None]]] = []
        nv = NvMemory(seed=options.seed)
        load_files(nv, options.load)
        self.board = Board(nv, seed=options.seed, faults=options.faults)
        for name in options.allow:
            allow(self.board.bus.blocks, name)
        self._fault_notes = FaultNotes(self.note)
        self.board.core.exceptions.on_fault = self._fault
        self.board.on_reset.append(self._reset)
        self._rtt: RttReader | None = None
        self._attach()

    def _attach(self) -> None:
        options = self.options
        uarts = dict(options.uarts)
        show_all = not uarts and options.rtt is None and options.until is not None
        for number in UARTS:
            if options.modem is not None and number == options.modem_uart:
                self._attach_modem(number)
            elif number in uarts or show_all:
                self._attach_uart(number, uarts.get(number))
        if options.rtt is not None or show_all:
            self._attach_rtt(options.rtt)
        if "regs" in options.trace:
            trace_registers(self.board, self.note)
        if "flash" in options.trace:
            trace_flash(self.board, self.note)

    def _sink(self, target: str | None) -> Sink:
        if target is None:
            sink = Sink()
        elif target == "pty":
            sink = PtySink()
        else:
            sink = FileSink(target)
        self._sinks.append(sink)
        return sink

    def _attach_uart(self, number: int, target: str | None) -> None:
        uart = self.board.uart(number)
        terminal = Terminal(self.board.clock, from_board=uart.tx, to_board=uart.rx)
        sink = self._sink(target)
        shown = 0

        def flush() -> None:
            nonlocal shown
            data = bytes(terminal.received[shown:])
            shown += len(data)
            sink.write(data)
            self.finder.feed(f"uart{number}", data)

        terminal.on_text = lambda text: flush()
        self._terminals.append((terminal, flush))
        if isinstance(sink, PtySink):
            self.note(f"uart {number} on {sink.path}")
            self._live.append((sink, terminal))

    def _attach_rtt(self, target: str | None) -> None:
        sink = self._sink(target)

        def show(data: bytes) -> None:
            sink.write(data)
            self.finder.feed("rtt", data)

        board = self.board
        self._rtt = RttReader(
            board.clock,
            ram_base=RAM_BASE,
            ram_size=RAM_SIZE,
            read=board.ram_read,
            write=board.ram_write,
            on_data=show,
        )

    def _attach_modem(self, number: int) -> None:
        from vboard.modem.background import spawn
        from vboard.modem.faults import FaultPlan
        from vboard.modem.power_key import connect_pwrkey, parse_pin
        from vboard.modem.profile import ModemProfile, load_profile
        from vboard.modem.sim7600 import Sim7600
        from vboard.modem.storage import Storage

        options = self.options
        assert options.modem is not None
        trace = None
        if "at" in options.trace:

            def trace(text: str) -> None:
                self.note(f"{stamp(self.board.clock.now_ns)} {text}")

        profile = ModemProfile()
        if self._real_time:
            now = int(time.time())
            profile = dataclasses.replace(profile, network_time=now)
        if options.modem_profile:
            profile = load_profile(options.modem_profile, profile)
        modem = Sim7600(
            self.board.clock,
            Storage(options.modem),
            profile=profile,
            faults=FaultPlan.parse(options.modem_faults),
            seed=options.seed,
            trace=trace,
        )
        uart = self.board.uart(number)
        modem.attach(uart.tx, uart.rx)
        if options.modem_pwrkey is not None:
            pin = parse_pin(options.modem_pwrkey)
            gpio = self.board.block("GPIO")
            assert isinstance(gpio, Gpio)
            connect_pwrkey(gpio, modem, pin)
        modem.start_ready()
        if self._real_time:
            modem.spawn = spawn
        self.modem = modem

    def faults_fired(self) -> list[str]:
        """One line for each planned fault of the modem."""
        faults = self.modem.faults.faults if self.options.modem else []
        return [f"fault {type(f).__name__} fired {f.fired}" for f in faults]

    # What happens

    def _fault(self, message: str) -> None:
        self._fault_notes.add(self.board.clock.now_ns, message)

    def _reset(self, kind: ResetKind) -> None:
        self.note(f"{stamp(self.board.clock.now_ns)} {kind.value} reset")
        if self._rtt is not None:
            self._rtt.forget()

    # Running

    @property
    def _real_time(self) -> bool:
        """True when somebody outside waits for the board, and the board for them."""
        return self.options.pace is not None or "pty" in self.options.uarts.values()

    def interrupt(self) -> None:
        """Ends the run soon, as Ctrl-C does."""
        self._interrupted = True

    def run(self) -> RunResult:
        """Runs to the end; GuestError comes out of here."""
        begin = time.monotonic()
        end_ns = _END_NS
        if self.options.max_time_s < math.inf:
            end_ns = round(self.options.max_time_s * NS_PER_S)
        if self._real_time:
            end = self._run_live(end_ns, begin)
        else:
            end = self.board.run(end_ns, self._done)
        for terminal, flush in self._terminals:
            assert terminal.text is not None  # takes in what has just arrived
            flush()
        if self._rtt is not None:
            self._rtt.drain()
        found = self.finder.found or not self.options.until
        return RunResult(
            found=found,
            reason=self._reason(end),
            now_ns=self.board.clock.now_ns,
            wall_s=time.monotonic() - begin,
        )

    def _done(self) -> bool:
        return self.finder.found or self._interrupted

    def _run_live(self, end_ns: int, begin: float) -> RunEnd:
        """Keeps simulated time from running ahead of those outside."""
        clock, pace = self.board.clock, self.options.pace or 1.0
        while clock.now_ns < end_ns:
            until_ns = min(clock.now_ns + _LIVE_SLICE_NS, end_ns)
            end = self.board.run(until_ns, self._done)
            if end is RunEnd.STOPPED or self._interrupted:
                return RunEnd.STOPPED
            for sink, terminal in self._live:
                data = sink.read()
                if data:
                    terminal.type(data)
            ahead = clock.now_ns / NS_PER_S / pace - (time.monotonic() - begin)
            if ahead > 0:
                time.sleep(ahead)
        return RunEnd.TIME

    def _reason(self, end: RunEnd) -> str:
        if self.finder.found:
            return f"found {self.options.until!r}"
        if self._interrupted:
            return f"interrupted, {self._where()}"
        where = self._where()
        if end is RunEnd.IDLE:
            return f"nothing will wake the CPU, {where}"
        return f"{self.options.max_time_s:g} s of simulated time are over, {where}"

    def _where(self) -> str:
        core = self.board.core
        if core.off:
            return "the chip is in System OFF"
        state = "asleep" if core.asleep else "running"
        return f"the CPU is {state} at pc 0x{core.cpu.get('pc'):08x}"

    def close(self) -> None:
        """Closes outputs and the board."""
        self._fault_notes.close()
        for sink in self._sinks:
            sink.close()
        self.board.close()


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _interruptible(session: Session) -> Iterator[None]:
    """SIGINT and SIGTERM end the run in order, with its last lines."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(n, lambda *_: session.interrupt()) for n in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def run(options: RunOptions, note: Callable[[str], None] | None = None) -> int:
    """Runs `options`; 0 when the text appeared (or none was asked for), else 1."""
    note = note or _to_stderr
    session = Session(options, note)
    note(f"seed {options.seed}")
    try:
        with _interruptible(session):
            result = session.run()
    except GuestError as error:
        note(f"{stamp(session.board.clock.now_ns)} stopped: {error}")
        if isinstance(error, NotModelled):
            name = error.block.split("/")[0]
            note(f"(--allow {name} lets it read as 0 and ignore stores)")
        elif options.faults == "strict":
            note("(--faults guest gives bus errors to the firmware instead)")
        return 1
    finally:
        session.close()
    for line in session.faults_fired():
        note(line)
    speed = result.now_ns / NS_PER_S / max(result.wall_s, 1e-9)
    note(
        f"{stamp(result.now_ns)} {result.reason} "
        f"({result.wall_s:.1f} s on the host, {speed:.1f} times as fast)"
    )
    return 0 if result.found else 1

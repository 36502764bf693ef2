# SPDX-License-Identifier: Apache-2.0
"""The modem as a whole: power, boot, and the parts put together.

    modem = Sim7600(clock, Storage(folder), seed=1)
    modem.attach(uart.tx, uart.rx)
    modem.power_on()

What survives what: files and stored settings everything; current folder, echo, baud
set with IPR, CATR, HTTP, MQTT and SSL state not even AT+CRESET.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from vboard.clock import NS_PER_MS, NS_PER_S, Alarm, Clock
from vboard.modem.at import Job, framed
from vboard.modem.basic import Basic
from vboard.modem.faults import FaultPlan
from vboard.modem.filesystem import FileSystem
from vboard.modem.http import Http
from vboard.modem.line import Line, Mode
from vboard.modem.mqtt import Mqtt
from vboard.modem.network import Network
from vboard.modem.profile import ModemProfile
from vboard.modem.runner import Runner
from vboard.modem.serial import Serial
from vboard.modem.ssl import Ssl
from vboard.modem.storage import Storage
from vboard.modem.transfer import Transfer
from vboard.modem.uart_port import UartPort
from vboard.wire import Wire

_POLL_NS = 20 * NS_PER_MS  # how often real-time network work is looked at


class Power(enum.Enum):
    """What the module is doing."""

    OFF = "off"
    BOOTING = "booting"
    READY = "ready"


class Sim7600:
    """A SIM7600E on two wires."""

    def __init__(
        self,
        clock: Clock,
        storage: Storage,
        *,
        profile: ModemProfile | None = None,
        faults: FaultPlan | None = None,
        seed: int = 0,
        trace: Callable[[str], None] | None = None,
        pace: float | None = None,
    ) -> None:
        """`pace`: while a broker is connected, simulated time runs at most this many
        times as fast as real time, so that the broker can keep up.
        """
        if pace is not None and not pace > 0:
            raise ValueError(f"expected a pace of more than 0, got {pace}")
        self.pace = pace
        self.clock = clock
        self.storage = storage
        self.profile = profile or ModemProfile()
        self.faults = faults or FaultPlan()
        self.rng = random.Random(seed)
        self.trace = trace or (lambda text: None)
        self.spawn: Callable[[Callable[[], Any]], Future[Any]] | None = None
        self.power = Power.OFF
        self.supplied = False
        self.boots = 0
        self._epoch: object = object()
        self._key_alarm: Alarm | None = None
        letters = "".join(d for d in "CDEF" if getattr(self.profile, f"has_{d}"))
        storage.make_drives(letters)
        self.port = UartPort(
            clock, profile=self.profile, faults=self.faults, rng=self.rng
        )
        self.runner = Runner(self)
        self.line = Line(
            send=self.port.send,
            on_command=self.runner.start,
            on_too_long=self.runner.too_long,
            max_line=self.profile.max_line,
        )
        self.port.feed = self.line.feed
        self.port.chunk = self.line.chunk
        self.port.in_data = lambda: self.line.mode is Mode.DATA
        self.basic = Basic(self)
        self.serial = Serial(self)
        self.files = FileSystem(self)
        self.transfer = Transfer(self)
        self.network = Network(self)
        self.http = Http(self)
        self.ssl = Ssl(self)
        self.mqtt = Mqtt(self)
        self.chapters = [
            self.basic,
            self.serial,
            self.files,
            self.transfer,
            self.network,
            self.http,
            self.ssl,
            self.mqtt,
        ]
        for chapter in self.chapters:
            self.runner.table.update(chapter.commands())

    # Wires

    @property
    def rx(self) -> Wire:
        """Host to modem."""
        return self.port.rx

    @property
    def tx(self) -> Wire:
        """Modem to host."""
        return self.port.tx

    def attach(self, from_host: Wire, to_host: Wire) -> None:
        """Connects the modem to a UART: `attach(uart.tx, uart.rx)`."""
        self.port.attach(from_host, to_host)

    def say(self, text: str) -> None:
        """Prints a line now."""
        self.trace(f"<< {text}")
        self.line.say(text)

    def urc(self, text: str) -> None:
        """Prints an unsolicited line at the next good moment.

        Only when AT+CATR sends them to the UART (0 all ports, 1 UART).
        """
        if self.power is Power.READY and self.basic.catr in (0, 1):
            self.trace(f"<< {text}")
            self.line.urc(framed(text))

    def result(self, text: str) -> None:
        """Prints the late result line of a command that has its OK already."""
        self.trace(f"<< {text}")
        self.line.urc(framed(text))

    # Time

    def later(self, after_ns: int, call: Callable[[], None]) -> Alarm:
        """`call` after some time, unless the modem loses power or reboots."""
        epoch = self._epoch

        def run() -> None:
            if epoch is self._epoch:
                call()

        return self.clock.call_after_ns(after_ns, run)

    def delay(self, after_ns: int, call: Callable[[], None]) -> None:
        """`later` for those who never cancel."""
        self.later(after_ns, call)

    def run_job(self, job: Job, then: Callable[[Any], None]) -> None:
        """Runs network work.

        In simulated time it runs at once and its result comes after the modelled
        time; with `spawn` set (real time) it runs beside the modem.
        """
        if self.spawn is None:
            result = job.run()
            self.later(job.wait_ns(result), lambda: then(result))
            return
        future = self.spawn(job.run)

        def look() -> None:
            if future.done():
                then(future.result())
            else:
                self.later(_POLL_NS, look)

        look()

    def seconds(self) -> int:
        """The modem's own clock, seconds since 1970."""
        return self.basic.rtc_base_s + self.clock.now_ns // NS_PER_S

    # Power

    def power_on(self) -> None:
        """The supply comes (boots when the board pulls PWRKEY by itself)."""
        self.supplied = True
        if self.profile.auto_on and self.power is Power.OFF:
            self._boot()

    def start_ready(self) -> None:
        """As if it had been on for long: no boot, no URCs."""
        self.supplied = True
        self._down()
        self._enter_ready()

    def power_off(self) -> None:
        """The supply goes away, at once."""
        self.supplied = False
        self._down()

    def set_pwrkey(self, low: bool) -> None:
        """The PWRKEY pin: held low it switches on, held longer it switches off."""
        if self._key_alarm is not None:
            self._key_alarm.cancel()
            self._key_alarm = None
        if not low or not self.supplied:
            return
        if self.power is Power.OFF:
            hold_ms, call = self.profile.pwrkey_on_ms, self._boot
        else:
            hold_ms, call = self.profile.pwrkey_off_ms, self.shut_down
        self._key_alarm = self.clock.call_after_ns(hold_ms * NS_PER_MS, call)

    def reboot(self) -> None:
        """Goes down now and boots again."""
        self._boot()

    def shut_down(self) -> None:
        """Orderly power-down; some boards switch on again by themselves."""

        def off() -> None:
            self._down()
            if self.profile.power_returns:
                self._boot()

        self.later(self.profile.shutdown_ms * NS_PER_MS, off)

    def play_dead(self, ms: int) -> None:
        """The `Dead` fault: deaf and dumb for `ms`, then as if nothing had been."""
        self._epoch = object()
        self.runner.reset()
        self.line.reset()
        self.port.deafen(True)
        self.later(ms * NS_PER_MS, lambda: self.port.deafen(False))

    def _down(self) -> None:
        self._epoch = object()
        self.power = Power.OFF
        self.runner.reset()
        self.line.reset()
        self.port.switch(False)
        for chapter in self.chapters:
            chapter.reset()

    def _boot(self) -> None:
        self._down()
        self.power = Power.BOOTING
        self.boots += 1
        self.trace("-- boot")
        self.later(self.profile.boot_ms * NS_PER_MS, self._booted)

    def _booted(self) -> None:
        self._enter_ready()
        for after_ms, text in self.profile.boot_urcs:
            self.later(after_ms * NS_PER_MS, partial(self.urc, self._sim_line(text)))

    def _sim_line(self, text: str) -> str:
        """What the boot line about the SIM says with this SIM."""
        if text != "+CPIN: READY":
            return text
        sim = self.profile.sim
        return f"+CPIN: {sim}" if sim else "+SIMCARD: NOT AVAILABLE"

    def _enter_ready(self) -> None:
        self.power = Power.READY
        self.port.switch(True)
        for chapter in self.chapters:
            chapter.reset()

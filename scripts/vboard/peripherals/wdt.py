# SPDX-License-Identifier: Apache-2.0
"""WDT: watchdog timer (nRF52840 PS, WDT).

Once started nothing in software stops it; soft and lockup resets leave it counting
with everything it was told. Stores to CRV, RREN and CONFIG after the start, and
reload requests with another value than the key, are ignored as on the chip.
With its interrupt enabled the reset comes two LFCLK cycles after TIMEOUT, else
with it. It counts LFCLK ticks of its own (it starts LFRC when nothing runs).
"""

from __future__ import annotations

import enum

from vboard.clock import NS_PER_S, Alarm, Clock
from vboard.fabric import Bus, IrqLine, ResetKind
from vboard.peripherals.registers import EventBlock, RegisterArray

LFCLK_HZ = 32_768
RELOAD_KEY = 0x6E52_4635
CRV_MINIMUM = 0xF
SLEEP, HALT = 1 << 0, 1 << 3
CHANNELS = 8
KEEP = (ResetKind.SOFT, ResetKind.LOCKUP)


class Register(enum.IntEnum):
    """Offsets from 0x40010000."""

    TASKS_START = 0x000
    EVENTS_TIMEOUT = 0x100
    INTENSET = 0x304
    INTENCLR = 0x308
    RUNSTATUS = 0x400
    REQSTATUS = 0x404
    CRV = 0x504
    RREN = 0x508
    CONFIG = 0x50C


R = Register
EVENT_BITS: dict[int, int] = {R.EVENTS_TIMEOUT: 1 << 0}
RR = RegisterArray("RR[{}]", 0x600, CHANNELS)


class Wdt(EventBlock):
    """The watchdog at 0x40010000; asks `bus.request_reset` for its reset.

    The CPU drives the bus signal "CPU_SLEEP" (1 asleep): with CONFIG.SLEEP=0 the
    counter pauses meanwhile. There is no debugger, so CONFIG.HALT is only kept.
    """

    name = "WDT"
    base = 0x4001_0000
    registers = Register
    arrays = (RR,)
    event_bits = EVENT_BITS

    def __init__(self, clock: Clock, bus: Bus, irq: IrqLine | None = None) -> None:
        super().__init__(clock, bus, irq)
        self._alarm: Alarm | None = None
        self._clear()
        bus.signal("CPU_SLEEP").watch(self._cpu_sleeps)
        bus.signal("SYSTEM_OFF").watch(self._system_off)

    def _clear(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        self.running = False
        self.crv = 0xFFFF_FFFF
        self.rren = 1
        self.config = SLEEP
        self._waiting = 1
        self._paused_left_ns: int | None = None

    @property
    def period_ns(self) -> int:
        """Time from a reload to TIMEOUT."""
        return (self.crv + 1) * NS_PER_S // LFCLK_HZ

    def reset(self, kind: ResetKind) -> None:
        """Soft and lockup resets do not touch the watchdog."""
        if kind not in KEEP:
            super().reset(kind)
            self._clear()

    def read(self, offset: int) -> int:
        """Value of the register at `offset`; tasks and RR read 0."""
        match offset:
            case R.RUNSTATUS:
                return int(self.running)
            case R.REQSTATUS:
                return self._waiting
            case R.CRV:
                return self.crv
            case R.RREN:
                return self.rren
            case R.CONFIG:
                return self.config
            case _ if RR.index(offset) is not None:
                return 0
            case _:
                return self.read_common(offset)

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        match offset:
            case R.TASKS_START:
                if value & 1 and not self.running:
                    self._start()
            case R.CRV:
                if not self.running:
                    if value < CRV_MINIMUM:
                        raise self.fault(
                            f"expected 0x{CRV_MINIMUM:x} or more, got 0x{value:x}",
                            offset,
                        )
                    self.crv = value
            case R.RREN:
                if not self.running:
                    self.rren = value & 0xFF
                    self._waiting = self.rren
            case R.CONFIG:
                if not self.running:
                    self.config = value & (SLEEP | HALT)
            case _:
                channel = RR.index(offset)
                if channel is None:
                    self.write_common(offset, value)
                elif value == RELOAD_KEY:
                    self._request(channel)

    def _start(self) -> None:
        self.running = True
        self._waiting = self.rren
        self._load()
        if self.bus.signal("CPU_SLEEP").level:
            self._cpu_sleeps(1)

    def _request(self, channel: int) -> None:
        self._waiting &= ~(1 << channel)
        if self.running and not self._waiting:
            self._waiting = self.rren
            if self.rren:
                self._load()

    def _load(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        if self._paused_left_ns is not None:
            self._paused_left_ns = self.period_ns
        else:
            self._alarm = self.clock.call_after_ns(self.period_ns, self._timeout)

    def _timeout(self) -> None:
        self.emit(R.EVENTS_TIMEOUT)
        if self.inten:
            after_ns = 2 * NS_PER_S // LFCLK_HZ
            self._alarm = self.clock.call_after_ns(after_ns, self._bite)
        else:
            self._bite()

    def _bite(self) -> None:
        self._alarm = None
        signal = self.bus.signal("RESET")  # whoever is at work stops here
        signal.set(1)
        self.bus.request_reset(ResetKind.WATCHDOG)
        signal.set(0)

    def _system_off(self, level: int | None) -> None:
        """System OFF stops it and clears its configuration (erratum 213)."""
        if level:
            self._clear()

    def _cpu_sleeps(self, level: int | None) -> None:
        if self.config & SLEEP or not self.running:
            return
        if level and self._alarm is not None and self._alarm.pending:
            self._paused_left_ns = self._alarm.at_ns - self.clock.now_ns
            self._alarm.cancel()
        elif not level and self._paused_left_ns is not None:
            left_ns, self._paused_left_ns = self._paused_left_ns, None
            self._alarm = self.clock.call_after_ns(left_ns, self._timeout)

# SPDX-License-Identifier: Apache-2.0
"""Page 0x40000000: CLOCK, POWER and APPROTECT (nRF52840 PS, CLOCK and POWER).

The three blocks share the page, the interrupt line 0 and INTENSET/INTENCLR.
`ClockPower` owns all that, serves the CLOCK registers and every event register,
and passes the other POWER and APPROTECT registers to a `PowerPart`, which needs

    read(offset) -> int            faults are its own, for offsets it does not have
    write(offset, value)
    reset(kind)
    register_names: dict[int, str] data-sheet names by offset
    ram_retained(address)          what System OFF leaves

and tells of a POWER event by `ClockPower.emit(offset)` (0x108 POFWARN,
0x114 SLEEPENTER, 0x118 SLEEPEXIT, 0x11C..0x124 USB...).

Other blocks see the clocks as bus signals: "LFCLK" is 1 while it runs, and
"HFXO" is 1 while the crystal runs. "LFCLK" is what RTCs count.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol

from vboard.clock import NS_PER_MS, NS_PER_US, Alarm, Clock
from vboard.fabric import Bus, IrqLine, ResetKind
from vboard.peripherals.registers import EventBlock

# Start-up times (PS, CLOCK electrical specification, typical).
HFXO_START_NS = 360 * NS_PER_US
HFXO_DEBOUNCE_UNIT_NS = 16 * NS_PER_US
LFRC_START_NS = 600 * NS_PER_US
LFXO_START_NS = 250 * NS_PER_MS
LFRC_CALIBRATION_NS = 16 * NS_PER_MS
CALIBRATION_TIMER_UNIT_NS = 250 * NS_PER_MS

RUNNING = 1 << 16
LFCLK_RC, LFCLK_XTAL, LFCLK_SYNTH = 0, 1, 2

# Stores that the errata list asks for (20/36 are ordinary registers here).
ERRATUM_192_LFRC = 0xC34


class Register(enum.IntEnum):
    """CLOCK registers, and the event registers of POWER."""

    TASKS_HFCLKSTART = 0x000
    TASKS_HFCLKSTOP = 0x004
    TASKS_LFCLKSTART = 0x008
    TASKS_LFCLKSTOP = 0x00C
    TASKS_CAL = 0x010
    TASKS_CTSTART = 0x014
    TASKS_CTSTOP = 0x018
    EVENTS_HFCLKSTARTED = 0x100
    EVENTS_LFCLKSTARTED = 0x104
    EVENTS_POFWARN = 0x108
    EVENTS_DONE = 0x10C
    EVENTS_CTTO = 0x110
    EVENTS_SLEEPENTER = 0x114
    EVENTS_SLEEPEXIT = 0x118
    EVENTS_USBDETECTED = 0x11C
    EVENTS_USBREMOVED = 0x120
    EVENTS_USBPWRRDY = 0x124
    EVENTS_CTSTARTED = 0x128
    EVENTS_CTSTOPPED = 0x12C
    INTENSET = 0x304
    INTENCLR = 0x308
    HFCLKRUN = 0x408
    HFCLKSTAT = 0x40C
    LFCLKRUN = 0x414
    LFCLKSTAT = 0x418
    LFCLKSRCCOPY = 0x41C
    LFCLKSRC = 0x518
    HFXODEBOUNCE = 0x528
    CTIV = 0x538
    TRACECONFIG = 0x55C
    LFRCMODE = 0x5B4


R = Register

EVENT_BITS: dict[int, int] = {
    R.EVENTS_HFCLKSTARTED: 1 << 0,
    R.EVENTS_LFCLKSTARTED: 1 << 1,
    R.EVENTS_POFWARN: 1 << 2,
    R.EVENTS_DONE: 1 << 3,
    R.EVENTS_CTTO: 1 << 4,
    R.EVENTS_SLEEPENTER: 1 << 5,
    R.EVENTS_SLEEPEXIT: 1 << 6,
    R.EVENTS_USBDETECTED: 1 << 7,
    R.EVENTS_USBREMOVED: 1 << 8,
    R.EVENTS_USBPWRRDY: 1 << 9,
    R.EVENTS_CTSTARTED: 1 << 10,
    R.EVENTS_CTSTOPPED: 1 << 11,
}


class PowerPart(Protocol):
    """The POWER and APPROTECT registers of the page."""

    @property
    def register_names(self) -> dict[int, str]:
        """Data-sheet names by offset."""

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""

    def write(self, offset: int, value: int) -> None:
        """A store to the register at `offset`."""

    def reset(self, kind: ResetKind) -> None:
        """Puts registers to reset values, as far as `kind` reaches them."""

    def ram_retained(self, address: int) -> bool:
        """Whether the RAM byte at `address` keeps its value in System OFF."""


class ClockPower(EventBlock):
    """The page at 0x40000000."""

    name = "CLOCK"
    base = 0x4000_0000
    registers = Register
    event_bits = EVENT_BITS

    def __init__(
        self,
        clock: Clock,
        bus: Bus,
        irq: IrqLine | None = None,
        *,
        power: PowerPart | None = None,
    ) -> None:
        super().__init__(clock, bus, irq)
        self.power = power
        self._lfclk = bus.signal("LFCLK")
        self._hfxo = bus.signal("HFXO")
        self._alarms: dict[str, Alarm] = {}
        self.ctiv = 0
        self._reset_registers()

    def _reset_registers(self) -> None:
        for alarm in self._alarms.values():
            alarm.cancel()
        self._alarms.clear()
        self.hfclk_run = False
        self.lfclk_run = False
        self.lfclk_source = 0
        self.lfclk_source_copy = 0
        self.lfclk_now = LFCLK_RC
        self.hfxo_debounce = 0x10
        self.trace_config = 0
        self.lfrc_mode = 0
        self._lfclk.set(0)
        self._hfxo.set(0)

    def reset(self, kind: ResetKind) -> None:
        """Resets CLOCK, but for what erratum 36 keeps, and passes on to POWER."""
        kept = 0
        if kind is not ResetKind.POWER_ON:
            # Erratum 36: EVENTS_DONE, EVENTS_CTTO and CTIV are not reset.
            kept = self.events & (
                self.event_bits[R.EVENTS_DONE] | self.event_bits[R.EVENTS_CTTO]
            )
        else:
            self.ctiv = 0
        super().reset(kind)
        self.events = kept
        self._reset_registers()
        if self.power is not None:
            self.power.reset(kind)

    def register_name(self, offset: int) -> str:
        """Name in CLOCK, else in POWER."""
        if offset not in self._names and self.power is not None:
            return self.power.register_names.get(offset, f"+0x{offset:03x}")
        return super().register_name(offset)

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""
        match offset:
            case R.HFCLKRUN:
                return int(self.hfclk_run)
            case R.HFCLKSTAT:
                # HFINT runs whenever the CPU does.
                return RUNNING | (1 if self._hfxo.level else 0)
            case R.LFCLKRUN:
                return int(self.lfclk_run)
            case R.LFCLKSTAT:
                return (RUNNING if self._lfclk.level else 0) | self.lfclk_now
            case R.LFCLKSRCCOPY:
                return self.lfclk_source_copy
            case R.LFCLKSRC:
                return self.lfclk_source
            case R.HFXODEBOUNCE:
                return self.hfxo_debounce
            case R.CTIV:
                return self.ctiv
            case R.TRACECONFIG:
                return self.trace_config
            case R.LFRCMODE:
                return self.lfrc_mode
            case _:
                if self._is_power(offset):
                    assert self.power is not None
                    return self.power.read(offset)
                return self.read_common(offset)

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        match offset:
            case R.TASKS_HFCLKSTART:
                self._task(value, self._hfclk_start)
            case R.TASKS_HFCLKSTOP:
                self._task(value, self._hfclk_stop)
            case R.TASKS_LFCLKSTART:
                self._task(value, self._lfclk_start)
            case R.TASKS_LFCLKSTOP:
                self._task(value, self._lfclk_stop)
            case R.TASKS_CAL:
                self._task(value, self._calibrate)
            case R.TASKS_CTSTART:
                self._task(value, self._calibration_timer_start)
            case R.TASKS_CTSTOP:
                self._task(value, self._calibration_timer_stop)
            case R.LFCLKSRC:
                if value & 3 == 3 or value & ~0x3_0003:
                    raise self.fault(f"0x{value:08x} is not an LFCLK source", offset)
                self.lfclk_source = value
            case R.HFXODEBOUNCE:
                self.hfxo_debounce = value & 0xFF
            case R.CTIV:
                self.ctiv = value & 0x7F
            case R.TRACECONFIG:
                self.trace_config = value & 0x3_0003
            case R.LFRCMODE:
                self.lfrc_mode = value & 1
            case _ if offset == ERRATUM_192_LFRC:
                pass
            case _ if self._is_power(offset):
                assert self.power is not None
                self.power.write(offset, value)
            case _:
                self.write_common(offset, value)

    def _is_power(self, offset: int) -> bool:
        return self.power is not None and offset not in self._names

    def _task(self, value: int, start: Callable[[], None]) -> None:
        if value & 1:
            start()

    def _after(self, name: str, after_ns: int, call: Callable[[], None]) -> None:
        old = self._alarms.get(name)
        if old is not None:
            old.cancel()
        self._alarms[name] = self.clock.call_after_ns(after_ns, call)

    def _stop(self, *names: str) -> None:
        for name in names:
            alarm = self._alarms.pop(name, None)
            if alarm is not None:
                alarm.cancel()

    # HFCLK

    def _hfclk_start(self) -> None:
        self.hfclk_run = True
        wait_ns = HFXO_START_NS + self.hfxo_debounce * HFXO_DEBOUNCE_UNIT_NS
        self._after("hfxo", 0 if self._hfxo.level else wait_ns, self._hfxo_runs)

    def _hfxo_runs(self) -> None:
        self._hfxo.set(1)
        self.emit(R.EVENTS_HFCLKSTARTED)

    def _hfclk_stop(self) -> None:
        self._stop("hfxo")
        self.hfclk_run = False
        self._hfxo.set(0)

    # LFCLK

    def _lfclk_start(self) -> None:
        """With LFXO, LFCLK runs from LFRC until the crystal is ready."""
        source = self.lfclk_source & 3
        self.lfclk_source_copy = self.lfclk_source
        self.lfclk_run = True
        if self._lfclk.level and self.lfclk_now == source:
            self._after("lfclk", 0, self._lfclk_ready)
            return
        if not self._lfclk.level:
            self._after("lfrc", LFRC_START_NS, self._lfrc_runs)
        wait_ns = LFXO_START_NS if source == LFCLK_XTAL else LFRC_START_NS
        self._after("lfclk", wait_ns, self._lfclk_ready)

    def _lfrc_runs(self) -> None:
        self.lfclk_now = LFCLK_RC
        self._lfclk.set(1)

    def _lfclk_ready(self) -> None:
        self.lfclk_now = self.lfclk_source_copy & 3
        self._lfclk.set(1)
        self.emit(R.EVENTS_LFCLKSTARTED)

    def _lfclk_stop(self) -> None:
        self._stop("lfrc", "lfclk")
        self.lfclk_run = False
        self._lfclk.set(0)

    # Calibration of LFRC

    def _calibrate(self) -> None:
        if not self._hfxo.level:
            raise self.fault("calibration needs the crystal (HFCLKSTART)", R.TASKS_CAL)
        self._after("cal", LFRC_CALIBRATION_NS, lambda: self.emit(R.EVENTS_DONE))

    def _calibration_timer_start(self) -> None:
        units = self.ctiv * CALIBRATION_TIMER_UNIT_NS
        self._after("ct", units, lambda: self.emit(R.EVENTS_CTTO))
        self.emit(R.EVENTS_CTSTARTED)

    def _calibration_timer_stop(self) -> None:
        self._stop("ct")
        self.emit(R.EVENTS_CTSTOPPED)

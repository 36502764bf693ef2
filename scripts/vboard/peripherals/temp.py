# SPDX-License-Identifier: Apache-2.0
"""TEMP: temperature sensor (nRF52840 PS, TEMP). 25.0 degrees unless set."""

from __future__ import annotations

import enum

from vboard.clock import NS_PER_US, Alarm, Clock
from vboard.fabric import Bus, IrqLine, ResetKind
from vboard.peripherals.registers import EventBlock, RegisterArray

MEASURE_NS = 36 * NS_PER_US

# Nordic's drivers still clear the temperature offset of an older chip (PAN-028, 31).
OFFSET_OF_OLD_SILICON = 0x504

# Reset values (PS, TEMP, Registers).
A_RESET = (0x326, 0x348, 0x3AA, 0x40E, 0x4BD, 0x5A3)
B_RESET = (0x3FEF, 0x3FBE, 0x3FBE, 0x012, 0x124, 0x27C)
T_RESET = (0xE2, 0x00, 0x19, 0x3C, 0x50)


class Register(enum.IntEnum):
    """Offsets from 0x4000C000."""

    TASKS_START = 0x000
    TASKS_STOP = 0x004
    EVENTS_DATARDY = 0x100
    INTENSET = 0x304
    INTENCLR = 0x308
    TEMP = 0x508


R = Register
EVENT_BITS: dict[int, int] = {R.EVENTS_DATARDY: 1 << 0}
A = RegisterArray("A{}", 0x520, len(A_RESET))
B = RegisterArray("B{}", 0x540, len(B_RESET))
T = RegisterArray("T{}", 0x560, len(T_RESET))
_CALIBRATION = ((A, A_RESET, 0xFFF), (B, B_RESET, 0x3FFF), (T, T_RESET, 0xFF))


class Temp(EventBlock):
    """The sensor at 0x4000C000, interrupt 12; `degrees` may be set at any time.

    The calibration registers are kept and read back; the model measures exactly.
    """

    name = "TEMP"
    base = 0x4000_C000
    registers = Register
    arrays = (A, B, T)
    event_bits = EVENT_BITS

    def __init__(self, clock: Clock, bus: Bus, irq: IrqLine | None = None) -> None:
        super().__init__(clock, bus, irq)
        self.degrees = 25.0
        self._alarm: Alarm | None = None
        self._clear()

    def _clear(self) -> None:
        self._stop()
        self._result = 0
        self._calibration = {
            array.offset + array.stride * index: value
            for array, values, _ in _CALIBRATION
            for index, value in enumerate(values)
        }

    def reset(self, kind: ResetKind) -> None:
        """Stopped, calibration back to reset values."""
        super().reset(kind)
        self._clear()

    def read(self, offset: int) -> int:
        """Value of the register at `offset`; TEMP is in quarters of a degree."""
        if offset == R.TEMP:
            return self._result & 0xFFFF_FFFF
        if offset in self._calibration:
            return self._calibration[offset]
        return self.read_common(offset)

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        match offset:
            case R.TASKS_START:
                if value & 1:
                    self._stop()
                    self._alarm = self.clock.call_after_ns(MEASURE_NS, self._measured)
            case R.TASKS_STOP:
                if value & 1:
                    self._stop()
            case _ if offset == OFFSET_OF_OLD_SILICON and value == 0:
                pass
            case _ if offset in self._calibration:
                mask = next(
                    m for a, _, m in _CALIBRATION if a.index(offset) is not None
                )
                self._calibration[offset] = value & mask
            case _:
                self.write_common(offset, value)

    def _stop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None

    def _measured(self) -> None:
        self._result = round(self.degrees * 4)
        self.emit(R.EVENTS_DATARDY)

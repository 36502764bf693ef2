# SPDX-License-Identifier: Apache-2.0
"""POWER and APPROTECT registers of page 0x40000000 (nRF52840 PS, POWER).

`ClockPower` owns the page, its events and its interrupt; this part serves the
registers that are left. What each reset does to them is in the PS, POWER, Reset
behaviour:

| reset | RESETREAS | GPREGRET, RAM[n].POWER |
|---|---|---|
| power-on | cleared | reset |
| pin, watchdog | adds RESETPIN, DOG | reset |
| soft, lockup, System OFF | adds SREQ, LOCKUP, OFF | kept |
"""

from __future__ import annotations

import enum

from vboard.errors import GuestError
from vboard.fabric import Bus, ResetKind

RAM_BLOCKS = 9
RAM_POWER_RESET = 0x0000_FFFF
RAM_MASKS = (0x0003_0003,) * 8 + (0x003F_003F,)
POFCON_MASK = 0xF1F
RESETREAS_MASK = 0x001F_000F


class Register(enum.IntEnum):
    """Offsets from 0x40000000; RAM[n].POWER is at 0x900 + 0x10 n."""

    TASKS_CONSTLAT = 0x078
    TASKS_LOWPWR = 0x07C
    RESETREAS = 0x400
    RAMSTATUS = 0x428
    USBREGSTATUS = 0x438
    SYSTEMOFF = 0x500
    POFCON = 0x510
    GPREGRET = 0x51C
    GPREGRET2 = 0x520
    APPROTECT_FORCEPROTECT = 0x550
    APPROTECT_DISABLE = 0x558
    DCDCEN = 0x578
    DCDCEN0 = 0x580
    MAINREGSTATUS = 0x640


R = Register

RESETPIN, DOG, SREQ, LOCKUP, OFF = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 16

_REASONS = {
    ResetKind.POWER_ON: 0,
    ResetKind.PIN: RESETPIN,
    ResetKind.WATCHDOG: DOG,
    ResetKind.SOFT: SREQ,
    ResetKind.LOCKUP: LOCKUP,
    ResetKind.SYSTEM_OFF: OFF,
}
_KEEPS_RETAINED = (ResetKind.SOFT, ResetKind.LOCKUP, ResetKind.SYSTEM_OFF)
_RAM_FIELDS = {0x0: "POWER", 0x4: "POWERSET", 0x8: "POWERCLR"}
_READ_ONLY = (R.RAMSTATUS, R.USBREGSTATUS, R.MAINREGSTATUS)


class PowerRegisters:
    """What `ClockPower` delegates to; `high_voltage` is MAINREGSTATUS."""

    def __init__(self, bus: Bus, *, high_voltage: bool = False) -> None:
        self._bus = bus
        self._high_voltage = high_voltage
        self.resetreas = 0
        self.constant_latency = False
        self.register_names = {int(register): register.name for register in Register}
        for block in range(RAM_BLOCKS):
            for field, name in _RAM_FIELDS.items():
                self.register_names[0x900 + 0x10 * block + field] = (
                    f"RAM[{block}].{name}"
                )
        self._reset_retained()
        self._reset_plain()

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""
        match offset:
            case R.TASKS_CONSTLAT | R.TASKS_LOWPWR | R.SYSTEMOFF:
                return 0
            case R.RESETREAS:
                return self.resetreas
            case R.RAMSTATUS:
                return sum(1 << n for n in range(4) if self.ram_power[n] & 3)
            case R.USBREGSTATUS:
                return 0  # no VBUS
            case R.MAINREGSTATUS:
                return int(self._high_voltage)
            case R.POFCON:
                return self.pofcon
            case R.GPREGRET:
                return self.gpregret[0]
            case R.GPREGRET2:
                return self.gpregret[1]
            case R.APPROTECT_FORCEPROTECT:
                return self.force_protect
            case R.APPROTECT_DISABLE:
                return self.approtect_disable
            case R.DCDCEN:
                return self.dcdc[0]
            case R.DCDCEN0:
                return self.dcdc[1]
            case _:
                return self.ram_power[self._ram_block(offset)[0]]

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        match offset:
            case R.TASKS_CONSTLAT | R.TASKS_LOWPWR:
                if value & 1:
                    self.constant_latency = offset == R.TASKS_CONSTLAT
            case R.RESETREAS:
                self.resetreas &= ~value
            case R.SYSTEMOFF:
                if value & 1:
                    self._bus.request_system_off()
            case R.POFCON:
                self.pofcon = value & POFCON_MASK
            case R.GPREGRET:
                self.gpregret[0] = value & 0xFF
            case R.GPREGRET2:
                self.gpregret[1] = value & 0xFF
            case R.APPROTECT_FORCEPROTECT:
                # Zero forces protection until the next reset; ones cannot undo it.
                if value == 0:
                    self.force_protect = 0
            case R.APPROTECT_DISABLE:
                self.approtect_disable = value & 0xFF
            case R.DCDCEN:
                self.dcdc[0] = value & 1
            case R.DCDCEN0:
                self.dcdc[1] = value & 1
            case _ if offset in _READ_ONLY:
                raise self._fault(f"the register is read-only (0x{value:08x})", offset)
            case _:
                self._write_ram(offset, value)

    def reset(self, kind: ResetKind) -> None:
        """Registers that `kind` reaches, and the reason in RESETREAS."""
        self.resetreas = (
            0
            if kind is ResetKind.POWER_ON
            else (self.resetreas | _REASONS[kind]) & RESETREAS_MASK
        )
        if kind not in _KEEPS_RETAINED:
            self._reset_retained()
        self._reset_plain()

    def ram_retained(self, address: int) -> bool:
        """Whether the RAM byte at `address` keeps its value in System OFF."""
        offset = address - 0x2000_0000
        if offset < 0x1_0000:
            block, section = offset // 0x2000, offset % 0x2000 // 0x1000
        else:
            block, section = 8, (offset - 0x1_0000) // 0x8000
        return bool(self.ram_power[block] >> (16 + section) & 1)

    def _reset_retained(self) -> None:
        self.gpregret = [0, 0]
        self.ram_power = [RAM_POWER_RESET] * RAM_BLOCKS

    def _reset_plain(self) -> None:
        self.pofcon = 0
        self.dcdc = [0, 0]
        self.force_protect = 0xFFFF_FFFF
        self.approtect_disable = 0
        self.constant_latency = False

    def _write_ram(self, offset: int, value: int) -> None:
        block, field = self._ram_block(offset)
        mask = RAM_MASKS[block]
        old = self.ram_power[block]
        if field == "POWER":
            self.ram_power[block] = value & mask
        elif field == "POWERSET":
            self.ram_power[block] = old | value & mask
        else:
            self.ram_power[block] = old & ~value

    def _ram_block(self, offset: int) -> tuple[int, str]:
        block, rest = divmod(offset - 0x900, 0x10)
        if not 0 <= block < RAM_BLOCKS or rest not in _RAM_FIELDS:
            raise self._fault("no register at this offset", offset)
        return block, _RAM_FIELDS[rest]

    def _fault(self, message: str, offset: int) -> GuestError:
        name = self.register_names.get(offset, f"+0x{offset:03x}")
        return GuestError(message, block="POWER", register=name)

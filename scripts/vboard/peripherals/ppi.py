# SPDX-License-Identifier: Apache-2.0
"""PPI: 20 programmable and 12 fixed channels, six groups (nRF52840 PS, PPI).

An enabled channel listens on the bus to the event at EEP and triggers the tasks
at TEP and FORK.TEP, in the same instant. It tells the event's block how many
events may be merged (`Bus.event_horizon`), which is what its tasks allow.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from vboard.clock import Clock
from vboard.fabric import Bus, IrqLine, Peripheral, ResetKind
from vboard.peripherals.registers import RegisterArray, register_names

CHANNELS = 32
PROGRAMMABLE = 20
GROUPS = 6

_RADIO, _TIMER0, _RTC0, _AAR_CCM = 0x4000_1000, 0x4000_8000, 0x4000_B000, 0x4000_F000

# Channels 20 to 31 are wired (PS, PPI, Pre-programmed channels).
FIXED: tuple[tuple[int, int], ...] = (
    (_TIMER0 + 0x140, _RADIO + 0x000),  # COMPARE[0] -> TXEN
    (_TIMER0 + 0x140, _RADIO + 0x004),  # COMPARE[0] -> RXEN
    (_TIMER0 + 0x144, _RADIO + 0x010),  # COMPARE[1] -> DISABLE
    (_RADIO + 0x128, _AAR_CCM + 0x000),  # BCMATCH -> AAR START
    (_RADIO + 0x100, _AAR_CCM + 0x000),  # READY -> CCM KSGEN
    (_RADIO + 0x104, _AAR_CCM + 0x004),  # ADDRESS -> CCM CRYPT
    (_RADIO + 0x104, _TIMER0 + 0x044),  # ADDRESS -> CAPTURE[1]
    (_RADIO + 0x10C, _TIMER0 + 0x048),  # END -> CAPTURE[2]
    (_RTC0 + 0x140, _RADIO + 0x000),  # COMPARE[0] -> TXEN
    (_RTC0 + 0x140, _RADIO + 0x004),  # COMPARE[0] -> RXEN
    (_RTC0 + 0x140, _TIMER0 + 0x00C),  # COMPARE[0] -> CLEAR
    (_RTC0 + 0x140, _TIMER0 + 0x000),  # COMPARE[0] -> START
)

TASKS_CHG = 0x000
EEP = RegisterArray("CH[{}].EEP", 0x510, PROGRAMMABLE, 8)
TEP = RegisterArray("CH[{}].TEP", 0x514, PROGRAMMABLE, 8)
CHG = RegisterArray("CHG[{}]", 0x800, GROUPS)
FORK = RegisterArray("FORK[{}].TEP", 0x910, CHANNELS)


class Register(enum.IntEnum):
    """Registers that exist once."""

    CHEN = 0x500
    CHENSET = 0x504
    CHENCLR = 0x508


R = Register


class Ppi(Peripheral):
    """The programmable peripheral interconnect."""

    name = "PPI"
    base = 0x4001_F000
    registers = Register
    arrays = (
        RegisterArray("TASKS_CHG[{}].EN", TASKS_CHG, GROUPS, 8),
        RegisterArray("TASKS_CHG[{}].DIS", TASKS_CHG + 4, GROUPS, 8),
        EEP,
        TEP,
        CHG,
        FORK,
    )

    def __init__(self, clock: Clock, bus: Bus, irq: IrqLine | None = None) -> None:
        super().__init__(clock, bus, irq)
        self._names = register_names(self.registers, self.arrays)
        self._listening: dict[int, tuple[int, Callable[[int], None]]] = {}
        self._clear_registers()

    def _clear_registers(self) -> None:
        self.enabled = 0
        self.events = [0] * PROGRAMMABLE + [event for event, _ in FIXED]
        self.tasks = [0] * PROGRAMMABLE + [task for _, task in FIXED]
        self.forks = [0] * CHANNELS
        self.groups = [0] * GROUPS

    @property
    def register_names(self) -> dict[int, str]:
        """Data-sheet name of every register, by offset."""
        return self._names

    def register_name(self, offset: int) -> str:
        """Data-sheet name of the register at `offset`."""
        return self._names.get(offset, f"+0x{offset:03x}")

    def reset(self, kind: ResetKind) -> None:
        """Every reset reaches PPI."""
        self._clear_registers()
        self._connect()

    # Channels

    def _connect(self) -> None:
        """Makes what listens on the bus equal to what is enabled."""
        for channel, (event, call) in list(self._listening.items()):
            if not self.enabled >> channel & 1 or self.events[channel] != event:
                self.bus.unlisten(event, call)
                del self._listening[channel]
        for channel in range(CHANNELS):
            event = self.events[channel]
            if self.enabled >> channel & 1 and event and channel not in self._listening:
                call = self._make_call(channel)
                self._listening[channel] = (event, call)
                self.bus.listen(event, call, horizon=self._make_horizon(channel))

    def _targets(self, channel: int) -> list[int]:
        return [task for task in (self.tasks[channel], self.forks[channel]) if task]

    def _make_call(self, channel: int) -> Callable[[int], None]:
        def call(count: int) -> None:
            for task in self._targets(channel):
                self.bus.trigger(task, count)

        return call

    def _make_horizon(self, channel: int) -> Callable[[], int | None]:
        def horizon() -> int | None:
            counts = [self.bus.task_horizon(task) for task in self._targets(channel)]
            return min((count for count in counts if count is not None), default=None)

        return horizon

    # Registers

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""
        if offset in (R.CHEN, R.CHENSET, R.CHENCLR):
            return self.enabled
        for array, values in (
            (EEP, self.events),
            (TEP, self.tasks),
            (CHG, self.groups),
            (FORK, self.forks),
        ):
            index = array.index(offset)
            if index is not None:
                return values[index]
        if offset in self._names:
            return 0  # a task
        raise self.fault("no register at this offset", offset)

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        # What happened up to now goes through the old channels ...
        self.bus.sync()
        self._store(offset, value)
        self._connect()
        # ... and who publishes late has to know the new ones.
        self.bus.replan()

    def _store(self, offset: int, value: int) -> None:
        match offset:
            case R.CHEN:
                self.enabled = value
            case R.CHENSET:
                self.enabled |= value
            case R.CHENCLR:
                self.enabled &= ~value
            case _ if offset < 0x100 and offset in self._names:
                if value & 1:
                    self._group_task(offset)
            case _:
                self._store_array(offset, value)

    def _group_task(self, offset: int) -> None:
        """CHG[n].EN and CHG[n].DIS."""
        group = self.groups[offset // 8]
        if offset & 4:
            self.enabled &= ~group
        else:
            self.enabled |= group

    def _store_array(self, offset: int, value: int) -> None:
        for array, values in (
            (EEP, self.events),
            (TEP, self.tasks),
            (FORK, self.forks),
        ):
            index = array.index(offset)
            if index is not None:
                self._check_end_point(offset, value)
                values[index] = value
                return
        index = CHG.index(offset)
        if index is None:
            raise self.fault("no register at this offset", offset)
        self.groups[index] = value

    def _check_end_point(self, offset: int, value: int) -> None:
        """An end point is 0 or an event or task register on the bus."""
        if value == 0:
            return
        low, high = (0x100, 0x200) if EEP.index(offset) is not None else (0, 0x100)
        block = self.bus.find(value)
        if block is None or value & 3 or not low <= value & 0xFFF < high:
            kind = "an event" if low else "a task"
            raise self.fault(f"0x{value:08x} is not {kind} register", offset)

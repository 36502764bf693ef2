# SPDX-License-Identifier: Apache-2.0
"""GPIOTE: pins as events and tasks (nRF52840 PS, GPIOTE)."""

from __future__ import annotations

import enum
from collections.abc import Callable

from vboard.clock import Clock
from vboard.fabric import Bus, IrqLine, ResetKind
from vboard.peripherals.registers import EventBlock, RegisterArray

CHANNELS = 8
MODE_DISABLED, MODE_EVENT, MODE_TASK = 0, 1, 3
LO_TO_HI, HI_TO_LO, TOGGLE = 1, 2, 3
CONFIG_MASK = 0x0013_3F03

EVENTS_IN = 0x100
TASKS_OUT = RegisterArray("TASKS_OUT[{}]", 0x000, CHANNELS)
TASKS_SET = RegisterArray("TASKS_SET[{}]", 0x030, CHANNELS)
TASKS_CLR = RegisterArray("TASKS_CLR[{}]", 0x060, CHANNELS)
CONFIG = RegisterArray("CONFIG[{}]", 0x510, CHANNELS)


class Register(enum.IntEnum):
    """Registers that exist once."""

    EVENTS_PORT = 0x17C
    INTENSET = 0x304
    INTENCLR = 0x308


class Gpiote(EventBlock):
    """Eight channels and the PORT event."""

    name = "GPIOTE"
    base = 0x4000_6000
    registers = Register
    arrays = (
        TASKS_OUT,
        TASKS_SET,
        TASKS_CLR,
        RegisterArray("EVENTS_IN[{}]", EVENTS_IN, CHANNELS),
        CONFIG,
    )

    def __init__(self, clock: Clock, bus: Bus, irq: IrqLine | None = None) -> None:
        self.event_bits = {EVENTS_IN + 4 * n: 1 << n for n in range(CHANNELS)}
        self.event_bits[Register.EVENTS_PORT] = 1 << 31
        super().__init__(clock, bus, irq)
        self.config = [0] * CHANNELS
        self._watches: list[Callable[[], None] | None] = [None] * CHANNELS
        bus.signal("DETECT").watch(self._on_detect)

    def reset(self, kind: ResetKind) -> None:
        """Every reset reaches GPIOTE."""
        for n in range(CHANNELS):
            self._configure(n, 0)
        super().reset(kind)

    def _on_detect(self, level: int | None) -> None:
        if level:
            self.emit(Register.EVENTS_PORT)

    # Channels

    def _pin(self, n: int) -> int:
        return self.config[n] >> 8 & 0x3F

    def _configure(self, n: int, value: int) -> None:
        """Lets the old pin go, takes the new one."""
        old_mode, old_pin = self.config[n] & 3, self._pin(n)
        unwatch = self._watches[n]
        if unwatch is not None:
            unwatch()
            self._watches[n] = None
        self.config[n] = value & CONFIG_MASK
        mode, pin = value & 3, self._pin(n)
        if old_mode == MODE_TASK and (mode != MODE_TASK or pin != old_pin):
            self.bus.signal(f"drive {old_pin}").set(None)
        if mode == MODE_TASK:
            drive = self.bus.signal(f"drive {pin}")
            if old_mode != MODE_TASK or pin != old_pin:
                drive.set(value >> 20 & 1)
        elif mode == MODE_EVENT:
            self._watch(n, pin)

    def _watch(self, n: int, pin: int) -> None:
        signal = self.bus.signal(f"pin {pin}")
        polarity = self.config[n] >> 16 & 3

        def on_level(level: int | None) -> None:
            if polarity == TOGGLE or polarity == (LO_TO_HI if level else HI_TO_LO):
                self.emit(EVENTS_IN + 4 * n)

        signal.watch(on_level)
        self._watches[n] = lambda: signal.unwatch(on_level)

    def _drive(self, n: int, level: int | None) -> None:
        """Sets the pin of a task channel (no effect in the other modes)."""
        if self.config[n] & 3 == MODE_TASK and level is not None:
            self.bus.signal(f"drive {self._pin(n)}").set(level)

    def _out(self, n: int) -> None:
        """TASKS_OUT: what POLARITY says."""
        level = self.bus.signal(f"drive {self._pin(n)}").level
        polarity = self.config[n] >> 16 & 3
        toggled = 0 if level else 1
        self._drive(n, {LO_TO_HI: 1, HI_TO_LO: 0, TOGGLE: toggled}.get(polarity))

    # Registers

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""
        index = CONFIG.index(offset)
        return self.read_common(offset) if index is None else self.config[index]

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        index = CONFIG.index(offset)
        if index is not None:
            if value & 3 == 2:
                raise self.fault("mode 2 is reserved", offset)
            if (value >> 8 & 0x3F) > 47:
                raise self.fault("P1 has pins 0 to 15", offset)
            self._configure(index, value)
            return
        for array, act in (
            (TASKS_OUT, self._out),
            (TASKS_SET, lambda n: self._drive(n, 1)),
            (TASKS_CLR, lambda n: self._drive(n, 0)),
        ):
            index = array.index(offset)
            if index is not None:
                if value & 1:
                    act(index)
                return
        self.write_common(offset, value)

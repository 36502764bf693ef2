# SPDX-License-Identifier: Apache-2.0
"""GPIO ports P0 and P1 (nRF52840 PS, GPIO).

Both ports are one block, since their register windows overlap. A pin has a number:
P0.n is n, P1.n is 32 + n. The outside of the board:

    gpio.set_pin(11, 0)             somebody pulls P0.11 low (None: lets go)
    gpio.on_output(6, call)         call(level) when the chip drives P0.06
    gpio.output(6)                  what it drives now, None = not driven
    gpio.level(6)                   the level on the pin

Towards GPIOTE, as signals of the bus: "pin <n>" is what the input buffer sees,
"drive <n>" is a level that replaces OUT and DIR, and "DETECT" is the sense output.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from vboard.clock import Clock
from vboard.fabric import Bus, IrqLine, Peripheral, ResetKind

PINS = 48
PORT_PINS = (32, 16)
PORT_STRIDE = 0x300

CNF_DIR, CNF_INPUT_OFF = 1 << 0, 1 << 1
PULL_DOWN, PULL_UP = 1, 3
SENSE_HIGH, SENSE_LOW = 2, 3
CNF_RESET = 0x0000_0002
CNF_MASK = 0x0003_070F
# DRIVE values that leave a 0 (D0...) or a 1 (...D1) to the outside.
DISCONNECT_0, DISCONNECT_1 = (4, 5), (6, 7)

PIN_CNF = 0x700


class Register(enum.IntEnum):
    """Registers of a port, by offset in the port."""

    OUT = 0x504
    OUTSET = 0x508
    OUTCLR = 0x50C
    IN = 0x510
    DIR = 0x514
    DIRSET = 0x518
    DIRCLR = 0x51C
    LATCH = 0x520
    DETECTMODE = 0x524


R = Register
REGISTER_NAMES = {int(register): register.name for register in Register}


def pin_name(pin: int) -> str:
    """`P0.06` for 6, `P1.02` for 34."""
    return f"P{pin // 32}.{pin % 32:02}"


class Gpio(Peripheral):
    """Both ports."""

    name = "GPIO"
    base = 0x5000_0000
    size = 0x1000
    registers = Register

    def __init__(self, clock: Clock, bus: Bus, irq: IrqLine | None = None) -> None:
        super().__init__(clock, bus, irq)
        self._outside: list[int | None] = [None] * PINS
        self._watchers: dict[int, list[Callable[[int | None], None]]] = {}
        self._driven: list[int | None] = [None] * PINS
        self._seen = [bus.signal(f"pin {pin}") for pin in range(PINS)]
        self._drive = [bus.signal(f"drive {pin}") for pin in range(PINS)]
        for pin, signal in enumerate(self._drive):
            signal.watch(self._make_update(pin))
        self._detect = bus.signal("DETECT")
        self._clear_registers()

    def _clear_registers(self) -> None:
        self.out = [0, 0]
        self.latch = [0, 0]
        self.latched_detect = [0, 0]
        self.cnf = [CNF_RESET] * PINS
        self._sensing: set[int] = set()
        for pin in range(PINS):
            self._update(pin)
        self._update_detect()

    def reset(self, kind: ResetKind) -> None:
        """GPIO keeps its state through System OFF, everything else resets it."""
        if kind is not ResetKind.SYSTEM_OFF:
            self._clear_registers()

    # The outside

    def set_pin(self, pin: int, level: int | None) -> None:
        """The outside drives the pin to 0 or 1, or lets it go (None)."""
        self._outside[pin] = level
        self._update(pin)

    def on_output(self, pin: int, call: Callable[[int | None], None]) -> None:
        """`call(level)` whenever what the chip drives on the pin changes."""
        self._watchers.setdefault(pin, []).append(call)

    def output(self, pin: int) -> int | None:
        """What the chip drives on the pin; None when it does not."""
        return self._driven[pin]

    def pull(self, pin: int) -> int | None:
        """Level of the chip's pull resistor; None without one."""
        return {PULL_DOWN: 0, PULL_UP: 1}.get(self.cnf[pin] >> 2 & 3)

    def level(self, pin: int) -> int:
        """The level on the pin: driven, else outside, else pull, else 0."""
        for level in (self._driven[pin], self._outside[pin], self.pull(pin)):
            if level is not None:
                return level
        return 0

    # Pins

    def _make_update(self, pin: int) -> Callable[[int | None], None]:
        return lambda level: self._update(pin)

    def _drives(self, pin: int) -> int | None:
        level = self._drive[pin].level
        cnf = self.cnf[pin]
        if level is None:
            if not cnf & CNF_DIR:
                return None
            level = self.out[pin // 32] >> (pin % 32) & 1
        drive = cnf >> 8 & 7
        if drive in (DISCONNECT_1 if level else DISCONNECT_0):
            return None
        return level

    def _update(self, pin: int) -> None:
        """Recomputes everything that follows from one pin's state."""
        driven = self._drives(pin)
        changed = driven != self._driven[pin]
        self._driven[pin] = driven
        level = self.level(pin)
        self._seen[pin].set(0 if self.cnf[pin] & CNF_INPUT_OFF else level)
        if pin in self._sensing:
            self._sense(pin)
            self._update_detect()
        if changed:
            for call in self._watchers.get(pin, ()):
                call(driven)

    def _senses(self, pin: int) -> bool:
        sense = self.cnf[pin] >> 16 & 3
        wanted = {SENSE_HIGH: 1, SENSE_LOW: 0}.get(sense)
        return wanted is not None and self._seen[pin].level == wanted

    def _sense(self, pin: int) -> None:
        if self._senses(pin):
            self.latch[pin // 32] |= 1 << pin % 32

    def _update_detect(self) -> None:
        """DETECT is the sensing pins (default) or the latched ones, per port."""
        detect = any(
            self._senses(pin)
            for pin in self._sensing
            if not self.latched_detect[pin // 32]
        ) or any(self.latch[port] for port in range(2) if self.latched_detect[port])
        self._detect.set(int(detect))

    # Registers

    def _locate(self, offset: int) -> tuple[int, int]:
        """Port and offset in the port."""
        if offset >= 0x800:
            return 1, offset - PORT_STRIDE
        return 0, offset

    def register_name(self, offset: int) -> str:
        """`P0.OUT`, `P1.PIN_CNF[3]`..."""
        port, inner = self._locate(offset)
        index = self._pin_of(port, inner)
        if index is not None:
            return f"P{port}.PIN_CNF[{index % 32}]"
        name = REGISTER_NAMES.get(inner)
        if name is not None:
            return f"P{port}.{name}"
        return f"+0x{offset:03x}"

    @property
    def register_names(self) -> dict[int, str]:
        """Data-sheet name of every register, by offset in the page."""
        names = {}
        for port, count in enumerate(PORT_PINS):
            inner = [*REGISTER_NAMES, *range(PIN_CNF, PIN_CNF + 4 * count, 4)]
            for offset in inner:
                at = offset + port * PORT_STRIDE
                names[at] = self.register_name(at)
        return names

    def _pin_of(self, port: int, inner: int) -> int | None:
        index = inner - PIN_CNF >> 2
        if inner & 3 or not 0 <= index < PORT_PINS[port]:
            return None
        return 32 * port + index

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""
        port, inner = self._locate(offset)
        pin = self._pin_of(port, inner)
        if pin is not None:
            return self.cnf[pin]
        match inner:
            case R.OUT | R.OUTSET | R.OUTCLR:
                return self.out[port]
            case R.IN:
                return self._gather(port, lambda pin: self._seen[pin].level or 0)
            case R.DIR | R.DIRSET | R.DIRCLR:
                return self._gather(port, lambda pin: self.cnf[pin] & CNF_DIR)
            case R.LATCH:
                return self.latch[port]
            case R.DETECTMODE:
                return self.latched_detect[port]
            case _:
                raise self.fault("no register at this offset", offset)

    def _gather(self, port: int, bit: Callable[[int], int]) -> int:
        return sum(bit(32 * port + n) << n for n in range(PORT_PINS[port]))

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        port, inner = self._locate(offset)
        pin = self._pin_of(port, inner)
        if pin is not None:
            self.cnf[pin] = value & CNF_MASK
            if value >> 17 & 1:
                self._sensing.add(pin)
            else:
                self._sensing.discard(pin)
            self._update(pin)
            self._update_detect()
            return
        value &= (1 << PORT_PINS[port]) - 1
        match inner:
            case R.OUT:
                self._set_out(port, value)
            case R.OUTSET:
                self._set_out(port, self.out[port] | value)
            case R.OUTCLR:
                self._set_out(port, self.out[port] & ~value)
            case R.DIR:
                self._set_dir(port, value)
            case R.DIRSET:
                self._set_dir(port, self.read(offset) | value)
            case R.DIRCLR:
                self._set_dir(port, self.read(offset) & ~value)
            case R.LATCH:
                self._clear_latch(port, value)
            case R.DETECTMODE:
                self.latched_detect[port] = value & 1
                self._update_detect()
            case R.IN:
                raise self.fault(f"the register is read-only (0x{value:08x})", offset)
            case _:
                raise self.fault("no register at this offset", offset)

    def _set_out(self, port: int, value: int) -> None:
        changed = self.out[port] ^ value
        self.out[port] = value
        self._update_all(port, changed)

    def _set_dir(self, port: int, value: int) -> None:
        changed = 0
        for n in range(PORT_PINS[port]):
            pin = 32 * port + n
            if (self.cnf[pin] ^ value >> n) & CNF_DIR:
                self.cnf[pin] ^= CNF_DIR
                changed |= 1 << n
        self._update_all(port, changed)

    def _update_all(self, port: int, pins: int) -> None:
        for n in range(PORT_PINS[port]):
            if pins >> n & 1:
                self._update(32 * port + n)

    def _clear_latch(self, port: int, value: int) -> None:
        """A bit comes back while its pin still senses; DETECT then rises anew."""
        self.latch[port] &= ~value
        if self.latched_detect[port]:
            self._detect.set(0)
        for n in range(PORT_PINS[port]):
            if value >> n & 1:
                self._sense(32 * port + n)
        self._update_detect()

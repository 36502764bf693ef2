# SPDX-License-Identifier: Apache-2.0
"""A board file (`templates/boards/*.yml`) as values: pins, rates, flow control.

A pin is written "port.pin" and becomes port * 32 + pin, the number the PSEL
registers take (data sheet, chapter GPIO); `null` means not connected.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nrfota import yaml_source
from nrfota.errors import FormatError

PIN = re.compile(r"([01])\.(\d{1,2})\Z")
PORT_PINS = (32, 16)  # P0.00..P0.31, P1.00..P1.15
UART_COUNT = 2

# Rates of the UARTE's BAUDRATE register (data sheet, chapter UARTE).
BAUDS = (
    1200,
    2400,
    4800,
    9600,
    14400,
    19200,
    28800,
    31250,
    38400,
    56000,
    57600,
    76800,
    115200,
    230400,
    250000,
    460800,
    921600,
    1000000,
)


@dataclass(frozen=True)
class Console:
    """UART that a person reads."""

    uart: int
    txd: int
    rxd: int | None
    baud: int


@dataclass(frozen=True)
class Modem:
    """UART of the modem and its power key."""

    uart: int
    txd: int
    rxd: int
    rts: int | None
    cts: int | None
    pwrkey: int | None
    pwrkey_active_high: bool
    baud: int
    baud_fast: int

    @property
    def flow_control(self) -> bool:
        """Whether RTS and CTS are wired."""
        return self.rts is not None


@dataclass(frozen=True)
class Led:
    """A light."""

    pin: int
    active_high: bool


@dataclass(frozen=True)
class Board:
    """A whole, checked board."""

    name: str
    chip: str
    console: Console
    modem: Modem
    led: Led | None


def default_board_path(name: str) -> Path:
    """`templates/boards/NAME.yml` of the project this package belongs to."""
    root = Path(__file__).resolve().parents[2]
    return root / "templates" / "boards" / f"{name}.yml"


def load_board(path: Path) -> Board:
    """Reads and checks a board file; raises FormatError."""
    return parse_board(yaml_source.read_text(path), source=str(path))


def parse_board(text: str, *, source: str = "board") -> Board:
    """Checks the text of a board file; raises FormatError."""
    top = yaml_source.parse(text, source=source)
    top.allow(("name", "chip", "console", "modem", "led"))
    console = top.mapping("console")
    console.allow(("uart", "txd", "rxd", "baud"))
    board = Board(
        name=top.text("name"),
        chip=top.text("chip"),
        console=Console(
            uart=_uart(console),
            txd=_pin(console, "txd"),
            rxd=_optional_pin(console, "rxd"),
            baud=_baud(console, "baud"),
        ),
        modem=_modem(top.mapping("modem")),
        led=_led(top),
    )
    if board.console.uart == board.modem.uart:
        raise FormatError(
            f"{source}: expected console and modem on different UARTs, got "
            f"{board.modem.uart} for both"
        )
    _check_pins_differ(source, board)
    return board


def _modem(node: yaml_source.Node) -> Modem:
    keys = ("uart", "txd", "rxd", "rts", "cts", "pwrkey", "pwrkey_active")
    node.allow((*keys, "baud", "baud_fast"))
    rts, cts = _optional_pin(node, "rts"), _optional_pin(node, "cts")
    if (rts is None) != (cts is None):
        raise FormatError(
            f"{node.where}: expected rts and cts both wired or both null, got only "
            f"{'cts' if rts is None else 'rts'}"
        )
    return Modem(
        uart=_uart(node),
        txd=_pin(node, "txd"),
        rxd=_pin(node, "rxd"),
        rts=rts,
        cts=cts,
        pwrkey=_optional_pin(node, "pwrkey"),
        pwrkey_active_high=_active(node, "pwrkey_active"),
        baud=_baud(node, "baud"),
        baud_fast=_baud(node, "baud_fast"),
    )


def _led(top: yaml_source.Node) -> Led | None:
    if top.values["led"] is None:
        return None
    node = top.mapping("led")
    node.allow(("pin", "active"))
    return Led(pin=_pin(node, "pin"), active_high=_active(node, "active"))


def _uart(node: yaml_source.Node) -> int:
    value = node.integer("uart")
    if value >= UART_COUNT:
        raise FormatError(f"{node.where}: expected uart 0 or 1, got {value}")
    return value


def _baud(node: yaml_source.Node, key: str) -> int:
    value = node.integer(key)
    if value not in BAUDS:
        known = ", ".join(map(str, BAUDS))
        raise FormatError(
            f"{node.where}: expected {key} to be one of {known}, got {value}"
        )
    return value


def _active(node: yaml_source.Node, key: str) -> bool:
    value = node.text(key)
    if value not in ("high", "low"):
        raise FormatError(f"{node.where}: expected {key} high or low, got '{value}'")
    return value == "high"


def _pin(node: yaml_source.Node, key: str) -> int:
    text = node.text(key)
    match = PIN.match(text)
    if match is None or int(match[2]) >= PORT_PINS[int(match[1])]:
        raise FormatError(
            f'{node.where}: expected {key} as "port.pin" from 0.00 to 0.31 or 1.00 '
            f"to 1.15, got '{text}'"
        )
    return int(match[1]) * 32 + int(match[2])


def _optional_pin(node: yaml_source.Node, key: str) -> int | None:
    return None if node.optional_text(key) is None else _pin(node, key)


def _check_pins_differ(source: str, board: Board) -> None:
    console, modem, led = board.console, board.modem, board.led
    pins = {
        "console.txd": console.txd,
        "console.rxd": console.rxd,
        "modem.txd": modem.txd,
        "modem.rxd": modem.rxd,
        "modem.rts": modem.rts,
        "modem.cts": modem.cts,
        "modem.pwrkey": modem.pwrkey,
        "led.pin": led.pin if led is not None else None,
    }
    used: dict[int, str] = {}
    for name, pin in pins.items():
        if pin is None:
            continue
        if pin in used:
            raise FormatError(
                f"{source}: pin {pin // 32}.{pin % 32:02d} is given to both "
                f"{used[pin]} and {name}"
            )
        used[pin] = name

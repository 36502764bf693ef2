# SPDX-License-Identifier: Apache-2.0
"""What the engines of UART and UARTE ask of the register block they work for."""

from __future__ import annotations

from typing import Protocol

from vboard.clock import Clock
from vboard.errors import GuestError
from vboard.fabric import Bus
from vboard.peripherals.serial_line import RECEIVE_TOLERANCE, Chunk, sample
from vboard.wire import Burst, Wire

# A receiver accepts this many bytes after STOPRX (PS, UARTE, Reception).
BYTES_AFTER_STOP = 4

OVERRUN, PARITY, FRAMING, BREAK = 1, 2, 4, 8

EVENTS_CTS = 0x100
EVENTS_NCTS = 0x104
EVENTS_RXDRDY = 0x108
EVENTS_ENDRX = 0x110
EVENTS_TXDRDY = 0x11C
EVENTS_ENDTX = 0x120
EVENTS_ERROR = 0x124
EVENTS_RXTO = 0x144
EVENTS_RXSTARTED = 0x14C
EVENTS_TXSTARTED = 0x150
EVENTS_TXSTOPPED = 0x158


class Port(Protocol):
    """What an engine needs of the register block it works for."""

    name: str
    base: int
    clock: Clock
    bus: Bus
    tx: Wire
    rx: Wire
    shorts: int
    error_source: int

    @property
    def baud(self) -> int:
        """Programmed baud rate."""

    @property
    def frame_bits(self) -> int:
        """Bits of one frame."""

    @property
    def flow_control(self) -> bool:
        """CONFIG.HWFC."""

    @property
    def has_parity(self) -> bool:
        """CONFIG.PARITY."""

    @property
    def rx_connected(self) -> bool:
        """PSEL.RXD is connected."""

    @property
    def tx_connected(self) -> bool:
        """PSEL.TXD is connected."""

    def emit(self, offset: int, count: int = 1) -> None:
        """The event at `offset` happens."""

    def wanted(self, event: int) -> int | None:
        """Which of the next events at `event` must come at its instant."""

    def fault(self, message: str, offset: int) -> GuestError:
        """The error for a bad access."""


def receive(port: Port, chunk: Chunk) -> bytes:
    """The bytes as the receiver sees them; sets ERRORSRC and ERROR."""
    data, errors = chunk.data, 0
    ratio = chunk.baud / port.baud
    if abs(ratio - 1) > RECEIVE_TOLERANCE:
        data, errors = sample(data, ratio=ratio), FRAMING
    elif port.has_parity and chunk.bits == 10:
        errors = PARITY
    if errors:
        port.error_source |= errors
        port.emit(EVENTS_ERROR)
    return data


def spoiled(port: Port, burst: Burst | None) -> bool:
    """True when receiving this burst will raise ERROR."""
    if burst is None:
        return False
    wrong_baud = abs(burst.baud / port.baud - 1) > RECEIVE_TOLERANCE
    return wrong_baud or (port.has_parity and burst.bits == 10)

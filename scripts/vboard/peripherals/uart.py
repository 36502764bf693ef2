# SPDX-License-Identifier: Apache-2.0
"""The legacy UART0, byte by byte (nRF52840 PS, UART).

It shares its page with UARTE0 and works while ENABLE is 4; `uarte.py` owns the
registers. A byte that moves from the FIFO to RXD gives one RXDRDY, so reading RXD
brings the next RXDRDY when more bytes wait.
"""

from __future__ import annotations

from vboard.clock import Alarm
from vboard.peripherals.serial_line import Incoming, byte_time_ns
from vboard.peripherals.serial_port import (
    BYTES_AFTER_STOP,
    EVENTS_CTS,
    EVENTS_ERROR,
    EVENTS_NCTS,
    EVENTS_RXDRDY,
    EVENTS_RXTO,
    EVENTS_TXDRDY,
    OVERRUN,
    Port,
    receive,
)
from vboard.wire import Burst

FIFO_DEPTH = 6

SHORT_CTS_STARTRX = 1 << 3
SHORT_NCTS_STOPRX = 1 << 4

TXD = 0x51C


class LegacyUart:
    """Transmitter and receiver of UART0."""

    def __init__(self, port: Port, incoming: Incoming) -> None:
        self.port = port
        self.incoming = incoming
        self._rx_alarm: Alarm | None = None
        self._stop_alarm: Alarm | None = None
        self._tx_alarm: Alarm | None = None
        self._clear()

    def _clear(self) -> None:
        self.rx_on = False
        self.stopping = False
        self._after_stop = 0
        self._fifo = bytearray()
        self._rxd = 0
        self.tx_on = False
        self._held: int | None = None
        self._busy = False

    def disable(self) -> None:
        """ENABLE = 0 or reset."""
        for alarm in (self._rx_alarm, self._stop_alarm, self._tx_alarm):
            if alarm is not None:
                alarm.cancel()
        self._clear()

    @property
    def ready(self) -> bool:
        """RTS with flow control: off when only four more bytes fit."""
        room = FIFO_DEPTH - len(self._fifo)
        return self.rx_on and not self.stopping and room > BYTES_AFTER_STOP

    # Receiver

    def start_rx(self) -> None:
        """STARTRX."""
        self.absorb()
        if self._stop_alarm is not None:
            self._stop_alarm.cancel()
        if not self.rx_on:
            self.incoming.drop_begun(self.port.clock.now_ns)
        self.rx_on = True
        self.stopping = False
        self.plan()

    def stop_rx(self) -> None:
        """STOPRX: up to four more bytes, then RXTO."""
        self.absorb()
        if not self.rx_on:
            self.port.emit(EVENTS_RXTO)
            return
        if self.stopping:
            return
        self.stopping = True
        self._after_stop = 0
        port = self.port
        wait_ns = BYTES_AFTER_STOP * byte_time_ns(baud=port.baud, bits=port.frame_bits)
        self._stop_alarm = port.clock.call_after_ns(wait_ns, self._stopped)
        self.plan()

    def _stopped(self) -> None:
        self.absorb()
        self.rx_on = self.stopping = False
        self.port.emit(EVENTS_RXTO)
        self.plan()

    def read_rxd(self) -> int:
        """The oldest byte; the one after it moves up."""
        self.absorb()
        if self._fifo:
            self._rxd = self._fifo.pop(0)
            if self._fifo:
                self.port.emit(EVENTS_RXDRDY)
            self.plan()
        return self._rxd

    def absorb(self) -> None:
        """Takes what has arrived by now off the wire."""
        incoming, port = self.incoming, self.port
        while incoming.count:
            room = FIFO_DEPTH - len(self._fifo)
            if self.stopping:
                room = min(room, BYTES_AFTER_STOP - self._after_stop)
            limit = room if self.rx_on and room > 0 else incoming.count
            chunk = incoming.take(limit=limit, now_ns=port.clock.now_ns)
            if chunk is None:
                return
            if not self.rx_on or not port.rx_connected:
                continue
            if room <= 0:
                port.error_source |= OVERRUN
                port.emit(EVENTS_ERROR)
                continue
            was_empty = not self._fifo
            data = receive(port, chunk)
            self._fifo += data
            self._after_stop += len(data)
            if was_empty:
                port.emit(EVENTS_RXDRDY)

    def plan(self) -> None:
        """An alarm for the next byte, if somebody wants to know; drives RTS."""
        port = self.port
        port.rx.set_ready(self.ready if port.flow_control else True)
        if self._rx_alarm is not None:
            self._rx_alarm.cancel()
            self._rx_alarm = None
        wanted = port.flow_control or any(
            port.wanted(event) is not None for event in (EVENTS_RXDRDY, EVENTS_ERROR)
        )
        at_ns = self.incoming.time_of(1)
        if self.rx_on and wanted and at_ns is not None:
            self._rx_alarm = port.clock.call_at_ns(at_ns, self._due)

    def _due(self) -> None:
        self._rx_alarm = None
        self.absorb()
        self.plan()

    # Transmitter

    def start_tx(self) -> None:
        """STARTTX."""
        self.tx_on = True

    def stop_tx(self) -> None:
        """STOPTX: the byte on the wire still goes out."""
        self.tx_on = False
        self._held = None

    def suspend(self) -> None:
        """SUSPEND: stops both directions."""
        self.stop_tx()
        if self.rx_on:
            self.stop_rx()

    def write_txd(self, value: int) -> None:
        """One byte to send."""
        if not self.tx_on:
            raise self.port.fault("a byte before STARTTX", TXD)
        if self._busy or self._held is not None:
            raise self.port.fault("a byte before TXDRDY of the previous one", TXD)
        self._held = value & 0xFF
        self._send()

    def _send(self) -> None:
        port = self.port
        if self._held is None or not (port.tx.ready or not port.flow_control):
            return
        burst = Burst(
            start_ns=port.clock.now_ns,
            byte_ns=byte_time_ns(baud=port.baud, bits=port.frame_bits),
            data=bytes((self._held,)),
            bits=port.frame_bits,
        )
        self._held = None
        self._busy = True
        if port.tx_connected:
            port.tx.send(burst)
        self._tx_alarm = port.clock.call_at_ns(burst.end_ns, self._sent)

    def _sent(self) -> None:
        self._busy = False
        self.port.emit(EVENTS_TXDRDY)

    def cts(self, ready: bool) -> None:
        """The other side's RTS changed."""
        port = self.port
        if not port.flow_control:
            return
        port.emit(EVENTS_CTS if ready else EVENTS_NCTS)
        if ready:
            self._send()
        if ready and port.shorts & SHORT_CTS_STARTRX:
            self.start_rx()
        if not ready and port.shorts & SHORT_NCTS_STOPRX:
            self.stop_rx()

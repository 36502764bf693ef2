# SPDX-License-Identifier: Apache-2.0
"""The EasyDMA transmitter and receiver of UARTE (nRF52840 PS, UARTE).

Rule 1: nothing happens per byte. The receiver plans an alarm for the instant that
        matters next: the buffer is full, or somebody wants RXDRDY.
Rule 2: what has arrived is written to RAM before its RXDRDY is published.
Rule 3: every change of state ends in `plan`.
"""

from __future__ import annotations

from typing import Protocol

from vboard.clock import Alarm, Clock
from vboard.errors import GuestError
from vboard.fabric import Bus
from vboard.peripherals.serial_line import (
    RECEIVE_TOLERANCE,
    Chunk,
    Incoming,
    byte_time_ns,
    sample,
)
from vboard.wire import Burst, Wire

# The receiver holds this many bytes when no buffer is armed (PS: 4, and one in
# the shift register), and accepts this many after STOPRX.
FIFO_DEPTH = 5
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

SHORT_ENDRX_STARTRX = 1 << 5
SHORT_ENDRX_STOPRX = 1 << 6


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


class DmaReceiver:
    """RXD of UARTE: double-buffered DMA, a small FIFO behind it."""

    def __init__(self, port: Port, incoming: Incoming) -> None:
        self.port = port
        self.incoming = incoming
        self.pointer = 0
        self.maxcnt = 0
        self.amount = 0
        self._alarm: Alarm | None = None
        self._stop_alarm: Alarm | None = None
        self._clear()

    def _clear(self) -> None:
        self.on = False
        self.stopping = False
        self.armed = False
        self._after_stop = 0
        self._at = self._size = self._filled = 0
        self._fifo = bytearray()

    def disable(self) -> None:
        """ENABLE = 0 or reset: everything under way is lost."""
        for alarm in (self._alarm, self._stop_alarm):
            if alarm is not None:
                alarm.cancel()
        self._clear()

    @property
    def ready(self) -> bool:
        """RTS with flow control: room for more than what may still come."""
        room = FIFO_DEPTH - len(self._fifo)
        return self.on and not self.stopping and (self.armed or room > BYTES_AFTER_STOP)

    # Tasks

    def start(self) -> None:
        """STARTRX: latches PTR and MAXCNT."""
        self.absorb()
        if self.armed:
            raise self.port.fault("STARTRX while a buffer is being filled", 0x000)
        self._at, self._size, self._filled = self.pointer, self.maxcnt, 0
        if self._size == 0 and self.port.shorts & SHORT_ENDRX_STARTRX:
            raise self.port.fault(
                "RXD.MAXCNT is 0 with the short ENDRX_STARTRX: it would never end",
                0x000,
            )
        if not self.on:
            self.incoming.drop_begun(self.port.clock.now_ns)
        self.on = self.armed = True
        self.stopping = False
        if self._stop_alarm is not None:
            self._stop_alarm.cancel()
        self.port.emit(EVENTS_RXSTARTED)
        held = bytes(self._fifo[: self._size])
        del self._fifo[: len(held)]
        self._store(held)
        if self.armed and self._filled == self._size:
            self._end()
        self.plan()

    def stop(self) -> None:
        """STOPRX: up to four more bytes, ENDRX if a buffer is armed, RXTO."""
        if self.stopping:
            return
        self.absorb()
        if not self.on:
            self.port.emit(EVENTS_RXTO)
            return
        self.stopping = True
        self._after_stop = 0
        port = self.port
        wait_ns = BYTES_AFTER_STOP * byte_time_ns(baud=port.baud, bits=port.frame_bits)
        self._stop_alarm = port.clock.call_after_ns(wait_ns, self._stopped)
        self.plan()

    def _stopped(self) -> None:
        self.absorb()
        if self.armed:
            self._end()
        if self.stopping:
            self.on = self.stopping = False
        self.port.emit(EVENTS_RXTO)
        self.plan()

    def flush(self) -> None:
        """FLUSHRX: the rest of the FIFO into the buffer at PTR.

        With an empty FIFO the hardware gives ENDRX but neither RXSTARTED nor a
        new AMOUNT.
        """
        self.absorb()
        if self.on:
            raise self.port.fault("FLUSHRX before the receiver has stopped", 0x02C)
        if self._fifo:
            self.port.emit(EVENTS_RXSTARTED)
            data = bytes(self._fifo[: self.maxcnt])
            del self._fifo[: len(data)]
            self.port.bus.dma_write(self.pointer, data, block=self.port.name)
            self.amount = len(data)
        self.port.emit(EVENTS_ENDRX)
        self._shorts()

    def _end(self) -> None:
        """The buffer is complete."""
        self.armed = False
        self.amount = self._filled
        self.port.emit(EVENTS_ENDRX)
        self._shorts()

    def _shorts(self) -> None:
        if self.port.shorts & SHORT_ENDRX_STARTRX and not self.armed:
            self.start()
        if self.port.shorts & SHORT_ENDRX_STOPRX:
            self.stop()

    # Bytes

    def _store(self, data: bytes) -> None:
        self.port.bus.dma_write(self._at + self._filled, data, block=self.port.name)
        self._filled += len(data)

    def absorb(self) -> None:
        """Takes what has arrived by now off the wire."""
        incoming, port = self.incoming, self.port
        while incoming.count:
            filling = self.armed and not self.stopping
            if not self.on:
                limit = incoming.count
            elif filling:
                limit = self._size - self._filled
            else:
                limit = self._room()
            lost = limit == 0
            chunk = incoming.take(
                limit=limit or incoming.count, now_ns=port.clock.now_ns
            )
            if chunk is None:
                return
            if not self.on or not port.rx_connected:
                continue
            if lost:
                port.error_source |= OVERRUN
                port.emit(EVENTS_ERROR)
                continue
            data = receive(port, chunk)
            if filling:
                self._store(data)
            else:
                self._fifo += data
                self._after_stop += len(data)
            port.emit(EVENTS_RXDRDY, len(data))
            if filling and self.armed and self._filled == self._size:
                self._end()

    def _room(self) -> int:
        room = FIFO_DEPTH - len(self._fifo)
        if self.stopping:
            room = min(room, BYTES_AFTER_STOP - self._after_stop)
        return max(0, room)

    def plan(self) -> None:
        """Sets the alarm for the next instant that matters; drives RTS."""
        port = self.port
        port.rx.set_ready(self.ready if port.flow_control else True)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if not self.on or not self.incoming.count:
            return
        needs = []
        if self.armed and not self.stopping:
            needs.append(self._size - self._filled)
        elif self._room():
            needs.append(1)
        for event in (EVENTS_RXDRDY, EVENTS_ERROR):
            count = port.wanted(event)
            if count is not None and (
                event == EVENTS_RXDRDY
                or self._room() == 0
                or spoiled(port, self.incoming.first())
            ):
                needs.append(count)
        first = self.incoming.first()
        assert first is not None
        # Firmware may look at RAM alone, so every burst is stored when it is over.
        at_ns = first.end_ns
        if needs:
            need_ns = self.incoming.time_of(min(needs))
            at_ns = at_ns if need_ns is None else min(at_ns, need_ns)
        self._alarm = port.clock.call_at_ns(at_ns, self._due)

    def _due(self) -> None:
        self._alarm = None
        self.absorb()
        self.plan()


class DmaTransmitter:
    """TXD of UARTE: one burst for a whole buffer."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.pointer = 0
        self.maxcnt = 0
        self.amount = 0
        self._alarm: Alarm | None = None
        self._free_ns = 0
        self._clear()

    def _clear(self) -> None:
        self.active = False
        self._stopping = False
        self._burst: Burst | None = None
        self._rest = b""
        self._done = 0
        self._reported = 0

    def disable(self) -> None:
        """ENABLE = 0 or reset: what has not begun is not sent."""
        if self._alarm is not None:
            self._alarm.cancel()
        if self._burst is not None:
            self.port.tx.take_back(self.port.clock.now_ns)
        self._clear()

    def start(self) -> None:
        """STARTTX: latches PTR and MAXCNT, fetches the buffer."""
        port = self.port
        if self.active:
            raise port.fault("STARTTX while a transmission runs", 0x008)
        data = port.bus.dma_read(self.pointer, self.maxcnt, block=port.name)
        self.active = True
        self._done = self._reported = 0
        port.emit(EVENTS_TXSTARTED)
        self._rest = data
        self._go_on()

    def _go_on(self) -> None:
        """Sends the rest, waits for CTS, or ends."""
        port = self.port
        if self._stopping or not self._rest:
            self._end()
        elif port.tx.ready or not port.flow_control:
            self._send()

    def _send(self) -> None:
        port = self.port
        self._burst = Burst(
            start_ns=max(port.clock.now_ns, self._free_ns),
            byte_ns=byte_time_ns(baud=port.baud, bits=port.frame_bits),
            data=self._rest,
            bits=port.frame_bits,
        )
        self._rest = b""
        if port.tx_connected:
            port.tx.send(self._burst)
        self.plan()

    def _end(self) -> None:
        stopped = self._stopping
        self.active = self._stopping = False
        self._rest = b""
        self.amount = self._done
        self.port.emit(EVENTS_ENDTX)
        if stopped:
            self.port.emit(EVENTS_TXSTOPPED)

    def stop(self) -> None:
        """STOPTX: ends after the byte on the wire."""
        if not self.active:
            self.port.emit(EVENTS_TXSTOPPED)
            return
        self._stopping = True
        if self._burst is None:
            self._end()
        else:
            self._cut()

    def cts(self, ready: bool) -> None:
        """The other side's RTS changed."""
        if not self.port.flow_control:
            return
        self.port.emit(EVENTS_CTS if ready else EVENTS_NCTS)
        if self._burst is not None:
            if not ready:
                self._cut()
        elif self.active and ready:
            self._go_on()

    def _cut(self) -> None:
        """Takes back what has not begun; it stays in `_rest`."""
        burst = self._burst
        assert burst is not None
        now_ns = self.port.clock.now_ns
        if self.port.tx_connected:
            back = self.port.tx.take_back(now_ns)
        else:
            begun = -(-(now_ns - burst.start_ns) // burst.byte_ns)
            back = burst.data[max(0, begun) :]
        self._rest = back + self._rest
        keep = burst.data[: len(burst.data) - len(back)]
        self._burst = Burst(burst.start_ns, burst.byte_ns, keep, burst.bits)
        self.plan()

    def absorb(self) -> None:
        """Reports TXDRDY for what has left by now."""
        burst = self._burst
        sent = self._done
        if burst is not None:
            gone = (self.port.clock.now_ns - burst.start_ns) // burst.byte_ns
            sent += max(0, min(gone, len(burst.data)))
        if sent > self._reported:
            count = sent - self._reported
            self._reported = sent
            self.port.emit(EVENTS_TXDRDY, count)

    def plan(self) -> None:
        """Sets the alarm for the end of the burst, or for the TXDRDY wanted."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        burst = self._burst
        if burst is None:
            return
        at_ns = burst.end_ns
        count = self.port.wanted(EVENTS_TXDRDY)
        if count is not None:
            number = self._reported + count - self._done
            at_ns = min(at_ns, burst.start_ns + number * burst.byte_ns)
        self._alarm = self.port.clock.call_at_ns(at_ns, self._due)

    def _due(self) -> None:
        self._alarm = None
        self.absorb()
        burst = self._burst
        if burst is not None and self.port.clock.now_ns >= burst.end_ns:
            self._burst = None
            self._free_ns = burst.end_ns
            self._done += len(burst.data)
            self._go_on()
        self.plan()

# SPDX-License-Identifier: Apache-2.0
"""The EasyDMA receiver of UARTE (nRF52840 PS, UARTE, Reception).

Rule 1: nothing happens per byte. The receiver plans an alarm for the instant that
        matters next: the buffer is full, a burst is over, or somebody wants RXDRDY.
Rule 2: what has arrived is written to RAM before its RXDRDY is published.
Rule 3: every change of state ends in `plan`.
"""

from __future__ import annotations

from vboard.clock import Alarm
from vboard.peripherals.serial_line import Incoming, byte_time_ns
from vboard.peripherals.serial_port import (
    BYTES_AFTER_STOP,
    EVENTS_ENDRX,
    EVENTS_ERROR,
    EVENTS_RXDRDY,
    EVENTS_RXSTARTED,
    EVENTS_RXTO,
    OVERRUN,
    Port,
    receive,
    spoiled,
)

# The receiver holds this many bytes when no buffer is armed (PS: 4, and one in
# the shift register).
FIFO_DEPTH = 5
SHORT_ENDRX_STARTRX = 1 << 5
SHORT_ENDRX_STOPRX = 1 << 6


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

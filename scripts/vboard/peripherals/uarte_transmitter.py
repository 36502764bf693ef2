# SPDX-License-Identifier: Apache-2.0
"""The EasyDMA transmitter of UARTE (nRF52840 PS, UARTE, Transmission).

A whole buffer is one burst on the wire. CTS and STOPTX take back what has not
begun.
"""

from __future__ import annotations

from vboard.clock import Alarm
from vboard.peripherals.serial_line import byte_time_ns
from vboard.peripherals.serial_port import (
    EVENTS_CTS,
    EVENTS_ENDTX,
    EVENTS_NCTS,
    EVENTS_TXDRDY,
    EVENTS_TXSTARTED,
    EVENTS_TXSTOPPED,
    Port,
)
from vboard.wire import Burst


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

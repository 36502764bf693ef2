# SPDX-License-Identifier: Apache-2.0
"""A UARTE (or UART0) on a bench, with short names for what tests do to it."""

from __future__ import annotations

from register_bench import RAM, Bench
from vboard.peripherals.uarte import Register as R
from vboard.peripherals.uarte import Uarte
from vboard.wire import Burst

BAUD_115200 = 0x01D6_0000
BYTE_NS = 86_806  # ten bits at 115200 baud
CONNECTED = {R.PSEL_TXD: 6, R.PSEL_RXD: 8, R.PSEL_RTS: 5, R.PSEL_CTS: 7}


class UarteBench(Bench):
    """UARTE0 with pins, baud rate and mode set."""

    def __init__(
        self, *, enable: int = 8, config: int = 0, baud: int = BAUD_115200
    ) -> None:
        super().__init__()
        self.uarte = Uarte(self.clock, self.bus, self.irq(2))
        self.add(self.uarte)
        self.bursts: list[Burst] = []
        self.uarte.tx.on_burst = self.bursts.append
        for register, pin in CONNECTED.items():
            self.uarte.write(register, pin)
        self.uarte.write(R.BAUDRATE, baud)
        self.uarte.write(R.CONFIG, config)
        self.uarte.write(R.ENABLE, enable)
        self.log: list[str] = []

    def listen(self, *events: R) -> None:
        """Records the names of events, in order, with their count."""
        for event in events:
            self.bus.listen(self.uarte.base + event, self._recorder(event.name))

    def _recorder(self, name: str):
        short = name.removeprefix("EVENTS_")
        return lambda count: self.log.append(
            short if count == 1 else f"{short}*{count}"
        )

    def rx_buffer(self, size: int, *, at: int = RAM) -> None:
        """Writes RXD.PTR and RXD.MAXCNT."""
        self.uarte.write(R.RXD_PTR, at)
        self.uarte.write(R.RXD_MAXCNT, size)

    def receive_into(self, size: int, *, at: int = RAM) -> None:
        """Arms a buffer: RXD.PTR, RXD.MAXCNT, STARTRX."""
        self.rx_buffer(size, at=at)
        self.uarte.write(R.TASKS_STARTRX, 1)

    def transmit(self, data: bytes, *, at: int = RAM + 0x8000) -> None:
        """Puts data in RAM and starts its transmission."""
        self.poke(at, data)
        self.uarte.write(R.TXD_PTR, at)
        self.uarte.write(R.TXD_MAXCNT, len(data))
        self.uarte.write(R.TASKS_STARTTX, 1)

    def arrive(self, data: bytes, *, byte_ns: int = BYTE_NS, bits: int = 10) -> Burst:
        """Somebody outside begins to send now."""
        burst = Burst(self.clock.now_ns, byte_ns, data, bits)
        self.uarte.rx.send(burst)
        return burst

    def pass_bytes(self, count: float) -> None:
        """Lets the time of `count` bytes go by."""
        self.pass_ns(int(count * BYTE_NS))

    def __getitem__(self, register: R) -> int:
        return self.uarte.read(register)

    def __setitem__(self, register: R, value: int) -> None:
        self.uarte.write(register, value)

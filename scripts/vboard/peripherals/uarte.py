# SPDX-License-Identifier: Apache-2.0
"""UARTE0, UARTE1 and the legacy UART0 (nRF52840 PS, UARTE and UART).

UART0 and UARTE0 are one page; ENABLE says which of them it is (4 or 8). This
module has the registers; `uarte_receiver.py` and `uarte_transmitter.py` move bytes
by EasyDMA, `uart.py` moves them one by one.

`tx` goes from the board to the outside, `rx` comes from the outside:

    uarte.tx.on_burst = terminal.receive
    uarte.rx.send(Burst(start_ns=clock.now_ns, byte_ns=86_806, data=b"hello"))
"""

from __future__ import annotations

import enum

from vboard.clock import Clock
from vboard.errors import GuestError
from vboard.fabric import Bus, IrqLine, ResetKind
from vboard.peripherals.registers import EventBlock
from vboard.peripherals.serial_line import Incoming, baud_rate
from vboard.peripherals.uart import LegacyUart
from vboard.peripherals.uarte_receiver import DmaReceiver
from vboard.peripherals.uarte_transmitter import DmaTransmitter
from vboard.wire import Burst, Wire

ENABLE_OFF, ENABLE_UART, ENABLE_UARTE = 0, 4, 8
DISCONNECTED = 1 << 31


class Register(enum.IntEnum):
    """Registers of UARTE, and of UART on the same page."""

    TASKS_STARTRX = 0x000
    TASKS_STOPRX = 0x004
    TASKS_STARTTX = 0x008
    TASKS_STOPTX = 0x00C
    TASKS_SUSPEND = 0x01C
    TASKS_FLUSHRX = 0x02C
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
    SHORTS = 0x200
    INTEN = 0x300
    INTENSET = 0x304
    INTENCLR = 0x308
    ERRORSRC = 0x480
    ENABLE = 0x500
    PSEL_RTS = 0x508
    PSEL_TXD = 0x50C
    PSEL_CTS = 0x510
    PSEL_RXD = 0x514
    RXD = 0x518
    TXD = 0x51C
    BAUDRATE = 0x524
    RXD_PTR = 0x534
    RXD_MAXCNT = 0x538
    RXD_AMOUNT = 0x53C
    TXD_PTR = 0x544
    TXD_MAXCNT = 0x548
    TXD_AMOUNT = 0x54C
    CONFIG = 0x56C


R = Register

EVENT_BITS: dict[int, int] = {
    register: 1 << (register - 0x100 >> 2)
    for register in Register
    if register.name.startswith("EVENTS_")
}
UART_ONLY = frozenset({R.TASKS_SUSPEND, R.RXD, R.TXD})
UARTE_ONLY = frozenset(
    {R.TASKS_FLUSHRX, R.RXD_PTR, R.RXD_MAXCNT, R.RXD_AMOUNT}
    | {R.TXD_PTR, R.TXD_MAXCNT, R.TXD_AMOUNT}
)
# Registers that tell about bytes: these are counted before they are read.
BYTE_COUNTERS = frozenset({R.EVENTS_RXDRDY, R.EVENTS_TXDRDY, R.EVENTS_ERROR})
UARTE_SHORTS = 0x60
UART_SHORTS = 0x18


class Uarte(EventBlock):
    """UARTE0 with UART0 (`index=0`), or UARTE1 (`index=1`)."""

    registers = Register
    event_bits = EVENT_BITS
    has_inten = True

    def __init__(
        self, clock: Clock, bus: Bus, irq: IrqLine | None = None, *, index: int = 0
    ) -> None:
        self.name = f"UARTE{index}"
        self.base = 0x4002_8000 if index else 0x4000_2000
        super().__init__(clock, bus, irq)
        self.has_uart = index == 0
        if not self.has_uart:
            self._names = {o: n for o, n in self._names.items() if o not in UART_ONLY}
        self.tx = Wire(f"{self.name}.TXD")
        self.rx = Wire(f"{self.name}.RXD")
        self.tx.on_ready = self._on_cts
        self.rx.on_burst = self._on_burst
        self.rx.on_take_back = self._on_take_back
        self._incoming = Incoming()
        self.shorts = 0
        self.error_source = 0
        self.enable = ENABLE_OFF
        self.receiver = DmaReceiver(self, self._incoming)
        self.transmitter = DmaTransmitter(self)
        self.legacy = LegacyUart(self, self._incoming)
        self._clear_registers()

    def _clear_registers(self) -> None:
        self.shorts = 0
        self.error_source = 0
        self.enable = ENABLE_OFF
        self.psel = dict.fromkeys(
            (R.PSEL_RTS, R.PSEL_TXD, R.PSEL_CTS, R.PSEL_RXD), 0xFFFF_FFFF
        )
        self.baud_register = 0x0400_0000
        self.config = 0

    def reset(self, kind: ResetKind) -> None:
        """Every reset reaches the block; bytes under way are lost."""
        self._disable()
        self._clear_registers()
        for engine in (self.receiver, self.transmitter):
            engine.pointer = engine.maxcnt = engine.amount = 0
        self.rx.set_ready(True)
        super().reset(kind)

    # What the engines ask (see serial_port.Port)

    @property
    def baud(self) -> int:
        """Programmed baud rate."""
        return baud_rate(self.baud_register)

    @property
    def frame_bits(self) -> int:
        """Start bit, eight data bits, parity if any, one or two stop bits."""
        return 10 + self.has_parity + (self.config >> 4 & 1)

    @property
    def flow_control(self) -> bool:
        """CONFIG.HWFC."""
        return bool(self.config & 1)

    @property
    def has_parity(self) -> bool:
        """CONFIG.PARITY."""
        return bool(self.config & 0xE)

    @property
    def rx_connected(self) -> bool:
        """PSEL.RXD is connected."""
        return not self.psel[R.PSEL_RXD] & DISCONNECTED

    @property
    def tx_connected(self) -> bool:
        """PSEL.TXD is connected."""
        return not self.psel[R.PSEL_TXD] & DISCONNECTED

    def wanted(self, event: int) -> int | None:
        """Which of the next events must come at its instant (None: any time)."""
        mask = self.event_bits[event]
        if self.inten & mask and not self.events & mask:
            return 1
        return self.bus.event_horizon(self.base + event)

    # Wires

    def _on_burst(self, burst: Burst) -> None:
        self._absorb()
        if self.enable == ENABLE_OFF:
            # Nobody samples the line; the burst may still be under way later.
            self._incoming.drop_begun(self.clock.now_ns)
        self._incoming.push(burst)
        self._plan()

    def _on_take_back(self, at_ns: int) -> bytes:
        self._absorb()
        back = self._incoming.take_back(at_ns)
        self._plan()
        return back

    def _on_cts(self, ready: bool) -> None:
        if self.enable == ENABLE_UARTE:
            self.transmitter.cts(ready)
        elif self.enable == ENABLE_UART:
            self.legacy.cts(ready)

    # Lazy evaluation

    def sync(self) -> None:
        """Publishes RXDRDY and TXDRDY for every byte up to now.

        The alarm that was planned stays right: what was published is nearer to it
        by as many bytes.
        """
        if self._incoming.count or self.transmitter.active:
            self._absorb()

    def replan(self) -> None:
        """Listeners or their horizons have changed."""
        self._plan()

    def _absorb(self) -> None:
        if self.enable == ENABLE_UARTE:
            self.receiver.absorb()
            self.transmitter.absorb()
        elif self.enable == ENABLE_UART:
            self.legacy.absorb()

    def _plan(self) -> None:
        if self.enable == ENABLE_UARTE:
            self.receiver.plan()
            self.transmitter.plan()
        elif self.enable == ENABLE_UART:
            self.legacy.plan()

    # Registers

    def read(self, offset: int) -> int:
        """Value of the register at `offset`."""
        if 0x100 <= offset < 0x200:  # polled in tight loops
            if offset in BYTE_COUNTERS:
                self._absorb()
            return self.read_common(offset)
        self._check_mode(offset)
        match offset:
            case R.SHORTS:
                return self.shorts
            case R.ERRORSRC:
                self._absorb()
                return self.error_source
            case R.ENABLE:
                return self.enable
            case R.PSEL_RTS | R.PSEL_TXD | R.PSEL_CTS | R.PSEL_RXD:
                return self.psel[Register(offset)]
            case R.RXD:
                return self.legacy.read_rxd()
            case R.BAUDRATE:
                return self.baud_register
            case R.RXD_PTR:
                return self.receiver.pointer
            case R.RXD_MAXCNT:
                return self.receiver.maxcnt
            case R.RXD_AMOUNT:
                return self.receiver.amount
            case R.TXD_PTR:
                return self.transmitter.pointer
            case R.TXD_MAXCNT:
                return self.transmitter.maxcnt
            case R.TXD_AMOUNT:
                return self.transmitter.amount
            case R.CONFIG:
                return self.config
            case _:
                return self.read_common(offset)

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        self._check_mode(offset)
        if offset < 0x100 and offset in self._names:
            if value & 1:
                self._task(Register(offset))
            return
        self._absorb()
        match offset:
            case R.SHORTS:
                legal = UART_SHORTS if self.enable == ENABLE_UART else UARTE_SHORTS
                self.shorts = value & legal
            case R.ERRORSRC:
                self.error_source &= ~value
            case R.ENABLE:
                self._write_enable(value)
            case R.PSEL_RTS | R.PSEL_TXD | R.PSEL_CTS | R.PSEL_RXD:
                if self.enable and value != self.psel[Register(offset)]:
                    raise self.fault("pins may only change while disabled", offset)
                self.psel[Register(offset)] = value
            case R.TXD:
                self.legacy.write_txd(value)
            case R.BAUDRATE:
                if baud_rate(value) < 1:
                    raise self.fault(f"0x{value:08x} is not a baud rate", offset)
                self.baud_register = value
            case R.RXD_PTR:
                self.receiver.pointer = value
            case R.RXD_MAXCNT:
                self.receiver.maxcnt = value & 0xFFFF
            case R.TXD_PTR:
                self.transmitter.pointer = value
            case R.TXD_MAXCNT:
                self.transmitter.maxcnt = value & 0xFFFF
            case R.CONFIG:
                self.config = value & 0x1F
            case _:
                self.write_common(offset, value)
        self._plan()

    def _check_mode(self, offset: int) -> None:
        """Registers of the one are not there while the page is the other."""
        if offset in UART_ONLY and not self.has_uart:
            raise self.reserved(offset)
        if offset in UART_ONLY and self.enable != ENABLE_UART:
            raise self.fault("needs the legacy UART (ENABLE = 4)", offset)
        if offset in UARTE_ONLY and self.enable == ENABLE_UART:
            raise self.fault("needs UARTE (ENABLE = 8)", offset)

    def _write_enable(self, value: int) -> None:
        legal = (ENABLE_OFF, ENABLE_UARTE) + (ENABLE_UART,) * self.has_uart
        if value not in legal:
            raise self.fault(f"expected one of {legal}, got {value}", R.ENABLE)
        if value == self.enable:
            return
        if value and self.enable:
            raise self.fault("disable first (0) to change between 4 and 8", R.ENABLE)
        if value == ENABLE_OFF:
            self._disable()
            self.rx.set_ready(True)
        self.enable = value
        self._incoming.drop_begun(self.clock.now_ns)

    def _disable(self) -> None:
        self.receiver.disable()
        self.transmitter.disable()
        self.legacy.disable()

    def _task(self, task: Register) -> None:
        if self.enable == ENABLE_OFF:
            if task in (R.TASKS_STOPRX, R.TASKS_STOPTX):
                return  # nothing runs: nothing to stop
            raise self.fault("a task while disabled (ENABLE = 0)", task)
        if self.enable == ENABLE_UART:
            self._uart_task(task)
        else:
            self._uarte_task(task)

    def _uarte_task(self, task: Register) -> None:
        match task:
            case R.TASKS_STARTRX:
                self.receiver.start()
            case R.TASKS_STOPRX:
                self.receiver.stop()
            case R.TASKS_STARTTX:
                self.transmitter.start()
            case R.TASKS_STOPTX:
                self.transmitter.stop()
            case _:
                self.receiver.flush()

    def _uart_task(self, task: Register) -> None:
        match task:
            case R.TASKS_STARTRX:
                self.legacy.start_rx()
            case R.TASKS_STOPRX:
                self.legacy.stop_rx()
            case R.TASKS_STARTTX:
                self.legacy.start_tx()
            case R.TASKS_STOPTX:
                self.legacy.stop_tx()
            case _:
                self.legacy.suspend()

    def fault(self, message: str, offset: int) -> GuestError:
        """The error for a bad access, under the name that ENABLE selects."""
        error = super().fault(message, offset)
        if self.enable == ENABLE_UART:
            error.block = "UART0"
        return error

# SPDX-License-Identifier: Apache-2.0
"""UART, UARTE, PPI, TIMER, RTC and CLOCK as machine code on the board sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.asm import compile_c
from vboard.board import Board
from vboard.clock import NS_PER_MS, NS_PER_S
from vboard.loader import load_files
from vboard.nv import NvMemory
from vboard.terminal import Terminal

PROGRAMS = Path(__file__).parent / "programs"
MAILBOX = 0x2003_0000
DONE = 0x600D_600D


class Machine:
    """A board with one of the programs and a terminal on UART0."""

    def __init__(self, elf: Path, *, baud: int) -> None:
        nv = NvMemory(seed=1)
        load_files(nv, [elf])
        self.board = Board(nv, seed=1)
        uart = self.board.uart(0)
        self.terminal = Terminal(
            self.board.clock,
            from_board=uart.tx,
            to_board=uart.rx,
            baud=baud,
            strict_baud=True,
        )

    def slot(self, index: int) -> int:
        """A word of the mailbox."""
        return int.from_bytes(self.board.ram_read(MAILBOX + 4 * index, 4), "little")

    def clear(self) -> None:
        """RAM is noise after power-on; the mailbox starts at zero."""
        self.board.ram_write(MAILBOX, bytes(256))

    def finish(self, *, seconds: int) -> None:
        """Runs until the program is done."""
        self.board.run(seconds * NS_PER_S, stop=lambda: self.slot(63) == DONE)
        assert self.slot(63) == DONE

    def until_text(self, text: str) -> None:
        """Runs until the terminal shows `text`, one second at most."""
        limit = self.board.clock.now_ns + NS_PER_S
        self.board.run(limit, stop=lambda: text in self.terminal.text)
        assert text in self.terminal.text


Start = Callable[..., Machine]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Builds a program and puts it on a board."""

    def make(name: str, *, baud: int = 115_200) -> Machine:
        sources = [PROGRAMS / f"{name}.c", PROGRAMS / "start.c"]
        machine = Machine(compile_c(tmp_path, sources, name=name), baud=baud)
        machine.clear()
        return machine

    return make


def test_a_polled_uart_driver_answers_lines(start: Start) -> None:
    """ENABLE, STARTTX, STARTRX, TXD, TXDRDY, RXDRDY, RXD."""
    machine = start("uart_polled")
    machine.until_text(">")
    machine.terminal.type(b"hello\n")
    machine.until_text("HELLO\n")
    machine.terminal.type(b"again, sir\n")
    machine.until_text("AGAIN, SIR\n")
    assert machine.terminal.text == ">HELLO\nAGAIN, SIR\n"
    assert machine.slot(0) == 2


def test_an_interrupt_driven_uart_driver_echoes_everything(start: Start) -> None:
    """200 bytes without a gap, both directions at once, one interrupt each."""
    machine = start("uart_interrupt")
    machine.board.run(NS_PER_MS)
    text = bytes(33 + index % 90 for index in range(200))
    machine.terminal.type(text)
    machine.until_text(text.decode())
    assert machine.slot(1) == 0  # no errors
    assert 200 <= machine.slot(0) <= 401  # interrupts
    assert bytes(machine.terminal.received) == text


def test_uarte_with_ppi_and_a_counting_timer_loses_nothing(start: Start) -> None:
    """Every byte is in RAM when the counter says so; double buffering has no gap."""
    machine = start("uarte_count", baud=460_800)
    machine.board.run(NS_PER_MS)
    data = bytes(index * 7 & 0xFF for index in range(1500))
    machine.terminal.type(data)
    machine.finish(seconds=2)
    assert machine.slot(0) == 1500
    assert machine.slot(1) == sum(data)
    assert machine.slot(2) == 0
    assert machine.slot(4) == 1500 // 256
    assert machine.slot(5) == 0
    assert machine.terminal.text == "done\n"
    # 1500 bytes in and 5 out, at ten bits each.
    assert machine.board.clock.now_ns == pytest.approx(
        NS_PER_MS + 1505 * 21_701, rel=0.01
    )


def test_rtc_wakes_the_cpu_from_wfe(start: Start) -> None:
    """16 ticks at 8 Hz, then a COMPARE interrupt 4 ticks later: 2.5 seconds."""
    machine = start("rtc_wake")
    machine.finish(seconds=4)
    assert machine.slot(1) == 16
    assert machine.slot(2) == 20
    assert machine.slot(3) == 1
    assert 16 <= machine.slot(0) <= 20
    assert machine.board.clock.now_ns == pytest.approx(2.5006 * NS_PER_S, rel=0.001)

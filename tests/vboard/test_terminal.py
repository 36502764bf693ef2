# SPDX-License-Identifier: Apache-2.0
"""The terminal: text from the board, typing to it, flow control."""

from __future__ import annotations

import pytest
from register_bench import RAM
from uarte_bench import BYTE_NS, UarteBench
from vboard.peripherals.uarte import Register as R
from vboard.terminal import Terminal


def test_text_shows_when_it_has_arrived() -> None:
    """The callback hears whole bursts; `text` what has arrived by now."""
    bench = UarteBench()
    terminal = Terminal(bench.clock, from_board=bench.uarte.tx)
    shown: list[str] = []
    terminal.on_text = shown.append
    bench.transmit("grüß\n".encode())
    bench.pass_bytes(3)
    assert shown == []
    assert terminal.text == "gr"
    bench.pass_bytes(4)
    assert terminal.text == "grüß\n"
    assert "".join(shown) == "grüß\n"
    assert bytes(terminal.received) == "grüß\n".encode()


def test_typed_bytes_reach_the_board_one_after_the_other() -> None:
    """Two calls do not overlap on the wire."""
    bench = UarteBench()
    terminal = Terminal(bench.clock, from_board=bench.uarte.tx, to_board=bench.uarte.rx)
    bench.receive_into(100)
    terminal.type(b"abc")
    terminal.type(b"def")
    bench.pass_ns(5 * BYTE_NS)
    bench.uarte.sync()
    assert bench.peek(RAM, 6) == b"abcde\0"


def test_typing_obeys_rts() -> None:
    """With flow control nothing is lost, however slowly the board reads."""
    bench = UarteBench(config=1)
    terminal = Terminal(bench.clock, from_board=bench.uarte.tx, to_board=bench.uarte.rx)
    text = b"The quick brown fox jumps over the lazy dog"
    terminal.type(text)
    bench.pass_bytes(10)
    for start in range(0, len(text), 4):
        bench.receive_into(4, at=RAM + start)
        bench.pass_bytes(50)
    assert bench.peek(RAM, len(text)) == text
    assert bench[R.ERRORSRC] == 0


def test_a_strict_terminal_shows_garbage_at_the_wrong_rate() -> None:
    """As a real one does."""
    bench = UarteBench()
    terminal = Terminal(
        bench.clock, from_board=bench.uarte.tx, baud=460_800, strict_baud=True
    )
    bench.transmit(b"hello")
    bench.pass_bytes(5)
    assert len(terminal.received) == 5
    assert bytes(terminal.received) != b"hello"


def test_a_stopped_transmission_shows_what_was_sent() -> None:
    """STOPTX takes the rest back from the terminal."""
    bench = UarteBench()
    terminal = Terminal(bench.clock, from_board=bench.uarte.tx)
    bench.transmit(b"0123456789")
    bench.pass_bytes(2.5)
    bench[R.TASKS_STOPTX] = 1
    bench.pass_bytes(20)
    assert terminal.text == "012"


def test_typing_without_a_wire_is_refused() -> None:
    """A terminal made for listening cannot type."""
    bench = UarteBench()
    terminal = Terminal(bench.clock, from_board=bench.uarte.tx)
    with pytest.raises(ValueError, match="no wire to the board to type on"):
        terminal.type(b"x")

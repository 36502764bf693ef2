# SPDX-License-Identifier: Apache-2.0
"""The legacy UART0: byte by byte, polled and interrupt-driven."""

from __future__ import annotations

import pytest
from register_bench import RAM
from uarte_bench import BYTE_NS, UarteBench
from vboard.errors import GuestError
from vboard.peripherals.uarte import Register as R
from vboard.peripherals.uarte import Uarte

UART = 4
HWFC = 1


def test_a_byte_written_to_txd_leaves_at_once() -> None:
    """TXDRDY comes at its stop bit."""
    bench = UarteBench(enable=UART)
    bench[R.TASKS_STARTTX] = 1
    bench[R.TXD] = 0x141
    assert [burst.data for burst in bench.bursts] == [b"A"]
    bench.pass_ns(BYTE_NS - 1)
    assert bench[R.EVENTS_TXDRDY] == 0
    bench.pass_ns(1)
    assert bench[R.EVENTS_TXDRDY] == 1


def test_received_bytes_come_one_by_one() -> None:
    """Reading RXD brings RXDRDY for the byte behind it."""
    bench = UarteBench(enable=UART)
    bench[R.TASKS_STARTRX] = 1
    bench.arrive(b"abc")
    bench.pass_bytes(3)
    seen = []
    while bench[R.EVENTS_RXDRDY]:
        bench[R.EVENTS_RXDRDY] = 0
        seen.append(bench[R.RXD])
    assert bytes(seen) == b"abc"


def test_rxdrdy_interrupts_at_each_byte() -> None:
    """An interrupt-driven driver gets every byte at its instant."""
    bench = UarteBench(enable=UART)
    bench[R.TASKS_STARTRX] = 1
    bench[R.INTENSET] = 1 << 2
    bench.arrive(b"xyz")
    for count, byte in enumerate(b"xyz", start=1):
        bench.clock.advance_to_ns(count * BYTE_NS - 1)
        assert bench.uarte.irq.level is False
        bench.clock.advance_to_ns(count * BYTE_NS)
        assert bench.uarte.irq.level is True
        bench[R.EVENTS_RXDRDY] = 0
        assert bench[R.RXD] == byte


def test_the_seventh_byte_is_an_overrun() -> None:
    """The FIFO holds six; the rest is lost and ERROR says so."""
    bench = UarteBench(enable=UART)
    bench[R.TASKS_STARTRX] = 1
    bench.arrive(b"12345678")
    bench.pass_bytes(8)
    assert bench[R.ERRORSRC] == 1
    assert bench[R.EVENTS_ERROR] == 1
    assert bytes(bench[R.RXD] for _ in range(6)) == b"123456"


def test_the_overrun_interrupt_comes_with_the_lost_byte() -> None:
    """INTEN.ERROR alone is enough to hear of it in time."""
    bench = UarteBench(enable=UART)
    bench[R.TASKS_STARTRX] = 1
    bench[R.INTENSET] = 1 << 9
    bench.arrive(b"12345678")
    bench.pass_ns(7 * BYTE_NS - 1)
    assert bench.uarte.irq.level is False
    bench.pass_ns(1)
    assert bench.uarte.irq.level is True


def test_stoprx_gives_four_more_bytes_and_rxto() -> None:
    """The receiver listens for four byte times after STOPRX."""
    bench = UarteBench(enable=UART)
    bench[R.TASKS_STARTRX] = 1
    bench.arrive(b"abcdefgh")
    bench.pass_bytes(1.5)
    bench[R.TASKS_STOPRX] = 1
    bench.pass_ns(4 * BYTE_NS - 1)
    assert bench[R.EVENTS_RXTO] == 0
    bench.pass_ns(1)
    assert bench[R.EVENTS_RXTO] == 1
    bench.pass_bytes(10)
    assert bytes(bench[R.RXD] for _ in range(5)) == b"abcde"
    assert bench[R.RXD] == ord("e")


def test_rts_goes_up_when_four_more_fit() -> None:
    """HWFC: after two unread bytes the sender has to stop."""
    bench = UarteBench(enable=UART, config=HWFC)
    assert bench.uarte.rx.ready is False
    bench[R.TASKS_STARTRX] = 1
    assert bench.uarte.rx.ready is True
    bench.arrive(b"ab")
    bench.pass_ns(2 * BYTE_NS - 1)
    assert bench.uarte.rx.ready is True
    bench.pass_ns(1)
    assert bench.uarte.rx.ready is False
    assert bench[R.RXD] == ord("a")
    assert bench.uarte.rx.ready is True


def test_cts_holds_the_byte() -> None:
    """HWFC: a byte waits for CTS; events tell of its edges."""
    bench = UarteBench(enable=UART, config=HWFC)
    bench[R.TASKS_STARTTX] = 1
    bench.uarte.tx.set_ready(False)
    assert bench[R.EVENTS_NCTS] == 1
    bench[R.TXD] = ord("a")
    assert bench.bursts == []
    bench.uarte.tx.set_ready(True)
    assert bench[R.EVENTS_CTS] == 1
    assert [burst.data for burst in bench.bursts] == [b"a"]


def test_shorts_connect_cts_to_the_receiver() -> None:
    """CTS_STARTRX and NCTS_STOPRX."""
    bench = UarteBench(enable=UART, config=HWFC)
    bench[R.SHORTS] = 0x18
    bench.uarte.tx.set_ready(False)
    assert bench[R.EVENTS_RXTO] == 1  # it was not running
    bench.uarte.tx.set_ready(True)
    assert bench.uarte.rx.ready is True


def test_suspend_stops_both_directions() -> None:
    """Afterwards TXD is refused and RXTO has come."""
    bench = UarteBench(enable=UART)
    bench[R.TASKS_STARTRX] = 1
    bench[R.TASKS_STARTTX] = 1
    bench[R.TASKS_SUSPEND] = 1
    bench.pass_bytes(4)
    assert bench[R.EVENTS_RXTO] == 1
    with pytest.raises(GuestError, match=r"UART0\.TXD: a byte before STARTTX"):
        bench[R.TXD] = 1


def test_a_byte_before_txdrdy_is_refused() -> None:
    """It would be lost."""
    bench = UarteBench(enable=UART)
    bench[R.TASKS_STARTTX] = 1
    bench[R.TXD] = 1
    with pytest.raises(GuestError, match=r"a byte before TXDRDY of the previous one"):
        bench[R.TXD] = 2


def test_the_two_register_sets_do_not_mix() -> None:
    """DMA registers need ENABLE 8, RXD and TXD need ENABLE 4."""
    bench = UarteBench(enable=UART)
    with pytest.raises(GuestError, match=r"RXD_PTR: needs UARTE \(ENABLE = 8\)"):
        bench[R.RXD_PTR] = RAM
    with pytest.raises(GuestError, match=r"ENABLE: disable first \(0\) to change"):
        bench[R.ENABLE] = 8
    bench[R.ENABLE] = 0
    bench[R.ENABLE] = 8
    with pytest.raises(GuestError, match=r"TXD: needs the legacy UART \(ENABLE = 4\)"):
        bench[R.TXD] = 1


def test_the_second_page_has_no_legacy_uart() -> None:
    """UARTE1 knows neither RXD nor TXD."""
    bench = UarteBench()
    uarte = Uarte(bench.clock, bench.bus, index=1)
    with pytest.raises(GuestError, match=r"UARTE1\.\+0x51c: no register"):
        uarte.write(R.TXD, 1)

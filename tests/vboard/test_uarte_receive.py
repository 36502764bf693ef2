# SPDX-License-Identifier: Apache-2.0
"""UARTE reception by EasyDMA: buffers, FIFO, stop and flush, errors, flow control."""

from __future__ import annotations

import pytest
from register_bench import RAM
from uarte_bench import BYTE_NS, UarteBench
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.timer import Timer
from vboard.peripherals.uarte import Register as R

SHORT_STARTRX, SHORT_STOPRX = 1 << 5, 1 << 6
HWFC = 1


def test_a_full_buffer_ends_reception_at_its_last_stop_bit() -> None:
    """ENDRX comes when the last byte has arrived, AMOUNT and RAM are valid then."""
    bench = UarteBench()
    bench.receive_into(5)
    assert bench[R.EVENTS_RXSTARTED] == 1
    bench.arrive(b"hello")
    bench.pass_ns(5 * BYTE_NS - 1)
    assert bench[R.EVENTS_ENDRX] == 0
    assert bench[R.RXD_AMOUNT] == 0
    bench.pass_ns(1)
    assert bench[R.EVENTS_ENDRX] == 1
    assert bench[R.RXD_AMOUNT] == 5
    assert bench.peek(RAM, 6) == b"hello\0"


def test_pointer_and_size_are_latched_at_startrx() -> None:
    """After RXSTARTED the registers belong to the next buffer."""
    bench = UarteBench()
    bench.receive_into(2)
    bench.rx_buffer(99, at=RAM + 0x100)
    bench.arrive(b"ab")
    bench.pass_bytes(2)
    assert bench.peek(RAM, 2) == b"ab"
    assert bench.peek(RAM + 0x100, 2) == b"\0\0"


def test_the_short_goes_on_into_the_next_buffer_without_a_gap() -> None:
    """ENDRX_STARTRX loses nothing in a stream that never pauses."""
    bench = UarteBench()
    bench[R.SHORTS] = SHORT_STARTRX
    bench.listen(R.EVENTS_ENDRX, R.EVENTS_RXSTARTED)
    bench.receive_into(3)
    bench.rx_buffer(4, at=RAM + 16)
    bench.arrive(b"abcdefg")
    bench.pass_bytes(7)
    assert bench.log == ["RXSTARTED", "ENDRX", "RXSTARTED", "ENDRX", "RXSTARTED"]
    assert bench.peek(RAM, 3) == b"abc"
    assert bench.peek(RAM + 16, 4) == b"defg"


def test_a_pointer_that_was_not_renewed_overwrites_the_same_buffer() -> None:
    """The hardware does not notice; neither does the model."""
    bench = UarteBench()
    bench[R.SHORTS] = SHORT_STARTRX
    bench.receive_into(2)
    bench.arrive(b"abcd")
    bench.pass_bytes(4)
    assert bench.peek(RAM, 4) == b"cd\0\0"


def test_what_was_counted_is_in_ram() -> None:
    """RXDRDY never runs ahead of RAM, and AMOUNT stays until ENDRX."""
    bench = UarteBench()
    bench.receive_into(100)
    bench.arrive(b"0123456789")
    bench.pass_bytes(4.5)
    bench.uarte.sync()
    assert bench[R.EVENTS_RXDRDY] == 1
    assert bench.peek(RAM, 6) == b"0123\0\0"
    assert bench[R.RXD_AMOUNT] == 0


def test_no_alarm_for_bytes_that_nobody_waits_for() -> None:
    """A long burst plans one alarm: the full buffer."""
    bench = UarteBench()
    bench.receive_into(1000)
    bench.arrive(bytes(5000))
    assert bench.clock.next_ns() == 1000 * BYTE_NS


def test_rxdrdy_interrupts_at_every_byte() -> None:
    """With INTEN.RXDRDY each byte interrupts at its instant."""
    bench = UarteBench()
    bench.receive_into(10)
    bench[R.INTENSET] = 1 << 2
    bench.arrive(b"xy")
    for count in (1, 2):
        bench.clock.advance_to_ns(count * BYTE_NS - 1)
        assert bench.uarte.irq.level is False
        bench.clock.advance_to_ns(count * BYTE_NS)
        assert bench.uarte.irq.level is True
        bench[R.EVENTS_RXDRDY] = 0
        assert bench.uarte.irq.level is False


def test_a_byte_that_arrived_before_the_event_was_cleared_is_cleared_with_it() -> None:
    """Clearing RXDRDY late does not bring it back for an old byte."""
    bench = UarteBench()
    bench.receive_into(10)
    bench.arrive(b"xy")
    bench.pass_bytes(3)
    bench[R.EVENTS_RXDRDY] = 0
    assert bench[R.EVENTS_RXDRDY] == 0


def test_a_burst_that_is_over_is_in_ram() -> None:
    """Firmware that looks at the buffer alone sees it, though nobody counts."""
    bench = UarteBench()
    bench.receive_into(100)
    bench.arrive(b"abc")
    bench.pass_bytes(3)
    assert bench.peek(RAM, 4) == b"abc\0"


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_chunks_of_any_size_make_the_same_stream(chunk: int) -> None:
    """How the sender cuts its bursts does not matter."""
    data = bytes(range(64))
    bench = UarteBench()
    bench.receive_into(64)
    for start in range(0, 64, chunk):
        burst = bench.arrive(data[start : start + chunk])
        bench.clock.advance_to_ns(burst.end_ns)
    assert bench[R.EVENTS_ENDRX] == 1
    assert bench.peek(RAM, 64) == data


def test_stoprx_takes_four_more_bytes_into_the_fifo() -> None:
    """ENDRX, then RXTO, four byte times after STOPRX; FLUSHRX brings the rest."""
    bench = UarteBench()
    bench.listen(R.EVENTS_ENDRX, R.EVENTS_RXTO, R.EVENTS_RXSTARTED)
    bench.receive_into(100)
    bench.arrive(b"0123456789")
    bench.pass_bytes(3.5)
    bench[R.TASKS_STOPRX] = 1
    bench.pass_ns(4 * BYTE_NS - 1)
    assert bench.log == ["RXSTARTED"]
    bench.pass_ns(1)
    assert bench.log == ["RXSTARTED", "ENDRX", "RXTO"]
    assert bench[R.RXD_AMOUNT] == 3
    bench.pass_bytes(10)
    bench.rx_buffer(8, at=RAM + 64)
    bench[R.TASKS_FLUSHRX] = 1
    assert bench.log[3:] == ["RXSTARTED", "ENDRX"]
    assert bench[R.RXD_AMOUNT] == 4
    assert bench.peek(RAM, 4) == b"012\0"
    assert bench.peek(RAM + 64, 5) == b"3456\0"


def test_flushrx_of_an_empty_fifo_leaves_amount_alone() -> None:
    """The hardware flaw: ENDRX comes, AMOUNT is old, RXSTARTED tells."""
    bench = UarteBench()
    bench.receive_into(3)
    bench.arrive(b"abc")
    bench.pass_bytes(3)
    bench[R.TASKS_STOPRX] = 1
    bench.pass_bytes(5)
    bench[R.EVENTS_RXSTARTED] = 0
    bench[R.EVENTS_ENDRX] = 0
    bench.rx_buffer(8, at=RAM + 64)
    bench[R.TASKS_FLUSHRX] = 1
    assert bench[R.EVENTS_ENDRX] == 1
    assert bench[R.EVENTS_RXSTARTED] == 0
    assert bench[R.RXD_AMOUNT] == 3


def test_flushrx_into_a_short_buffer_keeps_the_rest() -> None:
    """MAXCNT limits FLUSHRX; a second one brings what was left."""
    bench = UarteBench()
    bench.receive_into(100)
    bench.arrive(b"abcd")
    bench[R.TASKS_STOPRX] = 1
    bench.pass_bytes(4)
    bench.rx_buffer(3)
    bench[R.TASKS_FLUSHRX] = 1
    assert bench[R.RXD_AMOUNT] == 3
    bench[R.TASKS_FLUSHRX] = 1
    assert bench[R.RXD_AMOUNT] == 1
    assert bench.peek(RAM, 3) == b"dbc"


def test_stoprx_after_a_full_buffer_gives_rxto_only() -> None:
    """ENDRX is not given twice."""
    bench = UarteBench()
    bench[R.SHORTS] = SHORT_STOPRX
    bench.listen(R.EVENTS_ENDRX, R.EVENTS_RXTO)
    bench.receive_into(2)
    bench.arrive(b"ab")
    bench.pass_bytes(2)
    assert bench.log == ["ENDRX"]
    bench.pass_bytes(4)
    assert bench.log == ["ENDRX", "RXTO"]


def test_bytes_wait_in_the_fifo_for_the_next_buffer() -> None:
    """Without the short, up to five bytes survive until STARTRX."""
    bench = UarteBench()
    bench.receive_into(2)
    bench.arrive(b"abcdefg")
    bench.pass_bytes(7)
    bench.receive_into(10, at=RAM + 32)
    bench.uarte.sync()
    assert bench.peek(RAM + 32, 6) == b"cdefg\0"
    assert bench[R.ERRORSRC] == 0


def test_the_sixth_waiting_byte_is_an_overrun() -> None:
    """ERROR with ERRORSRC.OVERRUN; the byte is lost; reception goes on."""
    bench = UarteBench()
    bench[R.INTENSET] = 1 << 9
    bench.receive_into(2)
    bench.arrive(b"abcdefgh")
    bench.pass_ns(8 * BYTE_NS - 1)
    assert bench.uarte.irq.level is False
    bench.pass_ns(1)
    assert bench.uarte.irq.level is True
    assert bench[R.EVENTS_ERROR] == 1
    assert bench[R.ERRORSRC] == 1
    bench[R.ERRORSRC] = 1
    assert bench[R.ERRORSRC] == 0
    bench.receive_into(10, at=RAM + 32)
    bench.arrive(b"z")
    bench.pass_bytes(1)
    bench.uarte.sync()
    assert bench.peek(RAM + 32, 7) == b"cdefgz\0"


def test_bytes_before_startrx_are_lost() -> None:
    """A receiver that is off hears nothing, and one switched on hears no half byte."""
    bench = UarteBench()
    bench.arrive(b"abcdef")
    bench.pass_bytes(2.5)
    bench.receive_into(4)
    bench.pass_bytes(4)
    assert bench.peek(RAM, 4) == b"def\0"
    bench.pass_bytes(10)
    assert bench.peek(RAM, 4) == b"def\0"


def test_bytes_while_disabled_are_lost() -> None:
    """ENABLE = 0 in the middle of a stream forgets what passed by."""
    bench = UarteBench()
    bench.receive_into(4)
    bench.arrive(b"abcdefgh")
    bench.pass_bytes(1.5)
    bench[R.ENABLE] = 0
    bench.pass_bytes(2)
    bench[R.ENABLE] = 8
    bench.receive_into(4, at=RAM + 16)
    bench.pass_bytes(10)
    assert bench.peek(RAM + 16, 5) == b"efgh\0"


def test_a_wrong_baud_rate_gives_garbage_and_framing_errors() -> None:
    """More than 3 % off: FRAMING, and the bytes are not those that were sent."""
    bench = UarteBench()
    bench.receive_into(4)
    bench.arrive(b"AT\r\n", byte_ns=BYTE_NS // 2)
    bench.pass_bytes(2)
    assert bench[R.ERRORSRC] == 4
    assert bench[R.EVENTS_ERROR] == 1
    assert bench.peek(RAM, 4) != b"AT\r\n"


def test_two_per_cent_off_is_received() -> None:
    """Inside the tolerance nothing is wrong."""
    bench = UarteBench()
    bench.receive_into(4)
    bench.arrive(b"AT\r\n", byte_ns=BYTE_NS * 102 // 100)
    bench.pass_bytes(5)
    assert bench[R.ERRORSRC] == 0
    assert bench.peek(RAM, 4) == b"AT\r\n"


def test_a_missing_parity_bit_is_a_parity_error() -> None:
    """CONFIG.PARITY against a sender that has none."""
    bench = UarteBench(config=0xE)
    bench.receive_into(1)
    bench.arrive(b"a", bits=10)
    bench.pass_bytes(2)
    assert bench[R.ERRORSRC] == 2
    bench.receive_into(1)
    bench[R.ERRORSRC] = 0xF
    bench.arrive(b"a", byte_ns=BYTE_NS * 11 // 10, bits=11)
    bench.pass_bytes(2)
    assert bench[R.ERRORSRC] == 0


def test_maxcnt_zero_ends_at_once() -> None:
    """An empty buffer is full."""
    bench = UarteBench()
    bench.listen(R.EVENTS_RXSTARTED, R.EVENTS_ENDRX)
    bench.receive_into(0)
    assert bench.log == ["RXSTARTED", "ENDRX"]
    assert bench[R.RXD_AMOUNT] == 0


def test_maxcnt_zero_with_the_short_is_refused() -> None:
    """It would never end."""
    bench = UarteBench()
    bench[R.SHORTS] = SHORT_STARTRX
    with pytest.raises(GuestError, match=r"MAXCNT is 0 with the short ENDRX_STARTRX"):
        bench.receive_into(0)


def test_a_buffer_outside_ram_is_refused() -> None:
    """EasyDMA reaches Data RAM only."""
    bench = UarteBench()
    bench.receive_into(4, at=0x1000)
    bench.arrive(b"a")
    with pytest.raises(GuestError, match=r"UARTE0: DMA reaches Data RAM only"):
        bench.pass_bytes(1)
        bench.uarte.sync()


def test_startrx_while_a_buffer_fills_is_refused() -> None:
    """The first buffer would be lost."""
    bench = UarteBench()
    bench.receive_into(4)
    with pytest.raises(GuestError, match=r"TASKS_STARTRX: STARTRX while a buffer"):
        bench[R.TASKS_STARTRX] = 1


def test_flushrx_before_rxto_is_refused() -> None:
    """FLUSHRX is for a receiver that has stopped."""
    bench = UarteBench()
    bench.receive_into(4)
    with pytest.raises(GuestError, match=r"FLUSHRX before the receiver has stopped"):
        bench[R.TASKS_FLUSHRX] = 1


def test_rts_follows_the_receiver() -> None:
    """With HWFC: off before STARTRX, on while a buffer is armed, off after STOPRX."""
    bench = UarteBench(config=HWFC)
    changes: list[tuple[int, bool]] = []
    bench.uarte.rx.on_ready = lambda ready: changes.append((bench.clock.now_ns, ready))
    assert bench.uarte.rx.ready is False
    bench.receive_into(3)
    bench.arrive(b"abcd")
    bench.pass_bytes(6)
    bench.receive_into(3)
    bench[R.TASKS_STOPRX] = 1
    assert changes == [
        (0, True),
        (4 * BYTE_NS, False),
        (6 * BYTE_NS, True),
        (6 * BYTE_NS, False),
    ]


def test_without_flow_control_the_line_is_always_ready() -> None:
    """CONFIG.HWFC = 0 leaves RTS alone."""
    bench = UarteBench()
    assert bench.uarte.rx.ready is True
    bench.receive_into(1)
    bench.arrive(b"abcdefghij")
    bench.pass_bytes(10)
    assert bench.uarte.rx.ready is True


def test_a_sender_that_obeys_rts_loses_nothing() -> None:
    """What the sender takes back, it can send later."""
    bench = UarteBench(config=HWFC)
    back: list[bytes] = []
    wire = bench.uarte.rx
    wire.on_ready = lambda ready: (
        None if ready else back.append(wire.take_back(bench.clock.now_ns))
    )
    bench.receive_into(4)
    bench.arrive(b"0123456789")
    bench.pass_bytes(20)
    assert back == [b"56789"]
    bench.receive_into(6, at=RAM + 4)
    bench.arrive(back[0])
    bench.pass_bytes(5)
    assert bench.peek(RAM, 10) == b"0123456789"
    assert bench[R.ERRORSRC] == 0


def counter(bench: UarteBench) -> Timer:
    """RXDRDY counted by TIMER1, as drivers do it through PPI."""
    timer = Timer(bench.clock, bench.bus, bench.irq(9), index=1)
    bench.add(timer)
    timer.write(0x504, 1)
    timer.write(0x508, 3)
    timer.write(0x000, 1)
    count = timer.base + 0x008
    bench.bus.listen(
        bench.uarte.base + R.EVENTS_RXDRDY,
        lambda events: bench.bus.trigger(count, events),
        horizon=lambda: bench.bus.task_horizon(count),
    )
    return timer


def test_a_counting_timer_is_exact_whenever_it_is_looked_at() -> None:
    """CAPTURE counts what has arrived, with no alarm per byte."""
    bench = UarteBench()
    timer = counter(bench)
    bench.receive_into(1000)
    bench.arrive(bytes(500))
    assert bench.clock.next_ns() == 500 * BYTE_NS
    for expected in (0, 7, 8, 499, 500):
        bench.clock.advance_to_ns(expected * BYTE_NS)
        timer.write(0x040, 1)
        assert timer.read(0x540) == expected
        assert bench.peek(RAM, expected) == bytes(expected)


def test_a_compare_of_the_counting_timer_comes_at_its_byte() -> None:
    """COMPARE = 100 means an interrupt when byte 100 has arrived."""
    bench = UarteBench()
    timer = counter(bench)
    timer.write(0x540, 100)
    timer.write(0x304, 1 << 16)
    bench.receive_into(1000)
    bench.arrive(bytes(500))
    bench.pass_ns(100 * BYTE_NS - 1)
    assert timer.irq.level is False
    bench.pass_ns(1)
    assert timer.irq.level is True


def test_a_new_compare_value_moves_the_instant() -> None:
    """Writing CC while bytes arrive is noticed by who counts late."""
    bench = UarteBench()
    timer = counter(bench)
    timer.write(0x540, 400)
    bench.receive_into(1000)
    bench.arrive(bytes(500))
    bench.pass_bytes(50)
    timer.write(0x540, 60)
    bench.pass_ns(10 * BYTE_NS - 1)
    assert timer.read(0x140) == 0
    bench.pass_ns(1)
    assert timer.read(0x140) == 1


@pytest.mark.parametrize("kind", list(ResetKind))
def test_reset_forgets_everything(kind: ResetKind) -> None:
    """Every kind of reset brings the reset values."""
    bench = UarteBench(config=HWFC)
    bench.receive_into(4)
    bench.arrive(b"ab")
    bench.uarte.reset(kind)
    assert bench[R.ENABLE] == 0
    assert bench[R.BAUDRATE] == 0x0400_0000
    assert bench[R.CONFIG] == 0
    assert bench[R.RXD_PTR] == 0
    assert bench[R.PSEL_RXD] == 0xFFFF_FFFF
    assert bench.uarte.rx.ready is True
    bench.pass_bytes(5)
    assert bench[R.EVENTS_RXDRDY] == 0


def test_bursts_that_overlap_follow_each_other() -> None:
    """A wire carries one byte at a time, whatever the sender thinks."""
    bench = UarteBench()
    bench.receive_into(4)
    bench.arrive(b"abc")
    bench.pass_bytes(0.5)
    bench.arrive(b"de")
    bench.pass_ns(int(3.5 * BYTE_NS) - 1)
    assert bench[R.EVENTS_ENDRX] == 0
    bench.pass_bytes(1)
    assert bench[R.EVENTS_ENDRX] == 1
    assert bench.peek(RAM, 4) == b"abcd"

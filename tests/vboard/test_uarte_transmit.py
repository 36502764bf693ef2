# SPDX-License-Identifier: Apache-2.0
"""UARTE transmission by EasyDMA, its registers, and the baud generator."""

from __future__ import annotations

import pytest
from register_bench import RAM
from uarte_bench import BYTE_NS, UarteBench
from vboard.errors import GuestError
from vboard.peripherals.serial_line import Incoming, baud_rate, sample
from vboard.peripherals.uarte import Register as R
from vboard.peripherals.uarte import Uarte
from vboard.wire import Burst

HWFC = 1


def test_a_buffer_leaves_as_one_burst() -> None:
    """STARTTX fetches the buffer; ENDTX and AMOUNT come at the last stop bit."""
    bench = UarteBench()
    bench.pass_ns(1234)
    bench.transmit(b"hello")
    assert bench.bursts == [Burst(1234, BYTE_NS, b"hello")]
    assert bench[R.EVENTS_TXSTARTED] == 1
    bench.pass_ns(5 * BYTE_NS - 1)
    assert bench[R.EVENTS_ENDTX] == 0
    bench.pass_ns(1)
    assert bench[R.EVENTS_ENDTX] == 1
    assert bench[R.TXD_AMOUNT] == 5


def test_an_empty_buffer_ends_at_once() -> None:
    """MAXCNT = 0 gives TXSTARTED and ENDTX."""
    bench = UarteBench()
    bench.listen(R.EVENTS_TXSTARTED, R.EVENTS_ENDTX)
    bench.transmit(b"")
    assert bench.log == ["TXSTARTED", "ENDTX"]
    assert bench.bursts == []


def test_txdrdy_is_one_per_byte() -> None:
    """Its interrupt comes at each stop bit; without it nothing happens per byte."""
    bench = UarteBench()
    bench[R.INTENSET] = 1 << 7
    bench.transmit(b"abc")
    bench.pass_ns(BYTE_NS - 1)
    assert bench.uarte.irq.level is False
    bench.pass_ns(1)
    assert bench.uarte.irq.level is True
    bench[R.INTENCLR] = 1 << 7
    bench[R.EVENTS_TXDRDY] = 0
    assert bench.clock.next_ns() == 3 * BYTE_NS
    bench.pass_bytes(0.5)
    assert bench[R.EVENTS_TXDRDY] == 0
    bench.pass_bytes(0.5)
    assert bench[R.EVENTS_TXDRDY] == 1


def test_stoptx_ends_after_the_byte_on_the_wire() -> None:
    """What has not begun is taken back; ENDTX, then TXSTOPPED."""
    bench = UarteBench()
    taken: list[int] = []
    line = Incoming()

    def take_back(at_ns: int) -> bytes:
        taken.append(at_ns)
        return line.take_back(at_ns)

    bench.uarte.tx.on_burst = line.push
    bench.uarte.tx.on_take_back = take_back
    bench.listen(R.EVENTS_ENDTX, R.EVENTS_TXSTOPPED)
    bench.transmit(b"0123456789")
    bench.pass_bytes(2.5)
    bench[R.TASKS_STOPTX] = 1
    assert bench.log == []
    bench.clock.advance_to_ns(3 * BYTE_NS)
    assert bench.log == ["ENDTX", "TXSTOPPED"]
    assert bench[R.TXD_AMOUNT] == 3
    assert line.count == 3
    assert len(taken) == 1


def test_stoptx_of_an_idle_transmitter_says_stopped() -> None:
    """TXSTOPPED comes at once."""
    bench = UarteBench()
    bench[R.TASKS_STOPTX] = 1
    assert bench[R.EVENTS_TXSTOPPED] == 1
    assert bench[R.EVENTS_ENDTX] == 0


def test_cts_pauses_after_the_current_byte() -> None:
    """HWFC: NCTS stops, CTS goes on, and nothing is lost or doubled."""
    bench = UarteBench(config=HWFC)
    line = Incoming()
    received = bytearray()

    def drain() -> None:
        while chunk := line.take(limit=99, now_ns=bench.clock.now_ns):
            received.extend(chunk.data)

    def take_back(at_ns: int) -> bytes:
        drain()
        return line.take_back(at_ns)

    wire = bench.uarte.tx
    wire.on_burst, wire.on_take_back = line.push, take_back
    bench.listen(R.EVENTS_CTS, R.EVENTS_NCTS, R.EVENTS_ENDTX)
    bench.transmit(b"0123456789")
    bench.pass_bytes(3.5)
    wire.set_ready(False)
    bench.pass_bytes(20)
    drain()
    assert received == b"0123"
    assert bench[R.EVENTS_ENDTX] == 0
    wire.set_ready(True)
    bench.pass_bytes(6)
    drain()
    assert received == b"0123456789"
    assert bench.log == ["NCTS", "CTS", "ENDTX"]
    assert bench[R.TXD_AMOUNT] == 10


def test_cts_high_before_the_start_holds_everything() -> None:
    """Nothing goes out until the other side is ready."""
    bench = UarteBench(config=HWFC)
    bench.uarte.tx.set_ready(False)
    bench.transmit(b"ab")
    bench.pass_bytes(5)
    assert bench.bursts == []
    bench.uarte.tx.set_ready(True)
    assert [burst.data for burst in bench.bursts] == [b"ab"]


def test_without_flow_control_cts_does_not_matter() -> None:
    """CONFIG.HWFC = 0: no pause, no events."""
    bench = UarteBench()
    bench.uarte.tx.set_ready(False)
    bench.transmit(b"ab")
    assert [burst.data for burst in bench.bursts] == [b"ab"]
    assert bench[R.EVENTS_NCTS] == 0


def test_a_disconnected_txd_pin_sends_nothing() -> None:
    """The transfer takes its time, but no wire sees it."""
    bench = UarteBench()
    bench[R.ENABLE] = 0
    bench[R.PSEL_TXD] = 0xFFFF_FFFF
    bench[R.ENABLE] = 8
    bench.transmit(b"ab")
    bench.pass_bytes(2)
    assert bench.bursts == []
    assert bench[R.EVENTS_ENDTX] == 1


def test_starttx_while_sending_is_refused() -> None:
    """The buffer under way would be lost."""
    bench = UarteBench()
    bench.transmit(b"ab")
    with pytest.raises(GuestError, match=r"STARTTX while a transmission runs"):
        bench.transmit(b"cd")


def test_a_buffer_in_flash_is_refused() -> None:
    """EasyDMA cannot read flash."""
    bench = UarteBench()
    bench[R.TXD_PTR] = 0x1000
    bench[R.TXD_MAXCNT] = 4
    with pytest.raises(GuestError, match=r"DMA reaches Data RAM only.*0x00001000"):
        bench[R.TASKS_STARTTX] = 1


@pytest.mark.parametrize("task", [R.TASKS_STARTRX, R.TASKS_STARTTX, R.TASKS_FLUSHRX])
def test_a_task_while_disabled_is_refused(task: R) -> None:
    """ENABLE = 0 and a start task is a mistake of the firmware."""
    bench = UarteBench()
    bench[R.ENABLE] = 0
    with pytest.raises(GuestError, match=rf"{task.name}: a task while disabled"):
        bench[task] = 1


def test_stop_tasks_while_disabled_do_nothing() -> None:
    """Nothing runs, so nothing has to stop."""
    bench = UarteBench()
    bench[R.ENABLE] = 0
    bench[R.TASKS_STOPRX] = 1
    bench[R.TASKS_STOPTX] = 1
    assert bench[R.EVENTS_RXTO] == 0
    assert bench[R.EVENTS_TXSTOPPED] == 0


def test_reserved_and_read_only_registers_are_refused() -> None:
    """Each message names block and register."""
    bench = UarteBench()
    with pytest.raises(GuestError, match=r"UARTE0\.\+0x404: no register"):
        bench.uarte.read(0x404)
    with pytest.raises(GuestError, match=r"UARTE0\.\+0x404: no register"):
        bench.uarte.write(0x404, 1)
    with pytest.raises(GuestError, match=r"RXD_AMOUNT: the register is read-only"):
        bench[R.RXD_AMOUNT] = 1
    with pytest.raises(GuestError, match=r"PSEL_TXD: pins may only change"):
        bench[R.PSEL_TXD] = 1
    with pytest.raises(GuestError, match=r"BAUDRATE: 0x00000000 is not a baud rate"):
        bench[R.BAUDRATE] = 0


@pytest.mark.parametrize(("value", "index"), [(1, 0), (12, 0), (4, 1)])
def test_enable_takes_its_three_values_only(value: int, index: int) -> None:
    """0, 8, and on the first page 4."""
    bench = UarteBench()
    uarte = Uarte(bench.clock, bench.bus, index=index)
    with pytest.raises(GuestError, match=rf"ENABLE: expected one of .*, got {value}"):
        uarte.write(R.ENABLE, value)


def test_interrupt_registers() -> None:
    """INTEN, INTENSET and INTENCLR are one mask."""
    bench = UarteBench()
    bench[R.INTEN] = 0xFFFF_FFFF
    assert bench[R.INTENSET] == 0x005A_0397
    bench[R.INTENCLR] = 1 << 8
    assert bench[R.INTEN] == 0x005A_0297
    bench[R.INTENSET] = 1 << 8
    assert bench[R.INTENCLR] == 0x005A_0397
    bench.transmit(b"")
    assert bench.uarte.irq.level is True
    for event in (R.EVENTS_ENDTX, R.EVENTS_TXSTARTED):
        bench[event] = 0
    assert bench.uarte.irq.level is False


RATES = {
    "1200": (0x0004_F000, 1200),
    "9600": (0x0027_5000, 9600),
    "38400": (0x009D_0000, 38400),
    "56000": (0x00E5_0000, 56000),
    "57600": (0x00EB_0000, 57600),
    "76800": (0x013A_9000, 76800),
    "115200": (0x01D6_0000, 115200),
    "115200_of_uart": (0x01D7_E000, 115200),
    "230400": (0x03B0_0000, 230400),
    "250000": (0x0400_0000, 250000),
    "460800": (0x0740_0000, 460800),
    "921600": (0x0F00_0000, 921600),
    "921600_of_uart": (0x0EBE_D000, 921600),
    "1000000": (0x1000_0000, 1_000_000),
    "not_standard": (0x0800_0000, 500_000),
}


@pytest.mark.parametrize(("register", "rate"), RATES.values(), ids=RATES.keys())
def test_baud_rates(register: int, rate: int) -> None:
    """A BAUDRATE value means the nearest standard rate, if one is near."""
    assert baud_rate(register) == rate


FRAMES = {"8N1": (0, 10), "8E1": (0xE, 11), "8N2": (0x10, 11), "8E2": (0x1E, 12)}


@pytest.mark.parametrize(("config", "bits"), FRAMES.values(), ids=FRAMES.keys())
def test_frame_length(config: int, bits: int) -> None:
    """Parity and a second stop bit make a frame longer."""
    bench = UarteBench(config=config)
    bench.transmit(b"a")
    (burst,) = bench.bursts
    assert burst.bits == bits
    assert burst.byte_ns == round(bits * 1e9 / 115200)
    assert burst.baud == pytest.approx(115200, rel=1e-4)


def test_sampling_at_the_right_rate_changes_nothing() -> None:
    """The garbage of a wrong rate is what sampling makes of the line."""
    data = bytes(range(256))
    assert sample(data, ratio=1.0) == data
    assert sample(data, ratio=2.0) != data


@pytest.mark.parametrize("at", range(13))
def test_taking_back_splits_at_the_byte_that_has_begun(at: int) -> None:
    """Bytes begun stay, whether they were looked at or not."""
    for looked_at in (False, True):
        incoming = Incoming()
        incoming.push(Burst(0, 10, b"abc"))
        incoming.push(Burst(60, 10, b"def"))
        now_ns = at * 10 - 5
        taken = b""
        while looked_at and (chunk := incoming.take(limit=99, now_ns=now_ns)):
            taken += chunk.data
        back = incoming.take_back(now_ns)
        begun = min(3, at) + max(0, min(3, at - 6))
        assert back == b"abcdef"[begun:]
        assert incoming.count == begun - len(taken)
        rest = b""
        while chunk := incoming.take(limit=99, now_ns=10_000):
            rest += chunk.data
        assert taken + rest == b"abcdef"[:begun]


def test_ram_is_read_at_starttx() -> None:
    """The data are those in RAM when the transmission starts."""
    bench = UarteBench()
    bench.transmit(b"ab", at=RAM)
    bench.poke(RAM, b"xy")
    assert bench.bursts[0].data == b"ab"

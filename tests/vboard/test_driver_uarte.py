# SPDX-License-Identifier: Apache-2.0
"""The UARTE driver: nothing is lost while flash operations stall the CPU."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from driver_rig import BUFFER, CHIP, DriverRig, build_bench
from vboard.wire import Burst

READ, READ_AND_ERASE, WRITE, SET_BAUD, STALL = 1, 2, 3, 4, 5
REOPEN, CLOSE = 6, 7
E_TIMEOUT, E_LINK = -1, -2
SOURCES = [
    CHIP / name
    for name in ("uarte.c", "uarte_rx.c", "timebase.c", "clock.c", "gpio.c", "nvmc.c")
]


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, compiled once."""
    return build_bench(tmp_path_factory.mktemp("uarte"), "uarte_bench.c", SOURCES)


@pytest.fixture
def rig(elf: Path) -> DriverRig:
    """UARTE1 at 460,800 baud."""
    return DriverRig(elf)


def send(
    rig: DriverRig, data: bytes, *, after_us: int = 100, baud: int = 460800
) -> None:
    """Puts bytes on the wire to the board, back to back."""
    byte_ns = 10_000_000_000 // baud
    start = rig.board.clock.now_ns + after_us * 1000
    rig.board.uart(1).rx.send(Burst(start_ns=start, byte_ns=byte_ns, data=data))


def received(rig: DriverRig, size: int) -> bytes:
    """What the program stored."""
    return rig.board.ram_read(BUFFER, size)


@pytest.mark.parametrize("size", [1, 8, 9, 100, 511, 512, 513, 3000, 16384, 40000])
def test_every_byte_arrives_in_order(rig: DriverRig, size: int) -> None:
    """Any number of bytes, over the ends of both halves."""
    data = random.Random(size).randbytes(size)
    rig.start(READ, destination=BUFFER, size=size, step=50)
    send(rig, data)
    assert rig.finish().result == size
    assert received(rig, size) == data


def test_nothing_is_lost_while_pages_are_erased(rig: DriverRig) -> None:
    """85 ms without the CPU after every 4 KB, at full rate, for 60 KB."""
    data = random.Random(1).randbytes(60000)
    rig.start(READ_AND_ERASE, destination=BUFFER, size=len(data), step=50)
    send(rig, data)
    assert rig.finish().result == len(data)
    assert received(rig, len(data)) == data
    assert rig.nv.operations >= 14


def test_a_short_reply_comes_within_milliseconds(rig: DriverRig) -> None:
    """The end of a reply is noticed by the pause after it."""
    rig.start(READ, destination=BUFFER, size=6, step=1000)
    send(rig, b"\r\nOK\r\n")
    begin = rig.board.clock.now_ns
    assert rig.finish().result == 6
    assert rig.board.clock.now_ns - begin < 2_000_000


def test_nothing_received_is_a_timeout_of_zero(rig: DriverRig) -> None:
    """After the time that was given."""
    begin = rig.board.clock.now_ns
    rig.start(READ, destination=BUFFER, size=10, step=300)
    assert rig.finish().result == 0
    assert 300_000_000 <= rig.board.clock.now_ns - begin < 310_000_000


def test_overrun_of_the_ring_is_reported_and_recovered(rig: DriverRig) -> None:
    """More than the ring holds is OTA_E_LINK, never wrong bytes; then all is well."""
    rig.start(STALL, step=1000)
    send(rig, bytes(40000))
    assert rig.finish().result == 0
    rig.start(READ, destination=BUFFER, size=10, step=10)
    assert rig.finish().result == E_LINK
    rig.start(READ, destination=BUFFER, size=5, step=100)
    send(rig, b"again")
    assert rig.finish().result == 5
    assert received(rig, 5) == b"again"


def test_nearly_a_full_ring_is_kept(rig: DriverRig) -> None:
    """32,000 bytes wait while nobody reads, as long as the driver is called."""
    data = random.Random(2).randbytes(32000)
    rig.start(STALL, step=340)  # less than one half takes
    send(rig, data)
    rig.finish()
    rig.start(READ, destination=BUFFER, size=len(data), step=50)
    assert rig.finish().result == len(data)
    assert received(rig, len(data)) == data


def test_baud_change_drops_what_came_before(rig: DriverRig) -> None:
    """Old bytes are gone, new ones arrive at the new rate."""
    send(rig, b"old bytes")
    rig.start(STALL, step=5)
    rig.finish()
    rig.start(SET_BAUD, size=115200)
    assert rig.finish().result == 0
    rig.start(READ, destination=BUFFER, size=3, step=100)
    send(rig, b"new", baud=115200)
    assert rig.finish().result == 3
    assert received(rig, 3) == b"new"


def test_a_baud_the_chip_does_not_have_is_refused(rig: DriverRig) -> None:
    """OTA_E_LINK, and the line stays as it was."""
    rig.start(SET_BAUD, size=123456)
    assert rig.finish().result == E_LINK


def test_the_wrong_baud_is_a_link_error(rig: DriverRig) -> None:
    """Framing errors are never handed out as data."""
    rig.start(READ, destination=BUFFER, size=400, step=100)
    send(rig, bytes(range(0, 256, 3)), baud=57600)
    assert rig.finish().result == E_LINK


def test_sends_from_flash_and_ram(rig: DriverRig) -> None:
    """DMA cannot read flash; the driver does that."""
    sent: list[bytes] = []
    rig.board.uart(1).tx.on_burst = lambda burst: sent.append(burst.data)
    text = bytes(range(200))
    rig.nv.preload(0x90000, text)
    rig.start(WRITE, source=0x90000, size=len(text), step=100)
    assert rig.finish().result == 0
    assert b"".join(sent) == text


def test_sending_that_takes_too_long_is_a_timeout(rig: DriverRig) -> None:
    """460,800 baud needs 22 ms for 1,000 bytes."""
    rig.start(WRITE, source=BUFFER, size=1000, step=5)
    assert rig.finish().result == E_TIMEOUT


def test_a_line_held_low_is_waited_for(rig: DriverRig) -> None:
    """A modem that is off pulls the line down: no busy loop of link errors."""
    gpio = rig.board.block("GPIO")
    gpio.set_pin(33, 0)
    begin = rig.board.clock.now_ns
    rig.start(READ, destination=BUFFER, size=100, step=200)
    send(rig, bytes(40), baud=57600)
    assert rig.finish().result == E_LINK
    assert rig.board.clock.now_ns - begin >= 200_000_000
    gpio.set_pin(33, None)


def test_flow_control_is_ready_and_loses_nothing(rig: DriverRig) -> None:
    """RTS says ready once the receiver runs."""
    rig.start(REOPEN)
    assert rig.finish().result == 0
    uart = rig.board.uart(1)
    assert uart.rx.ready
    data = random.Random(4).randbytes(20000)
    rig.start(READ, destination=BUFFER, size=len(data), step=50)
    send(rig, data)
    assert rig.finish().result == len(data)
    assert received(rig, len(data)) == data


def test_closing_leaves_nothing_on(rig: DriverRig) -> None:
    """ENABLE, interrupts, PPI channel and pins are as after a reset."""
    rig.start(CLOSE)
    assert rig.finish().result == 0
    read = rig.board.bus.read
    assert read(0x4002_8500) == 0  # ENABLE
    assert read(0x4002_8304) == 0  # INTENSET
    assert read(0x4001_F500) == 0  # PPI.CHEN
    assert read(0x5000_0704 + 0x300) == 2  # PIN_CNF of P1.01
    assert read(0x5000_0708 + 0x300) == 2  # PIN_CNF of P1.02

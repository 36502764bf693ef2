# SPDX-License-Identifier: Apache-2.0
"""The modem on the wires of a UARTE, in simulated time, without a CPU."""

from __future__ import annotations

import os

import pytest
from modem_rig import blocks
from register_bench import RAM
from uarte_bench import UarteBench
from vboard.clock import NS_PER_MS
from vboard.modem import ModemProfile, Sim7600, Storage
from vboard.peripherals.uarte import Register as R

HWFC = 1
OK = b"\r\nOK\r\n"
BLOCK = len("\r\n+CFTRANTX: DATA,512\r\n") + 512 + len("\r\n")
END = len("\r\n+CFTRANTX: 0\r\n\r\nOK\r\n")


class Board(UarteBench):
    """A UARTE with a modem on its pins, receiving into one large buffer."""

    def __init__(self, folder, *, flow: bool = False, **knobs) -> None:
        super().__init__(config=HWFC if flow else 0)
        self.modem = Sim7600(
            self.clock, Storage(folder), profile=ModemProfile(**knobs), seed=3
        )
        self.modem.attach(self.uarte.tx, self.uarte.rx)
        self.modem.start_ready()
        self.modem.line.echo = False

    def talk(self, data: bytes, expect: int, *, ms: int = 2_000) -> bytes:
        """Sends, and returns what came into a buffer of `expect` bytes."""
        self.poke(RAM, bytes(expect))
        self[R.EVENTS_ENDRX] = 0
        self.receive_into(expect)
        self.transmit(data)
        self.pass_ns(ms * NS_PER_MS)
        assert self[R.EVENTS_ENDRX] == 1
        return self.peek(RAM, expect)


def test_at_over_dma(tmp_path):
    board = Board(tmp_path)
    assert board.talk(b"AT\r", 6) == OK


@pytest.mark.parametrize("flow", [False, True], ids=["plain", "rts_cts"])
def test_a_file_comes_over_dma(tmp_path, flow):
    board = Board(tmp_path, flow=flow)
    if flow:
        assert board.talk(b"AT+IFC=2,2\r", 6) == OK
    data = os.urandom(4096)
    (tmp_path / "E" / "fw").write_bytes(data)
    got = board.talk(b'AT+CFTRANTX="E:/fw"\r', 8 * BLOCK + END)
    body, text = blocks(got)
    assert body == data
    assert text.split() == [b"+CFTRANTX:", b"0", b"OK"]


def test_with_rts_cts_the_modem_waits_for_the_next_buffer(tmp_path):
    board = Board(tmp_path, flow=True)
    board.talk(b"AT+IFC=2,2\r", 6)
    data = os.urandom(1024)
    (tmp_path / "E" / "fw").write_bytes(data)
    got = board.talk(b'AT+CFTRANTX="E:/fw"\r', 300)
    while len(got) < 2 * BLOCK + END:
        size = min(300, 2 * BLOCK + END - len(got))
        board[R.EVENTS_ENDRX] = 0
        board.receive_into(size)
        board.pass_ns(500 * NS_PER_MS)
        assert board[R.EVENTS_ENDRX] == 1
        got += board.peek(RAM, size)
    assert blocks(got)[0] == data
    assert board[R.ERRORSRC] == 0


def test_with_rts_cts_the_uarte_waits_for_a_slow_modem(tmp_path):
    board = Board(tmp_path, flow=True, rx_drain_flow=5_000)
    board.talk(b"AT+IFC=2,2\r", 6)
    data = os.urandom(2000)
    board.talk(b'AT+CFTRANRX="E:/a",2000\r', 3)
    assert board.talk(data, 6) == OK
    assert board.modem.port.lost == 0
    assert (tmp_path / "E" / "a").read_bytes() == data


def test_without_flow_control_a_long_dma_upload_loses_bytes(tmp_path):
    board = Board(tmp_path)
    board.talk(b'AT+CFTRANRX="E:/a",4000\r', 3)
    board.transmit(bytes(4000))
    board.pass_ns(5_000 * NS_PER_MS)
    assert board.modem.port.lost > 500
    assert not (tmp_path / "E" / "a").exists()


def test_a_supply_cut_ends_the_block_on_the_wire(tmp_path):
    board = Board(tmp_path)
    (tmp_path / "E" / "fw").write_bytes(b"\xaa" * 512)
    board.poke(RAM, bytes(1000))
    board.receive_into(1000)
    board.transmit(b'AT+CFTRANTX="E:/fw"\r')
    board.pass_ns(45 * NS_PER_MS)
    board.modem.power_off()
    board.pass_ns(5_000 * NS_PER_MS)
    board[R.TASKS_STOPRX] = 1
    board.pass_ns(NS_PER_MS)
    assert 100 < board[R.RXD_AMOUNT] < 500

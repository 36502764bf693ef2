# SPDX-License-Identifier: Apache-2.0
"""Baud rate, flow control, the receive FIFO."""

from __future__ import annotations

import os

import pytest
from modem_rig import Host, is_final
from vboard.clock import NS_PER_MS
from vboard.modem import ModemProfile

OK = b"\r\nOK\r\n"
RATES = (
    "300,600,1200,2400,4800,9600,19200,38400,57600,115200,230400,460800,921600,"
    "3000000,3200000,3686400"
)


@pytest.mark.parametrize(
    "command, reply",
    [
        ("AT+IPR?", "+IPR: 115200"),
        ("AT+IPREX?", "+IPREX: 115200"),
        ("AT+IPR=?", f"+IPR: ({RATES})"),
        ("AT+IPREX=?", f"+IPREX: ({RATES})"),
        ("AT+ICF?", "+ICF: 3,3"),
        ("AT+IFC?", "+IFC: 0,0"),
        ("AT+ICF=3,3", ""),
        ("AT+IFC=2,2", ""),
        ("AT+IPR=0", None),
        ("AT+IPR=1000000", None),
        ("AT+IPREX=7", None),
        ("AT+IPR", None),
        ("AT+ICF=1,3", None),
        ("AT+IFC=1,1", None),
        ("AT+IFC=3,0", None),
        ("AT+IFC=2", None),
    ],
)
def test_reply(tmp_path, command, reply):
    got = Host(tmp_path).at(command)
    if reply is None:
        assert got == b"\r\nERROR\r\n"
    else:
        assert got == (f"\r\n{reply}\r\n".encode() if reply else b"") + OK


@pytest.mark.parametrize("command", ["IPR", "IPREX"])
def test_the_ok_comes_at_the_old_rate_then_the_rate_changes(tmp_path, command):
    host = Host(tmp_path)
    host.put(f"AT+{command}=460800\r".encode())
    host.clock.advance_to_ns(host.free_ns + 50 * NS_PER_MS)
    assert [round(burst.baud, -3) for burst in host.bursts] == [115_000]
    assert host.take() == OK
    host.baud = 460_800
    assert host.at("AT") == OK


def test_ipr_is_forgotten_and_iprex_kept_over_a_reset(tmp_path):
    host = Host(tmp_path)
    host.at("AT+IPREX=230400")
    host.run(1)
    host.baud = 230_400
    host.at("AT+IPR=921600")
    host.run(1)
    host.baud = 921_600
    host.at("AT+CRESET")
    host.baud = 230_400
    assert b"RDY" in host.run(20_000)
    assert b"+IPREX: 230400" in host.at("AT+IPREX?")
    other = Host(tmp_path)
    other.baud = 230_400
    assert other.at("AT") == OK


def test_bytes_at_another_rate_are_noise(tmp_path):
    host = Host(tmp_path)
    host.baud = 921_600
    host.put(b"AT\rAT\rAT\r")
    host.run(1_000)
    assert host.modem.port.noise == 9
    host.baud = 115_200
    host.free_ns = host.clock.now_ns
    assert host.at("AT") == OK


@pytest.mark.parametrize("baud, heard", [(117_600, True), (120_000, False)])
def test_the_tolerance_is_three_percent(tmp_path, baud, heard):
    host = Host(tmp_path)
    host.baud = baud
    host.put(b"AT\r")
    assert (b"OK" in host.run(500)) is heard


def upload(host, data, **pacing):
    host.put(f'AT+CFTRANRX="E:/a",{len(data)}\r'.encode())
    host.until(lambda got: got.endswith(b">"))
    host.put(data, **pacing)


def test_an_unpaced_upload_without_flow_control_loses_bytes(tmp_path):
    host = Host(tmp_path)
    upload(host, os.urandom(20_000))
    assert host.run(60_000) == b""
    lost = host.modem.port.lost
    assert 5_000 < lost < 8_000
    # As many filler bytes as were lost bring the OK.
    host.put(bytes(lost - 1), split=1, gap_ns=NS_PER_MS)
    assert host.run(1_000) == b""
    host.put(b"\x00")
    assert host.until(is_final) == OK


@pytest.mark.parametrize("gap_ms", [10, 50])
def test_pieces_of_256_with_a_gap_lose_nothing(tmp_path, gap_ms):
    host = Host(tmp_path)
    data = os.urandom(20_000)
    upload(host, data, split=256, gap_ns=gap_ms * NS_PER_MS)
    assert host.until(is_final) == OK
    assert (host.drive / "a").read_bytes() == data


def test_a_first_piece_of_512_bytes_fits_the_fifo(tmp_path):
    host = Host(tmp_path)
    upload(host, bytes(512))
    assert host.until(is_final) == OK
    assert host.modem.port.lost == 0


class ObedientHost(Host):
    """Takes bytes back when the modem is not ready, sends them when it is."""

    def stream(self, data):
        self.out.on_ready = self._changed
        self._rest = data
        self.stops = 0
        self._changed(True)

    def _changed(self, ready):
        if not ready:
            self.stops += 1
            self._rest = self.out.take_back(self.clock.now_ns) + self._rest
            self.free_ns = self.clock.now_ns
        elif self._rest:
            data, self._rest = self._rest, b""
            self.put(data)


def test_flow_control_holds_the_host_and_loses_nothing(tmp_path):
    profile = ModemProfile(rx_drain_flow=5_000)
    host = ObedientHost(tmp_path, profile=profile)
    host.at("AT+IFC=2,2")
    data = os.urandom(5_000)
    host.put(f'AT+CFTRANRX="E:/a",{len(data)}\r'.encode())
    host.until(lambda got: got.endswith(b">"))
    start = host.clock.now_ns
    host.stream(data)
    assert host.until(is_final) == OK
    assert host.stops > 20
    assert (host.drive / "a").read_bytes() == data
    rate = len(data) * 1_000_000_000 / (host.clock.now_ns - start)
    assert 4_500 < rate < 5_500


def test_a_host_that_ignores_flow_control_loses_bytes(tmp_path):
    host = Host(tmp_path, profile=ModemProfile(rx_drain_flow=5_000))
    host.at("AT+IFC=2,2")
    upload(host, bytes(5_000))
    assert host.run(60_000) == b""
    assert 2_000 < host.modem.port.lost < 2_800
    assert host.out.ready


def test_the_modem_waits_when_the_host_is_not_ready(tmp_path):
    host = Host(tmp_path)
    host.at("AT+IFC=2,2")
    host.into.set_ready(False)
    host.put(b"AT\r")
    assert host.run(5_000) == b""
    host.into.set_ready(True)
    assert host.run(100) == OK


def test_the_modem_takes_back_what_has_not_left(tmp_path):
    host = Host(tmp_path)
    (host.drive / "a").write_bytes(bytes(range(256)) * 2)
    host.at("AT+IFC=2,2")

    def take_back(at_ns):
        burst = host.bursts.pop()
        begun = -(-(at_ns - burst.start_ns) // burst.byte_ns)
        host.got += burst.data[:begun]
        return burst.data[begun:]

    host.got = b""
    host.into.on_take_back = take_back
    host.put(b'AT+CFTRANTX="E:/a"\r')
    while not host.bursts:
        host.clock.advance_to_ns(host.clock.next_ns())
    host.clock.advance_to_ns(host.clock.now_ns + 10 * NS_PER_MS)
    host.into.set_ready(False)
    assert 100 < len(host.got) < 130
    assert host.run(3_000) == b""
    host.into.set_ready(True)
    host.got += host.until(is_final)
    assert host.got == (
        b"\r\n+CFTRANTX: DATA,512\r\n"
        + bytes(range(256)) * 2
        + b"\r\n\r\n+CFTRANTX: 0\r\n\r\nOK\r\n"
    )


def test_without_ifc_the_ready_lines_mean_nothing(tmp_path):
    host = Host(tmp_path)
    host.into.set_ready(False)
    assert host.at("AT") == OK


def test_ifc_is_stored_without_being_asked(tmp_path):
    Host(tmp_path).at("AT+IFC=2,2")
    assert b"+IFC: 2,2" in Host(tmp_path).at("AT+IFC?")

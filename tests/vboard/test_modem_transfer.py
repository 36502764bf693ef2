# SPDX-License-Identifier: Apache-2.0
"""AT+CFTRANRX and AT+CFTRANTX."""

from __future__ import annotations

import os

import pytest
from modem_rig import Host, blocks, is_final
from vboard.modem import ModemProfile

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
DATA = bytes(range(256)) * 5


def ready(tmp_path, **knobs):
    host = Host(tmp_path, profile=ModemProfile(**knobs))
    (host.drive / "fw").write_bytes(DATA)
    return host


def test_the_test_form_of_cftranrx(tmp_path):
    assert Host(tmp_path).at("AT+CFTRANRX=?") == (
        b'\r\n+CFTRANRX: [{non-ascii}]"FILEPATH"\r\n' + OK
    )


@pytest.mark.parametrize(
    "command",
    [
        'AT+CFTRANRX="E:/a"',
        'AT+CFTRANRX="E:/a",-1',
        'AT+CFTRANRX="E:/a",2147483648',
        'AT+CFTRANRX="E:/a",1,0',
        "AT+CFTRANRX=E:/a,1",
        'AT+CFTRANRX="a",1',
        'AT+CFTRANRX="E:a",1',
        'AT+CFTRANRX="E:/",1',
        'AT+CFTRANRX="D:/a",1',
        'AT+CFTRANRX="E:/none/a",1',
        'AT+CFTRANRX="E:/../a",1',
        'AT+CFTRANRX="E:/a*",1',
        'AT+CFTRANRX="E:/a",99999999',
        "AT+CFTRANRX?",
        'AT+CFTRANTX="E:/none"',
        'AT+CFTRANTX="D:/a"',
        'AT+CFTRANTX="E:/fw",0',
        'AT+CFTRANTX="E:/fw",-1,5',
        "AT+CFTRANTX=E:/fw",
        "AT+CFTRANTX=?",
    ],
)
def test_refused_without_a_prompt(tmp_path, command):
    assert ready(tmp_path).at(command) == ERROR


def test_a_raw_download(tmp_path):
    assert ready(tmp_path).at('AT+CFTRANTX="E:/fw"') == (
        b"\r\n+CFTRANTX: DATA,512\r\n"
        + DATA[:512]
        + b"\r\n\r\n+CFTRANTX: DATA,512\r\n"
        + DATA[512:1024]
        + b"\r\n\r\n+CFTRANTX: DATA,256\r\n"
        + DATA[1024:]
        + b"\r\n\r\n+CFTRANTX: 0\r\n"
        + OK
    )


@pytest.mark.parametrize(
    "offset, size, expected",
    [
        (0, 8, DATA[:8]),
        (100, 1, DATA[100:101]),
        (1000, 512, DATA[1000:]),
        (1280, 512, b""),
        (9999, 1, b""),
        (0, 0, b""),
        (512, 2_000_000_000, DATA[512:]),
    ],
)
def test_a_part_of_a_file(tmp_path, offset, size, expected):
    got = ready(tmp_path).at(f'AT+CFTRANTX="E:/fw",{offset},{size}')
    body, text = blocks(got)
    assert body == expected
    assert text.split() == [b"+CFTRANTX:", b"0", b"OK"]


@pytest.mark.parametrize(
    "knobs, expected",
    [
        ({"length_format": " %d"}, b"\r\n+CFTRANTX: DATA, 11\r\n"),
        ({"length_format": "%03d"}, b"\r\n+CFTRANTX: DATA,011\r\n"),
        ({"data_crlf": False}, DATA[:11] + b"\r\n+CFTRANTX: 0"),
        ({"leading_ok": True}, b"\r\nOK\r\n\r\n+CFTRANTX: DATA,11\r\n"),
        ({"block": 4}, b"+CFTRANTX: DATA,3\r\n\x08\x09\x0a\r\n\r\n+CFTRANTX: 0"),
    ],
    ids=["space", "zeros", "one_crlf", "leading_ok", "small_blocks"],
)
def test_the_forms_of_a_download_are_knobs(tmp_path, knobs, expected):
    host = ready(tmp_path, **knobs)
    host.put(b'AT+CFTRANTX="E:/fw",0,11\r')
    assert expected in host.run(1_000)


def test_past_the_end_may_be_an_error(tmp_path):
    host = ready(tmp_path, past_end="error")
    assert host.at('AT+CFTRANTX="E:/fw",1280,1') == ERROR
    assert host.at('AT+CFTRANTX="E:/fw",1279,1') != ERROR


def test_over_the_end_may_be_an_error(tmp_path):
    host = ready(tmp_path, clip_at_end=False)
    assert host.at('AT+CFTRANTX="E:/fw",1279,2') == ERROR
    assert host.at('AT+CFTRANTX="E:/fw",1278,2') != ERROR


def test_without_catr_a_download_may_stop_after_some_blocks(tmp_path):
    host = ready(tmp_path, catr_blocks=2)
    host.put(b'AT+CFTRANTX="E:/fw"\r')
    body, text = blocks(host.run(5_000))
    assert (body, text.split()) == (DATA[:1024], [])
    host.at("AT+CATR=1")
    assert blocks(host.at('AT+CFTRANTX="E:/fw"'))[0] == DATA


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 5000])
def test_an_upload_of_any_size_comes_back(tmp_path, size):
    host = Host(tmp_path)
    data = os.urandom(size)
    assert host.upload("c:/a", data) == OK
    assert (tmp_path / "C" / "a").read_bytes() == data
    assert blocks(host.at('AT+CFTRANTX="C:/a"'))[0] == data


def test_an_upload_waits_for_ever_for_its_last_byte(tmp_path):
    host = Host(tmp_path)
    host.put(b'AT+CFTRANRX="E:/a",3\r')
    host.run(1_000)
    host.put(b"AT")
    assert host.run(3_600_000) == b""
    host.put(b"\r")
    assert host.until(is_final) == OK
    assert (host.drive / "a").read_bytes() == b"AT\r"


def test_an_existing_file_is_replaced(tmp_path):
    host = ready(tmp_path)
    assert host.upload("E:/fw", b"new") == OK
    assert (host.drive / "fw").read_bytes() == b"new"


def test_an_existing_file_may_be_an_error(tmp_path):
    host = ready(tmp_path, overwrite="error")
    assert host.at('AT+CFTRANRX="E:/fw",3') == ERROR
    assert (host.drive / "fw").read_bytes() == DATA


def test_a_full_drive_may_show_at_the_end(tmp_path):
    host = ready(tmp_path, full="end", size_E=1300)
    assert host.upload("E:/a", bytes(20)) == OK
    assert host.upload("E:/b", bytes(1)) == ERROR
    assert not (host.drive / "b").exists()
    assert b"+FSMEM: E:(1300, 1300)" in host.at("AT+FSCD=E:/;+FSMEM")


def test_a_name_beyond_ascii_is_hex(tmp_path):
    host = Host(tmp_path)
    path = "E:/größe".encode().hex()
    host.put(f'AT+CFTRANRX={{non-ascii}}"{path}",1\r'.encode())
    host.until(lambda got: got.endswith(b">"))
    host.put(b"x")
    assert host.until(is_final) == OK
    assert (host.drive / "größe").read_bytes() == b"x"


def test_the_date_of_an_upload_is_the_modems(tmp_path):
    host = Host(tmp_path)
    host.at('AT+CCLK="26/05/04,03:02:01+00"')
    host.upload("E:/a", b"x")
    host.at("AT+FSCD=E:/")
    assert b"+FSATTRI: 1, 2026/05/04 03:02:01 Mon" in host.at("AT+FSATTRI=a")


def test_every_block_of_a_megabyte_is_one_burst(tmp_path):
    host = Host(tmp_path)
    data = os.urandom(1 << 20)
    (host.drive / "big").write_bytes(data)
    host.put(b'AT+CFTRANTX="E:/big"\r')
    host.clock.advance_to_ns(200_000_000_000)
    assert len(host.bursts) == 2048 + 2  # blocks, terminator, OK
    assert blocks(host.take())[0] == data


def test_a_download_takes_its_time_on_the_wire(tmp_path):
    host = ready(tmp_path)
    host.put(b'AT+CFTRANTX="E:/fw",0,512\r')
    host.until(is_final)
    start_ns = host.free_ns
    took_ns = host.clock.now_ns - start_ns
    wire_ns = (
        512 + len(b"\r\n+CFTRANTX: DATA,512\r\n\r\n\r\n+CFTRANTX: 0\r\n")
    ) * 86_805
    assert wire_ns + 5_000_000 <= took_ns <= wire_ns + 32_000_000

# SPDX-License-Identifier: Apache-2.0
"""Framing, echo, command lines, prompts: the line discipline."""

from __future__ import annotations

import pytest
from modem_rig import Host, blocks, is_final
from vboard.modem import ModemProfile

SPLITS = pytest.mark.parametrize("split", [1, 2, 3, 7, 0], ids="split{}".format)


@SPLITS
def test_a_command_may_come_in_pieces(tmp_path, split):
    host = Host(tmp_path)
    assert host.at("AT+CGMR", split=split) == (
        b"\r\n+CGMR: LE20B04SIM7600G22\r\n\r\nOK\r\n"
    )


@SPLITS
def test_echo_returns_the_command_up_to_its_cr(tmp_path, split):
    host = Host(tmp_path, echo=True)
    assert host.at("AT+CATR=1", split=split) == b"AT+CATR=1\r\r\nOK\r\n"


def test_echo_byte_follows_the_received_byte(tmp_path):
    host = Host(tmp_path, echo=True)
    host.put(b"AT\r")
    host.clock.advance_to_ns(host.free_ns)
    byte_ns = 10_000_000_000 // 115_200
    starts = [burst.start_ns for burst in host.bursts]
    assert starts == [byte_ns, 2 * byte_ns, 3 * byte_ns]


def test_ate0_is_itself_echoed_and_the_next_line_is_not(tmp_path):
    host = Host(tmp_path, echo=True)
    assert host.at("ATE0") == b"ATE0\r\r\nOK\r\n"
    assert host.at("AT") == b"\r\nOK\r\n"
    assert host.at("ATE1") == b"\r\nOK\r\n"
    assert host.at("AT") == b"AT\r\r\nOK\r\n"


def test_lower_case_commands_are_the_same(tmp_path):
    assert Host(tmp_path).at("at+cgsn") == b"\r\n867648040000015\r\n\r\nOK\r\n"


def test_line_feed_after_cr_is_harmless(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT") == b"\r\nOK\r\n"
    assert host.at("\nAT") == b"\r\nOK\r\n"
    assert host.at("\n\nAT+CSCLK?") == b"\r\n+CSCLK: 0\r\n\r\nOK\r\n"


def test_backspace_removes_the_character_before_it(tmp_path):
    assert Host(tmp_path).at("AT+CGX\bSN") == b"\r\n867648040000015\r\n\r\nOK\r\n"


def test_noise_before_at_is_skipped(tmp_path):
    assert Host(tmp_path).at("\x00\x7fxyzAT") == b"\r\nOK\r\n"


@pytest.mark.parametrize("line", [b"\r", b"hello\r", b"\x00\x01\r"])
def test_a_line_without_at_gets_no_answer(tmp_path, line):
    host = Host(tmp_path)
    host.put(line)
    assert host.run(1000) == b""
    assert host.at("AT") == b"\r\nOK\r\n"


def test_two_commands_in_the_pipe_are_answered_in_order(tmp_path):
    host = Host(tmp_path)
    host.put(b"AT+CGMM\rAT+CGSN\r")
    assert host.run(1000) == (
        b"\r\nSIMCOM_SIM7600E-H\r\n\r\nOK\r\n\r\n867648040000015\r\n\r\nOK\r\n"
    )


def test_chained_commands_share_one_result(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT+CSCLK?;+CATR=1;+CATR?") == (
        b"\r\n+CSCLK: 0\r\n\r\n+CATR: 1\r\n\r\nOK\r\n"
    )


def test_a_chain_ends_at_the_first_error(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT+CATR=3;+NOSUCH;+CATR=1") == b"\r\nERROR\r\n"
    assert b"+CATR: 3" in host.at("AT+CATR?")


def test_basic_commands_may_stand_together(tmp_path):
    host = Host(tmp_path, echo=True)
    assert host.at("ATE0&W+CATR=1") == b"ATE0&W+CATR=1\r\r\nOK\r\n"
    assert b"+CATR: 1" in host.at("AT+CATR?")


def test_more_than_39_chained_commands_are_an_error(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT" + ";".join(["+CATR=1"] * 39)) == b"\r\nOK\r\n"
    assert host.at("AT" + ";".join(["+CATR=1"] * 40)) == b"\r\nERROR\r\n"


def test_a_line_over_559_characters_is_an_error(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT" + " " * 557) == b"\r\nOK\r\n"
    assert host.at("AT" + " " * 558) == b"\r\nERROR\r\n"
    assert host.at("AT" + " " * 5000) == b"\r\nERROR\r\n"
    assert host.at("AT") == b"\r\nOK\r\n"


@pytest.mark.parametrize(
    "line",
    [
        "AT+NOSUCH",
        "AT+CGMR=1",
        "AT+CGMR?x",
        'AT+CFTRANRX="E:/a,5',
        'AT+CFTRANRX="E:/a"x,5',
        'AT+CFTRANRX={non-ascii}"zz",5',
        "ATX9",
        "AT#",
        "AT+",
    ],
)
def test_what_is_not_known_is_an_error(tmp_path, line):
    host = Host(tmp_path)
    assert host.at(line) == b"\r\nERROR\r\n"
    assert host.at("AT") == b"\r\nOK\r\n"


@pytest.mark.parametrize("space", [False, True], ids=["bare", "with_space"])
def test_the_prompt_has_no_line_end(tmp_path, space):
    host = Host(tmp_path, profile=ModemProfile(prompt_space=space))
    host.put(b'AT+CFTRANRX="E:/a",3\r')
    assert host.run(1000) == (b"\r\n> " if space else b"\r\n>")


@SPLITS
def test_counted_data_may_look_like_anything(tmp_path, split):
    host = Host(tmp_path, echo=True)
    data = b"\r\nOK\r\nERROR\r\n>\r\nAT\r\n+CFTRANTX: DATA,512\r\n\x1a\x1b\x00\x08+++"
    host.put(f'AT+CFTRANRX="E:/a",{len(data)}\r'.encode())
    host.until(lambda got: got.endswith(b">"))
    host.put(data, split=split)
    assert host.until(is_final) == b"\r\nOK\r\n"
    assert (host.drive / "a").read_bytes() == data
    assert blocks(host.at('AT+CFTRANTX="E:/a"'))[0] == data


def test_what_follows_counted_data_is_the_next_command(tmp_path):
    host = Host(tmp_path)
    host.put(b'AT+CFTRANRX="E:/a",4\r')
    host.until(lambda got: got.endswith(b">"))
    host.put(b"\r\n\r\nAT+CATR?\r")
    assert host.run(1000) == b"\r\nOK\r\n\r\n+CATR: 0\r\n\r\nOK\r\n"


def test_a_urc_waits_for_the_end_of_the_command(tmp_path):
    host = Host(tmp_path)
    host.put(b"AT+CATR?\r")
    host.clock.advance_to_ns(host.free_ns)
    host.modem.urc("+CREG: 1")
    assert host.run(1000) == b"\r\n+CATR: 0\r\n\r\nOK\r\n\r\n+CREG: 1\r\n"


@pytest.mark.parametrize(
    "port, heard", [(0, True), (1, True), (2, False)], ids=["all", "uart", "usb"]
)
def test_catr_says_where_urcs_go(tmp_path, port, heard):
    host = Host(tmp_path)
    host.at(f"AT+CATR={port}")
    host.modem.urc("+CREG: 1")
    assert (b"+CREG: 1" in host.run(100)) is heard


def test_every_reply_takes_5_to_30_ms(tmp_path):
    host = Host(tmp_path)
    byte_ns = 10_000_000_000 // 115_200
    waits = []
    for _ in range(50):
        host.put(b"AT\r")
        start = host.free_ns
        host.clock.advance_to_ns(start + 40_000_000)
        waits.append(host.bursts[0].start_ns - start)
        host.take()
    assert all(5_000_000 <= wait <= 30_000_000 + byte_ns for wait in waits)
    assert len(set(waits)) > 10


def test_the_same_seed_gives_the_same_times(tmp_path):
    def times(seed):
        host = Host(tmp_path, seed=seed)
        host.at("AT")
        host.at("AT+FSLS")
        return host.clock.now_ns

    assert times(1) == times(1) != times(2)


@SPLITS
@pytest.mark.parametrize("again", ["A/", "a/"])
def test_a_slash_repeats_the_last_command_without_a_cr(tmp_path, split, again):
    host = Host(tmp_path)
    first = host.at("AT+CATR?")
    host.bursts.clear()
    assert host.at(again, end="", split=split) == first
    host.bursts.clear()
    assert host.at("AT", split=split) == b"\r\nOK\r\n"


def test_a_slash_before_any_command_repeats_an_empty_one(tmp_path):
    assert Host(tmp_path).at("A/", end="") == b"\r\nOK\r\n"


def test_a_slash_is_echoed(tmp_path):
    host = Host(tmp_path, echo=True)
    assert host.at("A/", end="") == b"A/\r\nOK\r\n"

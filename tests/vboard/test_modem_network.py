# SPDX-License-Identifier: Apache-2.0
"""SIM, registration, PDP contexts, NETOPEN, NTP."""

from __future__ import annotations

import pytest
from modem_rig import Host
from vboard.modem import ModemProfile

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"


@pytest.mark.parametrize(
    "command, reply",
    [
        ("AT+CPIN?", "+CPIN: READY"),
        ("AT+CIMI", "001010000000015"),
        ("AT+CICCID", "+ICCID: 89001010000000000158"),
        ("AT+COPS?", '+COPS: 0,0,"Test PLMN 1-1",7'),
        ("AT+COPS=0", ""),
        ("AT+CGATT?", "+CGATT: 1"),
        ("AT+CGATT=1", ""),
        ("AT+CREG?", "+CREG: 0,1"),
        ("AT+CGREG?", "+CGREG: 0,1"),
        ("AT+CEREG?", "+CEREG: 0,1"),
        ("AT+CEREG=1", ""),
        ("AT+CSQ", "+CSQ: 23,99"),
        ("AT+CNSMOD?", "+CNSMOD: 0,8"),
        ("AT+CGDCONT?", '+CGDCONT: 1,"IP","","0.0.0.0",0,0,0,0'),
        ('AT+CGDCONT=1,"IP","internet"', ""),
        ('AT+CGDCONT=179,"ipv4v6"', ""),
        ('AT+CGAUTH=1,1,"pwd","user"', ""),
        ("AT+CGACT?", "+CGACT: 1,1"),
        ("AT+CGACT=0,1", ""),
        ("AT+CGPADDR", "+CGPADDR: 1,10.23.4.5"),
        ("AT+CGPADDR=1", "+CGPADDR: 1,10.23.4.5"),
        ("AT+CGPADDR=2", "+CGPADDR: 2,0.0.0.0"),
        ("AT+NETOPEN?", "+NETOPEN: 0"),
        ('AT+CNTP="pool.ntp.org",8', ""),
        ("AT+CNTP?", '+CNTP: "",0'),
    ],
)
def test_reply(tmp_path, command, reply):
    expected = f"\r\n{reply}\r\n".encode() if reply else b""
    assert Host(tmp_path).at(command) == expected + OK


@pytest.mark.parametrize(
    "command",
    [
        "AT+COPS=1",
        "AT+CGATT=2",
        "AT+CEREG=9",
        "AT+CSQ?",
        'AT+CGDCONT=25,"IP","a"',
        'AT+CGDCONT=1,"IPX","a"',
        "AT+CGDCONT=1",
        "AT+CGAUTH=1,4",
        "AT+CGAUTH=1,1,pwd",
        "AT+CGACT=1,7",
        "AT+CGACT=2,1",
        "AT+CGPADDR=0",
        "AT+NETCLOSE",
        'AT+CNTP="a b"',
        'AT+CNTP="a",97',
    ],
)
def test_refused_with_error(tmp_path, command):
    assert Host(tmp_path).at(command) == ERROR


def test_cpsi_is_one_long_line(tmp_path):
    got = Host(tmp_path).at("AT+CPSI?")
    assert got.startswith(b"\r\n+CPSI: LTE,Online,")
    assert got.count(b"\r\n") == 4


def test_a_locked_sim_wants_its_pin(tmp_path):
    host = Host(tmp_path, profile=ModemProfile(sim="SIM PIN", cmee=2))
    assert b"+CPIN: SIM PIN" in host.at("AT+CPIN?")
    assert b"+CEREG: 0,0" in host.at("AT+CEREG?")
    assert host.at('AT+CPIN="0000"') == b"\r\n+CME ERROR: incorrect password\r\n"
    assert host.at('AT+CPIN="1234"') == OK
    assert b"+CPIN: READY" in host.at("AT+CPIN?")
    assert host.at('AT+CPIN="1234"') == b"\r\n+CME ERROR: operation not allowed\r\n"


@pytest.mark.parametrize("stat", [0, 2, 3, 5])
def test_registration_is_a_knob(tmp_path, stat):
    host = Host(tmp_path, profile=ModemProfile(registered=stat))
    assert f"+CEREG: 0,{stat}\r\n".encode() in host.at("AT+CEREG?")
    assert (b"+CSQ: 99,99" in host.at("AT+CSQ")) is (stat != 5)
    assert (b"+CPSI: NO SERVICE" in host.at("AT+CPSI?")) is (stat != 5)


@pytest.mark.parametrize("function", [0, 4, 7])
def test_with_the_radio_off_there_is_no_network(tmp_path, function):
    host = Host(tmp_path)
    host.at(f"AT+CFUN={function}")
    assert b"+CEREG: 0,0\r\n" in host.at("AT+CEREG?")
    host.at("AT+NETOPEN")
    assert host.run(2_000) == b"\r\n+NETOPEN: 1\r\n"


def test_netopen_says_ok_and_later_the_result(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT+NETOPEN") == OK
    assert host.at("AT+NETOPEN") == ERROR
    assert b"\r\n+NETOPEN: 0\r\n" in host.run(2_000)
    assert b"+NETOPEN: 1" in host.at("AT+NETOPEN?")
    assert host.at("AT+NETOPEN") == (
        b"\r\n+IP ERROR: Network is already opened\r\n" + ERROR
    )
    assert host.at("AT+NETCLOSE") == OK
    assert b"\r\n+NETCLOSE: 0\r\n" in host.run(2_000)


def test_netopen_fails_without_a_network(tmp_path):
    host = Host(tmp_path, profile=ModemProfile(registered=2, cmee=1))
    assert host.at("AT+NETOPEN") == OK
    assert host.run(2_000) == b"\r\n+NETOPEN: 1\r\n"
    assert host.at("AT+CGACT=1,1") == b"\r\n+CME ERROR: 30\r\n"


def test_ntp_sets_the_clock(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT+CNTP") == OK
    assert host.run(2_000) == b"\r\n+CNTP: 2\r\n"
    host.at('AT+CNTP="pool.ntp.org",4')
    host.at("AT+CNTP")
    assert host.run(2_000) == b"\r\n+CNTP: 0\r\n"
    assert b'+CCLK: "26/01/01,01:00:0' in host.at("AT+CCLK?")


def test_ntp_fails_without_a_network(tmp_path):
    host = Host(tmp_path, profile=ModemProfile(registered=0))
    host.at('AT+CNTP="pool.ntp.org"')
    host.at("AT+CNTP")
    assert host.run(2_000) == b"\r\n+CNTP: 4\r\n"


@pytest.mark.parametrize(
    "form, name", [(0, '"Test PLMN 1-1"'), (1, '"TEST"'), (2, '"00101"')]
)
def test_operator_has_three_forms(tmp_path, form, name):
    host = Host(tmp_path)
    assert host.at(f"AT+COPS=3,{form}") == OK
    assert host.at("AT+COPS?") == f"\r\n+COPS: 0,{form},{name},7\r\n".encode() + OK


def test_no_operator_without_registration(tmp_path):
    host = Host(tmp_path, profile=ModemProfile(registered=2))
    assert host.at("AT+COPS?") == b"\r\n+COPS: 0\r\n" + OK


@pytest.mark.parametrize("command", ["AT+CIMI", "AT+CICCID"])
def test_the_sim_is_not_read_when_there_is_none(tmp_path, command):
    host = Host(tmp_path, profile=ModemProfile(sim=""))
    assert host.at(command) == b"\r\n+CME ERROR: 10\r\n"


@pytest.mark.parametrize(
    "sim, code", [("SIM PIN", 11), ("SIM PUK", 12)], ids=["pin", "puk"]
)
def test_the_imsi_needs_an_unlocked_sim(tmp_path, sim, code):
    host = Host(tmp_path, profile=ModemProfile(sim=sim))
    assert host.at("AT+CIMI") == f"\r\n+CME ERROR: {code}\r\n".encode()


def test_detached_from_packet_service_there_are_no_data(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT+CGATT=0") == OK
    assert host.at("AT+CGATT?") == b"\r\n+CGATT: 0\r\n" + OK
    assert host.at("AT+CREG?") == b"\r\n+CREG: 0,1\r\n" + OK
    assert host.at("AT+CGPADDR=1") == b"\r\n+CGPADDR: 1,0.0.0.0\r\n" + OK
    assert host.at("AT+CGATT=1") == OK
    assert host.at("AT+CGPADDR=1") == b"\r\n+CGPADDR: 1,10.23.4.5\r\n" + OK


def test_no_packet_service_without_registration(tmp_path):
    host = Host(tmp_path, profile=ModemProfile(registered=2))
    assert host.at("AT+CGATT?") == b"\r\n+CGATT: 0\r\n" + OK
    assert host.at("AT+CGATT=1") == b"\r\n+CME ERROR: 30\r\n"

# SPDX-License-Identifier: Apache-2.0
"""Identity, error form, settings, power and clock commands."""

from __future__ import annotations

import pytest
from modem_rig import Host
from vboard.modem import ModemProfile

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"


def line(text: str) -> bytes:
    return f"\r\n{text}\r\n".encode() + OK


@pytest.mark.parametrize(
    "command, reply",
    [
        ("AT", OK),
        ("ATE0", OK),
        ("ATE2", ERROR),
        (
            "ATI",
            line(
                "Manufacturer: SIMCOM INCORPORATED\r\nModel: SIMCOM_SIM7600E-H\r\n"
                "Revision: LE20B04SIM7600G22\r\nIMEI: 867648040000015\r\n+GCAP: +CGSM"
            ),
        ),
        ("AT+CGMI", line("SIMCOM INCORPORATED")),
        ("AT+GCAP", line("+GCAP: +CGSM")),
        ("ATZ", OK),
        ("ATZ0", OK),
        ("ATZ1", ERROR),
        ("AT+CGMM", line("SIMCOM_SIM7600E-H")),
        ("AT+CGMR", line("+CGMR: LE20B04SIM7600G22")),
        ("AT+CGSN", line("867648040000015")),
        ("AT+CMEE=0", OK),
        ("AT+CMEE=1", OK),
        ("AT+CMEE=2", OK),
        ("AT+CMEE=3", ERROR),
        ("AT+CMEE=", ERROR),
        ("AT+CMEE?", line("+CMEE: 1")),
        ("AT+CATR=1", OK),
        ("AT+CATR=8", ERROR),
        ("AT+CATR?", line("+CATR: 0")),
        ("AT+CSCLK=1", OK),
        ("AT+CSCLK=2", ERROR),
        ("AT+CSCLK?", line("+CSCLK: 0")),
        ("ATQ0V1X4&C1&D0&S0", OK),
        ("ATQ1", ERROR),
        ("ATV0", ERROR),
        ("ATV", ERROR),
        ("ATX5", ERROR),
        ("AT&D3", ERROR),
        ("ATS0=3", OK),
        ("ATS0=0Q0", OK),
        ("ATS0?", line("000")),
        ("ATS0", ERROR),
        ("ATS=1", ERROR),
        ("ATS0=256", ERROR),
        ("ATS9=1", ERROR),
        ("AT&W", OK),
        ("AT&F", OK),
        ("AT+CFUN?", line("+CFUN: 1")),
        ("AT+CFUN=0", OK),
        ("AT+CFUN=4", OK),
        ("AT+CFUN=5", OK),
        ("AT+CFUN=2", ERROR),
        ("AT+CFUN=4,1", ERROR),
        ("AT+CFUN", ERROR),
        ("AT+CRESET=1", ERROR),
        ("AT+CPOF=1", ERROR),
        ("AT+CCLK?", line('+CCLK: "80/01/06,00:00:00+00"')),
        ('AT+CCLK="26/02/29,10:00:00+08"', OK),
        ('AT+CCLK="26/13/01,10:00:00+08"', ERROR),
        ('AT+CCLK="26/01/01,24:00:00+08"', ERROR),
        ('AT+CCLK="26/01/01"', ERROR),
        ('AT+CCLK="26-01-01,10:00:00+08"', ERROR),
        ("AT+CTZU=1", OK),
        ("AT+CTZU=2", ERROR),
        ("AT+CTZR=0", OK),
        ("AT+CTZR?", line("+CTZR: 0")),
        ("AT+CTZU?", line("+CTZU: 0")),
    ],
)
def test_reply(tmp_path, command, reply):
    assert Host(tmp_path).at(command) == reply


def test_csub_and_simcomati_print_their_lines(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT+CSUB").count(b"+CSUB: ") == 2
    got = host.at("AT+SIMCOMATI")
    for part in (
        b"Manufacturer:",
        b"Model:",
        b"QCN:",
        b"MEID:",
        b"DeviceInfo: 173,170",
    ):
        assert part in got
    assert got.endswith(OK)


@pytest.mark.parametrize(
    "level, reply",
    [
        (0, "ERROR"),
        (1, "+CME ERROR: 10"),
        (2, "+CME ERROR: SIM not inserted"),
    ],
    ids=["plain", "number", "text"],
)
def test_cmee_chooses_the_form_of_an_error(tmp_path, level, reply):
    host = Host(tmp_path, profile=ModemProfile(sim=""))
    host.at(f"AT+CMEE={level}")
    assert host.at("AT+CPIN?") == f"\r\n{reply}\r\n".encode()
    assert host.at("AT+FSATTRI=none") == ERROR


def test_offline_mode_is_left_only_by_a_reset(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT+CFUN=7") == OK
    assert host.at("AT+CFUN=1") == ERROR
    assert host.at("AT+CFUN=6") == OK
    assert b"RDY" in host.run(13_000)
    assert host.modem.boots == 1


def test_echo_off_survives_a_reboot_only_when_stored(tmp_path):
    host = Host(tmp_path)
    host.at("AT+CRESET")
    host.run(20_000)
    assert host.at("ATE0") == b"ATE0\r" + OK
    host.at("AT&W")
    host.at("AT+CRESET")
    host.run(20_000)
    assert host.at("AT") == OK
    host.at("AT&F")
    assert host.at("AT") == b"AT\r" + OK


def test_the_clock_runs_and_keeps_its_zone(tmp_path):
    host = Host(tmp_path)
    host.at('AT+CCLK="26/02/28,23:59:50-08"')
    host.run(15_000)
    got = host.at("AT+CCLK?")
    assert b'+CCLK: "26/03/01,00:00:0' in got
    assert b'-08"' in got


def test_atz_brings_back_what_at_w_stored(tmp_path):
    host = Host(tmp_path)
    assert host.at("ATE0&W") == OK
    assert host.at("ATE1") == OK
    assert host.at("ATZ") == b"ATZ\r" + OK
    assert host.at("AT") == OK

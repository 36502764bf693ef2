# SPDX-License-Identifier: Apache-2.0
"""Supply, PWRKEY, boot lines, resets; what survives which."""

from __future__ import annotations

import pytest
from modem_rig import Host
from vboard.modem import ModemProfile
from vboard.modem.sim7600 import Power

BOOT = b"\r\nRDY\r\n\r\n+CPIN: READY\r\n\r\nSMS DONE\r\n\r\nPB DONE\r\n"


def test_boot_lines_come_after_the_boot_delay(tmp_path):
    host = Host(tmp_path, ready=False)
    host.modem.power_on()
    assert host.run(11_999) == b""
    assert host.modem.power is Power.BOOTING
    assert host.run(100) == b"\r\nRDY\r\n"
    assert host.modem.power is Power.READY
    assert b"\r\nRDY\r\n" + host.run(6_000) == BOOT


@pytest.mark.parametrize(
    "sim, text",
    [("SIM PIN", b"+CPIN: SIM PIN"), ("", b"+SIMCARD: NOT AVAILABLE")],
    ids=["locked", "absent"],
)
def test_the_boot_line_tells_of_the_sim(tmp_path, sim, text):
    host = Host(tmp_path, ready=False, profile=ModemProfile(sim=sim, boot_ms=10))
    host.modem.power_on()
    assert text in host.run(10_000)


def test_commands_during_boot_are_lost(tmp_path):
    host = Host(tmp_path, ready=False)
    host.modem.power_on()
    host.put(b"AT\r")
    assert host.run(20_000) == BOOT


def test_pwrkey_switches_on_after_half_a_second(tmp_path):
    host = Host(tmp_path, ready=False, profile=ModemProfile(auto_on=False))
    host.modem.power_on()
    host.modem.set_pwrkey(True)
    host.run(499)
    host.modem.set_pwrkey(False)
    host.run(1_000)
    assert host.modem.power is Power.OFF
    host.modem.set_pwrkey(True)
    host.run(500)
    host.modem.set_pwrkey(False)
    assert host.modem.power is Power.BOOTING
    assert host.run(20_000) == BOOT


def test_pwrkey_without_supply_does_nothing(tmp_path):
    host = Host(tmp_path, ready=False)
    host.modem.set_pwrkey(True)
    host.run(10_000)
    assert host.modem.power is Power.OFF


def test_pwrkey_held_long_switches_off(tmp_path):
    host = Host(tmp_path)
    host.modem.set_pwrkey(True)
    host.run(2_400)
    assert host.at("AT") == b"\r\nOK\r\n"
    host.run(2_500)
    assert host.modem.power is Power.OFF
    host.put(b"AT\r")
    assert host.run(1_000) == b""


def test_cpof_answers_and_switches_off(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT+CPOF") == b"\r\nOK\r\n"
    host.run(3_000)
    assert host.modem.power is Power.OFF


def test_a_board_may_come_back_after_cpof(tmp_path):
    host = Host(tmp_path, profile=ModemProfile(power_returns=True))
    host.at("AT+CPOF")
    assert BOOT in host.run(30_000)


@pytest.mark.parametrize("command", ["AT+CRESET", "AT+CFUN=6", "AT+CFUN=1,1"])
def test_a_reset_answers_then_boots(tmp_path, command):
    host = Host(tmp_path)
    assert host.at(command) == b"\r\nOK\r\n"
    host.put(b"AT\r")
    assert host.run(20_000) == BOOT


@pytest.mark.parametrize("how", ["reset", "supply"])
def test_what_a_restart_forgets_and_what_it_keeps(tmp_path, how):
    host = Host(tmp_path)
    host.upload("E:/kept", b"12345")
    for command in ("AT+FSCD=E:/", "AT+CATR=1", "AT+HTTPINIT", "AT+CTZU=1"):
        assert host.at(command).endswith(b"OK\r\n")
    host.at('AT+CSSLCFG="authmode",0,1')
    host.at("AT+NETOPEN")
    host.run(5_000)
    host.at("AT+IPR=921600")
    host.run(10)
    host.baud = 921_600
    assert host.at("AT") == b"\r\nOK\r\n"
    if how == "reset":
        host.at("AT+CRESET")
    else:
        host.modem.power_off()
        host.modem.power_on()
    host.baud = 115_200
    host.run(20_000)
    host.at("ATE0")
    assert b"+FSCD: C:/" in host.at("AT+FSCD?")
    assert b"+CATR: 0" in host.at("AT+CATR?")
    assert host.at("AT+HTTPTERM") == b"\r\nERROR\r\n"
    assert b"+NETOPEN: 0" in host.at("AT+NETOPEN?")
    assert b"+CSSLCFG: 0,4,0," in host.at("AT+CSSLCFG=0")
    assert b"+CTZU: 1" in host.at("AT+CTZU?")
    host.at("AT+FSCD=E:/")
    assert b"+FSATTRI: 5, " in host.at("AT+FSATTRI=kept")


def test_supply_loss_cuts_a_burst_on_the_wire(tmp_path):
    host = Host(tmp_path)
    host.upload("E:/a", bytes(512))
    taken = []
    host.into.on_take_back = lambda at_ns: taken.append(at_ns) or b""
    host.put(b'AT+CFTRANTX="E:/a"\r')
    host.until(lambda got: b"DATA,512" in got)
    host.modem.power_off()
    assert taken == [host.clock.now_ns]
    assert host.run(60_000) == b""


@pytest.mark.parametrize(
    "policy, left", [("nothing", None), ("partial", b"\x00" * 100)]
)
def test_supply_loss_in_an_upload(tmp_path, policy, left):
    host = Host(tmp_path, profile=ModemProfile(aborted_upload=policy))
    host.put(b'AT+CFTRANRX="E:/a",512\r')
    host.until(lambda got: got.endswith(b">"))
    host.put(bytes(100))
    host.run(1_000)
    host.modem.power_off()
    file = host.drive / "a"
    assert (file.read_bytes() if file.exists() else None) == left

# SPDX-License-Identifier: Apache-2.0
"""Every fault happens where it was planned, and says so."""

from __future__ import annotations

import pytest
from modem_rig import Host, blocks, is_final
from vboard.clock import NS_PER_MS
from vboard.modem import FaultPlan, ModemProfile
from vboard.modem import faults as fault

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
DATA = bytes(range(256)) * 8
FAST_BOOT = ModemProfile(boot_ms=1_000)


def planned(tmp_path, *faults, **more):
    host = Host(tmp_path, faults=FaultPlan(*faults), profile=FAST_BOOT, **more)
    (host.drive / "fw").write_bytes(DATA)
    return host


def download(host):
    return host.at('AT+CFTRANTX="E:/fw"')


def test_delay_moves_the_reply(tmp_path):
    late = fault.Delay(command="CATR", ms=2_000)
    host = planned(tmp_path, late)
    host.put(b"AT+CATR?\r")
    assert host.run(2_000) == b""
    assert host.run(40) == b"\r\n+CATR: 0\r\n" + OK
    assert late.fired == 1


def test_a_reply_is_overridden_once(tmp_path):
    wrong = fault.OverrideReply(command="CGMR", nth=2, reply="+CGMR: x|OK")
    host = planned(tmp_path, wrong)
    first = host.at("AT+CGMR")
    assert host.at("AT+CGMR") == b"\r\n+CGMR: x\r\n" + OK
    assert host.at("AT+CGMR") == first
    assert (wrong.seen, wrong.fired) == (3, 1)


def test_silence_executes_without_a_result(tmp_path):
    silent = fault.Silence(command="CATR")
    host = planned(tmp_path, silent)
    host.put(b"AT+CATR=5\r")
    assert host.run(5_000) == b""
    assert b"+CATR: 5" in host.at("AT+CATR?")
    assert silent.fired == 1


def test_dead_hears_and_says_nothing_for_its_time(tmp_path):
    dead = fault.Dead(command="CATR", ms=120_000)
    host = planned(tmp_path, dead)
    host.put(b"AT+CATR?\r")
    host.run(60_000)
    host.put(b"AT\r")
    assert host.run(59_000) == b""
    host.run(2_000)
    assert host.at("AT") == OK
    assert dead.fired == 1


def test_dead_is_cured_by_the_supply(tmp_path):
    host = planned(tmp_path, fault.Dead(command="AT", ms=3_600_000))
    host.put(b"AT\r")
    host.run(1_000)
    host.modem.power_off()
    host.modem.power_on()
    assert b"RDY" in host.run(2_000)


def test_reboot_in_place_of_a_command(tmp_path):
    reboot = fault.Reboot(command="FSCD")
    host = planned(tmp_path, reboot)
    host.put(b"AT+FSCD=E:/\r")
    assert host.run(1_100).startswith(b"\r\nRDY\r\n")
    assert host.at("AT").startswith(b"AT\r")
    assert (reboot.fired, host.modem.boots) == (1, 1)


@pytest.mark.parametrize("policy", ["nothing", "partial"])
def test_reboot_in_an_upload(tmp_path, policy):
    reboot = fault.RebootInUpload(command="CFTRANRX", offset=300)
    profile = ModemProfile(boot_ms=1_000, aborted_upload=policy)
    host = Host(tmp_path, faults=FaultPlan(reboot), profile=profile)
    host.put(b'AT+CFTRANRX="E:/a",1000\r')
    host.until(lambda got: got.endswith(b">"))
    host.put(DATA[:1000], split=100, gap_ns=20 * NS_PER_MS)
    assert b"RDY" in host.run(2_000)
    left = host.drive / "a"
    assert left.exists() is (policy == "partial")
    assert policy == "nothing" or left.read_bytes() == DATA[:300]
    assert reboot.fired == 1


def test_a_file_may_be_missing_once(tmp_path):
    missing = fault.MissingFile(command="CFTRANTX")
    host = planned(tmp_path, missing)
    assert download(host) == ERROR
    assert blocks(download(host))[0] == DATA
    assert missing.fired == 1


def test_a_read_may_be_short(tmp_path):
    short = fault.ShortRead(command="CFTRANTX", missing=600)
    body, text = blocks(download(planned(tmp_path, short)))
    assert body == DATA[:-600]
    assert text.split() == [b"+CFTRANTX:", b"0", b"OK"]
    assert short.fired == 1


def test_a_urc_comes_before_the_reply_or_before_ok(tmp_path):
    first = fault.Urc(command="CATR", where="before", text="+CGEV: A")
    last = fault.Urc(command="CATR", where="before_result", text="RING", count=2)
    assert planned(tmp_path, first, last).at("AT+CATR?") == (
        b"\r\n+CGEV: A\r\n\r\n+CATR: 0\r\n\r\nRING\r\n\r\nRING\r\n" + OK
    )
    assert first.fired == last.fired == 1


def test_no_carrier_bursts_come_between_blocks(tmp_path):
    noise = fault.Urc(
        command="CFTRANTX", where="before_block", text="NO CARRIER", count=3, nth=4
    )
    body, text = blocks(download(planned(tmp_path, noise)))
    assert body == DATA
    assert text.count(b"NO CARRIER") == 3
    assert noise.fired == 1


def test_a_urc_inside_counted_data_shifts_it(tmp_path):
    inside = fault.Urc(
        command="CFTRANTX", where="in_data", text="RING", offset=10, nth=2
    )
    got = download(planned(tmp_path, inside))
    assert DATA[512:522] + b"\r\nRING\r\n" + DATA[522:1024] in got
    assert inside.fired == 1


def test_a_header_may_be_garbled(tmp_path):
    garbled = fault.GarbleHeader(command="CFTRANTX", nth=3)
    got = download(planned(tmp_path, garbled))
    assert got.count(b"+CFTRANTX: DATA,512\r\n") == 3
    assert b"\r\n215,ATAD" in got
    assert garbled.fired == 1


def test_output_may_stop_before_a_block(tmp_path):
    stop = fault.StopBeforeBlock(command="CFTRANTX", nth=3)
    host = planned(tmp_path, stop)
    host.put(b'AT+CFTRANTX="E:/fw"\r')
    body, text = blocks(host.run(60_000))
    assert (body, text.split()) == (DATA[:1024], [])
    assert host.at("AT") == OK
    assert stop.fired == 1


def test_a_stall_in_the_middle_of_a_block(tmp_path):
    stall = fault.Stall(command="CFTRANTX", nth=2, ms=5_000, offset=100)
    host = planned(tmp_path, stall)
    host.put(b'AT+CFTRANTX="E:/fw"\r')
    got = host.run(1_000)
    assert got.endswith(DATA[512:612])
    assert host.run(3_900) == b""
    assert blocks(got + host.until(is_final))[0] == DATA
    assert stall.fired == 1


def test_a_reboot_in_the_middle_of_a_block(tmp_path):
    reboot = fault.RebootInBlock(command="CFTRANTX", nth=2, offset=77)
    host = planned(tmp_path, reboot)
    host.put(b'AT+CFTRANTX="E:/fw"\r')
    got = host.run(900)
    assert got.endswith(DATA[512 : 512 + 77])
    assert host.run(500).startswith(b"\r\nRDY\r\n")
    assert reboot.fired == 1


@pytest.mark.parametrize(
    "kind, changed",
    [
        (fault.DropByte, DATA[512:522] + DATA[523:1024]),
        (fault.DuplicateByte, DATA[512:523] + DATA[522:1024]),
        (fault.FlipByte, DATA[512:522] + b"\x0b" + DATA[523:1024]),
    ],
    ids=["drop", "duplicate", "flip"],
)
def test_a_byte_of_counted_data(tmp_path, kind, changed):
    byte = kind(command="CFTRANTX", nth=2, offset=10)
    got = download(planned(tmp_path, byte))
    assert b"DATA,512\r\n" + changed + b"\r\n\r\n+CFTRANTX" in got
    assert byte.fired == 1


def test_a_byte_of_either_stream_by_its_offset(tmp_path):
    out = fault.FlipByte(stream="tx", offset=6, mask=0x20)
    into = fault.DropByte(stream="rx", offset=5)
    host = planned(tmp_path, out, into)
    host.put(b"AT\rATX\r")
    assert host.run(500) == OK + b"\x2d\nOK\r\n"
    assert out.fired == into.fired == 1


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_output_may_come_in_pieces(tmp_path, size):
    split = fault.SplitEvery(size=size)
    host = planned(tmp_path, split)
    host.put(b'AT+CFTRANTX="E:/fw",0,600\r')
    host.clock.advance_to_ns(10_000_000_000)
    assert max(len(burst.data) for burst in host.bursts) == size
    ends = [burst.end_ns for burst in host.bursts]
    starts = [burst.start_ns for burst in host.bursts]
    assert all(b >= a for a, b in zip(ends, starts[1:], strict=False))
    assert blocks(host.take())[0] == DATA[:600]
    assert split.fired > 0


def test_nth_and_times_choose_the_occurrences(tmp_path):
    some = fault.MissingFile(command="FSATTRI", nth=2, times=2)
    host = planned(tmp_path, some)
    host.at("AT+FSCD=E:/")
    got = [host.at("AT+FSATTRI=fw") == ERROR for _ in range(5)]
    assert got == [False, True, True, False, False]
    assert (some.seen, some.fired) == (5, 2)


def test_times_zero_is_for_ever(tmp_path):
    always = fault.MissingFile(command="FSATTRI", nth=2, times=0)
    host = planned(tmp_path, always)
    host.at("AT+FSCD=E:/")
    assert [host.at("AT+FSATTRI=fw") == ERROR for _ in range(4)] == [
        False,
        True,
        True,
        True,
    ]


def test_a_fault_of_another_command_never_fires(tmp_path):
    other = fault.Delay(command="CGMM", ms=60_000)
    host = planned(tmp_path, other)
    host.at("AT+CGMR")
    assert (other.seen, other.fired) == (0, 0)


def test_a_plan_may_be_text():
    plan = FaultPlan.parse(
        "stall:command=CFTRANTX,nth=7,ms=5000; flipbyte:mask=0x80,stream=rx;splitevery:"
    )
    stall, flip, split = plan.faults
    assert isinstance(stall, fault.Stall)
    assert (stall.command, stall.nth, stall.ms) == ("CFTRANTX", 7, 5000)
    assert isinstance(flip, fault.FlipByte)
    assert (flip.mask, flip.stream) == (0x80, "rx")
    assert isinstance(split, fault.SplitEvery)
    assert FaultPlan.parse("").faults == []


@pytest.mark.parametrize(
    "text, message",
    [
        ("explode", r"fault plan: expected one of deafen|delay.*, got 'explode'"),
        ("stall:ms=x", "fault stall: expected a number for ms, got 'x'"),
        ("stall:k=1", "fault stall: expected command, ms, nth, offset, times as key="),
        ("stall:5", "as key=value, got '5'"),
        ("urc:where=later", "fault urc: expected where to be one of before, before_re"),
        ("dropbyte:stream=up", "fault: expected stream to be data, tx or rx, got 'up'"),
    ],
)
def test_a_bad_plan_is_refused(text, message):
    with pytest.raises(fault.FaultError, match=message):
        FaultPlan.parse(text)

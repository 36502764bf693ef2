# SPDX-License-Identifier: Apache-2.0
"""The list at the head of `nrfota.at`: one test per line, with its number."""

from __future__ import annotations

import logging
import re

import nrfota.at
import pytest
from nrfota.at import Client, Done, Failed, Session, Urc, commands
from nrfota.at.session import State
from nrfota.errors import LinkError, ModemError, ModemRebooted
from support.fake_modem import FakeLink, FakeModem


def begun(command: commands.Command[object]) -> Session:
    session = Session()
    session.begin(command, now=0.0)
    session.output()
    return session


def scripted(*answers: bytes) -> tuple[FakeLink, list[bytes]]:
    """A link that answers what is written to it, one answer after the other."""
    link, written, left = FakeLink(), [], list(answers)

    def on_bytes(data: bytes) -> None:
        written.append(data)
        if left:
            link.reply(left.pop(0))

    link.on_bytes = on_bytes
    return link, written


def test_every_line_of_the_list_has_its_test() -> None:
    assert nrfota.at.__doc__ is not None
    lines = re.findall(r"^ *(\d+)\. ", nrfota.at.__doc__, re.MULTILINE)
    assert lines == [str(number) for number in range(1, len(lines) + 1)]
    tested = {int(name.split("_")[1]) for name in globals() if _NUMBERED.match(name)}
    assert tested == set(range(1, len(lines) + 1))


_NUMBERED = re.compile(r"test_(\d+)_")


def test_01_one_command_at_a_time() -> None:
    session = begun(commands.attention())
    with pytest.raises(RuntimeError):
        session.begin(commands.attention(), now=0.0)


def test_02_what_is_left_in_the_input_is_no_reply() -> None:
    link, written = scripted(b"\r\n+FSATTRI: 5\r\n\r\nOK\r\n")
    link.reply(b"\r\n+FSATTRI: 99\r\n\r\nOK\r\n", after_s=0.0)
    assert Client(link).run(commands.file_size("a")) == 5
    assert len(written) == 1


@pytest.mark.parametrize("echo", [b"", b"AT+CGMR\r"], ids=["off", "on"])
def test_03_echo_is_never_assumed(echo: bytes) -> None:
    session = begun(commands.revision())
    assert session.feed(echo + b"\r\n+CGMR: X\r\n\r\nOK\r\n", now=0.0) == [Done("X")]


def test_04_one_deadline_for_the_whole_exchange() -> None:
    session = begun(commands.list_files())
    end = session.wake_at
    for step in range(20):
        session.feed(b"name%d\r\n" % step, now=step * 0.4)
        assert session.wake_at == end
    assert isinstance(session.tick(now=end)[0], Failed)


def test_05_a_line_without_the_expected_prefix_is_a_urc() -> None:
    session = begun(commands.file_size("a"))
    events = session.feed(b"\r\n+FSMEM: C:(1, 1)\r\n", now=0.0)
    assert events == [Urc("+FSMEM: C:(1, 1)")]


def test_06_unsolicited_lines_come_anywhere() -> None:
    urc = b"\r\n+CREG: 1\r\n"
    session = begun(commands.file_size("a"))
    events = session.feed(
        urc + b"\r\n+FSATTRI: 5\r\n" + urc + b"\r\nOK\r\n" + urc, now=0.0
    )
    assert [event for event in events if event != Urc("+CREG: 1")] == [Done(5)]


def test_07_counted_data_is_never_parsed() -> None:
    nasty = b"\r\nOK\r\n\r\nERROR\r\n>RDY\r\n+CFTRANTX: 0\r\n"
    session = begun(commands.download("E:/a", offset=0, size=512))
    events = session.feed(b"\r\n+CFTRANTX: DATA,%d\r\n" % len(nasty) + nasty, now=0.0)
    assert events == []
    events = session.feed(b"\r\n+CFTRANTX: 0\r\n\r\nOK\r\n", now=0.0)
    assert events == [Done(nasty)]


def test_08_a_count_is_checked_before_it_is_used() -> None:
    session = begun(commands.download("E:/a", offset=0, size=512))
    (failed,) = session.feed(b"\r\n+CFTRANTX: DATA,513\r\n", now=0.0)
    assert isinstance(failed, Failed)


def test_09_a_prompt_is_a_byte_and_only_when_expected() -> None:
    session = begun(commands.file_size("a"))
    assert session.feed(b"\r\n>\r\n", now=0.0) == [Urc(">")]
    session = begun(commands.upload("E:/a", b"x"))
    session.feed(b"\r\n>", now=0.0)
    assert session.output() == b"x"


def test_10_refused_before_the_prompt() -> None:
    session = begun(commands.upload("E:/a", b"x"))
    (failed,) = session.feed(b"\r\nERROR\r\n", now=0.0)
    assert isinstance(failed, Failed)
    assert session.output() == b""


@pytest.mark.parametrize("ok_first", [False, True])
def test_11_completion_is_a_set(ok_first: bool) -> None:
    parts = [b"\r\n+CFTRANTX: 0\r\n", b"\r\nOK\r\n"]
    if ok_first:
        parts.reverse()
    session = begun(commands.download("E:/a", offset=0, size=1))
    assert session.feed(parts[0], now=0.0) == []
    done = session.feed(parts[1], now=0.0) + session.tick(now=1.0)
    assert done == [Done(b"")]


def test_12_the_modems_error_number_is_kept() -> None:
    session = begun(commands.free_space())
    (failed,) = session.feed(b"\r\n+CME ERROR: 20\r\n", now=0.0)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ModemError)
    assert failed.error.code == 20


def test_13_rdy_means_that_everything_is_gone() -> None:
    modem = FakeModem()
    client = Client(modem.link)
    client.sync()
    modem.restart(for_s=1.0)
    modem.link.time_s += 2.0
    with pytest.raises(ModemRebooted):
        client.run(commands.free_space())
    client.sync()
    assert modem.commands[-3:] == ["ATE0", "AT+CMEE=2", "AT+CATR=1"]


def test_14_after_a_timeout_the_stream_is_drained_and_probed() -> None:
    link, written = scripted(b"", b"", b"\r\nOK\r\n", b"\r\n+FSATTRI: 5\r\n\r\nOK\r\n")
    client = Client(link)
    assert client.retry(commands.file_size("a")) == 5
    assert written == [b"AT+FSATTRI=a\r", b"\r", b"AT\r", b"AT+FSATTRI=a\r"]


def test_15_commands_end_with_cr_and_ok_is_a_whole_line() -> None:
    assert commands.revision().wire() == b"AT+CGMR\r"
    session = begun(commands.attention())
    events = session.feed(b"\r\nNOT OK\r\n\r\nOKAY\r\n", now=0.0)
    assert events == [Urc("NOT OK"), Urc("OKAY")]


def test_16_a_second_ok_is_not_the_next_reply() -> None:
    ok = b"\r\nOK\r\n"
    link, _ = scripted(
        ok + b"\r\n+CFTRANTX: DATA,1\r\nx\r\n+CFTRANTX: 0\r\n" + ok,
        b"\r\n+FSATTRI: 5\r\n" + ok,
    )
    link.chunk = 3
    client = Client(link)
    assert client.run(commands.download("E:/a", offset=0, size=1)) == b"x"
    assert client.run(commands.file_size("a")) == 5


def test_16_the_wait_for_it_is_short() -> None:
    session = begun(commands.download("E:/a", offset=0, size=1))
    session.feed(b"\r\nOK\r\n\r\n+CFTRANTX: 0\r\n", now=1.0)
    assert session.state is State.SETTLE
    assert session.wake_at == pytest.approx(1.2)


def test_17_both_directions_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="nrfota.at")
    session = begun(commands.revision())
    session.feed(b"\r\n+CGMR: X\r\n", now=0.0)
    assert [record.getMessage() for record in caplog.records] == [
        "> AT+CGMR",
        "< +CGMR: X",
    ]


def test_nothing_but_silence_is_a_link_error() -> None:
    link, _ = scripted()
    with pytest.raises(LinkError, match="expected an answer to AT, got no final"):
        Client(link).run(commands.attention())

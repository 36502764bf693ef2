# SPDX-License-Identifier: Apache-2.0
"""The exchange state machine, without any I/O."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nrfota.at import Command, Done, Failed, Pace, Session, Urc, commands
from nrfota.at.session import _TABLE, COMMIT_S, State, upload_time_s
from nrfota.errors import LinkError, ModemError, ModemRebooted

READ = commands.download("E:/fw", offset=0, size=1024)


def talk(
    command: Command[Any], answer: bytes, *, chunk: int = 1 << 20
) -> tuple[Done | Failed | None, list[str], Session]:
    """Begins `command`, feeds `answer`, lets 1 s pass; outcome and URCs."""
    session = Session()
    session.begin(command, now=100.0)
    assert session.output() == command.wire()
    events = []
    for at in range(0, len(answer), chunk):
        events += session.feed(answer[at : at + chunk], now=100.1)
    events += session.tick(now=101.1)
    ends = [event for event in events if not isinstance(event, Urc)]
    assert len(ends) <= 1
    return (
        ends[0] if ends else None,
        [event.text for event in events if isinstance(event, Urc)],
        session,
    )


REPLIES: dict[str, tuple[Command[Any], bytes, Any]] = {
    "echo_on": (commands.revision(), b"AT+CGMR\r\r\n+CGMR: LE20\r\n\r\nOK\r\n", "LE20"),
    "echo_off": (commands.revision(), b"\r\n+CGMR: LE20\r\n\r\nOK\r\n", "LE20"),
    "no_space": (commands.revision(), b"\r\n+CGMR:LE20\r\n\r\nOK\r\n", "LE20"),
    "fsattri_space": (
        commands.file_size("a"),
        b"\r\n+FSATTRI: 8604, 2008/04/28 10:24:46 Tue\r\n\r\nOK\r\n",
        8604,
    ),
    "fsattri_no_space": (
        commands.file_size("a"),
        b"\r\n+FSATTRI: 401408,1980/01/06 00:00:12 Sun\r\n\r\nOK\r\n",
        401408,
    ),
    "fsattri_size_only": (
        commands.file_size("a"),
        b"\r\n+FSATTRI: 12\r\n\r\nOK\r\n",
        12,
    ),
    "fsmem": (
        commands.free_space(),
        b"\r\n+FSMEM: C:(11348480, 2201600)\r\n\r\nOK\r\n",
        11348480 - 2201600,
    ),
    "fsmem_no_space": (commands.free_space(), b"\r\n+FSMEM: E:/(9,4)\r\n\r\nOK\r\n", 5),
    "fsls_files": (
        commands.list_files(),
        b"\r\n+FSLS: FILES:\r\nfw.ebin\r\nOKAY\r\n\r\n\r\nOK\r\n",
        ("fw.ebin", "OKAY"),
    ),
    "fsls_both_without_colon": (
        commands.list_files(),
        b"\r\n+FSLS: SUBDIRECTORIES\r\nDir\r\n\r\n+FSLS: FILES\r\na\r\n\r\nOK\r\n",
        ("a",),
    ),
    "fsls_empty": (commands.list_files(), b"\r\nOK\r\n", ()),
    "fscd": (commands.change_directory("E:"), b"\r\n+FSCD: E:/\r\n\r\nOK\r\n", None),
    "data": (
        READ,
        b"\r\n+CFTRANTX: DATA,4\r\nOK\r\n\r\n+CFTRANTX: 0\r\n\r\nOK\r\n",
        b"OK\r\n",
    ),
    "data_blank_and_zeros": (
        READ,
        b"\r\n+CFTRANTX: DATA, 2\r\nab\r\n\r\n+CFTRANTX:DATA,001\r\nc"
        b"\r\n\r\n+CFTRANTX:0\r\n\r\nOK\r\n",
        b"abc",
    ),
    "data_ok_before": (
        READ,
        b"\r\nOK\r\n\r\n+CFTRANTX: DATA,2\r\nab\r\n+CFTRANTX: 0\r\n",
        b"ab",
    ),
    "data_ok_before_and_after": (
        READ,
        b"\r\nOK\r\n\r\n+CFTRANTX: DATA,2\r\nab\r\n+CFTRANTX: 0\r\n\r\nOK\r\n",
        b"ab",
    ),
    "data_none": (READ, b"\r\n+CFTRANTX: 0\r\n\r\nOK\r\n", b""),
}


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("name", REPLIES)
def test_replies_are_understood_in_any_chunks(name: str, chunk: int) -> None:
    command, answer, expected = REPLIES[name]
    outcome, urcs, session = talk(command, answer, chunk=chunk)
    assert outcome == Done(expected)
    assert urcs == []
    assert session.state is State.IDLE


@pytest.mark.parametrize("name", REPLIES)
def test_a_cut_reply_is_never_taken_for_a_whole_one(name: str) -> None:
    command, answer, _ = REPLIES[name]
    end = len(answer)
    if name.startswith("data_ok_before"):
        end = answer.rindex(b"+CFTRANTX: 0") + 14
    for cut in range(end - 1):
        outcome, _, session = talk(command, answer[:cut])
        assert outcome is None, cut
        late = session.tick(now=100.0 + command.timeout_s)
        assert isinstance(late[0], Failed)


@pytest.mark.parametrize(
    "urc",
    [
        "+CREG: 1,5",
        "SMS DONE",
        "PB DONE",
        "+CTZV: 8",
        "+CGEV: ME DETACH",
        "+CNSMOD: 1,8",
        '+CMTI: "SM",3',
        "+SIMCARD: NOT AVAILABLE",
        "+CIPEVENT: NETWORK CLOSED UNEXPECTEDLY",
        "+NETOPEN: 0",
        "+IPCLOSE: 0,1",
        "NO CARRIER",
        "RING",
        "+HTTP_PEER_CLOSED",
        "+HTTP_NONET_EVENT",
        "+HTTPACTION: 0,200,5",
        "+CMQTTCONNLOST: 0,1",
        "+CMQTTPING: 0,1",
        "+CMQTTNONET",
        "UNDER-VOLTAGE WARNNING",
        "+CUSATEND",
        "Autobaud: OK",
    ],
)
@pytest.mark.parametrize("name", ["fsls_files", "data", "fsattri_space"])
def test_urcs_anywhere_change_nothing(urc: str, name: str) -> None:
    command, answer, expected = REPLIES[name]
    line = b"\r\n%s\r\n" % urc.encode()
    body = answer.rindex(b"\r\nOK\r\n")
    for where in (0, body):
        noisy = answer[:where] + line + answer[where:]
        outcome, urcs, _ = talk(command, noisy)
        assert outcome == Done(expected)
        assert urcs == [urc]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("ERROR", None),
        ("+CME ERROR: 22", 22),
        ("+CME ERROR: SIM not inserted", None),
        ("+CMS ERROR: 500", 500),
    ],
)
def test_errors_keep_their_number_and_text(said: str, code: int | None) -> None:
    outcome, _, _ = talk(commands.file_size("a"), b"\r\n%s\r\n" % said.encode())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, ModemError)
    assert str(outcome.error) == f"the modem answered '{said}' to AT+FSATTRI=a"
    assert outcome.error.code == code
    assert outcome.error.command == "AT+FSATTRI=a"


def test_the_result_line_around_an_error_is_its_code() -> None:
    for answer in (
        b"\r\n+CFTRANTX: 707\r\n\r\nERROR\r\n",
        b"\r\nERROR\r\n\r\n+CFTRANTX: 707\r\n",
    ):
        outcome, _, _ = talk(READ, answer)
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, ModemError)
        assert outcome.error.code == 707


def test_a_reply_without_its_line_is_the_links_fault() -> None:
    outcome, _, _ = talk(commands.file_size("a"), b"\r\nOK\r\n")
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, LinkError)
    assert str(outcome.error) == (
        "AT+FSATTRI=a: expected a line '+FSATTRI: ...', got []"
    )


@pytest.mark.parametrize(
    ("command", "line", "message"),
    [
        (commands.file_size("a"), "+FSATTRI: big", "expected '+FSATTRI: size, date'"),
        (commands.free_space(), "+FSMEM: lots", "expected '+FSMEM: C:"),
        (READ, "+CFTRANTX: 5", "expected '+CFTRANTX: 0' at the end, got '5'"),
    ],
)
def test_odd_reply_lines_are_quoted(
    command: Command[Any], line: str, message: str
) -> None:
    outcome, _, _ = talk(command, b"\r\n%s\r\n\r\nOK\r\n" % line.encode())
    assert isinstance(outcome, Failed)
    assert message in str(outcome.error)


def test_a_bad_count_ends_the_exchange() -> None:
    outcome, _, _ = talk(READ, b"\r\n+CFTRANTX: DATA,1025\r\n")
    assert isinstance(outcome, Failed)
    assert str(outcome.error) == (
        "expected a count from 1 to 1024, got '+CFTRANTX: DATA,1025'"
    )


@pytest.mark.parametrize("line", ["RDY", "+CPIN: READY"])
def test_a_restart_ends_the_exchange(line: str) -> None:
    outcome, urcs, _ = talk(commands.free_space(), b"\r\n%s\r\n" % line.encode())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, ModemRebooted)
    assert str(outcome.error) == "the modem restarted during AT+FSMEM"
    assert urcs == [line]


def test_one_start_is_noticed_once() -> None:
    session = Session()
    first = session.feed(b"\r\nRDY\r\n", now=50.0)
    second = session.feed(b"\r\n+CPIN: READY\r\n", now=60.0)
    later = session.feed(b"\r\n+CPIN: READY\r\n", now=500.0)
    assert first == [Urc("RDY", restart=True)]
    assert second == [Urc("+CPIN: READY")]
    assert later == [Urc("+CPIN: READY", restart=True)]


def test_a_restart_that_is_known_is_not_told_again() -> None:
    session = Session()
    session.boot_was_seen(now=50.0)
    assert session.feed(b"+CPIN: READY\r\n", now=60.0) == [Urc("+CPIN: READY")]


def test_the_deadline_is_for_the_whole_exchange() -> None:
    """Lines that keep coming do not move it."""
    session = Session()
    session.begin(commands.file_size("a"), now=10.0)
    assert session.wake_at == 13.0
    for step in range(29):
        assert session.feed(b"\r\n+CREG: 1\r\n", now=10.0 + step / 10)
        assert session.tick(now=10.0 + step / 10) == []
        assert session.wake_at == 13.0
    (failed,) = session.tick(now=13.0)
    assert isinstance(failed, Failed)
    assert str(failed.error) == (
        "expected an answer to AT+FSATTRI=a, got no final result"
    )


def test_two_exchanges_at_once_are_a_mistake_of_ours() -> None:
    session = Session()
    session.begin(commands.attention(), now=0.0)
    with pytest.raises(RuntimeError, match="one exchange at a time"):
        session.begin(commands.attention(), now=0.0)


# Payload


def upload(size: int, *, pace: Pace | None = None) -> Session:
    session = Session()
    session.begin(
        commands.upload("E:/fw", bytes(range(256)) * 4)
        if size == 1024
        else commands.upload("E:/fw", b"x" * size),
        now=0.0,
        pace=pace,
    )
    session.output()
    return session


def test_a_payload_goes_out_in_paced_pieces_after_the_prompt() -> None:
    session = upload(600)
    assert session.output() == b""
    session.feed(b"\r\n> ", now=1.0)
    now, pieces = 1.0, []
    while session.state is State.SENDING:
        piece = session.output()
        pieces.append(len(piece))
        assert session.tick(now=now) == []
        assert session.output() == b""
        now += 0.02
        session.sent(now=now)
        if session.state is State.SENDING:
            assert session.wake_at == pytest.approx(now + 0.05)
        now += 0.05
        session.tick(now=now)
    assert pieces == [256, 256, 88]
    assert session.sent_bytes == 600
    assert session.feed(b"\r\nOK\r\n", now=now) == [Done(None)]


def test_no_gap_means_the_next_piece_is_due_at_once() -> None:
    session = upload(1024, pace=Pace(chunk=512, gap_s=0))
    session.feed(b"\r\n>", now=0.0)
    assert len(session.output()) == 512
    session.sent(now=0.1)
    session.tick(now=0.1)
    assert len(session.output()) == 512


def test_lost_bytes_are_counted_by_the_filler_that_ends_it() -> None:
    session = upload(100)
    session.feed(b"\r\n>", now=0.0)
    session.output()
    session.sent(now=1.0)
    assert session.state is State.COMMIT
    assert session.wake_at == 1.0 + COMMIT_S
    now, filler = session.wake_at, b""
    while len(filler) < 3:
        session.tick(now=now)
        filler += session.output()
        now = session.wake_at
    assert filler == b"\x00\x00\x00"
    assert session.filler_bytes == 3
    assert session.feed(b"\r\nOK\r\n", now=now) == [Done(None, filler=3)]


def test_filler_has_an_end() -> None:
    session = upload(100)
    session.feed(b"\r\n>", now=0.0)
    session.sent(now=1.0)
    now, events = session.wake_at, []
    while not events:
        events = session.tick(now=now)
        session.output()
        now = session.wake_at
    assert isinstance(events[0], Failed)
    assert "no final result after" in str(events[0].error)


@pytest.mark.parametrize("said", ["ERROR", "+CME ERROR: memory full"])
@pytest.mark.parametrize("prompted", [False, True], ids=["before", "after"])
def test_a_refused_payload_stops_at_once(said: str, prompted: bool) -> None:
    session = upload(600)
    if prompted:
        session.feed(b"\r\n>", now=0.0)
        session.output()
    (failed,) = session.feed(b"\r\n%s\r\n" % said.encode(), now=0.0)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ModemError)
    assert session.output() == b""
    assert session.tick(now=1.0) == []


def test_an_ok_in_mid_payload_is_a_fault_of_the_link() -> None:
    session = upload(600)
    session.feed(b"\r\n>", now=0.0)
    (failed,) = session.feed(b"\r\nOK\r\n", now=0.0)
    assert isinstance(failed, Failed)
    assert str(failed.error) == (
        'expected OK after the last byte of AT+CFTRANRX="E:/fw",600, '
        "got it after 256 bytes"
    )


def test_no_prompt_is_told_as_such() -> None:
    session = upload(10)
    (failed,) = session.tick(now=1e6)
    assert isinstance(failed, Failed)
    assert "got no prompt" in str(failed.error)


def test_an_upload_gets_time_for_wire_gaps_and_commit() -> None:
    pace = Pace(chunk=256, gap_s=0.05)
    assert upload_time_s(512_000, pace=pace, baud=115200) > 2000 * 0.0722 + 60


def test_every_state_that_waits_can_fail() -> None:
    for state, row in _TABLE.items():
        assert any(to is State.IDLE for to in row.values()), state


@given(st.lists(st.binary(max_size=80), max_size=8), st.booleans())
def test_no_bytes_can_break_the_session(pieces: list[bytes], payload: bool) -> None:
    session = Session()
    session.begin(commands.upload("E:/a", b"abc") if payload else READ, now=0.0)
    for number, piece in enumerate(pieces):
        if session.output():
            session.sent(now=float(number))
        session.feed(piece, now=float(number))
        session.tick(now=float(number))
    session.tick(now=1e6)
    session.tick(now=2e6)
    assert session.state is State.IDLE

# SPDX-License-Identifier: Apache-2.0
"""The digester: bytes in, lines, prompts and counted data out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nrfota.at import BadCount, Data, Digester, Line, Overlong, Prompt
from nrfota.at.parser import MAX_LINE, Event

NASTY = b"OK\r\nERROR\r\n>+CFTRANTX: 0\r\n\x00\xff\x1a"
STREAM = (
    b'AT+CFTRANTX="E:/fw",0,512\r\r\n+CFTRANTX: DATA,%d\r\n' % len(NASTY)
    + NASTY
    + b"\r\n\r\nRDY\r\n+CFTRANTX: DATA, 1\r\n>\r\n+CFTRANTX:DATA,002\r\n\r\n"
    + b"\r\n+CFTRANTX: 0\r\n\r\nOK\r\n"
)
EVENTS: list[Event] = [
    Line('AT+CFTRANTX="E:/fw",0,512'),
    Data(f"+CFTRANTX: DATA,{len(NASTY)}", NASTY),
    Line("RDY"),
    Data("+CFTRANTX: DATA, 1", b">"),
    Data("+CFTRANTX:DATA,002", b"\r\n"),
    Line("+CFTRANTX: 0"),
    Line("OK"),
]


def digest(data: bytes, *, chunk: int = 1 << 20, limit: int = 512) -> list[Event]:
    digester = Digester()
    digester.expect_data("+CFTRANTX", limit=limit)
    events: list[Event] = []
    for at in range(0, len(data), chunk):
        events += digester.feed(data[at : at + chunk])
    return events


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1 << 20])
def test_events_do_not_depend_on_how_bytes_are_cut(chunk: int) -> None:
    assert digest(STREAM, chunk=chunk) == EVENTS


def test_every_prefix_gives_the_beginning_of_the_events() -> None:
    for cut in range(len(STREAM)):
        events = digest(STREAM[:cut])
        assert EVENTS[: len(events)] == events, cut


@given(st.binary(max_size=1500), st.integers(1, 60))
def test_any_bytes_give_the_same_events_in_any_chunks(data: bytes, chunk: int) -> None:
    assert digest(data) == digest(data, chunk=chunk)


@given(st.lists(st.binary(min_size=1, max_size=512), max_size=6), st.integers(1, 90))
def test_counted_blocks_come_out_as_they_went_in(
    blocks: list[bytes], chunk: int
) -> None:
    stream = b"".join(
        b"\r\n+CFTRANTX: DATA,%d\r\n" % len(block) + block for block in blocks
    )
    out = digest(stream, chunk=chunk, limit=10_000)
    assert blocks == [event.data for event in out if isinstance(event, Data)]


def test_a_prompt_is_seen_without_a_line_end_and_swallows_a_blank() -> None:
    digester = Digester()
    digester.expect_prompt()
    assert [Prompt()] == digester.feed(b"\r\n> ")
    assert [Line("OK")] == digester.feed(b"\r\nOK\r\n")


def test_a_prompt_is_seen_once_and_only_at_the_start_of_a_line() -> None:
    digester = Digester()
    digester.expect_prompt()
    assert [Line("a>b"), Prompt(), Line(">")] == digester.feed(b"a>b\r\n>>\r\n")


def test_an_unexpected_prompt_is_a_line() -> None:
    assert [Line(">"), Line("OK")] == Digester().feed(b"\r\n>\r\nOK\r\n")


@pytest.mark.parametrize("count", ["0", "513", "99999999999999999999"])
def test_a_count_that_cannot_be_is_reported_and_not_followed(count: str) -> None:
    events = digest(b"+CFTRANTX: DATA,%s\r\nOK\r\n" % count.encode())
    assert [BadCount(f"+CFTRANTX: DATA,{count}", 512), Line("OK")] == events


def test_blocks_together_stay_within_the_limit() -> None:
    block = b"+CFTRANTX: DATA,4\r\nabcd\r\n"
    events = digest(block * 3, limit=8)
    assert BadCount("+CFTRANTX: DATA,4", 0) == events[2]


def test_data_of_another_name_is_not_counted() -> None:
    assert [Line("+HTTPREAD: DATA,3"), Line("abc")] == digest(
        b"+HTTPREAD: DATA,3\r\nabc\r\n"
    )


def test_mqtt_messages_are_counted_though_nobody_asked() -> None:
    events = Digester().feed(b"\r\n+CMQTTRXPAYLOAD: 0,4\r\nOK\r\n\r\nOK\r\n")
    assert [Data("+CMQTTRXPAYLOAD: 0,4", b"OK\r\n"), Line("OK")] == events


def test_an_endless_line_is_dropped_and_its_size_told() -> None:
    events = digest(b"x" * (MAX_LINE + 5) + b"\r\nOK\r\n")
    assert isinstance(events[0], Overlong)
    assert Line("OK") == events[1]


def test_reset_forgets_half_a_block() -> None:
    digester = Digester()
    digester.expect_data("+CFTRANTX", limit=512)
    digester.feed(b"+CFTRANTX: DATA,100\r\nabc")
    assert digester.in_data
    digester.reset()
    assert [Line("OK")] == digester.feed(b"\r\nOK\r\n")

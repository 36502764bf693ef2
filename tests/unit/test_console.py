# SPDX-License-Identifier: Apache-2.0
"""Following the console."""

from __future__ import annotations

import pytest
from nrfota.console import Lines, drain, follow
from nrfota.errors import LinkError, OtaError
from support.fake_modem import FakeLink

START = b"boot: start version 2\r\napp: version 2 running (reason trial)\r\n"


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_the_versions_line_ends_it(chunk: int) -> None:
    link, shown = FakeLink(chunk=chunk), []
    link.reply(b"boot: start version 2\r\napp: version 2 running (reason normal)\r\n")
    report = follow(link, version=2, timeout_s=10, on_line=shown.append)
    assert report.line == "app: version 2 running (reason normal)"
    assert report.confirmed is None
    assert shown == ["boot: start version 2", report.line]


def test_a_version_on_trial_is_followed_until_it_confirms() -> None:
    link, shown = FakeLink(), []
    link.reply(START)
    link.reply(b"app: confirmed version 1\r\n", after_s=2.0)
    link.reply(b"app: confirmed version 2\r\n", after_s=3.0)
    report = follow(link, version=2, timeout_s=10, on_line=shown.append)
    assert report.confirmed is True
    assert report.seconds == pytest.approx(0.01)
    assert shown[-1] == "app: confirmed version 2"


def test_a_version_that_does_not_confirm_is_told() -> None:
    link = FakeLink()
    link.reply(START)
    report = follow(link, version=2, timeout_s=10, on_line=lambda line: None)
    assert report.confirmed is False


def test_another_version_is_a_failure_at_once() -> None:
    link = FakeLink()
    link.reply(b"app: version 1 running (reason refused)\r\n", after_s=1.0)
    with pytest.raises(
        OtaError, match=r"expected version 2 to start, got 'app: version 1 running"
    ):
        follow(link, version=2, timeout_s=100, on_line=lambda line: None)
    assert link.time_s < 2.0


def test_lines_about_other_versions_are_no_report() -> None:
    link = FakeLink()
    link.reply(b"app: version 1 is kept in the modem\r\n")
    link.reply(b"app: version 12 running\r\n", after_s=1.0)
    assert (
        follow(link, version=12, timeout_s=9, on_line=lambda line: None).version == 12
    )


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", "nothing was printed"),
        (b"boot: check\r\n", "the last line was 'boot: check'"),
    ],
    ids=["silence", "no_version"],
)
def test_time_runs_out(said: bytes, told: str) -> None:
    link = FakeLink()
    link.reply(said)
    with pytest.raises(LinkError) as caught:
        follow(link, version=2, timeout_s=30, on_line=lambda line: None)
    assert str(caught.value) == (
        f"expected 'app: version 2 running' on fake within 30 s; {told}"
    )
    assert link.time_s == pytest.approx(30)


def test_what_is_no_text_cannot_reach_the_terminal() -> None:
    assert Lines().feed(b"\x1b[2Jhi\x07\xff\r\n") == ["?[2Jhi??"]


def test_an_endless_line_is_cut() -> None:
    lines = Lines()
    assert lines.feed(b"x" * 600) == ["x" * 600]
    assert lines.feed(b"y\n") == ["y"]


def test_drain_shows_what_was_said() -> None:
    link, shown = FakeLink(), []
    link.reply(b"one\r\ntwo\r\nthr", after_s=0.0)
    lines = Lines()
    drain(link, on_line=shown.append, lines=lines)
    assert shown == ["one", "two"]
    assert lines.feed(b"ee\n") == ["three"]

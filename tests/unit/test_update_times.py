# SPDX-License-Identifier: Apache-2.0
"""Step times from console lines."""

from __future__ import annotations

import pytest
from nrfota.update_times import StepTime, UpdateTimes, page_progress

LINES = [
    ("boot: check 4112 bytes E:/fw.ebin", 0.5),
    ("boot: check ok", 2.0),
    ("boot: page 1/2", 3.0),
    ("boot: page 2/2", 4.0),
    ("boot: verify ok", 4.5),
    ("boot: start version 2", 4.6),
    ("app: version 2 running (reason trial)", 5.0),
    ("app: confirmed version 2", 9.0),
]


def heard(lines: list[tuple[str, float]]) -> UpdateTimes:
    times = UpdateTimes(cipher_size=4112, plain_size=4100)
    for text, seconds in lines:
        times.line(text, seconds=seconds)
    return times


def test_each_step_lasts_from_the_end_of_the_one_before() -> None:
    assert heard(LINES).steps == (
        StepTime("check", 2.0, 4112),
        StepTime("program", 2.0, 4100),
        StepTime("verify", 0.5, 4100),
        StepTime("start", 0.5),
    )
    assert heard(LINES).total == 5.0


@pytest.mark.parametrize("count", range(len(LINES)))
def test_only_steps_that_ended_are_told(count: int) -> None:
    names = [step.name for step in heard(LINES[:count]).steps]
    assert names == ["check", "program", "verify", "start"][: len(names)]
    assert len(names) == [0, 0, 1, 1, 2, 3, 3, 4][count]


def test_a_step_that_is_repeated_ends_when_it_ended_last() -> None:
    """Flash did not verify: programmed again."""
    again = [("boot: verify error -5", 4.5), ("boot: page 2/2", 7.0)]
    lines = LINES[:4] + again + [("boot: verify ok", 7.5)]
    assert heard(lines).steps[1:] == (
        StepTime("program", 5.0, 4100),
        StepTime("verify", 0.5, 4100),
    )


def test_a_rate_needs_a_size_and_a_time() -> None:
    assert StepTime("x", 2.0, 100).rate == 50
    assert StepTime("x", 2.0).rate is None
    assert StepTime("x", None, 100).rate is None
    assert StepTime("x", 0.0, 100).rate is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("boot: page 16/50", (16, 50)),
        ("boot: page 50/50", (50, 50)),
        ("boot: page 51/50", None),
        ("boot: page 0/0", None),
        ("boot: page 1/", None),
        ("boot: page 1/2 and more", None),
        ("app: page 1/2", None),
    ],
)
def test_a_page_line_is_progress(line: str, expected: tuple[int, int] | None) -> None:
    assert page_progress(line) == expected

# SPDX-License-Identifier: Apache-2.0
"""The wire from a pin to PWRKEY."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from vboard.errors import VboardError
from vboard.modem.power_key import connect_pwrkey, parse_pin


class Pin:
    """A GPIO block with one pin, and a modem that notes its key."""

    def __init__(self) -> None:
        self.drive: Callable[[int | None], None] = lambda level: None
        self.key: list[bool] = []

    def on_output(self, pin: int, call: Callable[[int | None], None]) -> None:
        assert pin == 35
        self.drive = call

    def set_pwrkey(self, low: bool) -> None:
        self.key.append(low)


@pytest.mark.parametrize(
    ("active_high", "pressed"),
    [(True, [False, True, False]), (False, [True, False, False])],
    ids=["active_high", "active_low"],
)
def test_the_active_level_presses_the_key(
    active_high: bool, pressed: list[bool]
) -> None:
    """Low, high, not driven."""
    pin = Pin()
    connect_pwrkey(pin, pin, 35, active_high=active_high)
    for level in (0, 1, None):
        pin.drive(level)
    assert pin.key == pressed


def test_pins_are_numbered_as_in_psel() -> None:
    """P1.03 is 35."""
    assert [parse_pin("0.00"), parse_pin("0.31"), parse_pin("1.03")] == [0, 31, 35]


@pytest.mark.parametrize("text", ["1.16", "0.32", "2.00", "3", "", "1.3x", "P1.03"])
def test_what_is_no_pin_is_refused(text: str) -> None:
    """With the range."""
    with pytest.raises(VboardError, match=r"expected a pin from 0\.00 to 0\.31"):
        parse_pin(text)

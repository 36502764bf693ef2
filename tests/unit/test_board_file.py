# SPDX-License-Identifier: Apache-2.0
"""`nrfota.board`: the shipped board, and every bad one refused by name."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nrfota.board import parse_board
from nrfota.errors import FormatError
from support.layouts import BOARD, board, changed


def test_pins_become_psel_numbers() -> None:
    """port * 32 + pin."""
    shipped = board()
    assert (shipped.console.txd, shipped.console.rxd) == (6, 8)
    assert (shipped.modem.txd, shipped.modem.rxd, shipped.modem.pwrkey) == (34, 33, 35)
    assert (shipped.modem.rts, shipped.modem.flow_control) == (None, False)


def test_both_flow_control_lines_mean_flow_control() -> None:
    """RTS and CTS wired."""
    text = changed(BOARD, {"modem.rts": "1.04", "modem.cts": "1.05"})
    assert parse_board(text).modem.flow_control


def test_a_board_may_have_no_light() -> None:
    """`led: null`."""
    assert parse_board(changed(BOARD, {"led": None})).led is None


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown_key": (
        {"modem.dtr": "1.06"},
        "modem: unknown key 'dtr', expected uart, txd, rxd, rts",
    ),
    "missing_key": ({"console": ...}, "key 'console' is missing"),
    "pin_port": (
        {"modem.txd": "2.00"},
        'modem: expected txd as "port.pin" from 0.00 to 0.31 or 1.00 to 1.15, got '
        "'2.00'",
    ),
    "pin_number": ({"modem.txd": "1.16"}, "modem: expected txd as .* got '1.16'"),
    "pin_without_quotes": (
        {"modem.txd": 1.02},
        "modem: expected txd to be text, got 1.02",
    ),
    "pin_twice": (
        {"led.pin": "1.02"},
        "pin 1.02 is given to both modem.txd and led.pin",
    ),
    "half_flow_control": (
        {"modem.cts": "1.05"},
        "modem: expected rts and cts both wired or both null, got only cts",
    ),
    "baud": (
        {"modem.baud": 115000},
        "modem: expected baud to be one of 1200, .*, 1000000, got 115000",
    ),
    "uart": ({"console.uart": 2}, "console: expected uart 0 or 1, got 2"),
    "uart_twice": (
        {"console.uart": 1},
        "expected console and modem on different UARTs, got 1 for both",
    ),
    "active": ({"led.active": "up"}, "led: expected active high or low, got 'up'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_board_is_refused(case: str) -> None:
    """Each mistake has its sentence, which names the file."""
    changes, message = BAD[case]
    with pytest.raises(FormatError, match=f"^board.yml: {message}"):
        parse_board(changed(BOARD, changes), source="board.yml")


VALUES = st.one_of(st.integers(), st.text(max_size=6), st.none(), st.lists(st.none()))
PLACES = st.sampled_from(["console", "modem.txd", "modem.baud", "modem.rts", "led"])


@settings(max_examples=60, deadline=None)
@given(PLACES, VALUES)
def test_changed_board_is_read_or_refused(place: str, value: Any) -> None:
    """Nothing but FormatError."""
    with contextlib.suppress(FormatError):
        parse_board(changed(BOARD, {place: value}))

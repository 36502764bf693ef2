# SPDX-License-Identifier: Apache-2.0
"""NVIC registers and arbitration (ARMv7-M ARM B3.4)."""

from __future__ import annotations

import pytest
from vboard import nvic as n
from vboard.nvic import ICER, ICPR, IPR, ISER, ISPR, STIR, Nvic


def test_enable_and_pending_bits_are_set_and_cleared_alone() -> None:
    """Set and clear registers touch the bits written as 1 and read the same."""
    nvic = Nvic()
    for set_at, clear_at in ((ISER, ICER), (ISPR, ICPR)):
        nvic.write(set_at, 0x0000_0406)
        nvic.write(clear_at, 0x0000_0402)
        assert nvic.read(set_at) == 0x4
        assert nvic.read(clear_at) == 0x4
        nvic.write(set_at + 4, 0x8000)
        assert nvic.read(set_at + 4) == 0x8000


def test_interrupts_that_do_not_exist_read_as_zero() -> None:
    """There are 48."""
    nvic = Nvic()
    nvic.write(ISER + 4, 0xFFFF_FFFF)
    nvic.write(ISER + 8, 0xFFFF_FFFF)
    assert nvic.read(ISER + 4) == 0xFFFF
    assert nvic.read(ISER + 8) == 0


def test_priorities_have_three_bits_and_take_bytes() -> None:
    """IPR lanes are written alone; the low five bits are zero."""
    nvic = Nvic()
    nvic.write(IPR + 4, 0x0000_FF00, mask=0x0000_FF00)
    nvic.write(IPR + 4, 0x4100_0000, mask=0xFF00_0000)
    assert nvic.read(IPR + 4) == 0x4000_E000


def test_the_lowest_number_wins_among_equals() -> None:
    """And the more urgent one among others."""
    nvic = Nvic()
    nvic.write(ISER, 0xF0)
    nvic.write(ISPR, 0xE0)
    assert nvic.best() == n.FIRST_INTERRUPT + 5
    nvic.write(IPR + 4, 0x8080_8080)
    nvic.write(IPR + 4, 0x2000_0000, mask=0xFF00_0000)
    assert nvic.best() == n.FIRST_INTERRUPT + 7


def test_a_line_that_stays_high_pends_again() -> None:
    """After the handler, and after the pending bit is cleared."""
    nvic = Nvic()
    nvic.write(ISER, 1)
    nvic.line_changed(0, True)
    nvic.activate(16)
    assert nvic.best() == 0
    nvic.deactivate(16)
    assert nvic.best() == 16
    nvic.write(ICPR, 1)
    assert nvic.best() == 16
    nvic.line_changed(0, False)
    nvic.write(ICPR, 1)
    assert nvic.best() == 0


def test_a_pulse_stays_pending() -> None:
    """The line may fall before anybody looks."""
    nvic = Nvic()
    nvic.write(ISER, 1)
    nvic.line_changed(0, True)
    nvic.line_changed(0, False)
    assert nvic.best() == 16


def test_stir_pends_by_number() -> None:
    """Numbers without an interrupt do nothing."""
    nvic = Nvic()
    nvic.write(STIR, 9)
    nvic.write(STIR, 200)
    assert nvic.read(ISPR) == 1 << 9
    assert nvic.pending == 1 << 25


def test_reset_keeps_lines() -> None:
    """A level that is still there pends at once, but nothing is enabled."""
    nvic = Nvic()
    nvic.line_changed(3, True)
    nvic.write(ISER, 8)
    nvic.reset()
    assert (nvic.read(ISPR), nvic.best()) == (8, 0)


@pytest.mark.parametrize(
    ("number", "name"),
    [(3, "HardFault"), (15, "SysTick"), (18, "IRQ 2"), (7, "exception 7")],
    ids=["fault", "systick", "interrupt", "reserved"],
)
def test_exceptions_have_names(number: int, name: str) -> None:
    """For messages."""
    assert n.exception_name(number) == name

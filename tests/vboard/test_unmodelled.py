# SPDX-License-Identifier: Apache-2.0
"""Blocks that are not modelled are refused by name."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.errors import GuestError
from vboard.unmodelled import ERRATUM_WORDS, UNMODELLED, Block, add_unmodelled


@pytest.mark.parametrize("block", UNMODELLED, ids=lambda block: block.name)
def test_each_block_is_refused_by_name(block: Block) -> None:
    """Loads and stores, with the offset."""
    bench = Bench()
    add_unmodelled(bench.clock, bench.bus)
    with pytest.raises(GuestError, match=r"not modelled \(a load\)") as error:
        bench.bus.read(block.base + 0x504)
    assert str(error.value).startswith(f"{block.name}.+0x504: ")
    with pytest.raises(GuestError, match=r"not modelled \(a store of 0x00000001\)"):
        bench.bus.write(block.base, 1)


def test_a_block_can_be_allowed_by_name() -> None:
    """It then reads as 0 and ignores stores."""
    bench = Bench()
    add_unmodelled(bench.clock, bench.bus, allow=["NFCT"])
    bench.bus.write(0x4000_5000, 1)
    assert bench.bus.read(0x4000_5100) == 0
    with pytest.raises(GuestError, match="RADIO"):
        bench.bus.read(0x4000_1000)


def test_an_unknown_name_is_refused() -> None:
    """The message lists the names there are."""
    bench = Bench()
    with pytest.raises(ValueError, match=r"expected one of .*RADIO.*, got 'RADOI'"):
        add_unmodelled(bench.clock, bench.bus, allow=["RADOI"])


@pytest.mark.parametrize("address", ERRATUM_WORDS)
def test_words_of_work_arounds_are_accepted(address: int) -> None:
    """They have no effect."""
    bench = Bench()
    add_unmodelled(bench.clock, bench.bus)
    bench.bus.write(address, 2)
    assert bench.bus.read(address) == 0

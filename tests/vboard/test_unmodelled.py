# SPDX-License-Identifier: Apache-2.0
"""Blocks that are not modelled are refused by name."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.errors import GuestError
from vboard.unmodelled import (
    ERRATUM_WORDS,
    UNMODELLED,
    Block,
    ErratumWord,
    Unmodelled,
    allow,
)


def make() -> Bench:
    """A bus with nothing but what is not modelled."""
    bench = Bench()
    for block in UNMODELLED:
        bench.add(Unmodelled(bench.clock, bench.bus, block=block))
    for address in ERRATUM_WORDS:
        bench.add(ErratumWord(bench.clock, bench.bus, address=address))
    return bench


@pytest.mark.parametrize("block", UNMODELLED, ids=lambda block: block.name)
def test_each_block_is_refused_by_name(block: Block) -> None:
    """Loads and stores, with the offset."""
    bench = make()
    with pytest.raises(GuestError, match=r"not modelled \(a load\)") as error:
        bench.bus.read(block.base + 0x504)
    assert str(error.value).startswith(f"{block.name}.+0x504: ")
    with pytest.raises(GuestError, match=r"not modelled \(a store of 0x00000001\)"):
        bench.bus.write(block.base, 1)


def test_a_block_can_be_allowed_by_name() -> None:
    """It then reads as 0 and ignores stores; the others are still refused."""
    bench = make()
    allow(bench.bus.blocks, "NFCT")
    allow(bench.bus.blocks, "TWIM1")
    assert bench.bus.read(0x4000_4500) == 0
    bench.bus.write(0x4000_5000, 1)
    assert bench.bus.read(0x4000_5100) == 0
    with pytest.raises(GuestError, match="RADIO"):
        bench.bus.read(0x4000_1000)


@pytest.mark.parametrize("address", ERRATUM_WORDS)
def test_words_of_work_arounds_are_accepted(address: int) -> None:
    """They have no effect."""
    bench = make()
    bench.bus.write(address, 2)
    assert bench.bus.read(address) == 0

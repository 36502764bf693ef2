# SPDX-License-Identifier: Apache-2.0
"""Blocks of the nRF52840 that the virtual board does not model, by name.

An access to one of them is refused with its name, so that nobody has to guess why
firmware goes wrong. Who wants to get past one allows it by name (`--allow NFCT`);
it then reads as zero and ignores stores:

    allow(board.bus.blocks, "NFCT")

`ERRATUM_WORDS` are undocumented addresses that Nordic's work-arounds store to;
they have no effect here and are accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vboard.clock import Clock
from vboard.errors import NotModelled, VboardError
from vboard.fabric import Bus, Peripheral, ResetKind


@dataclass(frozen=True)
class Block:
    """A page with nothing behind it."""

    base: int
    name: str


UNMODELLED: tuple[Block, ...] = (
    Block(0x4000_1000, "RADIO"),
    Block(0x4000_3000, "SPIM0/SPIS0/TWIM0/TWIS0/SPI0/TWI0"),
    Block(0x4000_4000, "SPIM1/SPIS1/TWIM1/TWIS1/SPI1/TWI1"),
    Block(0x4000_5000, "NFCT"),
    Block(0x4000_7000, "SAADC"),
    Block(0x4000_F000, "CCM/AAR"),
    Block(0x4001_2000, "QDEC"),
    Block(0x4001_3000, "COMP/LPCOMP"),
    Block(0x4001_C000, "PWM0"),
    Block(0x4001_D000, "PDM"),
    Block(0x4002_0000, "MWU"),
    Block(0x4002_1000, "PWM1"),
    Block(0x4002_2000, "PWM2"),
    Block(0x4002_3000, "SPIM2/SPIS2/SPI2"),
    Block(0x4002_5000, "I2S"),
    Block(0x4002_6000, "FPU"),
    Block(0x4002_7000, "USBD"),
    Block(0x4002_9000, "QSPI"),
    Block(0x4002_D000, "PWM3"),
    Block(0x4002_F000, "SPIM3"),
)

# Address: what stores to it. Those inside modelled pages are registers there:
# 0x4000010C, 0x40000110 and 0x40000538 (erratum 36), 0x40000C34 (erratum 192).
ERRATUM_WORDS: dict[int, str] = {0x4007_AC84: "erratum 246"}


class Unmodelled(Peripheral):
    """Refuses accesses to one block by name."""

    def __init__(self, clock: Clock, bus: Bus, *, block: Block) -> None:
        super().__init__(clock, bus)
        self.name = block.name
        self.base = block.base
        self.allowed = False

    def _refuse(self, offset: int, what: str) -> NotModelled:
        return NotModelled(
            f"this block is not modelled (a {what})",
            block=self.name,
            register=self.register_name(offset),
        )

    def read(self, offset: int) -> int:
        """Refused, or 0 when allowed."""
        if not self.allowed:
            raise self._refuse(offset, "load")
        return 0

    def write(self, offset: int, value: int) -> None:
        """Refused, or ignored when allowed."""
        if not self.allowed:
            raise self._refuse(offset, f"store of 0x{value:08x}")

    def reset(self, kind: ResetKind) -> None:
        """Nothing to reset."""


def allow(blocks: Iterable[Peripheral], name: str) -> None:
    """Lets the guest use the block of this name; VboardError with the known names.

    Of a page with several names, like SPIM0/TWIM0, each one is good.
    """
    known: list[str] = []
    for block in blocks:
        if isinstance(block, Unmodelled):
            known += block.name.split("/")
            if name in (block.name, *block.name.split("/")):
                block.allowed = True
                return
    raise VboardError(
        f"expected the name of a block that is not modelled, got {name!r}; these are "
        + ", ".join(known)
    )


class ErratumWord(Peripheral):
    """A word that a work-around stores to; it keeps nothing."""

    size = 4

    def __init__(self, clock: Clock, bus: Bus, *, address: int) -> None:
        super().__init__(clock, bus)
        self.base = address
        self.name = ERRATUM_WORDS[address]

    def read(self, offset: int) -> int:
        """Always 0."""
        return 0

    def write(self, offset: int, value: int) -> None:
        """No effect."""

    def reset(self, kind: ResetKind) -> None:
        """Nothing to reset."""

# SPDX-License-Identifier: Apache-2.0
"""Plans for cutting the power inside flash operations, and their randomness."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass


class OperationKind(enum.Enum):
    """What a flash operation does."""

    WRITE = "write"
    ERASE_PAGE = "erase"
    ERASE_PARTIAL = "partial-erase"
    ERASE_ALL = "erase-all"
    ERASE_UICR = "erase-uicr"


class CutPoint(enum.Enum):
    """Where inside an operation the supply goes away."""

    BEFORE = "before"
    TORN = "torn"
    AFTER = "after"


@dataclass(frozen=True)
class Cut:
    """A plan: cut the power at operation number `operation` (1-based).

    `done` is the share (0..1) of the changing bits that a torn operation gets to;
    `unstable` makes those bits read randomly after each power-up until erased.
    """

    operation: int
    when: CutPoint | str
    seed: int = 0
    done: float = 0.5
    unstable: bool = False

    def __post_init__(self) -> None:
        if self.operation < 1:
            raise ValueError(
                f"expected an operation of 1 or more, got {self.operation}"
            )
        if not 0.0 <= self.done <= 1.0:
            raise ValueError(f"expected done in 0..1, got {self.done}")
        object.__setattr__(self, "when", CutPoint(self.when))


def random_bits(rng: random.Random, done: float, size: int) -> int:
    """`random_bytes` as a little-endian number."""
    return int.from_bytes(random_bytes(rng, done, size), "little")


def random_bytes(rng: random.Random, done: float, size: int) -> bytes:
    """`size` bytes in which each bit is 1 with probability `done` (steps of 1/256)."""
    bits = size * 8
    threshold = round(done * 256)
    if threshold >= 256:
        return b"\xff" * size
    # Bit-sliced comparison of a random byte per bit with the threshold.
    less = 0
    for plane in range(8):
        noise = rng.getrandbits(bits)
        less = (~noise | less) if threshold >> plane & 1 else (~noise & less)
        less &= (1 << bits) - 1
    return less.to_bytes(size, "little")

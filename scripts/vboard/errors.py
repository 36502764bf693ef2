# SPDX-License-Identifier: Apache-2.0
"""Errors of the virtual board.

VboardError
├── GuestError   the guest did what the chip does not allow (strict mode)
│   ├── NoBlock  it accessed a register where the chip has none
│   └── NotModelled  it accessed a block that is not modelled
├── PowerCut     a power plan cut the supply inside or beside a flash operation
└── LoadError    a file that should be loaded is not what it claims to be
"""

from __future__ import annotations


class VboardError(Exception):
    """Base of everything the virtual board raises."""


class GuestError(VboardError):
    """The guest violated a rule of the chip.

    `pc` is filled in by the CPU when the peripheral that raised it did not know.
    """

    def __init__(self, message: str, *, block: str = "", register: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.block = block
        self.register = register
        self.pc: int | None = None

    def __str__(self) -> str:
        where = ".".join(part for part in (self.block, self.register) if part)
        pc = "" if self.pc is None else f" at pc 0x{self.pc:08x}"
        return f"{where + ': ' if where else ''}{self.message}{pc}"


class NoBlock(GuestError):
    """A register access to an address where the chip has nothing."""


class NotModelled(GuestError):
    """The guest used a block that the chip has and this model has not."""


class PowerCut(VboardError):
    """The supply went away at flash operation number `operation` (1-based)."""

    def __init__(self, operation: int, kind: str) -> None:
        super().__init__(f"power cut {kind} flash operation {operation}")
        self.operation = operation
        self.kind = kind


class LoadError(VboardError):
    """A file could not be loaded."""

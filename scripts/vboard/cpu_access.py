# SPDX-License-Identifier: Apache-2.0
"""The rules of the CPU's accesses to peripheral registers."""

from __future__ import annotations

from vboard.errors import GuestError, NoBlock
from vboard.fabric import Bus, Peripheral


def block_at(bus: Bus, address: int, size: int) -> Peripheral:
    """The block that serves an access of `size` bytes; GuestError for a bad one."""
    block = bus.find(address)
    if block is None:
        raise NoBlock(f"no register block at 0x{address:08x}", block="bus")
    if size != 4 or address & 3:
        raise GuestError(
            f"expected a 32-bit aligned access, got {8 * size} bits at 0x{address:08x}",
            block=block.name,
            register=block.register_name((address - block.base) & ~3),
        )
    return block

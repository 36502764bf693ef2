# SPDX-License-Identifier: Apache-2.0
"""A bus with RAM and nothing else: what register tests of one block need."""

from __future__ import annotations

from vboard.clock import Clock
from vboard.fabric import Bus, IrqLine, Peripheral

RAM = 0x2000_0000


class Bench:
    """Clock, bus with 256 KiB of RAM, interrupt lines, and what blocks asked for."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.bus = Bus()
        self.ram = bytearray(0x4_0000)
        self.irq_changes: list[tuple[int, bool]] = []
        self.stalls: list[int] = []
        self.resets: list[str] = []
        self.protected: list[list[tuple[int, int]]] = []
        self.bus.ram_read = self.peek
        self.bus.ram_write = self.poke
        self.bus.stall_cpu_until_ns = self.stalls.append
        self.bus.request_reset = lambda kind: self.resets.append(kind.value)
        self.bus.acl_changed = self.protected.append

    def irq(self, number: int) -> IrqLine:
        """An interrupt line whose changes are recorded."""
        return IrqLine(number, lambda n, level: self.irq_changes.append((n, level)))

    def add(self, block: Peripheral) -> Peripheral:
        """Puts a block on the bus."""
        self.bus.add(block)
        return block

    def peek(self, address: int, size: int) -> bytes:
        """RAM content."""
        return bytes(self.ram[address - RAM : address - RAM + size])

    def poke(self, address: int, data: bytes) -> None:
        """Sets RAM."""
        self.ram[address - RAM : address - RAM + len(data)] = data

    def pass_ns(self, for_ns: int) -> None:
        """Lets time go by."""
        self.clock.advance_to_ns(self.clock.now_ns + for_ns)

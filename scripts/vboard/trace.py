# SPDX-License-Identifier: Apache-2.0
"""Traces of a run, one line per register access or flash operation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from vboard.board import Board
from vboard.nv import OperationKind
from vboard.scb import register_name

KINDS = ("regs", "at", "flash")


def stamp(now_ns: int) -> str:
    """`  1.234567890`: seconds of simulated time."""
    return f"{now_ns // 1_000_000_000:3}.{now_ns % 1_000_000_000:09}"


class FaultNotes:
    """One line per guest fault; a fault that keeps coming is counted, not shown.

    Two faults are the same when exception, cause and PC are; the address may differ.
    """

    SHOWN = 3

    def __init__(self, write_line: Callable[[str], None]) -> None:
        self._write_line = write_line
        self._seen: Counter[str] = Counter()

    def add(self, now_ns: int, message: str) -> None:
        """The guest took this fault at `now_ns`."""
        key = re.sub(r" on 0x[0-9a-f]+", "", message)
        self._seen[key] += 1
        if self._seen[key] > self.SHOWN:
            return
        more = " (more of these are only counted)"
        last = more if self._seen[key] == self.SHOWN else ""
        self._write_line(f"{stamp(now_ns)} guest {message}{last}")

    def close(self) -> None:
        """Tells how often what was not shown any more came."""
        for key, count in self._seen.items():
            if count > self.SHOWN:
                self._write_line(f"{count} times: guest {key}")


def trace_registers(board: Board, write_line: Callable[[str], None]) -> None:
    """Every register access: time, PC, direction, name, value."""

    def on_access(is_write: bool, address: int, size: int, value: int) -> None:
        block = board.bus.find(address)
        if block is None:
            name = register_name(address)
        else:
            name = f"{block.name}.{block.register_name(address - block.base)}"
        arrow = "<-" if is_write else "->"
        write_line(
            f"{stamp(board.clock.now_ns)} pc {board.cpu.get('pc'):08x} "
            f"{name} {arrow} 0x{value:0{2 * size}x}"
        )

    board.core.on_access = on_access


def trace_flash(board: Board, write_line: Callable[[str], None]) -> None:
    """Every flash operation with its number."""

    def on_operation(
        number: int, kind: OperationKind, address: int, value: int
    ) -> None:
        detail = f" <- 0x{value:08x}" if kind is OperationKind.WRITE else ""
        write_line(
            f"{stamp(board.clock.now_ns)} flash operation {number}: {kind.value} "
            f"0x{address:08x}{detail}"
        )

    board.nv.on_operation = on_operation

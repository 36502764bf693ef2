# SPDX-License-Identifier: Apache-2.0
"""Traces of a run, one line per register access or flash operation."""

from __future__ import annotations

from collections.abc import Callable

from vboard.board import Board
from vboard.nv import OperationKind
from vboard.scb import register_name

KINDS = ("regs", "at", "flash")


def stamp(now_ns: int) -> str:
    """`  1.234567890`: seconds of simulated time."""
    return f"{now_ns // 1_000_000_000:3}.{now_ns % 1_000_000_000:09}"


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

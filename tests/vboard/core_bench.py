# SPDX-License-Identifier: Apache-2.0
"""Runs a small assembly program on a whole board and looks at what it left in RAM."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from support.asm import assemble
from vboard import Board, NvMemory, load_files

LOG = 0x2000_0100  # where programs leave their results, one word after the other

# log rX: appends a register to the log (clobbers r6, r7). `done` stops the run.
MACROS = """
.equ LOG, 0x20000100
.macro log_init
    ldr r6, =LOG
    ldr r7, =LOG - 4
    str r6, [r7]
.endm
.macro log reg
    ldr r7, =LOG - 4
    ldr r6, [r7]
    str \\reg, [r6], #4
    str r6, [r7]
.endm
.macro logi value
    ldr r5, =\\value
    log r5
.endm
.macro poke address, value
    ldr r6, =\\address
    ldr r7, =\\value
    str r7, [r6]
.endm
.macro done
    movs r7, #0xD0
    ldr r6, =LOG - 8
    str r7, [r6]
999: wfi
    b 999b
.endm
"""
NVIC_ISER, NVIC_ISPR = 0xE000_E100, 0xE000_E200


class Program:
    """An assembled program on a board. `run` goes on until `done` or the time."""

    def __init__(
        self,
        folder: Path,
        source: str,
        *,
        handlers: Mapping[int, str] | None = None,
        faults: str = "guest",
    ) -> None:
        body = source.replace("reset:", "reset: log_init\n", 1)
        elf = assemble(folder, MACROS + body, handlers=handlers)
        self.nv = NvMemory(seed=1)
        load_files(self.nv, [elf])
        self.board = Board(self.nv, seed=1, faults=faults)
        self.faults: list[str] = []
        self.board.core.exceptions.on_fault = self.faults.append
        # RAM is noise after power-on: this word says that `done` was reached.
        self.board.ram_write(LOG - 8, bytes(4))

    def run(self, ms: float = 100) -> list[int]:
        """The logged words; AssertionError when the program did not come to `done`."""
        start = self.board.clock.now_ns
        self.board.run(start + int(ms * 1_000_000), stop=self.is_done)
        if not self.is_done():
            where = f"pc 0x{self.board.cpu.get('pc'):08x}, log {self.log()}"
            raise AssertionError(f"not done: {where}, faults {self.faults}")
        return self.log()

    def is_done(self) -> bool:
        """True when the program has executed `done`."""
        return self.board.ram_read(LOG - 8, 1) == b"\xd0"

    def log(self) -> list[int]:
        """The words logged so far."""
        end = struct.unpack("<I", self.board.ram_read(LOG - 4, 4))[0]
        if not LOG <= end < LOG + 0x1000:
            return []
        count = (end - LOG) // 4
        return list(struct.unpack(f"<{count}I", self.board.ram_read(LOG, 4 * count)))

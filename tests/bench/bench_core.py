# SPDX-License-Identifier: Apache-2.0
"""What the virtual board's work costs, each kind by itself, in CPU time.

    .venv/bin/python tests/bench/bench_core.py

Each line is the best of several runs of a few instructions of machine code. A load is
measured between stores, since a loop of loads alone is not executed pass by pass.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

from vboard.board import Board
from vboard.clock import NS_PER_MS, NS_PER_S
from vboard.nv import NvMemory

RUNS = 5
START, HANDLER = 0x400, 0x600
WORD_NS = 41_047  # a write and the three instructions of the loop
STACK = 0x2000_8000

NOP, WFI = 0xBF00, 0xBF30
LDR_R1_R0, STR_R1_R0, LDR_R4_R3, ADDS_R0_4 = 0x6801, 0x6001, 0x681C, 0x3004
BX_LR = 0x4770


def board_with(code: list[int], *, handler: list[int] | None = None) -> Board:
    """A board about to run `code` (half-words) at START, with SysTick's handler."""
    nv = NvMemory(seed=1)
    vectors = [STACK, START | 1, *[HANDLER | 1] * 14]
    nv.preload(0, struct.pack("<16I", *vectors))
    nv.preload(START, struct.pack(f"<{len(code)}H", *code))
    handler = handler or [BX_LR]
    nv.preload(HANDLER, struct.pack(f"<{len(handler)}H", *handler))
    return Board(nv, seed=1)


def loop(body: list[int]) -> list[int]:
    """`body` over and over."""
    back = -(len(body) + 2) & 0x7FF
    return [*body, 0xE000 | back]


def best(run: Callable[[], int]) -> float:
    """Seconds of CPU time for one of what `run` says it did, after a first run."""
    run()
    results = []
    for _ in range(RUNS):
        started = time.process_time()
        count = run()
        results.append((time.process_time() - started) / count)
    return min(results)


def instructions() -> float:
    """Seconds for one instruction of a loop that touches no register block."""
    board = board_with(loop([NOP] * 60))

    def run() -> int:
        board.run(until_ns=board.clock.now_ns + 50 * NS_PER_MS)
        return 50 * 64_000

    return best(run)


def register_accesses(body: list[int]) -> float:
    """Seconds for one `body`: accesses to a CC register of a TIMER."""
    repeat = 40 // len(body)
    board = board_with(loop(body * repeat))
    board.cpu.set("r0", 0x4000_8540)
    size = len(body)

    def run() -> int:
        board.run(until_ns=board.clock.now_ns + NS_PER_MS)
        return 64_000 * repeat // (size * repeat + 1)

    return best(run)


def interrupts() -> float:
    """Seconds for one SysTick interrupt: wake, enter, return, sleep."""
    board = board_with(loop([WFI]))
    for register, value in ((0xE000E014, 63_999), (0xE000E010, 7)):
        board.core.private.write(register, 4, value)

    def run() -> int:
        board.run(until_ns=board.clock.now_ns + NS_PER_S)
        return 1000

    return best(run)


def flash_words() -> float:
    """Seconds for one word: the store, and one look at READY behind it."""
    board = board_with(loop([STR_R1_R0, LDR_R4_R3, ADDS_R0_4]))
    board.cpu.set("r3", 0x4001_E400)
    board.bus.write(0x4001_E504, 1)
    cpu, words = board.cpu, 4096
    cpu.set("r0", 0x8_0000)
    cpu.set("r1", 0x1234_5678)

    def run() -> int:
        before = cpu.get("r0")
        board.run(until_ns=board.clock.now_ns + words * WORD_NS)
        return int(cpu.get("r0") - before) // 4

    return best(run)


def power_cycles() -> float:
    """Seconds for a power cycle, without anything that runs after it."""
    board = board_with(loop([NOP]))

    def run() -> int:
        for _ in range(20):
            board.power_cycle()
        return 20

    return best(run)


def boards() -> float:
    """Seconds for a new board and its end."""
    nv = NvMemory(seed=1)

    def run() -> int:
        for _ in range(5):
            Board(nv, seed=1).close()
        return 5

    return best(run)


def main() -> None:
    """Prints one line per kind of work."""
    print(f"instruction      {1e-6 / instructions():9.1f} million/s")
    store = register_accesses([STR_R1_R0])
    both = register_accesses([STR_R1_R0, LDR_R1_R0])
    for name, seconds in (
        ("register store", store),
        ("register load", both - store),
        ("interrupt", interrupts()),
        ("flash word", flash_words()),
        ("power cycle", power_cycles()),
        ("new board", boards()),
    ):
        print(f"{name:16} {seconds * 1e6:9.1f} us")


if __name__ == "__main__":
    main()

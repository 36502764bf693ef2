# SPDX-License-Identifier: Apache-2.0
"""Why the instruction engine stopped, and the hint instructions it stops at."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class StopReason(enum.Enum):
    """Why `Cpu.run` came back."""

    LIMIT = "instruction limit"
    ABORT = "a callback aborted the access"
    WFI = "wait for interrupt"
    WFE = "wait for event"
    SVC = "supervisor call"
    BKPT = "breakpoint"
    UNDEFINED = "undefined instruction"
    INVALID_STATE = "branch to an address without the Thumb bit"
    UNALIGNED = "unaligned access"
    DIVISION = "division by zero"
    EXC_RETURN = "exception return"
    FETCH = "fetch from unmapped memory"
    READ = "load from unmapped memory"
    WRITE = "store to unmapped memory"


class RunEnd(enum.Enum):
    """Why `run` came back."""

    TIME = "the given time was reached"
    STOPPED = "the stop condition held"
    IDLE = "the CPU sleeps and nothing will wake it"


@dataclass(frozen=True, slots=True)
class Stop:
    """`pc` is the next instruction, except for faults: the faulting one."""

    reason: StopReason
    executed: int
    pc: int = 0
    address: int = 0


WFI, WFE, YIELD, SEV = 0xBF30, 0xBF20, 0xBF10, 0xBF40
_HINTS = frozenset({WFI, WFE, YIELD, SEV})
_WIDE = {0x8003: WFI, 0x8002: WFE, 0x8001: YIELD, 0x8004: SEV}  # behind 0xF3AF


def hint_before(code: bytes | None) -> int:
    """The 16-bit code of the hint that `code` (four bytes) ends with, else 0."""
    if code is None or len(code) < 4:
        return 0
    last = code[2] | code[3] << 8
    if code[0] == 0xAF and code[1] == 0xF3:
        return _WIDE.get(last, 0)
    return last if last in _HINTS else 0


def event_sent(code: bytes | None) -> bool:
    """True when `code`, what stands before a WFE, has a SEV behind the last WFE.

    The engine runs SEV without telling; the idiom SEV; WFE is what matters.
    """
    if code is None:
        return False
    halves = [int.from_bytes(code[i : i + 2], "little") for i in range(0, len(code), 2)]
    last_wfe = max((i for i, half in enumerate(halves) if half == WFE), default=-1)
    return SEV in halves[last_wfe + 1 :]

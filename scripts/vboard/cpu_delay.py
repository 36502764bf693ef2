# SPDX-License-Identifier: Apache-2.0
"""Delay loops: `1: subs rN, #k; (nop); bne 1b` (or bhi), as vendors' delays do it.

Such a loop does nothing but take time, so its passes are counted off at once, each
with the cycles that it takes on the chip: one per instruction and one more for the
branch back (Cortex-M4 TRM, instruction set summary: 1 + P, with P = 1 for aligned
targets, which Nordic's drivers count on). Loops are looked for in flash at each reset.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from vboard.cpu_memory import FLASH_SIZE, PAGE, Memory

_NE, _HI = 0xD1, 0xD8
# From the second byte of SUBS to the second byte of the branch.
_LOOP = re.compile(rb"(?=[\x38-\x3f]((?:\x00\xbf)*)([\x80-\xfd])[\xd1\xd8])", re.DOTALL)


class DelayLoops:
    """Hooks on the heads of delay loops.

    `skip(passes, cycles)` lets time pass for at most `passes` of `cycles` each and
    gives how many it were; `get` and `set_` are the CPU's registers by name.
    """

    def __init__(self, engine: Any, memory: Memory, *, hook_type: int) -> None:
        self._engine, self._memory = engine, memory
        self._hook_type = hook_type
        self._hooks: dict[int, dict[int, int]] = {}  # page: address: handle
        self._stale = set(range(0, FLASH_SIZE, PAGE))
        self.skip: Callable[[int, int], int] = lambda passes, cycles: 0
        self.get: Callable[[str], int]
        self.set_: Callable[[str, int], None]

    def flash_changed(self, address: int, size: int) -> None:
        """The pages are looked at again at the next reset."""
        self._stale.update(range(address & -PAGE, address + size, PAGE))

    def word_changed(self, address: int) -> None:
        """`flash_changed` for one word."""
        self._stale.add(address & -PAGE)

    def refresh(self) -> None:
        """At a reset: finds the loops in flash."""
        pages, self._stale = self._stale, set()
        for page in pages:
            content = self._memory.flash[page : page + PAGE + 64]
            wanted = {page + head for head in _loops(content)}
            hooks = self._hooks.setdefault(page, {})
            for address in hooks.keys() - wanted:
                self._engine.hook_del(hooks.pop(address))
            for address in wanted - hooks.keys():
                hooks[address] = self._engine.hook_add(
                    self._hook_type, self._at_head, begin=address, end=address
                )
                self._engine.ctl_remove_cache(address, address + 2)

    def _at_head(self, engine: object, address: int, size: int, data: object) -> None:
        code = self._memory.flash[address : address + 2 * 64]
        nops = _nops(code, 0)
        if nops is None:  # flash was written since the reset
            return
        register, step = f"r{code[1] & 7}", code[0]
        value = self.get(register)
        passes = _passes(value, step, condition=code[3 + 2 * nops])
        if passes > 1:
            done = self.skip(passes - 1, nops + 3)
            if done:
                self.set_(register, value - done * step)


def _passes(value: int, step: int, *, condition: int) -> int:
    """How often the body runs from `value` on; 0 when that is not simple."""
    if step == 0 or value == 0:
        return 0
    if condition == _NE:
        return 0 if value % step else value // step
    return -(-value // step)


@functools.lru_cache(maxsize=1024)
def _loops(content: bytes) -> tuple[int, ...]:
    """Offsets of the loop heads in a page (which comes with what follows it)."""
    heads = (match.start() - 1 for match in _LOOP.finditer(content))
    return tuple(
        head
        for head in heads
        if 0 <= head < PAGE and head % 2 == 0 and _nops(content, head) is not None
    )


def _nops(code: bytes, head: int) -> int | None:
    """NOPs in the delay loop that begins at `head`; None when there is no such loop."""
    match = _LOOP.match(code, head + 1)
    if match is None:
        return None
    nops = len(match.group(1)) // 2
    back = 0x100 - match.group(2)[0]  # half-words from behind the branch to the head
    return nops if back == 3 + nops else None

# SPDX-License-Identifier: Apache-2.0
"""Sees to it that a slice ends when the guest lowers an interrupt mask.

Interrupts that wait for PRIMASK, BASEPRI or FAULTMASK must be taken right behind
the instruction that lets them in. CPSIE and MSR end a translation block, so a block
hook on the next address sees them; it costs nothing elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from vboard.cpu_memory import FLASH_SIZE, PAGE, RAM_BASE, RAM_SIZE, Memory

_LONGEST = 4  # bytes of an unmasking instruction
# The end of MSR to PRIMASK, BASEPRI, BASEPRI_MAX or FAULTMASK, behind its first byte.
_MSR = re.compile(rb"\xf3[\x10-\x13]\x88", re.DOTALL)


def unmasking(content: bytes) -> Iterator[tuple[int, int]]:
    """Offset and length of what would be CPSIE i/f or such an MSR."""
    at = content.find(b"\xb6", 1)
    while at > 0:
        if 0x61 <= content[at - 1] <= 0x63:
            yield at - 1, 2
        at = content.find(b"\xb6", at + 1)
    for match in _MSR.finditer(content, 1):
        if content[match.start() - 1] >> 4 == 8:
            yield match.start() - 1, 4


class UnmaskWatch:
    """Hooks behind every unmasking instruction, kept up with what is in memory."""

    def __init__(
        self, engine: Any, memory: Memory, *, hook_type: int, call: Callable[..., None]
    ) -> None:
        self._engine, self._memory = engine, memory
        self._hook_type = hook_type
        self._call = call
        # By page: instruction and address behind it: handle.
        self._hooks: dict[int, dict[tuple[int, int], int]] = {}
        # Changed and not looked at since: page: first address, end.
        self._stale = {page: (page, page + PAGE) for page in range(0, FLASH_SIZE, PAGE)}

    def flash_changed(self, address: int, size: int) -> None:
        """The pages are looked at again before they matter."""
        for page in range(address & -PAGE, address + size, PAGE):
            self._stale[page] = page, page + PAGE

    def word_changed(self, address: int) -> None:
        """`flash_changed` for one word."""
        page = address & -PAGE
        first, end = self._stale.get(page, (address, address))
        if not first <= address < end:
            self._stale[page] = min(first, address), max(end, address + 4)

    def refresh(self, *, ram: bool) -> None:
        """Before a slice with a waiting interrupt; `ram`: code runs from RAM too."""
        stale, self._stale = self._stale, {}
        for page, (changed, end) in stale.items():
            first = max(page, changed - _LONGEST)
            self._watch(page, first, end, self._memory.flash[first : end + _LONGEST])
        if ram:
            content = self._memory.ram[:]
            for start in range(0, RAM_SIZE, PAGE):
                page = RAM_BASE + start
                part = content[start : start + PAGE + _LONGEST]
                self._watch(page, page, page + PAGE, part)

    def _watch(self, page: int, first: int, end: int, content: bytes) -> None:
        """Makes the hooks from `first` to `end` fit `content`, which is there now."""
        wanted = {
            (first + offset, first + offset + length)
            for offset, length in unmasking(content)
            if offset % 2 == 0 and first + offset < end
        }
        hooks = self._hooks.setdefault(page, {})
        gone = [at for at in hooks if first <= at[0] < end and at not in wanted]
        for at in gone:
            self._engine.hook_del(hooks.pop(at))
        for at in wanted - hooks.keys():
            behind = at[1]
            hooks[at] = self._engine.hook_add(
                self._hook_type, self._call, begin=behind, end=behind
            )
            self._engine.ctl_remove_cache(behind, behind + 2)

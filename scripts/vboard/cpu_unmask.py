# SPDX-License-Identifier: Apache-2.0
"""Sees to it that a slice ends when the guest lowers an interrupt mask.

Interrupts that wait for PRIMASK, BASEPRI or FAULTMASK must be taken right behind
the instruction that lets them in. CPSIE and MSR end a translation block, so a block
hook on the next address sees them; it costs nothing elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from vboard.cpu_memory import FLASH_SIZE, PAGE, RAM_BASE, RAM_SIZE, Memory

# CPSIE i/f, and MSR to PRIMASK, BASEPRI, BASEPRI_MAX, FAULTMASK. A look-ahead, so
# that matches may overlap.
_UNMASK = re.compile(
    rb"(?=([\x61-\x63]\xb6|[\x80-\x8f]\xf3[\x10-\x13]\x88))", re.DOTALL
)


class UnmaskWatch:
    """Hooks behind every unmasking instruction, kept up with what is in memory."""

    def __init__(
        self, engine: Any, memory: Memory, *, hook_type: int, call: Callable[..., None]
    ) -> None:
        self._engine, self._memory = engine, memory
        self._hook_type = hook_type
        self._call = call
        self._hooks: dict[int, dict[int, int]] = {}  # page: address: handle
        self._stale = set(range(0, FLASH_SIZE, PAGE))

    def flash_changed(self, address: int, size: int) -> None:
        """The pages are looked at again before they matter."""
        for page in range(address & -PAGE, address + size, PAGE):
            self._stale.add(page)

    def word_changed(self, address: int) -> None:
        """`flash_changed` for one word."""
        self._stale.add(address & -PAGE)

    def refresh(self, *, ram: bool) -> None:
        """Before a slice with a waiting interrupt; `ram`: code runs from RAM too."""
        pages, self._stale = self._stale, set()
        for page in pages:
            self._watch(page, self._memory.flash[page : page + PAGE + 4])
        if ram:
            content = self._memory.ram[:]
            for page in range(0, RAM_SIZE, PAGE):
                self._watch(RAM_BASE + page, content[page : page + PAGE + 4])

    def _watch(self, page: int, content: bytes) -> None:
        wanted = {
            page + match.end(1)
            for match in _UNMASK.finditer(content)
            if match.start() % 2 == 0 and match.start() < PAGE
        }
        hooks = self._hooks.setdefault(page, {})
        for address in hooks.keys() - wanted:
            self._engine.hook_del(hooks.pop(address))
        for address in wanted - hooks.keys():
            hooks[address] = self._engine.hook_add(
                self._hook_type, self._call, begin=address, end=address
            )
            self._engine.ctl_remove_cache(address, address + 2)

# SPDX-License-Identifier: Apache-2.0
"""Division by zero while CCR.DIV_0_TRP is set.

The engine gives 0 for x / 0 and tells nobody. While the trap is on, a hook sits on
every UDIV and SDIV in flash. Hooks on single instructions slow all instructions
down, so a program with more than `MOST_SITES` divisions is not watched (which
is noted); neither are divisions in RAM or in IT blocks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from vboard.cpu_memory import FLASH_BASE, Memory

MOST_SITES = 24
_DIVISION = re.compile(rb"[\x90-\x9f\xb0-\xbf]\xfb[\xf0-\xff][\xf0-\xff]", re.DOTALL)


class DivisionTrap:
    """`on_zero` is called before a division by zero executes."""

    def __init__(
        self,
        engine: Any,
        memory: Memory,
        *,
        hook_type: int,
        on_zero: Callable[[], None],
    ) -> None:
        self._engine, self._memory = engine, memory
        self._hook_type = hook_type
        self._on_zero = on_zero
        self._hooks: dict[int, int] = {}
        self.divisor: Callable[[int], int]  # value of a register by its number

    def watch(self, on: bool, *, note: Callable[[str], None]) -> None:
        """Switches the trap; `note` hears when there are too many divisions."""
        for address, hook in self._hooks.items():
            self._engine.hook_del(hook)
            self._engine.ctl_remove_cache(address, address + 4)
        self._hooks.clear()
        if not on:
            return
        code = self._memory.flash[:]
        sites = [m.start() for m in _DIVISION.finditer(code) if m.start() % 2 == 0]
        sites = [FLASH_BASE + site for site in sites if not _conditional(code, site)]
        if len(sites) > MOST_SITES:
            note(
                f"note: DIV_0_TRP is not modelled for {len(sites)} divisions (up to "
                f"{MOST_SITES}); x / 0 gives 0"
            )
            return
        for site in sites:
            self._hooks[site] = self._engine.hook_add(
                self._hook_type, self._before, begin=site, end=site
            )
            self._engine.ctl_remove_cache(site, site + 4)

    def _before(self, engine: object, address: int, size: int, data: object) -> None:
        divisor = self._memory.flash[address + 2] & 0xF
        if self.divisor(divisor) == 0:
            self._on_zero()


def _conditional(code: bytes, site: int) -> bool:
    """True when an IT instruction stands close before: the division may not run."""
    for at in range(max(site - 10, 0), site, 2):
        if code[at + 1] == 0xBF and code[at] & 0xF:
            return True
    return False

# SPDX-License-Identifier: Apache-2.0
"""Finds busy-waiting loops, so that time can jump over their repetitions.

A loop that reads one or a few registers until something happens is found in three
steps: the same reads with the same values come at the same distance in time (the
trail); registers and RAM are the same at two passes through the same point (the
proof: from equal states the same follows); then every pass may be repeated without
executing it, as long as the registers keep their values.

Rule 1: nothing but loads from registers happens between two passes; a store, an
        exception or a new slice makes the watch start again.
Rule 2: registers may change without an alarm (a counter), so one jump is at most
        `LONGEST_JUMP` cycles, and the loads behind it are real.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING

from vboard.cpu_memory import RAM_BASE, RAM_SIZE

if TYPE_CHECKING:
    from vboard.cpu import Cpu

LONGEST_JUMP = 640  # cycles: 10 us
_TRAIL = 16  # loads that must repeat before the state is compared
_LONGEST_LOOP = 4  # loads per pass

Read = tuple[int, int, int]  # address, value, cycle


def machine_state(cpu: Cpu) -> Callable[[], object]:
    """A function that gives everything a program can keep its progress in."""
    registers = cpu.registers(
        *(f"r{i}" for i in range(13)),
        *("sp", "lr", "pc", "xpsr", "fpscr", "primask", "basepri", "control"),
        *(f"s{i}" for i in range(32)),
    )
    return lambda: (registers.read(), cpu.ram_read(RAM_BASE, RAM_SIZE))


class _Phase(enum.Enum):
    TRAIL = 0
    FIRST_PASS = 1
    SECOND_PASS = 2
    PROVEN = 3


class PollWatch:
    """Looks at every register load; `state` gives something that compares equal
    when CPU and RAM are the same."""

    def __init__(self, state: Callable[[], object]) -> None:
        self._state = state
        self._trail: list[Read] = []
        self._phase = _Phase.TRAIL
        self._loop: list[tuple[int, int]] = []
        self._index = 0
        self._period = 0
        self._passed = 0  # cycle of the last pass through the first load
        self._seen: object = None

    def interrupted(self) -> None:
        """Something else than a load happened."""
        if self._trail or self._phase is not _Phase.TRAIL:
            self._trail.clear()
            self._phase = _Phase.TRAIL

    def new_slice(self) -> None:
        """An alarm may have changed RAM: prove the loop again."""
        if self._phase is not _Phase.TRAIL:
            self._phase = _Phase.FIRST_PASS

    def load(self, address: int, value: int, cycle: int) -> int:
        """One load at `cycle`; gives the period of the loop when time may jump by
        any multiple of it, else 0."""
        if self._phase is _Phase.TRAIL:
            trail = self._trail
            trail.append((address, value, cycle))
            if len(trail) >= _TRAIL:
                self._look_for_loop()
            return 0
        if (address, value) != self._loop[self._index]:
            self.interrupted()
            return 0
        first = self._index == 0
        self._index = (self._index + 1) % len(self._loop)
        return self._pass(cycle) if first else 0

    def jumped(self, cycles: int) -> None:
        """Time went on by this much."""
        self._passed += cycles

    def _look_for_loop(self) -> None:
        trail = self._trail
        for length in range(1, _LONGEST_LOOP + 1):
            period = trail[length][2] - trail[0][2]
            if all(
                late[0] == early[0]
                and late[1] == early[1]
                and late[2] - early[2] == period
                for early, late in zip(trail, trail[length:], strict=False)
            ):
                self._loop = [(address, value) for address, value, _ in trail[-length:]]
                self._index = 0
                self._period = period
                self._passed = trail[-length][2]
                self._phase = _Phase.FIRST_PASS
                break
        trail.clear()

    def _pass(self, cycle: int) -> int:
        regular = cycle - self._passed == self._period
        self._passed = cycle
        if self._phase is _Phase.FIRST_PASS:
            self._seen = self._state()
            self._phase = _Phase.SECOND_PASS
            return 0
        if not regular:
            self.interrupted()
            return 0
        if self._phase is _Phase.SECOND_PASS:
            same = self._state() == self._seen
            self._seen = None
            if not same:
                self.interrupted()
                return 0
            self._phase = _Phase.PROVEN
        return self._period


class SpinWatch:
    """Finds a WFI that never sleeps: an interrupt is pending, but masked for good.

    The chip executes such a loop at full speed; with the same registers and RAM at
    the same WFI twice, nothing but an alarm can change that, and time may jump there.
    """

    _LOOKS = 64  # passes between two comparisons

    def __init__(self, state: Callable[[], object]) -> None:
        self._state = state
        self._passes = 0
        self._pc = 0
        self._seen: object = None

    def slept(self) -> None:
        """Time went by in a WFI."""
        self._passes = 0

    def stuck(self, pc: int) -> bool:
        """A WFI before `pc` ended at once; True when it will for ever."""
        if pc != self._pc:
            self._pc, self._passes = pc, 0
        self._passes += 1
        phase = self._passes % self._LOOKS
        if phase == 0:
            self._seen = self._state()
        if phase == 1 and self._passes > 1:
            seen, self._seen = self._seen, None
            return self._state() == seen
        return False

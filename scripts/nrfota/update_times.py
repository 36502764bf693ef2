# SPDX-License-Identifier: Apache-2.0
"""How long each step of an update took, from the bootloader's console lines.

    times = UpdateTimes(cipher_size=..., plain_size=...)
    times.line("boot: check ok", seconds=5.1)
    times.steps  ->  (StepTime("check", 5.0, 204224), ...)

Seconds are since the reset that began the update. A step that begins again (after a
restart of the modem, or when flash did not verify) counts from its first beginning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PAGE = re.compile(r"boot: page (\d+)/(\d+)\Z")
_RUNNING = re.compile(r"app: version \d+ running")


@dataclass(frozen=True)
class StepTime:
    """A step; `seconds` is None when nobody measured, `size` when it has none."""

    name: str
    seconds: float | None
    size: int | None = None

    @property
    def rate(self) -> float | None:
        """Bytes per second."""
        if self.size is None or not self.seconds:
            return None
        return self.size / self.seconds


def page_progress(line: str) -> tuple[int, int] | None:
    """Pages done and pages in all, of a bootloader's progress line."""
    match = _PAGE.search(line)
    if match is None:
        return None
    done, total = int(match[1]), int(match[2])
    return (done, total) if 0 < done <= total else None


class UpdateTimes:
    """Collects; `steps` has those that ended."""

    def __init__(self, *, cipher_size: int, plain_size: int) -> None:
        self._sizes = {
            "check": cipher_size,
            "program": plain_size,
            "verify": plain_size,
            "start": None,
        }
        self._ends: dict[str, float] = {}

    def line(self, text: str, *, seconds: float) -> None:
        """A console line, `seconds` after the reset."""
        if step := self._ended_by(text):
            self._ends[step] = seconds

    @property
    def steps(self) -> tuple[StepTime, ...]:
        """Each step from the end of the one before to its own end."""
        found, begin = [], 0.0
        for name, size in self._sizes.items():
            if name in self._ends:
                found.append(StepTime(name, self._ends[name] - begin, size))
                begin = self._ends[name]
        return tuple(found)

    @property
    def total(self) -> float | None:
        """Seconds from the reset to the new version's line."""
        return self._ends.get("start")

    def _ended_by(self, text: str) -> str | None:
        if text.endswith("boot: check ok"):
            return "check"
        if text.endswith("boot: verify ok"):
            return "verify"
        if page := page_progress(text):
            return "program" if page[0] == page[1] else None
        return "start" if _RUNNING.search(text) else None

# SPDX-License-Identifier: Apache-2.0
"""What a publication is given, and what comes out of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from nrfota.cloud.fetch import Checked
from nrfota.cloud.link import Reports, Sender
from nrfota.cloud.rollout import Rollout, Summary
from nrfota.cloud.stores import Place, Store


def steady_clock() -> Callable[[], float]:
    """The time of day when it is made, and from there on without jumps."""
    begin = time.time() - time.monotonic()
    return lambda: begin + time.monotonic()


class View(Protocol):
    """Shows what happens."""

    def step(self, text: str) -> None:
        """A step begins."""

    def note(self, text: str) -> None:
        """Something worth knowing."""

    def progress(self, rollout: Rollout, now: float, *, connected: bool) -> None:
        """The fleet, now."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The world."""

    open_store: Callable[[Place], Store]
    check: Callable[[str, bytes], Checked]
    open_link: Callable[[], tuple[Sender, Reports]]
    now: Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How far to go."""

    upload: bool = True
    force: bool = False
    allow_one_url: bool = False
    follow: bool = True
    timeout_s: float | None = None
    republish: bool = False
    keep_keys: bool = False
    abort: bool = False


@dataclass
class End:
    """How it ended; `state` is complete, incomplete, stopped, timeout, published or
    aborted."""

    state: str
    reason: str
    id: str
    version: int
    summary: Summary
    stages: list[Summary] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    urls: list[Checked] = field(default_factory=list)
    keys: str = "kept"

    @property
    def exit_code(self) -> int:
        """0 when there is nothing left to do."""
        return 0 if self.state in ("complete", "published", "aborted") else 1

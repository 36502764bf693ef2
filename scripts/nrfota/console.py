# SPDX-License-Identifier: Apache-2.0
"""Follows the board's console until a version reports itself.

The application prints `app: version N running ...` when it starts. When that says
that it is on trial, it is followed until it has confirmed itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from nrfota.at import Link
from nrfota.errors import LinkError, OtaError

_VERSION = re.compile(r"app: version (\d+) running")
_CONFIRMED = re.compile(r"app: confirmed version (\d+)")
# A sound application confirms itself within this time.
CONFIRM_S = 30.0
_CONTROL = re.compile(r"[^\x20-\x7e\t]")
MAX_LINE = 512
POLL_S = 0.5


@dataclass(frozen=True)
class Report:
    """The line that was waited for."""

    version: int
    line: str
    seconds: float
    confirmed: bool | None = None  # None: nothing to confirm


class Lines:
    """Console bytes to lines; what is no text becomes `?`."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Lines that became complete with `data`."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            whole.append(self._rest)
            self._rest = b""
        texts = (
            _CONTROL.sub("?", line.decode("ascii", "replace").strip("\r"))
            for line in whole
        )
        return [text for text in texts if text.strip()]


def reported_version(line: str) -> int | None:
    """The version in an application's start line."""
    match = _VERSION.search(line)
    return int(match[1]) if match else None


def follow(
    link: Link,
    *,
    version: int,
    timeout_s: float,
    on_line: Callable[[str], None],
    lines: Lines | None = None,
) -> Report:
    """Returns when the application reports `version`.

    Raises `OtaError` when another version starts instead (the update was refused
    or rolled back), `LinkError` when nothing reports within `timeout_s` seconds.
    """
    lines = lines or Lines()
    start = link.now()
    last = ""
    while (waited := link.now() - start) < timeout_s:
        for line in lines.feed(link.read(min(POLL_S, timeout_s - waited))):
            on_line(line)
            last = line
            reported = reported_version(line)
            if reported == version:
                seconds = link.now() - start
                confirmed = None
                if "reason trial" in line:
                    confirmed = _confirms(link, version, on_line=on_line, lines=lines)
                return Report(version, line, seconds, confirmed)
            if reported is not None:
                raise OtaError(
                    f"expected version {version} to start, got '{line}' on {link.name}"
                )
    said = f"the last line was '{last}'" if last else "nothing was printed"
    raise LinkError(
        f"expected 'app: version {version} running' on {link.name} within "
        f"{timeout_s:g} s; {said}"
    )


def _confirms(
    link: Link, version: int, *, on_line: Callable[[str], None], lines: Lines
) -> bool:
    """Whether the version on trial confirms itself in time."""
    start = link.now()
    while (waited := link.now() - start) < CONFIRM_S:
        for line in lines.feed(link.read(min(POLL_S, CONFIRM_S - waited))):
            on_line(line)
            match = _CONFIRMED.search(line)
            if match and int(match[1]) == version:
                return True
    return False


def drain(link: Link, *, on_line: Callable[[str], None], lines: Lines) -> None:
    """Shows what the console has said so far."""
    while data := link.read(0):
        for line in lines.feed(data):
            on_line(line)

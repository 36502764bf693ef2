# SPDX-License-Identifier: Apache-2.0
"""Reports of devices about an update (SPEC.md 11).

Rule 1: `unpack` believes nothing: what is not a report is a FormatError, whatever
        the bytes are.
Rule 2: text of a device is shown only when it is a plain word.

    report = Report.unpack(payload)
    report.stage is Stage.CONFIRMED
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nrfota.cloud.topics import DEVICE_ID
from nrfota.errors import FormatError

TYPE = "update_report"
MAX_SIZE = 512
WORD = re.compile(r"[a-z0-9_]{1,40}\Z")
ID = re.compile(r"[A-Za-z0-9_-]{0,64}\Z")
NO_REASON = "unknown"
SAME = "same"


class Stage(StrEnum):
    """How far a device is, in the order of SPEC 11."""

    ACCEPTED = "accepted"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    UPDATING = "updating"
    CONFIRMED = "confirmed"
    ROLLED_BACK = "rolled_back"
    REFUSED = "refused"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return self in FINAL

    @property
    def rank(self) -> int:
        """Later stages are higher; all final ones are the highest."""
        return 4 if self.is_final else list(Stage).index(self)


FINAL = frozenset((Stage.CONFIRMED, Stage.ROLLED_BACK, Stage.REFUSED, Stage.FAILED))
WITH_REASON = FINAL - {Stage.CONFIRMED}
LOST = frozenset(((Stage.FAILED, "interrupted"), (Stage.REFUSED, "link")))


@dataclass(frozen=True)
class Report:
    """One report; `percent` while it downloads, `reason` when it went wrong."""

    device: str
    id: str
    stage: Stage
    version: int
    target: int
    percent: int | None = None
    error: int = 0
    reason: str = ""

    @property
    def runs_it(self) -> bool:
        """Whether the device refused because it runs this very image already."""
        return self.stage is Stage.REFUSED and self.reason == SAME

    @property
    def lost_it(self) -> bool:
        """Whether the request is gone and the update has not begun: by a reset, or
        by a byte on the way from the modem."""
        return (self.stage, self.reason) in LOST

    @classmethod
    def unpack(cls, data: bytes) -> Report:
        """Checks the bytes of a message; raises FormatError."""
        members = _members(data)
        if members.get("type") != TYPE:
            raise FormatError(f"report: expected type '{TYPE}'")
        device, request, stage = (
            _text(members, name) for name in ("device", "id", "stage")
        )
        if not DEVICE_ID.match(device):
            raise FormatError("report: device is not an id")
        if not ID.match(request):
            raise FormatError("report: id is not the id of a request")
        if stage not in list(Stage):
            raise FormatError("report: unknown stage")
        return cls(
            device=device,
            id=request,
            stage=Stage(stage),
            version=_word(members, "version"),
            target=_word(members, "target"),
            percent=_percent(members) if stage == Stage.DOWNLOADING else None,
            error=_error(members) if stage in WITH_REASON else 0,
            reason=_reason(members) if stage in WITH_REASON else "",
        )


def _members(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_SIZE:
        raise FormatError(f"report: expected at most {MAX_SIZE} bytes, got {len(data)}")
    try:
        members = json.loads(data.decode())
    except (ValueError, RecursionError):  # not UTF-8, not JSON, beyond limits
        raise FormatError("report: not JSON") from None
    if not isinstance(members, dict):
        raise FormatError("report: expected an object")
    return members


def _text(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise FormatError(f"report: expected {name} as text")
    return value


def _word(members: dict[str, Any], name: str) -> int:
    value = members.get(name)
    if type(value) is not int or not 0 <= value < 1 << 32:
        raise FormatError(f"report: expected {name} 0..2^32-1")
    return value


def _percent(members: dict[str, Any]) -> int | None:
    value = members.get("percent")
    return value if type(value) is int and 0 <= value <= 100 else None


def _error(members: dict[str, Any]) -> int:
    value = members.get("error")
    return value if type(value) is int and abs(value) < 1 << 31 else 0


def _reason(members: dict[str, Any]) -> str:
    """A bad reason does not make a failure unheard."""
    value = members.get("reason")
    return value if isinstance(value, str) and WORD.match(value) else NO_REASON

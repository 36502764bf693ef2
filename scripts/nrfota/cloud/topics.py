# SPDX-License-Identifier: Apache-2.0
"""MQTT topics of a fleet (SPEC.md 10).

Rule 1: `{id}` and `{group}` are whole levels, so that a filter can stand for them.
Rule 2: no two of the topics can be the same, whatever the ids are: a device never
        hears its own reports, and a report is never taken for telemetry.

    topics = default_topics("mqtt")
    topics.request_for("dev-1")    # ota/device/dev-1/request
    topics.device_of_report("ota/device/dev-1/report")    # dev-1
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from nrfota.errors import FormatError

ID = "{id}"
GROUP = "{group}"
DEVICE_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
MAX_ID = 64
# What the device's MQTT client holds (SIM7600_MQTT_TOPIC_MAX); AWS IoT Core's
# limit is the same.
MAX_TOPIC = 256
# MQTT's wildcards cannot be published to; quote and backslash would have to be
# escaped in firmware and AT commands.
BAD_CHARACTER = re.compile(r"[^ !$-*,-\[\]-~]")


def check_device_id(text: str, *, what: str = "device id") -> str:
    """`text`, when it can be a device's id or a group's; raises FormatError."""
    if not DEVICE_ID.match(text):
        raise FormatError(
            f"{what}: expected 1 to {MAX_ID} of A-Z a-z 0-9 _ - ., got {text[:80]!r}"
        )
    return text


@dataclass(frozen=True)
class Topics:
    """Checked topics; `group` is None when requests go to single devices only."""

    request: str
    group: str | None
    report: str
    telemetry: str

    def __post_init__(self) -> None:
        for name in ("request", "report", "telemetry"):
            _check(name, getattr(self, name), mark=ID)
        if self.group is not None:
            _check("group", self.group, mark=GROUP)
        named = [
            (name, topic)
            for name in ("request", "group", "report", "telemetry")
            if (topic := getattr(self, name)) is not None
        ]
        for (one, first), (other, second) in itertools.combinations(named, 2):
            if _may_be_equal(first, second):
                raise FormatError(
                    f"expected topics that cannot be mixed up, got {one} '{first}' "
                    f"and {other} '{second}'"
                )

    def request_for(self, device: str) -> str:
        """Where one device takes requests from."""
        return self.request.replace(ID, check_device_id(device))

    def group_request(self, group: str) -> str | None:
        """Where the devices of a group take requests from; None without groups."""
        if self.group is None:
            return None
        return self.group.replace(GROUP, check_device_id(group, what="group"))

    def report_for(self, device: str) -> str:
        """Where a device reports to."""
        return self.report.replace(ID, check_device_id(device))

    def report_filter(self) -> str:
        """What to subscribe to for the reports of all devices."""
        return self.report.replace(ID, "+")

    def device_of_report(self, topic: str) -> str | None:
        """The device that reported to `topic`; None for any other topic."""
        before, _, after = self.report.partition(ID)
        if len(topic) < len(before) + len(after):
            return None
        if not (topic.startswith(before) and topic.endswith(after)):
            return None
        device = topic[len(before) : len(topic) - len(after)]
        return device if DEVICE_ID.match(device) else None

    def telemetry_for(self, device: str) -> str:
        """Where a device sends its telemetry."""
        return self.telemetry.replace(ID, check_device_id(device))


def default_topics(profile: str) -> Topics:
    """The topics of a profile when the cloud file names no others."""
    return {
        "mqtt": Topics(
            request="ota/device/{id}/request",
            group="ota/group/{group}/request",
            report="ota/device/{id}/report",
            telemetry="ota/device/{id}/telemetry",
        ),
        "aws": Topics(
            request="cmd/ota/{id}/request",
            group="cmd/ota/group/{group}/request",
            report="dt/ota/{id}/report",
            telemetry="dt/ota/{id}/telemetry",
        ),
        "gcp": Topics(
            request="/devices/{id}/config",
            group=None,
            report="/devices/{id}/state",
            telemetry="/devices/{id}/events",
        ),
    }[profile]


def _check(name: str, topic: str, *, mark: str) -> None:
    bad = BAD_CHARACTER.search(topic)
    if bad:
        raise FormatError(
            f'{name}: expected printable ASCII without + # " and \\, got {bad[0]!r} '
            f"at position {bad.start()}"
        )
    # telemetry may go to AWS IoT's basic ingest, $aws/rules/...
    if topic.startswith("$") and name != "telemetry":
        raise FormatError(
            f"{name}: expected a topic that clients may use, got '{topic}', which "
            "begins with $"
        )
    levels = topic.split("/")
    if levels.count(mark) != 1 or re.search(r"[{}]", topic.replace(mark, "")):
        raise FormatError(
            f"{name}: expected {mark} once, as a whole level, and no other braces, "
            f"got '{topic[:80]}'"
        )
    longest = len(topic) - len(mark) + MAX_ID
    if longest > MAX_TOPIC:
        raise FormatError(
            f"{name}: expected at most {MAX_TOPIC} characters with an id of {MAX_ID}, "
            f"got {longest}"
        )


def _may_be_equal(first: str, second: str) -> bool:
    """Whether some ids make the two topics the same."""
    ones, others = first.split("/"), second.split("/")
    return len(ones) == len(others) and all(
        one == other or _takes(one, other) or _takes(other, one)
        for one, other in zip(ones, others, strict=True)
    )


def _takes(level: str, other: str) -> bool:
    """Whether `level` is a mark that an id like `other` can stand for."""
    if level not in (ID, GROUP):
        return False
    return other in (ID, GROUP) or DEVICE_ID.match(other) is not None

# SPDX-License-Identifier: Apache-2.0
"""`nrfota.cloud.topics`: the topics of each profile, as SPEC.md 10 has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nrfota.cloud.topics import Topics, check_device_id, default_topics
from nrfota.errors import FormatError

SPEC = Path(__file__).resolve().parents[2] / "SPEC.md"
IDS = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)
GOOD = {
    "request": "a/{id}/q",
    "group": "g/{group}/q",
    "report": "a/{id}/r",
    "telemetry": "a/{id}/t",
}


@pytest.mark.parametrize("profile", ["mqtt", "aws", "gcp"])
def test_the_defaults_are_the_specs_table(profile: str) -> None:
    """Row by row, read from SPEC.md."""
    row = next(
        line
        for line in SPEC.read_text().splitlines()
        if line.startswith(f"| `{profile}`")
    )
    cells = [cell.strip().strip("`") for cell in row.strip("|").split("|")][1:]
    topics = default_topics(profile)
    assert cells == [
        topics.request,
        topics.group or "none",
        topics.report,
        topics.telemetry,
    ]


def test_marks_are_replaced_by_the_id() -> None:
    """Requests, reports, telemetry; groups where there are some."""
    topics = default_topics("mqtt")
    assert topics.request_for("d.1") == "ota/device/d.1/request"
    assert topics.report_for("d.1") == "ota/device/d.1/report"
    assert topics.telemetry_for("d.1") == "ota/device/d.1/telemetry"
    assert topics.group_request("all") == "ota/group/all/request"
    assert topics.report_filter() == "ota/device/+/report"
    assert default_topics("gcp").group_request("all") is None


@given(IDS)
def test_a_reports_topic_gives_the_device_back(device: str) -> None:
    """In every profile."""
    for profile in ("mqtt", "aws", "gcp"):
        topics = default_topics(profile)
        assert topics.device_of_report(topics.report_for(device)) == device
        assert topics.device_of_report(topics.telemetry_for(device)) is None
        assert topics.device_of_report(topics.request_for(device)) is None


@pytest.mark.parametrize(
    "topic",
    [
        "ota/device/report",
        "ota/device//report",
        "ota/device/a/b/report",
        "ota/device/a b/report",
        "ota/device/a/report/",
        "x/ota/device/a/report",
        "",
    ],
)
def test_other_topics_are_no_reports(topic: str) -> None:
    """Too short, too deep, or with an id that cannot be."""
    assert default_topics("mqtt").device_of_report(topic) is None


@pytest.mark.parametrize("text", ["", "a" * 65, "a/b", "a+", "a\n", "ä", "a b", "{id}"])
def test_an_id_of_other_characters_is_refused(text: str) -> None:
    """Nothing that could be a level or a wildcard."""
    with pytest.raises(FormatError, match="device id: expected 1 to 64 of A-Z a-z"):
        check_device_id(text)
    with pytest.raises(FormatError, match="group: expected 1 to 64"):
        default_topics("aws").group_request(text)


BAD: dict[str, tuple[dict[str, str], str]] = {
    "wildcard": (
        {"request": "a/+/{id}"},
        "request: expected printable ASCII without + # \" and \\, got '+' at "
        "position 2",
    ),
    "hash": ({"report": "{id}/#"}, "report: expected printable ASCII"),
    "quote": ({"report": '{id}/"'}, "report: expected printable ASCII"),
    "backslash": ({"report": "{id}/\\"}, "report: expected printable ASCII"),
    "line_end": ({"report": "{id}/\n"}, "report: expected printable ASCII"),
    "not_ascii": ({"report": "{id}/ä"}, "report: expected printable ASCII"),
    "no_mark": (
        {"telemetry": "a/t"},
        "telemetry: expected {id} once, as a whole level, and no other braces, got "
        "'a/t'",
    ),
    "part_of_a_level": ({"report": "a/x{id}"}, "report: expected {id} once"),
    "twice": ({"report": "{id}/{id}"}, "report: expected {id} once"),
    "other_mark": ({"report": "{id}/{group}"}, "report: expected {id} once"),
    "group_without_mark": ({"group": "g/q"}, "group: expected {group} once"),
    "system": (
        {"request": "$sys/{id}"},
        "request: expected a topic that clients may use, got '$sys/{id}', which "
        "begins with $",
    ),
    "too_long": (
        {"request": "{id}/" + "a" * 192},
        "request: expected at most 256 characters with an id of 64, got 257",
    ),
    "same": (
        {"telemetry": "a/{id}/r"},
        "expected topics that cannot be mixed up, got report 'a/{id}/r' and telemetry "
        "'a/{id}/r'",
    ),
    "same_for_one_id": ({"telemetry": "a/r/{id}"}, "got request 'a/{id}/q' and"),
    "same_for_one_group": ({"group": "a/{group}/q"}, "got request 'a/{id}/q' and"),
}
BAD["same_for_one_id"] = (
    {"request": "r/{id}", "telemetry": "{id}/q"},
    "got request 'r/{id}' and telemetry '{id}/q'",
)


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_a_topic_that_cannot_work_is_refused(
    change: dict[str, str], message: str
) -> None:
    """Named, with what is wrong."""
    with pytest.raises(FormatError, match=re.escape(message)):
        Topics(**{**GOOD, **change})


def test_telemetry_may_go_to_basic_ingest() -> None:
    """AWS IoT takes it without the broker; nobody subscribes to it."""
    topics = Topics(**{**GOOD, "telemetry": "$aws/rules/temperature/{id}"})
    assert topics.telemetry_for("a") == "$aws/rules/temperature/a"

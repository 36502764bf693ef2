# SPDX-License-Identifier: Apache-2.0
"""`nrfota.cloud.report`: reports are believed only as far as SPEC 11 goes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nrfota.cloud.report import Report, Stage
from nrfota.errors import FormatError

GOOD: dict[str, Any] = {
    "type": "update_report",
    "device": "dev-1",
    "id": "fw7-x",
    "stage": "downloading",
    "version": 1,
    "target": 7,
    "percent": 25,
}


VALUES = [None, True, -1, 7, 1 << 40, 0.5, float("inf"), "", "x", [], {"a": []}]


def changed(**members: Any) -> bytes:
    return json.dumps(GOOD | members).encode()


def without(name: str) -> bytes:
    return json.dumps({k: v for k, v in GOOD.items() if k != name}).encode()


def test_a_report_is_read() -> None:
    expected = Report("dev-1", "fw7-x", Stage.DOWNLOADING, 1, 7, percent=25)
    assert Report.unpack(json.dumps(GOOD).encode()) == expected


def test_a_failure_has_error_and_reason() -> None:
    found = Report.unpack(changed(stage="failed", error=-72, reason="http"))
    assert (found.error, found.reason, found.percent) == (-72, "http", None)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 500, "not JSON"),
        (b'{"version":' + b"9" * 400 + b"}", "expected type"),
        (changed(more="x" * 500), "expected at most 512 bytes"),
        (b"[1]", "expected an object"),
        (b"null", "expected an object"),
        (changed(type="telemetry"), "expected type 'update_report'"),
        (without("device"), "expected device as text"),
        (changed(device="a/b"), "device is not an id"),
        (changed(device=""), "device is not an id"),
        (changed(id=7), "expected id as text"),
        (changed(id="a b"), "id is not the id of a request"),
        (changed(id="x" * 65), "id is not the id of a request"),
        (changed(stage="done"), "unknown stage"),
        (changed(stage=None), "expected stage as text"),
        (without("version"), "expected version 0"),
        (changed(version=True), "expected version 0"),
        (changed(version=1.0), "expected version 0"),
        (changed(target=-1), "expected target 0"),
        (changed(target=1 << 32), "expected target 0"),
    ],
    ids=[
        *("empty", "not_utf8", "deep", "large_number", "long", "list", "null"),
        *("other_type", "no_device", "topic_in_device", "empty_device", "id_number"),
        *("id_with_space", "long_id", "unknown_stage", "no_stage", "no_version"),
        *("version_bool", "version_float", "negative_target", "large_target"),
    ],
)
def test_what_is_no_report_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        Report.unpack(data)


@pytest.mark.parametrize(
    "reason", [None, 5, "\x1b[31mred", "x" * 41, "Two words", ""], ids=repr
)
def test_a_failure_with_a_bad_reason_is_still_a_failure(reason: Any) -> None:
    found = Report.unpack(changed(stage="failed", error="?", reason=reason))
    assert (found.stage, found.error, found.reason) == (Stage.FAILED, 0, "unknown")


def test_a_device_that_runs_the_version_refuses_without_failing() -> None:
    found = Report.unpack(changed(stage="refused", version=7, reason="same", error=-23))
    assert found.runs_it
    for reason in ("downgrade", "no_space"):
        found = Report.unpack(changed(stage="refused", version=7, reason=reason))
        assert not found.runs_it


@given(st.binary(max_size=600))
def test_any_bytes_are_a_report_or_a_format_error(data: bytes) -> None:
    try:
        Report.unpack(data)
    except FormatError:
        return


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "error", "reason"]),
        st.sampled_from(VALUES),
    )
)
def test_any_members_are_a_report_or_a_format_error(members: dict[str, Any]) -> None:
    try:
        Report.unpack(changed(**members))
    except FormatError:
        return

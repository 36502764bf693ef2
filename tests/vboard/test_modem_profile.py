# SPDX-License-Identifier: Apache-2.0
"""Modem profiles: knobs by name, every bad one refused in a sentence."""

from __future__ import annotations

import dataclasses
import json

import pytest
from vboard.modem.profile import ModemProfile, ProfileError, load_profile


def test_knobs_from_a_line():
    profile = load_profile("has_E=false, boot_ms=5,length_format=%03d,latency_ms=1-2")
    assert profile == ModemProfile(
        has_E=False, boot_ms=5, length_format="%03d", latency_ms=(1, 2)
    )


def test_knobs_from_a_file(tmp_path):
    place = tmp_path / "knobs.json"
    urcs = [[0, "RDY"], [5, "PB DONE"]]
    place.write_text(json.dumps({"sim": "", "boot_urcs": urcs, "rates": [115200]}))
    assert load_profile(str(place)) == ModemProfile(
        sim="", boot_urcs=((0, "RDY"), (5, "PB DONE")), rates=(115200,)
    )


def test_a_profile_survives_json(tmp_path):
    place = tmp_path / "all.json"
    place.write_text(json.dumps(dataclasses.asdict(ModemProfile())))
    assert load_profile(str(place)) == ModemProfile()


@pytest.mark.parametrize(
    "text, message",
    [
        ("nothing=1", "modem profile: no knob is called 'nothing'"),
        ("boot_ms=x", "modem profile: expected boot_ms like 12000, got 'x'"),
        ("has_E=maybe", "modem profile: expected has_E like True, got 'maybe'"),
        ("boot_ms=1,x", "modem profile: expected knob=value, got 'x'"),
        ("latency_ms=a-b", "expected latency_ms like"),
        (
            "overwrite=append",
            "expected overwrite to be one of 'truncate', 'error', got",
        ),
        ("full=never", "expected full to be one of"),
        ("length_format=%x", "expected length_format to be one of"),
        ("past_end=x", "expected past_end to be one of"),
        ("aborted_upload=x", "expected aborted_upload to be one of"),
        ("readfile_order=x", "expected readfile_order to be one of"),
        ("mqtt_order=x", "expected mqtt_order to be one of"),
        ("baud=1000000", "expected baud to be one of the rates, got 1000000"),
        ("block=0", "modem profile: expected block to be at least 1, got 0"),
        (
            "/none.json",
            r"expected a JSON file or knob=value, got '/none.json' \(No such",
        ),
    ],
)
def test_a_bad_profile_is_refused(text, message):
    with pytest.raises(ProfileError, match=message):
        load_profile(text)


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "not JSON"),
        ("[]", "expected a JSON object"),
        ('{"sim": 5}', "expected sim like 'READY', got 5"),
        ('{"boot_urcs": 5}', "expected boot_urcs like"),
    ],
    ids=["not_json", "list", "number_for_text", "number_for_list"],
)
def test_a_bad_profile_file_is_refused(tmp_path, content, message):
    place = tmp_path / "bad.json"
    place.write_text(content)
    with pytest.raises(ProfileError, match=message):
        load_profile(str(place))


def test_a_route_leads_a_name_and_port_elsewhere():
    profile = ModemProfile(routes="a.test:80=127.0.0.1:8080; b.test:1883=localhost:9")
    assert profile.route("A.test", 80) == ("127.0.0.1", 8080)
    assert profile.route("b.test", 1883) == ("localhost", 9)
    assert profile.route("a.test", 81) == ("a.test", 81)


@pytest.mark.parametrize("routes", ["a.test", "a.test:80=b", "a:80=b:80:1", "a=b"])
def test_a_route_of_another_form_is_refused(routes):
    with pytest.raises(ProfileError, match="expected routes like"):
        ModemProfile(routes=routes)

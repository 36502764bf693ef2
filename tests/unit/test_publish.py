# SPDX-License-Identifier: Apache-2.0
"""`nrfota.cloud.publish`: whatever ends a run, the next one goes on where it was."""

from __future__ import annotations

import json
import random
import stat
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from nrfota.cloud import publish
from nrfota.cloud.publish_parts import steady_clock
from nrfota.cloud.publish_plan import ended_before
from nrfota.cloud.publish_state import State, StateFiles
from nrfota.cloud.rollout import Policy, ordered
from nrfota.errors import FormatError, OtaError, UsageError
from support.publish_world import HAPPY, ID, Killed, World
from support.publishing import IV, KEY, NAME, report

DEVICES = [f"dev-{number}" for number in range(30)]


def state_path(world: World) -> Path:
    return world.folder / f"publish_{ID}.json"


def test_all_devices_get_it_once(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES)
    end = world.run()
    assert (end.state, end.exit_code, end.keys) == ("complete", 0, "destroyed")
    assert end.summary.stages == {"confirmed": 30}
    assert [stage.total for stage in end.stages] == [1, 1, 6, 22]
    assert world.got == dict.fromkeys(DEVICES, 1)
    assert (world.writes, world.kept, world.forgotten) == (1, [], 1)
    assert not (tmp_path / "ota.json").exists()


def test_reports_are_subscribed_to_before_anything_is_published(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, DEVICES[:1])
    world.run()
    kinds = [step.split()[0] for step in world.steps]
    assert kinds == [
        *("uploading", "fetching", f"{len(world.ebin)}", "connecting"),
        *("stage", "destroying"),
    ]


def finished(world: World, *, most: int) -> None:
    """Goes on until the end, and looks at what came of it all."""
    if (world.folder / "ota.json").exists():
        end = world.run()
        assert (end.state, end.keys) == ("complete", "destroyed")
    state = ended_before(world.folder)
    assert state is not None and state.end == "complete"
    assert set(world.got) == set(world.devices)
    assert max(world.got.values()) <= most
    assert world.writes == 1
    assert not any(world.retained.values())
    assert not (world.folder / "ota.json").exists()
    for path in world.folder.iterdir():
        assert KEY.hex().encode() not in path.read_bytes()


@pytest.mark.parametrize("profile", ["mqtt", "gcp"])
def test_a_run_may_be_ended_at_every_touch_of_the_world(
    tmp_path: Path, profile: str
) -> None:
    """Each device gets the request, at most twice, and only around the crash."""
    count = World(tmp_path / "whole", DEVICES[:4], profile=profile)
    count.run()
    assert count.touches > 40
    for kill_at in range(1, count.touches + 1):
        world = World(tmp_path / f"{kill_at}", DEVICES[:4], profile=profile)
        with pytest.raises(Killed):
            world.run(kill_at=kill_at)
        finished(world, most=2)


def test_a_run_may_be_ended_again_and_again(tmp_path: Path) -> None:
    """Seeded: up to four ends at random places; a device gets one more for each."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for number in range(40):
        world = World(tmp_path / f"{number}", DEVICES[:4])
        ends = 0
        for _ in range(4):
            if not (world.folder / "ota.json").exists():
                break
            try:
                world.run(kill_at=chance.randrange(1, 60))
            except Killed:
                ends += 1
        finished(world, most=1 + ends)


def test_a_group_gets_one_message_over_all_ends(tmp_path: Path) -> None:
    count = World(tmp_path / "whole", DEVICES[:4], group="all")
    count.run()
    assert set(count.got.values()) == {1}
    for kill_at in range(1, count.touches + 1):
        world = World(tmp_path / f"{kill_at}", DEVICES[:4], group="all")
        with pytest.raises(Killed):
            world.run(kill_at=kill_at)
        finished(world, most=2)


def lost(device: str, *, request: str = "") -> bytes:
    """What a device says about a message that it could not read."""
    return report(device, request, "refused", target=0, error=-2, reason="link")


def test_a_device_that_could_not_read_the_request_gets_it_again(
    tmp_path: Path,
) -> None:
    """It cannot name the request: that it has not answered is what tells."""
    policy = Policy(retries=1, retry_after_s=60, stop_at=Fraction(0))
    world = World(tmp_path, DEVICES[:1], policy=policy)
    world.answers = {"dev-0": ()}
    world.later = [
        (world.clock + 5, "dev-0", lost("dev-0")),
        (world.clock + 90, "dev-0", report("dev-0", ID, "confirmed")),
    ]
    assert world.run().state == "complete"
    assert world.got == {"dev-0": 2}


def test_a_lost_message_of_a_device_that_has_answered_is_another_one(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, DEVICES[:1])
    world.answers = {"dev-0": ("accepted",)}
    world.later = [
        (world.clock + 5, "dev-0", lost("dev-0")),
        (world.clock + 500, "dev-0", report("dev-0", ID, "confirmed")),
    ]
    end = world.run()
    assert (end.state, end.ignored) == ("complete", {"other requests": 1})
    assert world.got == {"dev-0": 1}


def test_a_stop_publishes_no_more_and_stays_a_stop(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES, policy=Policy(stop_at=Fraction(2)))
    world.answers = dict.fromkeys(DEVICES, ("accepted", "failed"))
    for _ in range(2):
        end = world.run()
        assert (end.state, end.exit_code) == ("stopped", 1)
        assert end.reason == "1 of 1 devices failed, more than 2 % of 10"
        assert end.summary.failures == {"failed: http": 1}
    assert sum(world.got.values()) == 1
    assert len(world.stopped) == 2
    assert (tmp_path / "ota.json").exists()


def test_the_brokers_queue_stays_short_in_a_large_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Devices that answer at once: no more than a part's reports are waiting."""
    monkeypatch.setattr(publish, "BATCH", 5)
    policy = Policy(stages=(Fraction(100),))
    world = World(tmp_path, DEVICES, policy=policy)
    assert world.run().state == "complete"
    assert world.most_kept == 5 * len(HAPPY)


def test_fleets_that_never_stop_talking_do_not_hold_it_up(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES[:3], answers=dict.fromkeys(DEVICES, ()))
    world.run(timeout_s=1)
    world.chatter = "dev-0"
    assert world.run(timeout_s=600).state == "timeout"


def test_a_stop_comes_in_the_middle_of_a_large_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "BATCH", 5)
    policy = Policy(stages=(Fraction(100),), stop_at=Fraction(30))
    world = World(tmp_path, DEVICES, policy=policy)
    world.answers = dict.fromkeys(DEVICES, ("accepted", "failed"))
    assert world.run().state == "stopped"
    assert 0 < len(world.got) < len(DEVICES)


def test_a_stop_goes_on_with_a_higher_threshold(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES, policy=Policy(stop_at=Fraction(2)))
    world.answers = {device: ("accepted", "failed") for device in DEVICES[::2]}
    assert world.run().state == "stopped"
    world.policy = replace(world.policy, stop_at=Fraction(100))
    end = world.run()
    assert end.state == "complete"
    assert end.summary.failures == {"failed: http": 15}
    assert set(world.got.values()) == {1}


def test_a_stop_is_taken_back_by_reports_that_came_meanwhile(tmp_path: Path) -> None:
    policy = Policy(stop_at=Fraction(10), silent_after_s=60)
    world = World(tmp_path, DEVICES[:1], policy=policy)
    world.answers = {DEVICES[0]: ("accepted", "updating")}
    end = world.run()
    assert end.summary.failures == {"silent after updating": 1}
    assert end.state == "stopped"
    world.say(DEVICES[0], report(DEVICES[0], ID, "confirmed"))
    assert world.run().state == "complete"


def test_an_abort_ends_it_and_destroys_the_key(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES[:8], profile="gcp")
    world.answers = dict.fromkeys(DEVICES, ("accepted", "failed"))
    world.policy = Policy(stop_at=Fraction(2))
    world.run()
    end = world.run(abort=True)
    assert (end.state, end.exit_code, end.keys) == ("aborted", 0, "destroyed")
    assert not any(world.retained.values())
    state = ended_before(tmp_path)
    assert state is not None and state.end == "aborted"


def test_silent_devices_leave_it_unfinished_and_the_key_in_place(
    tmp_path: Path,
) -> None:
    policy = Policy(stages=(Fraction(100),), silent_after_s=600)
    world = World(tmp_path, DEVICES[:3], policy=policy)
    world.answers = {"dev-1": ()}
    end = world.run()
    assert (end.state, end.reason) == ("incomplete", "1 devices are silent")
    assert (end.exit_code, end.keys, world.forgotten) == (1, "kept", 0)
    world.say("dev-1", report("dev-1", ID, "confirmed"))
    assert world.run().state == "complete"
    assert world.got == dict.fromkeys(DEVICES[:3], 1)


def test_a_timeout_leaves_it_to_the_next_run(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES[:1], answers={"dev-0": ("accepted",)})
    end = world.run(timeout_s=60)
    assert (end.state, end.reason) == ("timeout", "1 devices have not finished")
    assert end.exit_code == 1
    world.say("dev-0", report("dev-0", ID, "confirmed"))
    assert world.run(timeout_s=60).state == "complete"


def test_not_followed_is_followed_by_a_later_run(tmp_path: Path) -> None:
    policy = Policy(stages=(Fraction(100),))
    world = World(tmp_path, DEVICES[:3], policy=policy)
    end = world.run(follow=False)
    assert (end.state, end.exit_code, end.keys) == ("published", 0, "kept")
    assert world.run().state == "complete"
    assert set(world.got.values()) == {1}


def test_publishing_again_reaches_those_that_have_not_succeeded(
    tmp_path: Path,
) -> None:
    policy = Policy(stages=(Fraction(100),), stop_at=Fraction(100), silent_after_s=60)
    world = World(tmp_path, DEVICES[:3], policy=policy)
    world.answers = {"dev-1": ()}
    assert world.run().state == "incomplete"
    world.say("dev-1", report("dev-1", ID, "confirmed"))
    world.answers = {}
    world.run(republish=True, keep_keys=True)
    assert world.got == {"dev-0": 1, "dev-1": 1, "dev-2": 1}


def test_publishing_again_after_failures(tmp_path: Path) -> None:
    policy = Policy(stages=(Fraction(100),), stop_at=Fraction(10))
    world = World(tmp_path, DEVICES[:3], policy=policy)
    world.answers = {"dev-1": ("accepted", "failed")}
    assert world.run().state == "stopped"
    world.run(republish=True, timeout_s=1)
    assert world.got == {"dev-0": 1, "dev-1": 2, "dev-2": 1}
    world.say("dev-1", report("dev-1", ID, "confirmed"))
    assert world.run().state == "complete"


def test_what_is_no_report_of_ours_is_counted_and_acknowledged(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES[:1])
    for payload in (b"", b"\xff", b"{}", b"[" * 99):
        world.say("dev-0", payload)
    world.say("dev-0", report("dev-0", "another", "failed"))
    world.say("dev-9", report("dev-9", ID, "failed"))
    world.say("dev-0", report("dev-0", ID, "failed"), topic="ota/device/dev-9/report")
    world.say("dev-0", report("dev-0", ID, "failed"), topic="elsewhere")
    world.say("dev-0", report("dev-0", ID, "confirmed", target=6))
    world.say("dev-0", report("dev-0", ID, "accepted", target=0))
    world.answers = {"dev-0": ("confirmed", "updating", "confirmed", "accepted")}
    end = world.run()
    assert end.state == "complete"
    assert end.ignored == {
        "garbage": 8,
        "other requests": 1,
        "other devices": 1,
        "repeated": 3,
    }
    assert world.kept == []


def test_a_device_that_runs_another_version_has_not_confirmed(tmp_path: Path) -> None:
    """An application says with its own version what it is."""
    world = World(tmp_path, DEVICES[:2], policy=Policy(stages=(Fraction(100),)))
    world.answers = {"dev-0": ("accepted",)}
    world.say("dev-0", report("dev-0", ID, "confirmed", version=6))
    end = world.run(timeout_s=60)
    assert end.summary.stages == {"accepted": 1, "confirmed": 1}
    assert end.ignored == {"garbage": 1}


def test_a_bootloader_is_confirmed_by_an_application_of_any_version(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, DEVICES[:1], base=0xF6000)
    world.answers = {"dev-0": ("accepted",)}
    world.say("dev-0", report("dev-0", ID, "confirmed", version=3))
    assert world.run().state == "complete"


def test_a_clock_that_was_set_back_between_two_runs_delays_nothing(
    tmp_path: Path,
) -> None:
    """What was noted in the future happened now, at the latest."""
    policy = Policy(stages=(Fraction(100),), per_minute=2, silent_after_s=600)
    world = World(tmp_path, DEVICES[:4], policy=policy)
    world.answers = {"dev-0": ("accepted",)}
    assert world.run(timeout_s=1).state == "timeout"
    world.clock -= 86_400
    begin = world.clock
    world.run()
    assert sum(world.got.values()) == 4
    assert world.clock - begin < 1_300


def test_a_clock_that_is_set_while_a_run_works_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = steady_clock()
    first = now()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert 0 <= now() - first < 60


def test_a_group_without_a_list_ends_by_its_timeout(tmp_path: Path) -> None:
    world = World(tmp_path, (), group="all")
    world.say("dev-5", report("dev-5", ID, "confirmed"))
    end = world.run(timeout_s=60)
    assert (end.state, end.summary.stages) == ("timeout", {"confirmed": 1})


def test_retained_requests_are_cleared_as_devices_finish(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES[:2], profile="gcp")
    world.policy = Policy(stages=(Fraction(100),))
    world.answers = {"dev-0": ("accepted",)}
    world.run(timeout_s=10)
    assert world.retained["/devices/dev-1/config"] == b""
    assert KEY.hex().encode() in world.retained["/devices/dev-0/config"]
    world.say("dev-0", report("dev-0", ID, "confirmed"))
    assert world.run().state == "complete"
    assert set(world.retained.values()) == {b""}


def test_kept_keys_can_be_destroyed_later(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES[:2])
    assert world.run(keep_keys=True).keys == "kept"
    assert (tmp_path / "ota.json").exists()
    assert world.run().keys == "destroyed"
    assert not (tmp_path / "ota.json").exists()
    assert set(world.got.values()) == {1}


def test_the_key_stays_while_another_rollout_of_the_package_needs_it(
    tmp_path: Path,
) -> None:
    one = World(tmp_path, DEVICES[:1])
    other = World(tmp_path, DEVICES[1:2], id="fw7-other", answers={"dev-1": ()})
    other.run(timeout_s=1)
    assert one.run().keys == "kept"
    assert any("stays: fw7-other has not ended" in step for step in one.steps)
    other.say("dev-1", report("dev-1", "fw7-other", "confirmed"))
    assert other.run().keys == "destroyed"
    assert not (tmp_path / "ota.json").exists()


@pytest.mark.parametrize(("after_s", "looks"), [(300, 1), (1200, 2)])
def test_the_file_is_looked_at_again_before_a_late_stage(
    tmp_path: Path, after_s: int, looks: int
) -> None:
    """A presigned URL may have expired while the first devices were at it."""
    policy = Policy(stages=(Fraction(50), Fraction(100)), silent_after_s=7200)
    world = World(tmp_path, DEVICES[:2], policy=policy)
    first = ordered(ID, world.devices)[0]
    world.answers = {first: ()}
    confirmed = report(first, ID, "confirmed")
    world.later.append((world.clock + after_s, first, confirmed))
    assert world.run().state == "complete"
    assert sum(step.startswith("fetching") for step in world.steps) == looks


def test_an_upload_is_not_repeated(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES[:1], answers={"dev-0": ()})
    world.run(timeout_s=1)
    world.run(timeout_s=1)
    assert sum(step.startswith("uploading") for step in world.steps) == 1


def test_another_file_of_the_name_ends_it_before_anything_is_published(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, DEVICES, objects={NAME: b"another"})
    with pytest.raises(OtaError, match="holds another file"):
        world.run()
    assert not world.got
    assert world.run(force=True).state == "complete"


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES[:1])
    other = StateFiles(tmp_path, ID)
    other.open()
    with pytest.raises(UsageError, match="another west ota-publish is at work on"):
        world.run()
    other.close()
    assert world.run().state == "complete"


def test_the_state_holds_no_key_and_is_private(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES[:2])
    world.run(keep_keys=True)
    for path in tmp_path.glob("publish_*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for secret in (KEY, IV):
            assert secret.hex() not in path.read_text()


def test_other_devices_under_the_same_id_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES[:2], answers={"dev-0": ()})
    world.run(timeout_s=1)
    world.devices = DEVICES[:3]
    with pytest.raises(UsageError, match="the list of devices differs"):
        world.run()


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"format": 2}', b'{"format": 1, "identity": 5}', b"\xff"],
)
def test_a_state_that_is_none_is_told(tmp_path: Path, data: bytes) -> None:
    world = World(tmp_path, DEVICES[:2])
    state_path(world).write_bytes(data)
    with pytest.raises(FormatError, match=r"expected the state of a rollout"):
        State.unpack(data, source=state_path(world))


def test_a_log_that_was_changed_is_told(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES[:1], answers={"dev-0": ()})
    world.run(timeout_s=1)
    log = tmp_path / f"publish_{ID}.log"
    log.write_text("[1]\n" + log.read_text())
    with pytest.raises(FormatError, match="line 1 is not an event"):
        world.run()


def test_the_log_tells_what_happened_to_each_device(tmp_path: Path) -> None:
    world = World(tmp_path, DEVICES[:1])
    world.run()
    lines = (tmp_path / f"publish_{ID}.log").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert [event.get("stage", event["event"]) for event in events] == [
        *("published", "accepted", "downloading", "downloaded"),
        *("updating", "confirmed"),
    ]

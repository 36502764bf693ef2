# SPDX-License-Identifier: Apache-2.0
"""`nrfota.cloud.rollout`: who is next, and when to stop."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nrfota.cloud.report import Report, Stage
from nrfota.cloud.rollout import (
    Done,
    Noted,
    Policy,
    Publish,
    Rollout,
    Stop,
    Wait,
    ordered,
    parse_percent,
    parse_stages,
    stage_counts,
)
from nrfota.errors import UsageError

ID = "fw7-x"
STAGES = (Fraction(1), Fraction(5), Fraction(25), Fraction(100))


def names(count: int) -> list[str]:
    return [f"dev-{number}" for number in range(count)]


def said(device: str, stage: Stage, **members: int | str) -> Report:
    version = 7 if stage is Stage.CONFIRMED else 1
    reason = "http" if stage in (Stage.FAILED, Stage.REFUSED) else ""
    return replace(Report(device, ID, stage, version, 7, reason=reason), **members)  # type: ignore[arg-type]


def publish(rollout: Rollout, now: float) -> Publish:
    """Carries out the next step, which must be to publish."""
    step = rollout.next(now)
    assert isinstance(step, Publish)
    rollout.published(step.devices, at=now)
    return step


def finish(rollout: Rollout, devices: tuple[str, ...], stage: Stage, now: float):
    for device in devices:
        rollout.note(said(device, stage), at=now)


def test_stages_follow_one_another_when_all_have_confirmed() -> None:
    rollout = Rollout(ID, names(100), policy=Policy())
    seen = []
    for now in range(4):
        step = publish(rollout, now)
        seen.append((step.stage, len(step.devices)))
        assert isinstance(rollout.next(now), Wait)
        finish(rollout, step.devices, Stage.CONFIRMED, now)
    assert seen == [(0, 1), (1, 4), (2, 20), (3, 75)]
    assert rollout.next(5) == Done()


@pytest.mark.parametrize(
    ("total", "counts"),
    [
        (0, ()),
        (1, (1,)),
        (3, (1, 3)),
        (20, (1, 5, 20)),
        (100, (1, 5, 25, 100)),
        (101, (2, 6, 26, 101)),
        (5000, (50, 250, 1250, 5000)),
    ],
)
def test_each_stage_adds_a_device(total: int, counts: tuple[int, ...]) -> None:
    assert stage_counts(total, STAGES) == counts


def test_the_order_is_the_same_each_time_and_differs_by_request() -> None:
    one, other = ordered("a", names(50)), ordered("a", reversed(names(50)))
    assert one == other
    assert ordered("b", names(50)) != one
    assert sorted(one) == sorted(names(50))


def test_the_order_favours_nobody() -> None:
    """Over 400 requests each of 10 devices is first about 40 times."""
    first = [ordered(f"request-{n}", names(10))[0] for n in range(400)]
    assert all(20 <= first.count(device) <= 65 for device in names(10))


def test_failures_stop_it() -> None:
    rollout = Rollout(ID, names(100), policy=Policy(stop_at=Fraction(20)))
    finish(rollout, publish(rollout, 0).devices, Stage.CONFIRMED, 0)
    canaries = publish(rollout, 1).devices
    finish(rollout, canaries[:2], Stage.FAILED, 1)
    finish(rollout, canaries[2:], Stage.CONFIRMED, 1)
    assert isinstance(rollout.next(2), Publish)  # 2 of 5 count as 2 of 10
    rollout.note(said("dev-x", Stage.FAILED), at=2)
    finish(rollout, canaries[2:3], Stage.CONFIRMED, 2)
    step = publish(rollout, 2)
    finish(rollout, step.devices[:4], Stage.ROLLED_BACK, 3)
    assert rollout.next(3) == Stop("6 of 25 devices failed, more than 20 % of 25")


def test_one_failed_canary_stops_a_strict_rollout() -> None:
    rollout = Rollout(ID, names(100), policy=Policy())
    finish(rollout, publish(rollout, 0).devices, Stage.FAILED, 0)
    assert rollout.next(1) == Stop("1 of 1 devices failed, more than 2 % of 10")


def test_a_small_fleet_is_its_own_sample() -> None:
    policy = Policy(stages=(Fraction(100),), stop_at=Fraction(20))
    rollout = Rollout(ID, names(3), policy=policy)
    devices = publish(rollout, 0).devices
    finish(rollout, devices[:1], Stage.FAILED, 1)
    assert rollout.next(1) == Stop("1 of 3 devices failed, more than 20 % of 3")


def test_without_a_threshold_nothing_stops_it() -> None:
    rollout = Rollout(ID, names(20), policy=Policy(stop_at=Fraction(100)))
    for now in range(3):
        finish(rollout, publish(rollout, now).devices, Stage.FAILED, now)
    assert rollout.next(9) == Done()


def test_nobody_confirmed_leads_to_no_further_stage() -> None:
    """Canaries that are switched off say nothing about the version."""
    policy = Policy(silent_after_s=60)
    rollout = Rollout(ID, names(100), policy=policy)
    publish(rollout, 0)
    assert rollout.next(59) == Wait(60)
    assert rollout.next(60) == Stop("none of the 1 devices so far has confirmed")


def test_a_device_that_fell_silent_has_failed_and_one_never_heard_has_not() -> None:
    policy = Policy(stages=(Fraction(50), Fraction(100)), silent_after_s=60)
    rollout = Rollout(ID, names(4), policy=replace(policy, stop_at=Fraction(100)))
    heard, unheard = publish(rollout, 0).devices
    rollout.note(said(heard, Stage.UPDATING), at=10)
    assert rollout.next(65) == Wait(70)
    summary = rollout.summary(70)
    assert summary.failures == {"silent after updating": 1}
    assert (summary.failed, summary.unheard, summary.settled) == (1, 1, 2)
    assert rollout.is_silent(unheard, 70)


def test_a_silent_device_may_speak_again() -> None:
    rollout = Rollout(
        ID, names(1), policy=Policy(silent_after_s=60, stop_at=Fraction(0))
    )
    (device,) = publish(rollout, 0).devices
    rollout.note(said(device, Stage.UPDATING), at=1)
    assert isinstance(rollout.next(100), Stop)
    rollout.note(said(device, Stage.CONFIRMED), at=101)
    assert rollout.next(101) == Done()


def test_soaking_goes_on_though_some_are_still_at_it() -> None:
    policy = Policy(stages=(Fraction(50), Fraction(100)), soak_s=600)
    rollout = Rollout(ID, names(4), policy=policy)
    first, _ = publish(rollout, 0).devices
    rollout.note(said(first, Stage.CONFIRMED), at=1)
    assert rollout.next(1) == Wait(600)
    assert isinstance(rollout.next(600), Publish)


def test_soaking_does_not_go_on_when_nobody_has_confirmed() -> None:
    policy = Policy(stages=(Fraction(50), Fraction(100)), soak_s=600)
    rollout = Rollout(ID, names(4), policy=policy)
    publish(rollout, 0)
    assert rollout.next(601) == Wait(3600)


def test_a_device_that_runs_it_already_has_succeeded() -> None:
    rollout = Rollout(ID, names(1), policy=Policy())
    (device,) = publish(rollout, 0).devices
    rollout.note(said(device, Stage.REFUSED, version=7, reason="same"), at=1)
    assert rollout.next(1) == Done()
    assert rollout.summary(1).stages == {"already": 1}


def test_a_rate_is_kept() -> None:
    policy = Policy(stages=(Fraction(100),), per_minute=2)
    rollout = Rollout(ID, names(5), policy=policy)
    assert len(publish(rollout, 0).devices) == 2
    assert rollout.next(30) == Wait(60)
    assert len(publish(rollout, 60).devices) == 2
    assert len(publish(rollout, 120).devices) == 1


def test_a_report_from_a_device_shows_that_it_was_published_to() -> None:
    """A run that was ended between publish and note does not publish again."""
    rollout = Rollout(ID, names(1), policy=Policy())
    rollout.note(said("dev-0", Stage.ACCEPTED), at=5)
    assert isinstance(rollout.next(5), Wait)


def test_a_strange_device_is_not_counted() -> None:
    rollout = Rollout(ID, names(1), policy=Policy())
    assert rollout.note(said("dev-9", Stage.FAILED), at=1) is Noted.STRANGER
    assert rollout.summary(1).total == 1


def test_a_group_without_a_list_learns_its_devices() -> None:
    rollout = Rollout(ID, [], policy=Policy(stop_at=Fraction(10)), known=False)
    assert rollout.next(0) == Wait(None)
    rollout.note(said("dev-9", Stage.FAILED), at=1)
    assert rollout.summary(1).failures == {"failed: http": 1}
    assert isinstance(rollout.next(1), Stop)


@pytest.mark.parametrize("text", ["", "1,5", "5,1,100", "0,100", "1,1,100", "x", "1/0"])
def test_bad_stages_are_usage_errors(text: str) -> None:
    with pytest.raises(UsageError, match="--stages: expected rising percentages"):
        parse_stages(text)


def test_stages_may_be_parts_of_a_percent() -> None:
    assert parse_stages("0.1, 100") == (Fraction(1, 10), Fraction(100))


@pytest.mark.parametrize("text", ["", "-1", "101%", "two"])
def test_a_bad_threshold_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="--stop-at: expected a percentage"):
        parse_percent(text, what="--stop-at")


def test_a_threshold_is_a_percentage() -> None:
    assert parse_percent("2.5 %", what="x") == parse_percent("2.5", what="x")


PROGRESS = [
    said("dev-0", Stage.ACCEPTED),
    said("dev-0", Stage.DOWNLOADING, percent=0),
    said("dev-0", Stage.DOWNLOADING, percent=50),
    said("dev-0", Stage.DOWNLOADED),
    said("dev-0", Stage.UPDATING),
]


@given(st.permutations([*PROGRESS, PROGRESS[1], said("dev-0", Stage.CONFIRMED)]))
def test_the_final_report_wins_in_any_order(reports: list[Report]) -> None:
    rollout = Rollout(ID, names(1), policy=Policy())
    for number, report in enumerate(reports):
        rollout.note(report, at=number)
    assert rollout.devices["dev-0"].stage is Stage.CONFIRMED


@given(st.permutations(PROGRESS))
def test_the_latest_stage_counts_in_any_order(reports: list[Report]) -> None:
    rollout = Rollout(ID, names(1), policy=Policy())
    for report in reports:
        rollout.note(report, at=1)
        assert rollout.note(report, at=1) is Noted.REPEATED
    assert rollout.devices["dev-0"].stage is Stage.UPDATING


@given(
    final=st.sampled_from([Stage.FAILED, Stage.ROLLED_BACK, Stage.REFUSED]),
)
def test_confirmed_is_not_taken_back(final: Stage) -> None:
    rollout = Rollout(ID, names(1), policy=Policy())
    rollout.note(said("dev-0", final), at=1)
    assert rollout.note(said("dev-0", Stage.CONFIRMED), at=2) is Noted.NEWS
    assert rollout.note(said("dev-0", final), at=3) is Noted.REPEATED
    assert rollout.devices["dev-0"].succeeded


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    percent = st.integers(1, 99).map(Fraction)
    below = sorted(draw(st.sets(percent, max_size=3)))
    return Policy(
        stages=(*below, Fraction(100)),
        stop_at=Fraction(draw(st.sampled_from([0, 2, 20, 50, 100]))),
        min_sample=draw(st.integers(1, 20)),
        soak_s=draw(st.none() | st.integers(0, 300)),
        silent_after_s=draw(st.integers(1, 600)),
        per_minute=draw(st.none() | st.integers(1, 5)),
    )


@given(policy=policies(), count=st.integers(1, 40), data=st.data())
def test_a_rollout_keeps_its_laws(
    policy: Policy, count: int, data: st.DataObject
) -> None:
    """Whatever devices do: nobody twice, in order, no stage early, none after a stop,
    the rate is kept, and another rollout with the same past decides the same."""
    rollout = Rollout(ID, names(count), policy=policy)
    told: list[str] = []
    times: list[int] = []
    now = 0
    for _ in itertools.repeat(None, 30):
        step = rollout.next(now)
        if isinstance(step, Publish):
            assert step.devices == rollout.order[len(told) :][: len(step.devices)]
            begin = rollout.counts[step.stage - 1] if step.stage else 0
            assert len(told) + len(step.devices) <= rollout.counts[step.stage]
            if len(told) == begin and step.stage:
                check_gate(rollout, begin, now)
            rollout.published(step.devices, at=now)
            told += step.devices
            times += [now] * len(step.devices)
            if policy.per_minute:
                recent = [time for time in times if time > now - 60]
                assert len(recent) <= policy.per_minute
        elif isinstance(step, Done):
            assert len(told) == count
            assert all(rollout.is_settled(device, now) for device in told)
        elif isinstance(step, Wait) and step.until is not None:
            assert step.until > now
        if told:
            device = data.draw(st.sampled_from(told))
            stage = data.draw(st.sampled_from(list(Stage)))
            rollout.note(said(device, stage), at=now)
        now += data.draw(st.integers(0, 90))
        again = Rollout(ID, reversed(names(count)), policy=policy)
        again.devices = rollout.devices
        assert again.next(now) == rollout.next(now)


def check_gate(rollout: Rollout, begin: int, now: int) -> None:
    """What must hold when a stage after the first begins."""
    before = rollout.order[:begin]
    settled = all(rollout.is_settled(device, now) for device in before)
    soak = rollout.policy.soak_s
    soaked = soak is not None and all(
        (rollout.devices[device].published_at or 0) + soak <= now for device in before
    )
    assert settled or soaked
    summary = rollout.summary(now)
    base = summary.published - summary.unheard
    sample = max(base, min(rollout.policy.min_sample, len(rollout.order)))
    assert 100 * summary.failed <= rollout.policy.stop_at * sample
    assert summary.succeeded or rollout.policy.stop_at == 100


def interrupted(device: str) -> Report:
    return said(device, Stage.FAILED, reason="interrupted", error=-75)


def test_a_device_that_lost_the_request_by_a_reset_gets_it_again() -> None:
    policy = Policy(retries=1, retry_after_s=60, stop_at=Fraction(0))
    rollout = Rollout(ID, names(1), policy=policy)
    publish(rollout, 0)
    rollout.note(interrupted("dev-0"), at=10)
    assert rollout.next(11) == Wait(70)
    assert rollout.summary(11).stages == {"interrupted": 1}
    assert (rollout.summary(11).settled, rollout.summary(11).failed) == (0, 0)
    assert publish(rollout, 70) == Publish(("dev-0",), 0)
    assert rollout.next(71) == Wait(70 + policy.silent_after_s)
    rollout.note(said("dev-0", Stage.CONFIRMED), at=80)
    assert rollout.next(80) == Done()


def test_a_device_that_loses_every_request_has_failed() -> None:
    policy = Policy(retries=2, retry_after_s=60, min_sample=1, stop_at=Fraction(0))
    rollout = Rollout(ID, names(1), policy=policy)
    for now in (0, 100, 200):
        publish(rollout, now)
        rollout.note(interrupted("dev-0"), at=now + 1)
    assert rollout.next(300) == Stop("1 of 1 devices failed, more than 0 % of 1")
    assert rollout.summary(300).failures == {"failed: interrupted": 1}


def test_a_device_that_has_the_lost_request_again_says_so_itself() -> None:
    rollout = Rollout(ID, names(1), policy=Policy())
    publish(rollout, 0)
    assert rollout.note(interrupted("dev-0"), at=1) is Noted.NEWS
    assert rollout.note(interrupted("dev-0"), at=2) is Noted.REPEATED
    assert rollout.note(said("dev-0", Stage.ACCEPTED), at=3) is Noted.NEWS
    assert rollout.devices["dev-0"].stage is Stage.ACCEPTED


def test_retries_keep_to_the_rate() -> None:
    policy = Policy(stages=(Fraction(100),), per_minute=2, retry_after_s=1)
    rollout = Rollout(ID, names(3), policy=policy)
    first = publish(rollout, 0)
    for device in first.devices:
        rollout.note(interrupted(device), at=1)
    assert isinstance(rollout.next(5), Wait)
    assert len(publish(rollout, 61).devices) == 1


def test_publishing_again_forgets_the_retries() -> None:
    rollout = Rollout(ID, names(1), policy=Policy(retries=0, stop_at=Fraction(100)))
    publish(rollout, 0)
    rollout.note(interrupted("dev-0"), at=1)
    assert rollout.next(2) == Done()
    rollout.again()
    publish(rollout, 3)
    assert rollout.devices["dev-0"].publishes == 1

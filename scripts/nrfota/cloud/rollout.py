# SPDX-License-Identifier: Apache-2.0
"""A staged rollout: who is next, and when to stop. No I/O, no clock of its own.

Rule 1: everything follows from the devices' states, the policy and the time that is
        passed in; nothing else is remembered. So a run that was killed goes on from
        the noted events.
Rule 2: the order is by a hash of request and device: fair, and the same each time.
Rule 3: a device is settled with its final report, or when it has been silent for
        `silent_after_s`. One that had answered before counts as failed then: that is
        how a version that kills its device looks. One that never answered may be
        switched off: it holds nothing up and counts for nothing.
Rule 4: failed devices are compared with those published, less the ones that never
        answered; fewer than `min_sample` count as that many.
Rule 5: a stage in which everybody settled, and nobody ever confirmed, leads to none.
Rule 6: a device that lost its request, by a reset or on the way from the modem, says
        so. That is no fault of the version: it gets the request again, a few times,
        and counts as failed only after the last of them.

    rollout = Rollout("fw7-...", devices, policy=Policy())
    match rollout.next(now):
        case Publish(devices): ...
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from fractions import Fraction

from nrfota.cloud.report import Report, Stage
from nrfota.errors import UsageError

DEFAULT_STAGES = (Fraction(1), Fraction(5), Fraction(25), Fraction(100))
MINUTE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Percentages of the devices, and what holds or stops a rollout."""

    stages: tuple[Fraction, ...] = DEFAULT_STAGES
    stop_at: Fraction = Fraction(2)
    min_sample: int = 10
    soak_s: float | None = None
    silent_after_s: float = 60 * MINUTE_S
    per_minute: int | None = None
    retries: int = 3  # of a request that was lost
    retry_after_s: float = MINUTE_S


@dataclass(slots=True)
class DeviceState:
    """What is known of one device."""

    published_at: float | None = None
    heard_at: float | None = None
    report: Report | None = None
    publishes: int = 0

    @property
    def stage(self) -> Stage | None:
        """Of the report that counts."""
        return None if self.report is None else self.report.stage

    @property
    def is_final(self) -> bool:
        """Whether it has said its last word."""
        return self.report is not None and self.report.stage.is_final

    @property
    def succeeded(self) -> bool:
        """Whether the new version runs."""
        report = self.report
        return report is not None and (
            report.stage is Stage.CONFIRMED or report.runs_it
        )

    @property
    def last_at(self) -> float:
        """When something last happened to it."""
        return max(self.published_at or 0.0, self.heard_at or 0.0)


class Noted(Enum):
    """What a report was worth."""

    NEWS = auto()
    REPEATED = auto()  # the same, or older than what is known
    STRANGER = auto()  # of a device that the rollout is not for


@dataclass(frozen=True)
class Publish:
    """Publish to these devices now; they belong to stage `stage` (from 0)."""

    devices: tuple[str, ...]
    stage: int


@dataclass(frozen=True)
class Wait:
    """Nothing to do before `until` unless a report comes."""

    until: float | None


@dataclass(frozen=True)
class Stop:
    """Publish nothing more; `reason` is half a sentence."""

    reason: str


@dataclass(frozen=True)
class Done:
    """Every device is settled."""


Step = Publish | Wait | Stop | Done


@dataclass(frozen=True)
class Summary:
    """Counts for a table; `failures` by reason, silent devices among them."""

    total: int
    published: int
    settled: int
    succeeded: int
    failed: int
    unheard: int
    stages: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)


def ordered(request: str, devices: Iterable[str]) -> tuple[str, ...]:
    """The devices in the order of their turn."""

    def turn(device: str) -> bytes:
        return hashlib.sha256(f"{request}/{device}".encode()).digest()

    return tuple(sorted(devices, key=turn))


def stage_counts(total: int, stages: Sequence[Fraction]) -> tuple[int, ...]:
    """How many devices have had their turn after each stage; each adds one at least."""
    counts: list[int] = []
    for percent in stages:
        count = min(total, -(-total * percent.numerator // (100 * percent.denominator)))
        if count > (counts[-1] if counts else 0):
            counts.append(count)
    return tuple(counts)


def parse_stages(text: str) -> tuple[Fraction, ...]:
    """`1,5,25,100`; raises UsageError."""
    try:
        stages = tuple(Fraction(part.strip()) for part in text.split(","))
    except (ValueError, ZeroDivisionError):
        stages = ()
    rising = all(one < other for one, other in itertools.pairwise(stages))
    if not stages or not rising or stages[0] <= 0 or stages[-1] != 100:
        raise UsageError(
            "--stages: expected rising percentages that end with 100, like "
            f"1,5,25,100, got '{text[:40]}'"
        )
    return stages


def parse_percent(text: str, *, what: str) -> Fraction:
    """`2%` or `2`; raises UsageError."""
    try:
        percent = Fraction(text.strip().removesuffix("%").strip())
    except (ValueError, ZeroDivisionError):
        percent = Fraction(-1)
    if not 0 <= percent <= 100:
        raise UsageError(f"{what}: expected a percentage 0 to 100, got '{text[:40]}'")
    return percent


class Rollout:
    """The state of all devices; `known` is False for a group without a list."""

    def __init__(
        self,
        request: str,
        devices: Iterable[str],
        *,
        policy: Policy,
        known: bool = True,
    ) -> None:
        self.policy = policy
        self.known = known
        self.order = ordered(request, set(devices))
        self.counts = stage_counts(len(self.order), policy.stages)
        self.devices = {device: DeviceState() for device in self.order}

    def published(self, devices: Iterable[str], *, at: float) -> None:
        """The message has reached the broker; what they said before is void."""
        for device in devices:
            state = self.devices[device]
            if state.published_at is not None:
                state.heard_at = state.report = None
            state.published_at = at
            state.publishes += 1

    def again(self) -> None:
        """Those that did not succeed shall get it once more, in their stages."""
        for device, state in self.devices.items():
            if not state.succeeded:
                self.devices[device] = DeviceState()

    def note(self, report: Report, *, at: float) -> Noted:
        """Takes a report in; the final one wins, and confirmed over all."""
        state = self.devices.get(report.device)
        if state is None:
            if self.known:
                return Noted.STRANGER
            state = self.devices[report.device] = DeviceState()
        if state.published_at is None:
            state.published_at = at  # it has the message, so it was published
            state.publishes += 1
        state.heard_at = max(at, state.heard_at or at)
        if not _replaces(report, state.report):
            return Noted.REPEATED
        state.report = report
        return Noted.NEWS

    def misses_it(self, report: Report) -> bool:
        """Whether a report without an id, of a request that could not be read, is
        about this one: the device was published to and has not answered."""
        state = self.devices.get(report.device)
        return (
            not report.id
            and report.lost_it
            and state is not None
            and state.published_at is not None
            and state.report is None
        )

    def next(self, now: float) -> Step:
        """What to do now."""
        stopped = self._over_threshold(now)
        if stopped:
            return Stop(stopped)
        stage = self._stage()
        if stage is None:
            return Done() if self.known else Wait(None)
        missing = self._unpublished(stage)
        if missing:
            return self._publish(missing, stage, now)
        last = stage == len(self.counts) - 1
        turn = self.order[: self.counts[stage]]
        robbed = tuple(device for device in turn if self._retry_at(device) <= now)
        if robbed:
            return self._publish(robbed, stage, now)
        if all(self.is_settled(device, now) for device in turn):
            if last:
                return Done()
            if self.policy.stop_at < 100 and not self._anybody_succeeded():
                return Stop(f"none of the {len(turn)} devices so far has confirmed")
            return self._publish(self._unpublished(stage + 1), stage + 1, now)
        soaked_at = None if last else self._soaked_at(stage)
        if soaked_at is not None and soaked_at <= now and self._anybody_succeeded():
            return self._publish(self._unpublished(stage + 1), stage + 1, now)
        return Wait(self._wake(turn, soaked_at, now))

    def is_settled(self, device: str, now: float) -> bool:
        """Whether no more is expected of it."""
        if self.gets_it_again(device):
            return False
        return self.devices[device].is_final or self.is_silent(device, now)

    def gets_it_again(self, device: str) -> bool:
        """Whether it lost the request, and there are retries left."""
        state = self.devices[device]
        return (
            state.report is not None
            and state.report.lost_it
            and state.publishes <= self.policy.retries
        )

    def is_silent(self, device: str, now: float) -> bool:
        """Whether it has been published to and says nothing (any more)."""
        state = self.devices[device]
        return (
            state.published_at is not None
            and not state.is_final
            and now - state.last_at >= self.policy.silent_after_s
        )

    def summary(self, now: float, *, stage: int | None = None) -> Summary:
        """Counts over all devices, or over those that one stage adds."""
        names: Iterable[str] = self.devices if stage is None else self._slice(stage)
        found = {name: self.devices[name] for name in names}
        silent = [name for name in found if self.is_silent(name, now)]
        unheard = [name for name in silent if found[name].report is None]
        stages: Counter[str] = Counter()
        failures: Counter[str] = Counter()
        for name, state in found.items():
            if state.published_at is None:
                stages["waiting"] += 1
            elif state.report is None:
                stages["published"] += 1
            elif self.gets_it_again(name):
                stages["interrupted"] += 1
            elif state.report.runs_it:
                stages["already"] += 1
            else:
                stages[state.report.stage.value] += 1
                if state.is_final and not state.succeeded:
                    failures[f"{state.report.stage}: {state.report.reason}"] += 1
                elif name in silent:
                    failures[f"silent after {state.report.stage}"] += 1
        return Summary(
            total=len(found),
            published=sum(s.published_at is not None for s in found.values()),
            settled=sum(self.is_settled(name, now) for name in found),
            succeeded=sum(s.succeeded for s in found.values()),
            failed=failures.total(),
            unheard=len(unheard),
            stages=dict(stages),
            failures=dict(failures),
        )

    def _slice(self, stage: int) -> tuple[str, ...]:
        begin = self.counts[stage - 1] if stage else 0
        return self.order[begin : self.counts[stage]]

    def _stage(self) -> int | None:
        """The highest stage that was begun, else the first; None without devices."""
        if not self.counts:
            return None
        for stage in reversed(range(len(self.counts))):
            if any(
                self.devices[device].published_at is not None
                for device in self._slice(stage)
            ):
                return stage
        return 0

    def _unpublished(self, stage: int) -> tuple[str, ...]:
        turn = self.order[: self.counts[stage]]
        return tuple(d for d in turn if self.devices[d].published_at is None)

    def _publish(self, missing: tuple[str, ...], stage: int, now: float) -> Step:
        limit = self.policy.per_minute
        if limit is None:
            return Publish(missing, stage)
        recent = sorted(
            state.published_at
            for state in self.devices.values()
            if state.published_at is not None and state.published_at > now - MINUTE_S
        )
        room = limit - len(recent)
        if room <= 0:
            return Wait(recent[-limit] + MINUTE_S)
        return Publish(missing[:room], stage)

    def _retry_at(self, device: str) -> float:
        """When it gets the request again; infinite when it does not."""
        if not self.gets_it_again(device):
            return math.inf
        return self.devices[device].last_at + self.policy.retry_after_s

    def _anybody_succeeded(self) -> bool:
        return any(state.succeeded for state in self.devices.values())

    def _soaked_at(self, stage: int) -> float | None:
        if self.policy.soak_s is None:
            return None
        times = [self.devices[device].published_at for device in self._slice(stage)]
        return max(time or 0.0 for time in times) + self.policy.soak_s

    def _over_threshold(self, now: float) -> str:
        failed = base = 0
        for device, state in self.devices.items():
            if state.published_at is None:
                continue
            silent = self.is_silent(device, now)
            if silent and state.report is None:
                continue
            base += 1
            failed += silent or (
                state.is_final
                and not state.succeeded
                and not self.gets_it_again(device)
            )
        sample = max(base, min(self.policy.min_sample, len(self.devices)))
        if not failed or Fraction(100 * failed, sample) <= self.policy.stop_at:
            return ""
        return (
            f"{failed} of {base} devices failed, more than "
            f"{float(self.policy.stop_at):g} % of {sample}"
        )

    def _wake(
        self, turn: tuple[str, ...], soaked_at: float | None, now: float
    ) -> float | None:
        times = [
            min(
                self._retry_at(device),
                self.devices[device].last_at + self.policy.silent_after_s,
            )
            for device in turn
            if not self.is_settled(device, now)
        ]
        if soaked_at is not None and soaked_at > now:
            times.append(soaked_at)
        return min(times, default=None)


def _replaces(new: Report, old: Report | None) -> bool:
    if old is None:
        return True
    if old.lost_it:
        return new != old  # it has the request again
    if new.stage.is_final and old.stage.is_final:
        return old.stage is not Stage.CONFIRMED and new != old
    if new.stage is old.stage is Stage.DOWNLOADING:
        return (new.percent or 0) > (old.percent or 0)
    return new.stage.rank > old.stage.rank

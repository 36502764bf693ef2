# SPDX-License-Identifier: Apache-2.0
"""A publication from upload to the destroyed key, one step after the other.

Rule 1: every step is noted before the next one begins, so that a run that was ended
        anywhere goes on when it is started again.
Rule 2: a publish is noted after the broker has it. Between the two a crash leads to
        one more publish, which devices know by its id.
Rule 3: reports are subscribed to before anything is published.
Rule 4: bytes are checked at every URL before each run's first publish.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from nrfota.cloud.fetch import Checked
from nrfota.cloud.keys import destroy
from nrfota.cloud.link import Arrival, Message, Reports, Sender
from nrfota.cloud.publish_files import check_all, upload_all
from nrfota.cloud.publish_parts import End, Options, Ports, View
from nrfota.cloud.publish_plan import Plan, Via, needed_by
from nrfota.cloud.publish_state import (
    State,
    StateFiles,
    cleared_event,
    published_event,
    replay,
    report_event,
)
from nrfota.cloud.report import WITH_REASON, Report, Stage
from nrfota.cloud.rollout import Done, Noted, Publish, Rollout, Stop
from nrfota.errors import FormatError, UsageError

# Devices published to before reports are looked at again: a stop comes in time, and
# the broker's queue for us stays short.
BATCH = 100
# Delivered messages that may wait for their note.
NOTE_EVERY = 20
# How long a rollout rests between two looks at all its devices, at least: with a
# large fleet reports get four fifths of the time.
LOOK_EVERY_S = 0.5
# The file is looked at again before a publish so much later.
CHECK_EVERY_S = 600.0
# Reports that were kept for us come within this after a new start.
SETTLE_S = 1.0
# Between two parts of a stage: brokers queue a thousand messages or so for a client.
QUIET_S = 0.05


class Publication:
    """One run."""

    def __init__(
        self, plan: Plan, *, options: Options, ports: Ports, view: View
    ) -> None:
        self._plan = plan
        self._options = options
        self._ports = ports
        self._view = view
        self._files = StateFiles(plan.folder, plan.id)
        self._rollout = Rollout(
            plan.id,
            plan.devices,
            policy=plan.policy,
            known=bool(plan.devices),
        )
        self._cleared: set[str] = set()
        self._ignored: dict[str, int] = {}
        self._urls: list[Checked] = []
        self._checked_at = 0.0
        self._announced = -1
        self._more = False

    def begin(self) -> None:
        """Takes the rollout's files, so that no other run has them."""
        self._files.open()
        try:
            self._state = self._load()
        except BaseException:
            self._files.close()
            raise

    def run(self) -> End:
        """Does what is left to do, after `begin`."""
        try:
            if self._state.end:
                self._destroy()
                return self._ended(self._state.end, "")
            if not self._options.abort and not self._all_published():
                upload_all(
                    self._plan,
                    options=self._options,
                    ports=self._ports,
                    view=self._view,
                    memory=(self._state, self._files),
                )
                self._check()
            sender, reports = self._ports.open_link()
            forget = False
            try:
                self._view.step("connecting for reports")
                reports.open()
                end = self._roll(sender, reports)
                forget = self._finish(end, sender)
                return end
            finally:
                ports: tuple[Sender | Reports, ...] = (reports, sender)
                for port in {id(port): port for port in ports}.values():
                    port.close(forget=forget)
        finally:
            self._files.close()

    def _load(self) -> State:
        plan = self._plan
        state = self._files.load()
        if state is None:
            state = State(plan.id, plan.identity, self._ports.now())
            self._files.save(state)
            return state
        differs = state.identity.difference(plan.identity)
        if differs:
            raise UsageError(
                f"'{self._files.path}' was begun with something else: {differs} differs"
            )
        self._cleared = replay(
            self._files.events(), self._rollout, id=plan.id, now=self._ports.now()
        )
        if state.group_at is not None:
            self._mark_group(min(state.group_at, self._ports.now()))
        return state

    def _mark_group(self, at: float) -> None:
        fresh = [
            name
            for name, device in self._rollout.devices.items()
            if device.published_at is None
        ]
        self._rollout.published(fresh, at=at)

    def _all_published(self) -> bool:
        if self._options.republish:
            return False
        if self._plan.group or self._plan.via is Via.AWS_JOB:
            return self._state.group_at is not None
        return all(d.published_at is not None for d in self._rollout.devices.values())

    def _check(self) -> None:
        self._checked_at = self._ports.now()
        self._urls = check_all(
            self._plan, options=self._options, ports=self._ports, view=self._view
        )

    # Publish and follow.

    def _roll(self, sender: Sender, reports: Reports) -> End:
        started = self._ports.now()
        if self._state.published:
            self._drain(reports, quiet_s=SETTLE_S, most_s=30.0)
        if self._options.abort:
            sender.stop("aborted by the operator")
            return self._ended("aborted", "by the operator")
        if self._options.republish:
            self._republish()
        if self._plan.group or self._plan.via is Via.AWS_JOB:
            self._publish_once(sender)
        looked, rest_s = -LOOK_EVERY_S, LOOK_EVERY_S
        while True:
            now = self._ports.now()
            if self._more or now - looked >= rest_s or now < looked:
                looked = now
                begin = time.perf_counter()
                end = self._look(sender, now, started, reports)
                rest_s = max(LOOK_EVERY_S, 4 * (time.perf_counter() - begin))
                if end is not None:
                    return end
            if self._more:
                self._drain(reports, quiet_s=QUIET_S, most_s=5.0)
            elif arrivals := reports.receive(LOOK_EVERY_S):
                self._take(arrivals, reports)

    def _drain(self, reports: Reports, *, quiet_s: float, most_s: float) -> None:
        """Takes what is waiting; not for ever, since some fleets never stop talking."""
        begin = self._ports.now()
        while self._ports.now() - begin < most_s:
            arrivals = reports.receive(quiet_s)
            if not arrivals:
                return
            self._take(arrivals, reports)

    def _look(
        self, sender: Sender, now: float, started: float, reports: Reports
    ) -> End | None:
        """Lets the rollout decide; returns the end, if it is one."""
        rollout, options = self._rollout, self._options
        self._clear(sender, everybody=False)
        self._view.progress(rollout, now, connected=reports.connected)
        if not options.follow and self._all_published():
            return self._ended("published", "not followed")
        step = Stop(reports.ended) if reports.ended else rollout.next(now)
        if reports.finished and not isinstance(step, Stop):
            step = Done()
        self._more = isinstance(step, Publish)
        match step:
            case Publish(devices, stage):
                self._announce(stage)
                self._publish(sender, devices[:BATCH])
            case Stop(reason):
                sender.stop(reason)
                return self._ended("stopped", reason)
            case Done():
                summary = rollout.summary(now)
                silent = summary.unheard + sum(
                    count
                    for reason, count in summary.failures.items()
                    if reason.startswith("silent")
                )
                if silent:
                    return self._ended("incomplete", f"{silent} devices are silent")
                return self._ended("complete", "")
        if options.timeout_s is not None and now - started >= options.timeout_s:
            summary = rollout.summary(now)
            left = summary.total - summary.settled
            return self._ended("timeout", f"{left} devices have not finished")
        return None

    def _republish(self) -> None:
        """Those that did not succeed get it again, in their stages."""
        self._rollout.again()
        self._options = Options(**{**vars(self._options), "republish": False})
        self._state.group_at = None

    def _announce(self, stage: int) -> None:
        if stage == self._announced:
            return
        self._announced = stage
        counts = (0, *self._rollout.counts)
        self._view.step(
            f"stage {stage + 1} of {len(counts) - 1}: publishing to "
            f"{counts[stage + 1] - counts[stage]} of {counts[-1]} devices"
        )

    def _publish(self, sender: Sender, devices: Sequence[str]) -> None:
        plan = self._plan
        if self._ports.now() - self._checked_at >= CHECK_EVERY_S:
            self._check()  # a presigned URL may have expired since
        self._before_publishing()
        payload = plan.payload
        messages = [
            Message(plan.topic(device), payload, plan.retain) for device in devices
        ]
        arrived: list[str] = []

        def note() -> None:
            at = self._ports.now()
            self._files.append([published_event(arrived, at=at)] if arrived else [])
            self._rollout.published(arrived, at=at)
            self._cleared.difference_update(arrived)
            arrived.clear()

        def delivered(index: int) -> None:
            arrived.append(devices[index])
            if len(arrived) >= NOTE_EVERY:
                note()

        try:
            sender.send(messages, delivered=delivered)
        finally:
            note()

    def _publish_once(self, sender: Sender) -> None:
        """One message or one job for all."""
        if self._state.group_at is None:
            plan = self._plan
            self._before_publishing()
            topic = plan.group_topic
            self._view.step(
                "creating the job"
                if plan.via is Via.AWS_JOB
                else f"publishing once to '{topic}'"
            )
            message = Message(topic, plan.payload, plan.retain)
            sender.send([message], delivered=lambda _: None)
            self._state.group_at = self._ports.now()
            self._files.save(self._state)
        self._mark_group(self._state.group_at)

    def _before_publishing(self) -> None:
        if not self._state.published:
            self._state.published = True
            self._files.save(self._state)

    def _take(self, arrivals: Sequence[Arrival], reports: Reports) -> None:
        """Notes what is new, then tells the broker that it may forget."""
        now = self._ports.now()
        events = []
        for arrival in arrivals:
            try:
                report = self._report(arrival)
            except FormatError:
                self._ignore("garbage")
                continue
            if report.id != self._plan.id:
                self._ignore("other requests")
                continue
            match self._rollout.note(report, at=now):
                case Noted.NEWS:
                    events.append(report_event(report, at=now))
                case Noted.REPEATED:
                    self._ignore("repeated")
                case Noted.STRANGER:
                    self._ignore("other devices")
        self._files.append(events)
        reports.acknowledge(arrivals)

    def _report(self, arrival: Arrival) -> Report:
        """The broker knows who may use a topic; what the message claims it does not."""
        report = Report.unpack(arrival.payload)
        if self._plan.topics.device_of_report(arrival.topic) != report.device:
            raise FormatError("report: topic and device differ")
        if self._rollout.misses_it(report):
            return replace(report, id=self._plan.id)
        mine = report.id == self._plan.id
        # A request that cannot be read has no target.
        targets = (
            self._plan.identity.version,
            0 if report.stage in WITH_REASON else -1,
        )
        if mine and report.target not in targets:
            raise FormatError("report: another version under this id")
        tells = mine and report.stage is Stage.CONFIRMED and self._plan.is_application
        if tells and report.version != report.target:
            raise FormatError("report: confirmed, but another version runs")
        return report

    def _ignore(self, what: str) -> None:
        self._ignored[what] = self._ignored.get(what, 0) + 1

    # The end.

    def _clear(self, sender: Sender, *, everybody: bool) -> None:
        """Takes retained requests, which hold the key, from the broker."""
        if not self._plan.retain:
            return
        names = [
            name
            for name, device in self._rollout.devices.items()
            if device.published_at is not None
            and name not in self._cleared
            and (everybody or device.is_final)
        ]
        if not names:
            return
        sender.send(
            [Message(self._plan.topic(name), b"", retain=True) for name in names],
            delivered=lambda _: None,
        )
        self._files.append([cleared_event(names, at=self._ports.now())])
        self._cleared.update(names)

    def _finish(self, end: End, sender: Sender) -> bool:
        """Cleans up when nothing more is going to happen; whether that is so."""
        if end.state not in ("complete", "aborted"):
            return False
        self._clear(sender, everybody=True)
        sender.clean()
        self._state.end = end.state
        self._files.save(self._state)
        self._destroy()
        end.keys = self._state.keys
        return True

    def _destroy(self) -> None:
        """The key is needed no more: the end is noted, and the broker has none."""
        if self._options.keep_keys or self._state.keys == "destroyed":
            return
        other = needed_by(self._plan)
        if other:
            self._view.note(f"'{self._plan.ota_json}' stays: {other} has not ended")
            return
        self._view.step(f"destroying '{self._plan.ota_json}'")
        destroy(self._plan.ota_json)
        self._state.keys = "destroyed"
        self._files.save(self._state)

    def _ended(self, state: str, reason: str) -> End:
        now, rollout = self._ports.now(), self._rollout
        return End(
            state=state,
            reason=reason,
            id=self._plan.id,
            version=self._plan.identity.version,
            summary=rollout.summary(now),
            stages=[
                rollout.summary(now, stage=stage)
                for stage in range(len(rollout.counts))
            ],
            ignored=dict(self._ignored),
            urls=list(self._urls),
            keys=self._state.keys,
        )

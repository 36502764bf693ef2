# SPDX-License-Identifier: Apache-2.0
"""An AWS IoT job: AWS rolls it out, at a rate and with an abort threshold.

Rule 1: the job's id is the request's, so that a run that was ended finds its job.
Rule 2: progress is read from the job's executions and comes out as reports (SPEC 11),
        so that whoever follows need not know of jobs.
Rule 3: the job's document holds the key; the job is deleted at the end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nrfota.cloud.aws import aws_errors, client, error_code
from nrfota.cloud.link import Arrival, Message
from nrfota.cloud.publish_plan import Plan
from nrfota.cloud.report import NO_REASON, TYPE, WORD, Stage
from nrfota.errors import OtaError, UsageError

# AWS counts these calls per second and account.
POLL_S = 10.0
PAGE = 250
STAGES = {
    "IN_PROGRESS": Stage.ACCEPTED,
    "SUCCEEDED": Stage.CONFIRMED,
    "FAILED": Stage.FAILED,
    "TIMED_OUT": Stage.FAILED,
    "REJECTED": Stage.REFUSED,
    "REMOVED": Stage.FAILED,
    "CANCELED": Stage.FAILED,
}
MAX_RATE = 1000
MAX_TIMEOUT_MINUTES = 10_080


@dataclass(frozen=True)
class JobRate:
    """Devices a minute; `growth` is base, factor and succeeded devices."""

    per_minute: int | None = None
    growth: tuple[int, float, int] | None = None

    def config(self) -> dict[str, Any]:
        """jobExecutionsRolloutConfig."""
        found: dict[str, Any] = {}
        if self.per_minute is not None:
            found["maximumPerMinute"] = self.per_minute
        if self.growth is not None:
            base, factor, succeeded = self.growth
            found["exponentialRate"] = {
                "baseRatePerMinute": base,
                "incrementFactor": factor,
                "rateIncreaseCriteria": {"numberOfSucceededThings": succeeded},
            }
        return found


def check_job_timeout(minutes: int | None) -> None:
    """`--job-timeout`; raises UsageError."""
    if minutes is not None and minutes > MAX_TIMEOUT_MINUTES:
        raise UsageError(
            f"--job-timeout: a job takes at most {MAX_TIMEOUT_MINUTES}, got {minutes}"
        )


def parse_job_rate(per_minute: int | None, growth: str | None) -> JobRate:
    """`--rate` and `--rate-growth`; raises UsageError."""
    if per_minute is not None and per_minute > MAX_RATE:
        raise UsageError(f"--rate: a job takes at most {MAX_RATE}, got {per_minute}")
    if growth is None:
        return JobRate(per_minute)
    try:
        base, factor, succeeded = growth.split(",")
        parsed = (int(base), float(factor), int(succeeded))
    except ValueError:
        parsed = (0, 0.0, 0)
    if not (1 <= parsed[0] <= MAX_RATE and 1.1 <= parsed[1] <= 5 and parsed[2] >= 1):
        raise UsageError(
            "--rate-growth: expected BASE 1..1000, FACTOR 1.1 to 5, SUCCEEDED 1 or "
            f"more, like 10,2,50, got '{growth[:40]}'"
        )
    return JobRate(per_minute, parsed)


class AwsJob:
    """Both ports of `nrfota.cloud.link`."""

    def __init__(
        self,
        plan: Plan,
        *,
        host: str,
        rate: JobRate,
        timeout_minutes: int | None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._plan = plan
        self._rate = rate
        self._timeout_minutes = timeout_minutes
        self._pause = pause
        self._client = client("iot", iot_host=host)
        self._asked_at = 0.0
        self._known: dict[str, str] = {}
        self._ended = ""
        self._finished = False

    # Sender

    def send(
        self, messages: Sequence[Message], *, delivered: Callable[[int], None]
    ) -> None:
        """Creates the job; one that is there already is this one."""
        from botocore.exceptions import ClientError

        for index, message in enumerate(messages):
            with aws_errors(f"creating job {self._plan.id}"):
                try:
                    self._client.create_job(**self._request(message))
                except ClientError as error:
                    if error_code(error) != "ResourceAlreadyExistsException":
                        raise
                    self._check_same(message)
            delivered(index)

    def stop(self, reason: str) -> None:
        """Cancels the job, so that no more devices get it."""
        from botocore.exceptions import ClientError

        with aws_errors(f"cancelling job {self._plan.id}"):
            try:
                self._client.cancel_job(
                    jobId=self._plan.id, comment=reason[:2028], force=False
                )
            except ClientError as error:
                if error_code(error) not in (
                    "InvalidRequestException",  # it has ended already
                    "ResourceNotFoundException",
                ):
                    raise

    def clean(self) -> None:
        """Deletes the job, and its document with the key."""
        from botocore.exceptions import ClientError

        with aws_errors(f"deleting job {self._plan.id}"):
            try:
                self._client.delete_job(jobId=self._plan.id, force=True)
            except ClientError as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise

    # Reports

    @property
    def connected(self) -> bool:
        """There is nothing to lose."""
        return True

    @property
    def ended(self) -> str:
        """That AWS cancelled the job, and why."""
        return self._ended

    @property
    def finished(self) -> bool:
        """Whether every execution has ended."""
        return self._finished

    def open(self) -> None:
        """The first question shows whether it is allowed."""

    def receive(self, timeout_s: float) -> list[Arrival]:
        """Asks for the executions now and then; what changed comes as reports."""
        wait = self._asked_at + POLL_S - time.monotonic()
        if self._asked_at and wait > 0:
            self._pause(min(wait, timeout_s))
            return []
        self._asked_at = time.monotonic()
        with aws_errors(f"reading job {self._plan.id}"):
            return list(self._changes())

    def acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        """AWS keeps the executions."""

    def close(self, *, forget: bool) -> None:
        """Nothing is held."""
        self._client.close()

    def _request(self, message: Message) -> dict[str, Any]:
        plan = self._plan
        found: dict[str, Any] = {
            "jobId": plan.id,
            "targets": self._targets(),
            "document": message.payload.decode(),
            "description": f"version {plan.identity.version}",
            "targetSelection": "SNAPSHOT",
            "abortConfig": {
                "criteriaList": [
                    {
                        "failureType": "ALL",
                        "action": "CANCEL",
                        # The service wants more than 0.
                        "thresholdPercentage": max(float(plan.policy.stop_at), 0.01),
                        "minNumberOfExecutedThings": plan.policy.min_sample,
                    }
                ]
            },
        }
        if self._rate.config():
            found["jobExecutionsRolloutConfig"] = self._rate.config()
        if self._timeout_minutes is not None:
            found["timeoutConfig"] = {
                "inProgressTimeoutInMinutes": self._timeout_minutes
            }
        return found

    def _targets(self) -> list[str]:
        """ARNs: AWS tells them, so that neither account nor partition is guessed."""
        if self._plan.group:
            group = self._client.describe_thing_group(thingGroupName=self._plan.group)
            return [group["thingGroupArn"]]
        return [
            self._client.describe_thing(thingName=device)["thingArn"]
            for device in self._plan.devices
        ]

    def _check_same(self, message: Message) -> None:
        found = self._client.get_job_document(jobId=self._plan.id)
        if json.loads(found["document"]) != json.loads(message.payload):
            raise OtaError(
                f"AWS has another job {self._plan.id}; give this rollout another --id"
            )

    def _changes(self) -> Iterator[Arrival]:
        from botocore.exceptions import ClientError

        try:
            job = self._client.describe_job(jobId=self._plan.id)["job"]
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                self._ended = "the job is gone"
                return
            raise
        for device, status in self._executions():
            if self._known.get(device) == status:
                continue
            self._known[device] = status
            if status in STAGES:
                yield self._arrival(device, status)
        self._finished = job.get("status") == "COMPLETED"
        if job.get("status") == "CANCELED":
            self._ended = f"the job is cancelled: {job.get('comment') or 'by AWS'}"

    def _executions(self) -> Iterator[tuple[str, str]]:
        pages: dict[str, Any] = {}
        while True:
            found = self._client.list_job_executions_for_job(
                jobId=self._plan.id, maxResults=PAGE, **pages
            )
            for execution in found["executionSummaries"]:
                device = execution["thingArn"].rpartition("/")[2]
                yield device, execution["jobExecutionSummary"]["status"]
            if not found.get("nextToken"):
                return
            pages = {"nextToken": found["nextToken"]}

    def _arrival(self, device: str, status: str) -> Arrival:
        stage, target = STAGES[status], self._plan.identity.version
        members: dict[str, Any] = {
            "type": TYPE,
            "device": device,
            "id": self._plan.id,
            "stage": stage.value,
            "version": target if stage is Stage.CONFIRMED else 0,
            "target": target,
        }
        if stage in (Stage.FAILED, Stage.REFUSED):
            told, reason = self._details(device)
            if told == Stage.ROLLED_BACK:
                members["stage"] = told
            members["error"] = 0
            members["reason"] = reason or status.lower()
        topic = self._plan.topics.report_for(device)
        return Arrival(topic, json.dumps(members).encode())

    def _details(self, device: str) -> tuple[str, str]:
        """Stage and reason that the device gave (SPEC 10)."""
        execution = self._client.describe_job_execution(
            jobId=self._plan.id, thingName=device
        )["execution"]
        details = (execution.get("statusDetails") or {}).get("detailsMap") or {}
        reason = str(details.get("reason", ""))
        if not WORD.match(reason):
            reason = NO_REASON if reason else ""
        return str(details.get("stage", "")), reason

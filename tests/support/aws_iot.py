# SPDX-License-Identifier: Apache-2.0
"""AWS IoT Core of a test: moto keeps things and jobs, mosquitto carries messages.

moto has no broker, so this plays the services between the two: the data plane's
publications go to the broker, and the Jobs service answers and follows a device.

    aws = AwsIot(client, thing=IMEI)     # inside `moto()`
    site.run(device, lambda: aws.step() or publisher.ended)
"""

from __future__ import annotations

import json
from typing import Any

from support.clouds import ACCOUNT, REGION
from support.mosquitto import Client, Message

FINAL = ("SUCCEEDED", "FAILED", "REJECTED")


class AwsIot:
    """One thing; `updates` is what it told the Jobs service."""

    def __init__(self, client: Client, *, thing: str) -> None:
        import boto3
        from moto.iot.models import iot_backends
        from moto.iotdata.models import iotdata_backends

        self._client = client
        self._thing = thing
        self._iot: Any = iot_backends[ACCOUNT][REGION]
        self._data: Any = iotdata_backends[ACCOUNT][REGION]
        self._base = f"$aws/things/{thing}/jobs/"
        self._published = 0
        self._seen = 0
        self._notified: set[str] = set()
        self.updates: list[tuple[str, dict[str, Any]]] = []
        boto3.client("iot").create_thing(thingName=thing)
        client.subscribe(self._base + "#")

    def step(self) -> None:
        """Takes what came from either side since the last call."""
        payloads = self._data.published_payloads
        for topic, payload in list(payloads[self._published :]):
            self._published += 1
            self._client.publish(topic, payload)
        for job in self._queued():
            if job.job_id not in self._notified:
                self._notified.add(job.job_id)
                self._send("notify-next", job)
        messages = list(self._client.messages)
        for message in messages[self._seen :]:
            self._take(message)
        self._seen = len(messages)

    def _queued(self) -> list[Any]:
        """Executions that are not over, the oldest first."""
        return [
            execution
            for (_, thing), execution in self._iot.job_executions.items()
            if thing == self._thing and execution.status not in FINAL
        ]

    def _send(self, topic: str, execution: Any | None) -> None:
        body: dict[str, Any] = {"timestamp": 1_767_225_600}
        if execution is not None:
            document = self._iot.jobs[execution.job_id].document
            body["execution"] = {
                "jobId": execution.job_id,
                "status": execution.status,
                "queuedAt": 1_767_225_600,
                "lastUpdatedAt": 1_767_225_600,
                "versionNumber": 1,
                "executionNumber": 1,
                "jobDocument": json.loads(document),
            }
        self._client.publish(self._base + topic, json.dumps(body))

    def _take(self, message: Message) -> None:
        name = message.topic.removeprefix(self._base)
        if name == "$next/get":
            queued = self._queued()
            self._send("$next/get/accepted", queued[0] if queued else None)
        elif name.endswith("/update"):
            self._update(name.removesuffix("/update"), json.loads(message.payload))

    def _update(self, job_id: str, body: dict[str, Any]) -> None:
        self.updates.append((job_id, body))
        execution = self._iot.job_executions.get((job_id, self._thing))
        if execution is None or execution.status in FINAL:
            topic, answer = "rejected", {"code": "InvalidStateTransition"}
        else:
            execution.status = body["status"]
            execution.status_details_map = body["statusDetails"]
            if body["status"] in FINAL:
                self._iot.jobs[job_id].status = "COMPLETED"
            topic, answer = "accepted", {"timestamp": 1_767_225_600}
        self._client.publish(f"{self._base}{job_id}/update/{topic}", json.dumps(answer))

# SPDX-License-Identifier: Apache-2.0
"""Requests through AWS IoT's data plane (HTTPS): no certificate of the operator's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

from nrfota.cloud.aws import aws_errors, client
from nrfota.cloud.link import Message

# A request takes tens of milliseconds, most of it waiting.
THREADS = 8


class AwsData:
    """`Sender` of `nrfota.cloud.link`."""

    def __init__(self, host: str) -> None:
        self._client = client("iot-data", iot_host=host)

    def send(
        self, messages: Sequence[Message], *, delivered: Callable[[int], None]
    ) -> None:
        """The first refusal ends it; what is under way is waited for and counted."""
        with ThreadPoolExecutor(THREADS) as pool:
            running: dict[Future[None], int] = {
                pool.submit(self._publish, message): index
                for index, message in enumerate(messages)
            }
            problem: BaseException | None = None
            for future in as_completed(running):
                if future.cancelled():
                    continue
                if future.exception() is None:
                    delivered(running[future])
                elif problem is None:
                    problem = future.exception()
                    for other in running:
                        other.cancel()
            if problem is not None:
                raise problem

    def stop(self, reason: str) -> None:
        """What is published is published."""

    def clean(self) -> None:
        """Nothing of it is kept."""

    def close(self, *, forget: bool) -> None:
        """Nothing is held."""
        self._client.close()

    def _publish(self, message: Message) -> None:
        with aws_errors(f"publishing to '{message.topic}'"):
            self._client.publish(
                topic=message.topic,
                qos=1,
                retain=message.retain,
                payload=message.payload,
            )

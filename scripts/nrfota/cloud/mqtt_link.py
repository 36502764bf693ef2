# SPDX-License-Identifier: Apache-2.0
"""The operator's MQTT connection (paho), for requests and reports.

Rule 1: clean_session is false and the client id stays, so the broker keeps reports
        while nobody is connected; a report is acknowledged once it is noted here.
Rule 2: a lost connection is made again by paho; what was not acknowledged is sent
        again then, by both sides (QoS 1).
Rule 3: at the very end the session is removed, else the broker would queue for ever.
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from nrfota.cloud.fetch import reach_problem
from nrfota.cloud.link import Arrival, Message
from nrfota.cloud.profile import Operator
from nrfota.errors import FormatError, OtaError, UnreachableError

WINDOW = 100
OPEN_S = 20.0
# AWS IoT Core takes 100 publishes a second on a connection, and drops what is beyond
# without a word.
AWS_PER_SECOND = 90
# With TLS 1.3 a broker refuses a certificate after the handshake, by hanging up.
MAX_DROPPED = 2
PROGRESS_S = 60.0
QOS = 1
KEEPALIVE_S = 60


class Pace:
    """At most so many messages in any second; None for as many as there are."""

    def __init__(self, per_second: int | None) -> None:
        self._per_second = per_second
        self._times: deque[float] = deque()

    def may_send(self, now: float) -> bool:
        """Whether there is room for one; takes it."""
        if self._per_second is None:
            return True
        while self._times and self._times[0] <= now - 1.0:
            self._times.popleft()
        if len(self._times) >= self._per_second:
            return False
        self._times.append(now)
        return True


class MqttLink:
    """Both ports of `nrfota.cloud.link`."""

    def __init__(
        self,
        operator: Operator,
        *,
        client_id: str,
        report_filter: str,
        per_second: int | None = None,
    ) -> None:
        from paho.mqtt.client import Client, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        self._operator = operator
        self._name = f"broker {operator.host}:{operator.port}"
        self._client_id = client_id
        self._filter = report_filter
        self._pace = Pace(per_second)
        self._changed = threading.Condition()
        self._arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._acknowledged: list[int] = []
        self._refused = ""
        self._subscribed = False
        self._online = False
        self._dropped = 0  # connections that ended before the broker took us
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=False,
            protocol=MQTTv311,
            manual_ack=True,
        )
        self._client.max_inflight_messages_set(WINDOW)
        self._client.reconnect_delay_set(min_delay=1, max_delay=30)
        self._client.connect_timeout = OPEN_S
        if operator.ca is not None:
            self._client.tls_set_context(operator_context(operator))
        if operator.login is not None:
            self._client.username_pw_set(operator.login.user, operator.login.password())
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish

    @property
    def connected(self) -> bool:
        """Whether the broker has taken us and our subscription."""
        return self._online and self._subscribed

    @property
    def ended(self) -> str:
        """A broker has no rollouts."""
        return ""

    @property
    def finished(self) -> bool:
        """A broker never knows."""
        return False

    def open(self) -> None:
        """Connects and subscribes."""
        operator = self._operator
        try:
            self._client.connect(operator.host, operator.port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise UnreachableError(
                f"cannot reach {self._name}: {reach_problem(error)}"
            ) from None
        self._client.loop_start()
        with self._changed:
            self._changed.wait_for(
                lambda: self.connected or self._refused or self._dropped >= MAX_DROPPED,
                OPEN_S,
            )
        if self._refused:
            self._stop()
            raise UnreachableError(f"{self._name} {self._refused}")
        if not self.connected:
            self._stop()
            raise UnreachableError(
                f"{self._name} ends the connection or stays silent; does it allow "
                f"client id '{self._client_id}' with this certificate?"
            )

    def send(
        self, messages: Sequence[Message], *, delivered: Callable[[int], None]
    ) -> None:
        """At most WINDOW are under way at once."""
        waiting: dict[int, int] = {}
        following = 0
        deadline = time.monotonic() + PROGRESS_S
        while following < len(messages) or waiting:
            while (
                following < len(messages)
                and len(waiting) < WINDOW
                and self._pace.may_send(time.monotonic())
            ):
                message = messages[following]
                info = self._client.publish(
                    message.topic, message.payload, qos=QOS, retain=message.retain
                )
                waiting[info.mid] = following
                following += 1
            with self._changed:
                self._changed.wait_for(lambda: self._acknowledged, 0.1)
                arrived = list(self._acknowledged)
                self._acknowledged.clear()
            for mid in arrived:
                if mid in waiting:
                    delivered(waiting.pop(mid))
                    deadline = time.monotonic() + PROGRESS_S
            if time.monotonic() > deadline:
                raise UnreachableError(
                    f"{self._name} has acknowledged nothing for {PROGRESS_S:.0f} s, "
                    f"{len(messages) - following + len(waiting)} messages are left"
                )

    def receive(self, timeout_s: float) -> list[Arrival]:
        """All that has come."""
        found: list[Arrival] = []
        try:
            found.append(self._arrivals.get(timeout=timeout_s))
            while True:
                found.append(self._arrivals.get_nowait())
        except queue.Empty:
            return found

    def acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        """PUBACK for each."""
        for arrival in arrivals:
            if arrival.token:
                self._client.ack(arrival.token, QOS)

    def stop(self, reason: str) -> None:
        """What is published is published."""

    def clean(self) -> None:
        """Retained messages are cleared one by one, by whoever made them."""

    def close(self, *, forget: bool) -> None:
        """Ends the connection, and the session with it when told so."""
        self._stop()
        if forget:
            self._remove_session()

    def _stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _remove_session(self) -> None:
        """A clean session under the same id takes the place of the old one."""
        from paho.mqtt.client import Client, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        done = threading.Event()
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=True,
            protocol=MQTTv311,
        )
        if self._operator.ca is not None:
            client.tls_set_context(operator_context(self._operator))
        if self._operator.login is not None:
            login = self._operator.login
            client.username_pw_set(login.user, login.password())
        client.on_connect = lambda *_: done.set()
        try:
            client.connect(self._operator.host, self._operator.port)
        except (OSError, ValueError):
            return  # the broker is away; its own expiry removes the session
        client.loop_start()
        done.wait(OPEN_S)
        client.disconnect()
        client.loop_stop()

    # Called by paho's thread.

    def _on_connect(
        self, client: Any, data: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        with self._changed:
            self._online = not reason.is_failure
            if reason.is_failure:
                self._refused = f"refuses the connection: {str(reason).lower()}"
            self._changed.notify_all()
        if not reason.is_failure:
            client.subscribe(self._filter, qos=QOS)

    def _on_disconnect(
        self, client: Any, data: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        with self._changed:
            self._dropped += not self._online
            self._online = self._subscribed = False
            self._changed.notify_all()

    def _on_subscribe(
        self, client: Any, data: Any, mid: int, reasons: Any, properties: Any
    ) -> None:
        with self._changed:
            if any(reason.is_failure for reason in reasons):
                self._refused = f"refuses the subscription to '{self._filter}'"
            else:
                self._subscribed = True
            self._changed.notify_all()

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        token = message.mid if message.qos == QOS else 0
        self._arrivals.put(Arrival(topic, bytes(message.payload), token))

    def _on_publish(
        self, client: Any, data: Any, mid: int, reason: Any, properties: Any
    ) -> None:
        with self._changed:
            self._acknowledged.append(mid)
            self._changed.notify_all()


def operator_context(operator: Operator) -> ssl.SSLContext:
    """TLS 1.2 or newer, the broker verified, the operator's certificate shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=operator.ca)
    except (ssl.SSLError, OSError):
        raise FormatError(f"{operator.ca}: expected certificates as PEM") from None
    if operator.cert is None or operator.key is None:
        return context
    try:
        # Without a password given here OpenSSL would ask the terminal for one.
        context.load_cert_chain(operator.cert, operator.key, password="")
    except (ssl.SSLError, OSError, ValueError):
        raise OtaError(
            f"{operator.cert}, {operator.key}: expected a certificate and its private "
            "key as PEM, without password"
        ) from None
    return context

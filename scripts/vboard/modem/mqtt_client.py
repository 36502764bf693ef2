# SPDX-License-Identifier: Apache-2.0
"""The two MQTT clients of the modem: their state, results, and what arrives."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vboard.clock import NS_PER_MS, NS_PER_S
from vboard.modem import mqtt_link as link
from vboard.modem.at import CRLF, AtError, Call, Job, framed
from vboard.modem.chapter import Chapter
from vboard.modem.mqtt_link import Message, MqttError, MqttLink

if TYPE_CHECKING:
    from vboard.modem.sim7600 import Sim7600

MAX_PAYLOAD = 10_240
_POLL_NS = 50 * NS_PER_MS
_PING_S = 5.0  # real time in which a broker answers a ping


@dataclass
class Client:
    """One of the two clients, from ACCQ to REL."""

    client_id: str
    secure: bool
    context: int
    check_utf8: bool = True
    timeout_s: int = 120
    will_topic: bytes = b""
    will: Message | None = None
    url: str = ""
    keepalive_s: int = 60
    clean: int = 1
    link: MqttLink | None = None
    joined: bool = False  # connected, in the eyes of the AT side
    busy: bool = False
    topic: bytes = b""
    payload: bytes = b""
    subs: list[tuple[bytes, int]] = field(default_factory=list)
    unsubs: list[bytes] = field(default_factory=list)
    ping_ns: int = 0
    ping_s: float = 0.0  # the same in real time, which is what the broker measures
    looked_s: float = 0.0


class MqttClients(Chapter):
    """What the MQTT commands stand on."""

    def __init__(self, modem: Sim7600) -> None:
        self._adrift: list[MqttLink] = []  # nobody has told the brokers
        super().__init__(modem)

    def reset(self) -> None:
        for client in getattr(self, "clients", {}).values():
            if client.link is not None:
                client.link.close(politely=False)
        self.network_is_back()
        self.started = False
        self.clients: dict[int, Client] = {}

    # Hooks for tests

    def inject(self, index: int, topic: bytes, payload: bytes) -> None:
        """A message arrives for a client, as if a broker had sent it."""
        self._print_message(index, Message(topic=topic, payload=payload))

    def lose(self, index: int, reason: int) -> None:
        """The connection of a client breaks: 1 closed, 2 reset, 3 network."""
        client = self.clients[index]
        if client.link is not None:
            client.link.close(politely=False)
        client.link, client.joined = None, False
        self.modem.urc(f"+CMQTTCONNLOST: {index},{reason}")

    def lose_service(self) -> None:
        """The MQTT service loses the network."""
        self.reset()
        self.modem.urc("+CMQTTNONET")

    def lose_network(self, style: str) -> None:
        """The network goes away; brokers notice nothing until it is back.

        `style` as in the fault `NetworkLost`.
        """
        for index, client in list(self.clients.items()):
            if client.link is not None:
                self._adrift.append(client.link)
            was_joined, client.link, client.joined = client.joined, None, False
            if was_joined and style == "connlost":
                self.modem.urc(f"+CMQTTCONNLOST: {index},3")
        if self.started and style == "nonet":
            self.clients.clear()
            self.started = False
            self.modem.urc("+CMQTTNONET")

    def network_is_back(self) -> None:
        """Old connections answer with a reset now."""
        for connection in self._adrift:
            connection.close(politely=False)
        self._adrift.clear()

    # Common parts

    def _index(self, call: Call) -> int:
        return call.args[0].number(0, 1)

    def _client(self, call: Call) -> tuple[int, Client]:
        """The acquired client of the first argument; else its error line."""
        index = self._index(call)
        client = self.clients.get(index)
        if client is None:
            raise AtError(f"+{call.name}: {index},{link.NOT_ACQUIRED}")
        if client.busy:
            raise AtError(f"+{call.name}: {index},{link.BUSY}")
        return index, client

    def _connected(self, call: Call) -> tuple[int, Client]:
        index, client = self._client(call)
        if not client.joined or client.link is None:
            raise AtError(f"+{call.name}: {index},{link.NOT_CONNECTED}")
        return index, client

    def _result(self, text: str, *, wait: bool = True) -> Sequence[str]:
        """OK and a result line, in the order of the profile."""
        if self.modem.profile.mqtt_order == "result_first":
            return (text,)
        wait_ns = self.modem.profile.mqtt_wait_ms * NS_PER_MS if wait else 0
        runner = self.modem.runner
        runner.after_result(
            lambda: self.modem.delay(wait_ns, lambda: self.modem.result(text))
        )
        return ()

    def _operate(
        self, index: int, client: Client, name: str, work: Callable[[], None]
    ) -> Sequence[str]:
        """OK now; `+NAME: i,err` when the broker has answered."""
        client.busy = True

        def run() -> int:
            try:
                work()
            except MqttError as error:
                return error.code
            return 0

        def done(code: int) -> None:
            if self.clients.get(index) is not client:
                return
            client.busy = False
            if client.link is not None and not self.modem.network.online:
                self._adrift.append(client.link)  # connected too late
                client.link = None
            if client.link is None and not code:  # lost while it ran
                code = link.NOT_CONNECTED
            if name == "CMQTTCONNECT":
                client.joined = code == 0
                if code:
                    client.context = index
                else:
                    self._watch(index, client)
            self.modem.result(f"+{name}: {index},{code}")

        wait_ns = self.modem.profile.mqtt_wait_ms * NS_PER_MS
        job = Job(run=run, wait_ns=lambda code: wait_ns)
        self.modem.runner.after_result(lambda: self.modem.run_job(job, done))
        return ()

    # What comes

    def _watch(self, index: int, client: Client) -> None:
        """Looks at the connection now and again, and keeps it alive."""
        connection = client.link
        client.ping_ns, client.ping_s = self.modem.clock.now_ns, time.monotonic()
        client.looked_s = client.ping_s

        def look() -> None:
            if client.link is not connection or connection is None:
                return
            try:
                if not client.busy:
                    # An answer that is here already counts, however late it is read.
                    connection.poll(self._ahead_s(client))
                    self._keep_alive(client, connection)
            except MqttError as error:
                self._drain(index, connection)
                if error.code == link.TIMEOUT:
                    self.modem.urc(f"+CMQTTPING: {index},{error.code}")
                else:
                    self.lose(index, 1)
                return
            self._drain(index, connection)
            self.modem.later(_POLL_NS, look)

        look()

    def _keep_alive(self, client: Client, connection: MqttLink) -> None:
        """Pings by either clock: the host expects it by one, the broker by the other.

        A ping is unanswered when the next one is due and the broker has had real
        time to answer.
        """
        now_ns, now_s = self.modem.clock.now_ns, time.monotonic()
        real_s = now_s - client.ping_s
        if (
            now_ns - client.ping_ns < client.keepalive_s * NS_PER_S // 2
            and real_s < client.keepalive_s / 2
        ):
            return
        if connection.unanswered:
            if real_s < _PING_S:
                return
            raise MqttError(link.TIMEOUT)
        client.ping_ns, client.ping_s = now_ns, now_s
        connection.ping()

    def _ahead_s(self, client: Client) -> float:
        """How long to wait for the broker, so that it keeps up with our time."""
        now_s, pace = time.monotonic(), self.modem.pace
        passed_s, client.looked_s = now_s - client.looked_s, now_s
        if pace is None:
            return 0.0
        ahead_s = max(0.0, _POLL_NS / NS_PER_S / pace - passed_s)
        client.looked_s += ahead_s
        return ahead_s

    def _drain(self, index: int, connection: MqttLink) -> None:
        while connection.inbox:
            self._print_message(index, connection.inbox.popleft())

    def _print_message(self, index: int, message: Message) -> None:
        topic, payload = message.topic, message.payload
        if len(payload) > MAX_PAYLOAD:
            return
        plan, step = self.modem.faults, self.modem.profile.mqtt_fragment
        out = framed(f"+CMQTTRXSTART: {index},{len(topic)},{len(payload)}")
        out += framed(f"+CMQTTRXTOPIC: {index},{len(topic)}") + topic
        for start in range(0, len(payload), step):
            part = payload[start : start + step]
            out += framed(f"+CMQTTRXPAYLOAD: {index},{len(part)}")
            out += plan.block(part, "CMQTTRXPAYLOAD")
        out += CRLF + f"+CMQTTRXEND: {index}".encode() + CRLF
        self.modem.line.urc(out)

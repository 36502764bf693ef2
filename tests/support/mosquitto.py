# SPDX-License-Identifier: Apache-2.0
"""Debian's mosquitto on loopback.

with running(Mosquitto(tmp_path / "broker", pki=pki)) as broker:
    broker.port                 # plain, no access control
    broker.tls_port             # TLS, client certificates, one ACL for each device
    with broker.client(pki.operator()) as client:
        client.subscribe("ota/device/+/report")
        client.wait_for(lambda messages: len(messages) == 3)
"""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from support.pki import Identity, Pki
from support.process import Server, ServerError, program, wait_until

WAIT_S = 60.0

# The common name of the certificate is the user. An operator may do all; a device
# what SPEC.md section 10 gives it.
ACL = """\
user operator
topic readwrite #
topic readwrite $aws/#
topic read $SYS/#

pattern read ota/device/%u/request
pattern read ota/group/+/request
pattern write ota/device/%u/report
pattern write ota/device/%u/telemetry
pattern read cmd/ota/%u/request
pattern read cmd/ota/group/+/request
pattern write dt/ota/%u/report
pattern write dt/ota/%u/telemetry
pattern readwrite $aws/things/%u/jobs/#
pattern read /devices/%u/config
pattern write /devices/%u/state
pattern write /devices/%u/events
"""


class Mosquitto(Server):
    """A broker; with `persistence` a stop or a `save` puts its state on disk."""

    ready_text = " running\n"

    def __init__(
        self,
        folder: Path,
        *,
        pki: Pki | None = None,
        persistence: bool = False,
        acl: str = ACL,
        options: Sequence[str] = (),
    ) -> None:
        super().__init__(folder, 2 if pki else 1)
        self.pki = pki
        self.identity = pki.server("broker") if pki else None
        self._persistence = persistence
        self._acl = acl
        self._options = tuple(options)

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def tls_port(self) -> int:
        if self.pki is None:
            raise ServerError("this broker was made without certificates")
        return self.ports[1]

    @property
    def log(self) -> str:
        """What the broker logged, over all restarts."""
        path = self.folder / "mosquitto.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def ready_output(self) -> str:
        return self.log

    def command(self) -> Sequence[str]:
        lines = [
            "per_listener_settings true",
            f"log_dest file {self.folder}/mosquitto.log",  # flushed by lines
            "log_type all",
            "connection_messages true",
            "sys_interval 1",
            *self._options,
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # the files are ours
        if self._persistence:
            lines += [
                "persistence true",
                f"persistence_location {self.folder}/",
                "autosave_interval 0",
            ]
        lines += [f"listener {self.port} 127.0.0.1", "allow_anonymous true"]
        if self.pki is not None and self.identity is not None:
            acl = self.folder / "acl"
            acl.write_text(self._acl)
            acl.chmod(0o600)
            lines += [
                f"listener {self.tls_port} 127.0.0.1",
                f"cafile {self.pki.ca}",
                f"certfile {self.identity.certificate}",
                f"keyfile {self.identity.key}",
                "require_certificate true",
                "use_identity_as_username true",
                f"acl_file {acl}",
            ]
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n")
        return [program("mosquitto"), "-c", str(config)]

    def save(self) -> None:
        """Puts the state on disk, so that a kill does not lose it."""
        before = self._saved()
        assert self._persistence and self._process is not None
        self._process.send_signal(signal.SIGUSR1)
        wait_until(
            "the saved state", lambda: self._saved() not in (0, before), self._process
        )

    def _saved(self) -> int:
        path = self.folder / "mosquitto.db"
        return path.stat().st_mtime_ns if path.exists() else 0

    def forget(self) -> None:
        """Loses what persistence saved; the broker must be stopped."""
        assert not self.running
        (self.folder / "mosquitto.db").unlink(missing_ok=True)

    def client(
        self, identity: Identity | None = None, *, client_id: str = ""
    ) -> Client:
        """A client of the TLS listener when it has an identity, else of the plain."""
        return Client(self, identity, client_id)


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a client received."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Client:
    """A client for tests; its network thread runs inside `with`.

    It connects again by itself and then subscribes again, so it sees a broker
    through its restarts.
    """

    def __init__(
        self, broker: Mosquitto, identity: Identity | None, client_id: str
    ) -> None:
        import paho.mqtt.client as mqtt

        self.messages: list[Message] = []
        self._changed = threading.Condition()
        self._topics: dict[str, int] = {}
        self._subscribed: set[int] = set()
        self._connected = False
        self._broker = broker
        self._port = broker.port
        self._client = client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=client_id
        )
        client.reconnect_delay_set(1, 1)
        if identity is not None:
            assert broker.pki is not None
            self._port = broker.tls_port
            client.tls_set(
                str(broker.pki.ca),
                str(identity.certificate),
                str(identity.key),
                cert_reqs=ssl.CERT_REQUIRED,
            )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe

    def __enter__(self) -> Client:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        self._wait(lambda: self._connected, "a connection")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def subscribe(self, topic: str, qos: int = 1) -> None:
        """Returns when the broker has acknowledged it."""
        self._topics[topic] = qos
        number = self._client.subscribe(topic, qos)[1]
        self._wait(lambda: number in self._subscribed, f"SUBACK of {topic}")

    def publish(
        self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False
    ) -> None:
        """Returns when the broker has acknowledged it."""
        self._client.publish(topic, payload, qos, retain).wait_for_publish(WAIT_S)

    def wait_for(self, done: Callable[[list[Message]], bool]) -> list[Message]:
        """Waits until `done(messages)`; returns all that came."""
        self._wait(lambda: done(self.messages), "the messages", self.messages)
        with self._changed:
            return list(self.messages)

    def _wait(
        self, done: Callable[[], bool], what: str, got: object = "nothing"
    ) -> None:
        with self._changed:
            if not self._changed.wait_for(done, WAIT_S):
                raise AssertionError(f"waited for {what}, got {got}")

    def _on_connect(self, client: Any, _data: Any, _flags: Any, code: Any, _p: Any):
        if code.is_failure:
            return
        for topic, qos in self._topics.items():
            client.subscribe(topic, qos)
        with self._changed:
            self._connected = True
            self._changed.notify_all()

    def _on_disconnect(self, *_: Any) -> None:
        with self._changed:
            self._connected = False
            self._changed.notify_all()

    def _on_subscribe(self, _client: Any, _data: Any, number: int, *_: Any) -> None:
        with self._changed:
            self._subscribed.add(number)
            self._changed.notify_all()

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        with self._changed:
            self.messages.append(
                Message(
                    topic=message.topic,
                    payload=bytes(message.payload),
                    qos=message.qos,
                    retain=bool(message.retain),
                )
            )
            self._changed.notify_all()


S = TypeVar("S", bound=Server)


@contextlib.contextmanager
def running(server: S) -> Iterator[S]:
    """A started server, stopped at the end."""
    server.start()
    try:
        yield server
    finally:
        server.kill()

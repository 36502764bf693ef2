# SPDX-License-Identifier: Apache-2.0
"""MQTT(S) commands (AT manual chapter "MQTT(S)").

Brokers are really connected to. Two clients; what they hold is gone after a reset of
the modem and kept over a reset of the host. Without a broker, tests use `inject`,
`lose` and `lose_service`.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from vboard.modem import mqtt_link as link
from vboard.modem.at import Ask, AtError, Call, Form, Handler, Script
from vboard.modem.mqtt_client import MAX_PAYLOAD, Client, MqttClients
from vboard.modem.mqtt_link import Message, MqttError, MqttLink, Options
from vboard.modem.ssl import CertificateMissing

_MAX_TOPICS = 5_120


class Mqtt(MqttClients):
    """AT+CMQTT*."""

    def commands(self) -> dict[str, Handler]:
        return {
            "CMQTTSTART": self.start,
            "CMQTTSTOP": self.stop,
            "CMQTTACCQ": self.accq,
            "CMQTTREL": self.rel,
            "CMQTTSSLCFG": self.sslcfg,
            "CMQTTWILLTOPIC": self.will_topic,
            "CMQTTWILLMSG": self.will_message,
            "CMQTTCONNECT": self.connect,
            "CMQTTDISC": self.disc,
            "CMQTTSUBTOPIC": self.sub_topic,
            "CMQTTSUB": self.sub,
            "CMQTTUNSUBTOPIC": self.unsub_topic,
            "CMQTTUNSUB": self.unsub,
            "CMQTTTOPIC": self.topic,
            "CMQTTPAYLOAD": self.payload,
            "CMQTTPUB": self.pub,
            "CMQTTCFG": self.cfg,
        }

    # Service and clients

    def start(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        if self.started:
            raise AtError(f"+CMQTTSTART: {link.RUNNING_ALREADY}")
        if not self.modem.network.online:
            return self._result(f"+CMQTTSTART: {link.NETWORK_OPEN}")
        self.started = True
        return self._result("+CMQTTSTART: 0")

    def stop(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        if not self.started:
            raise AtError
        if self.clients:
            raise AtError(f"+CMQTTSTOP: {link.NOT_RELEASED}")
        self.started = False
        return self._result("+CMQTTSTOP: 0")

    def accq(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return tuple(
                f'+CMQTTACCQ: {index},"{client.client_id}",{int(client.secure)}'
                for index, client in sorted(self.clients.items())
            )
        call.need(Form.SET, 2, 4)
        index, name = self._index(call), call.args[1].string(1, 128)
        secure = call.args[2].number(0, 1) if len(call.args) > 2 else 0
        if len(call.args) > 3:
            # Version 3 (MQTT 3.1) is accepted; 3.1.1 is spoken.
            call.args[3].number(3, 4)
        if not self.started:
            raise AtError
        if index in self.clients:
            raise AtError(f"+CMQTTACCQ: {index},{link.IN_USE}")
        self.clients[index] = Client(name, secure == 1, index)
        return ()

    def rel(self, call: Call) -> Sequence[str]:
        call.need(Form.SET, 1)
        index, client = self._client(call)
        if client.joined:
            raise AtError(f"+CMQTTREL: {index},{link.BUSY}")
        del self.clients[index]
        return ()

    def sslcfg(self, call: Call) -> Sequence[str]:
        call.need(Form.SET, 2)
        _, client = self._client(call)
        client.context = call.args[1].number(0, 9)
        return ()

    def cfg(self, call: Call) -> Sequence[str]:
        call.need(Form.SET, 3)
        key, index = call.args[0].string(1, 20), call.args[1].number(0, 1)
        client = self.clients.get(index)
        if client is None:
            raise AtError(f"+CMQTTCFG: {index},{link.NOT_ACQUIRED}")
        if key == "checkUTF8":
            client.check_utf8 = call.args[2].number(0, 1) == 1
        elif key == "optimeout":
            client.timeout_s = call.args[2].number(20, 120)
        else:
            raise AtError
        return ()

    def will_topic(self, call: Call) -> Script:
        call.need(Form.SET, 2)
        _, client = self._client(call)
        client.will_topic = yield Ask(call.args[1].number(1, 1024))

    def will_message(self, call: Call) -> Script:
        call.need(Form.SET, 3)
        index, client = self._client(call)
        size, qos = call.args[1].number(1, 1024), call.args[2].number(0, 2)
        if not client.will_topic:
            raise AtError(f"+CMQTTWILLMSG: {index},{link.NO_TOPIC}")
        data = yield Ask(size)
        client.will = Message(topic=client.will_topic, payload=data, qos=qos)

    # Connection

    def connect(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return tuple(self._show(index) for index in (0, 1))
        call.need(Form.SET, 4, 6)
        index, client = self._client(call)
        if client.joined:
            raise AtError(f"+CMQTTCONNECT: {index},{link.CONNECTED_ALREADY}")
        client.url = call.args[1].string(9, 256)
        client.keepalive_s = call.args[2].number(1, 64_800)
        client.clean = call.args[3].number(0, 1)
        names = [arg.string(1, 256) for arg in call.args[4:]]
        host, port = _address(client.url)
        if not host:
            raise AtError(f"+CMQTTCONNECT: {index},{link.BAD_PARAMETER}")
        options = Options(
            host=host,
            port=port,
            client_id=client.client_id,
            keepalive_s=client.keepalive_s,
            clean=client.clean == 1,
            user=names[0] if names else None,
            password=names[1] if len(names) > 1 else None,
            will=client.will,
            timeout_s=client.timeout_s,
            wrap=self._wrap(client) if client.secure else None,
            route=self.modem.profile.route,
        )

        def work() -> None:
            if not self.modem.network.online:
                raise MqttError(link.SOCKET_CONNECT)
            client.link = MqttLink(options)

        return self._operate(index, client, call.name, work)

    def _show(self, index: int) -> str:
        client = self.clients.get(index)
        if client is None or not client.joined:
            return f"+CMQTTCONNECT: {index}"
        return (
            f'+CMQTTCONNECT: {index},"{client.url}",{client.keepalive_s},{client.clean}'
        )

    def _wrap(self, client: Client) -> Callable[[socket.socket, str], socket.socket]:
        own = self.modem.ssl

        def wrap(sock: socket.socket, host: str) -> socket.socket:
            try:
                tls = own.tls(client.context)
            except CertificateMissing:
                raise MqttError(link.NO_CERTIFICATE) from None
            sni = own.contexts[client.context].enableSNI == 1
            sock.settimeout(own.contexts[client.context].negotiatetime)
            secured = tls.wrap_socket(sock, server_hostname=host if sni else None)
            if not own.check_dates(client.context, secured):
                raise ssl.SSLError("certificate dates against the modem's clock")
            return secured

        return wrap

    def disc(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return tuple(
                f"+CMQTTDISC: {index},{int(not self._is_joined(index))}"
                for index in (0, 1)
            )
        call.need(Form.SET, 2)
        index, client = self._connected(call)
        seconds = call.args[1].number(0, 180)
        if 0 < seconds < 60:
            raise AtError
        assert client.link is not None
        client.link.close(politely=True)
        client.link, client.joined, client.context = None, False, index
        return self._result(f"+CMQTTDISC: {index},0")

    def _is_joined(self, index: int) -> bool:
        client = self.clients.get(index)
        return client is not None and client.joined

    # Subscribe and publish

    def sub_topic(self, call: Call) -> Script:
        call.need(Form.SET, 3)
        index, client = self._client(call)
        size, qos = call.args[1].number(1, 1024), call.args[2].number(0, 2)
        if sum(len(topic) for topic, _ in client.subs) + size > _MAX_TOPICS:
            raise AtError(f"+CMQTTSUBTOPIC: {index},22")
        topic = yield Ask(size)
        client.subs.append((topic, qos))

    def sub(self, call: Call) -> Script:
        call.need(Form.SET, 1, 4)
        index, client = self._connected(call)
        if len(call.args) > 2:
            size, qos = call.args[1].number(1, 1024), call.args[2].number(0, 2)
            topics = [((yield Ask(size)), qos)]
        else:
            topics, client.subs = client.subs, []
        if not topics:
            raise AtError(f"+CMQTTSUB: {index},{link.NO_TOPIC}")
        connection = client.link
        assert connection is not None
        self._operate(index, client, call.name, lambda: connection.subscribe(topics))

    def unsub_topic(self, call: Call) -> Script:
        call.need(Form.SET, 2)
        _, client = self._client(call)
        topic = yield Ask(call.args[1].number(1, 1024))
        client.unsubs.append(topic)

    def unsub(self, call: Call) -> Script:
        call.need(Form.SET, 1, 3)
        index, client = self._connected(call)
        if len(call.args) > 2:
            call.args[2].number(0, 1)
            topics = [(yield Ask(call.args[1].number(1, 1024)))]
        else:
            topics, client.unsubs = client.unsubs, []
        if not topics:
            raise AtError(f"+CMQTTUNSUB: {index},{link.NO_TOPIC}")
        connection = client.link
        assert connection is not None
        self._operate(index, client, call.name, lambda: connection.unsubscribe(topics))

    def topic(self, call: Call) -> Script:
        call.need(Form.SET, 2)
        _, client = self._client(call)
        client.topic = yield Ask(call.args[1].number(1, 1024))

    def payload(self, call: Call) -> Script:
        call.need(Form.SET, 2)
        index, client = self._client(call)
        data = yield Ask(call.args[1].number(1, MAX_PAYLOAD))
        if client.check_utf8:
            try:
                data.decode("utf-8")
            except UnicodeDecodeError:
                raise AtError(f"+CMQTTPAYLOAD: {index},{link.BAD_UTF8}") from None
        client.payload = data

    def pub(self, call: Call) -> Sequence[str]:
        call.need(Form.SET, 3, 5)
        index, client = self._connected(call)
        qos = call.args[1].number(0, 2)
        timeout_s = call.args[2].number(60, 180)
        retain, dup = ([arg.number(0, 1) for arg in call.args[3:]] + [0, 0])[:2]
        if not client.topic:
            raise AtError(f"+CMQTTPUB: {index},{link.NO_TOPIC}")
        message = Message(
            topic=client.topic,
            payload=client.payload,
            qos=qos,
            retain=retain == 1,
            dup=dup == 1,
        )
        client.topic = client.payload = b""
        connection = client.link
        assert connection is not None
        return self._operate(
            index, client, call.name, lambda: connection.publish(message, timeout_s)
        )


def _address(url: str) -> tuple[str, int]:
    """Host and port of `tcp://host[:port]`; host is empty when it is not one."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 1883
    except ValueError:
        return "", 0
    return (host, port) if parts.scheme == "tcp" else ("", 0)

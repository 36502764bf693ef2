# SPDX-License-Identifier: Apache-2.0
"""`nrfota.cloud.mqtt_link`: the operator's connection against real and odd brokers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from nrfota.cloud import mqtt_link
from nrfota.cloud.link import Message
from nrfota.cloud.mqtt_link import MqttLink, Pace
from nrfota.cloud.profile import Login, Operator
from nrfota.errors import FormatError, OtaError, UnreachableError
from support.firmware import ROOT
from support.mosquitto import Mosquitto, running
from support.pki import Pki

sys.path.append(str(ROOT / "tests/vboard"))
from mini_broker import Broker

FILTER = "ota/device/+/report"


def operator(port: int) -> Operator:
    return Operator("127.0.0.1", port, "publisher", None, None, None, None)


def link(port: int, *, topic: str = FILTER, who: Operator | None = None) -> MqttLink:
    return MqttLink(who or operator(port), client_id="publisher-x", report_filter=topic)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with running(Mosquitto(tmp_path / "broker", persistence=True)) as broker:
        yield broker


def test_a_report_comes_again_until_it_is_acknowledged(broker: Mosquitto) -> None:
    with broker.client() as device:
        first = link(broker.port)
        first.open()
        for number in range(3):
            device.publish("ota/device/d/report", f"{number}")
        found = []
        while len(found) < 3:
            found += first.receive(20)
        first.acknowledge(found[:2])
        first.close(forget=False)
        device.publish("ota/device/d/report", "3")
        second = link(broker.port)
        second.open()
        again = []
        while len(again) < 2:
            again += second.receive(20)
        assert [arrival.payload for arrival in again] == [b"2", b"3"]
        second.acknowledge(again)
        second.close(forget=True)


def test_what_is_sent_while_the_broker_is_away_arrives(broker: Mosquitto) -> None:
    """Killed with messages under way, all of them arrive once it is back."""
    sender = link(broker.port)
    sender.open()
    count = 500
    delivered: list[int] = []
    half, killed = threading.Event(), threading.Event()

    def note(index: int) -> None:
        delivered.append(index)
        if len(delivered) == 50:
            half.set()
            assert killed.wait(20)

    messages = [Message(f"ota/device/d{n}/request", b"x") for n in range(count)]
    thread = threading.Thread(target=lambda: sender.send(messages, delivered=note))
    thread.start()
    assert half.wait(20)
    broker.kill()
    killed.set()
    broker.start()
    thread.join()
    assert sorted(delivered) == list(range(count))
    sender.close(forget=True)


def test_a_broker_that_stays_away_is_given_up(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_link, "PROGRESS_S", 0.0)
    sender = link(broker.port)
    sender.open()
    broker.kill()
    messages = [Message("a", b"x"), Message("b", b"x")]
    with pytest.raises(
        UnreachableError, match=r"has acknowledged nothing for 0 s, 2 messages are left"
    ):
        sender.send(messages, delivered=lambda _: None)
    sender.close(forget=True)


def test_a_broker_that_refuses_is_told() -> None:
    broker = Broker(refuse=5)
    with pytest.raises(
        UnreachableError, match="refuses the connection: not authorized"
    ):
        link(broker.port).open()
    broker.close()


def test_a_refused_subscription_is_told() -> None:
    broker = Broker()
    with pytest.raises(
        UnreachableError, match="refuses the subscription to 'forbidden'"
    ):
        link(broker.port, topic="forbidden").open()
    broker.close()


def test_a_silent_broker_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_link, "OPEN_S", 0.2)
    broker = Broker(mute=True)
    with pytest.raises(UnreachableError, match="ends the connection or stays silent"):
        link(broker.port).open()
    broker.close()


def test_a_host_that_does_not_exist_is_told() -> None:
    who = replace(operator(1883), host="broker.invalid")
    with pytest.raises(UnreachableError, match=r"cannot reach broker broker\.invalid"):
        link(1883, who=who).open()


def test_a_password_is_read_from_its_file(tmp_path: Path) -> None:
    broker = Broker()
    (tmp_path / "password").write_text("secret\n")
    who = replace(operator(broker.port), login=Login("me", tmp_path / "password"))
    opened = link(broker.port, who=who)
    opened.open()
    opened.close(forget=False)
    assert broker.connects[0].endswith(b"\0\x02me\0\x06secret")
    broker.close()


def test_certificates_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    """An encrypted key is no reason to ask the terminal."""
    pki = Pki(tmp_path / "pki")
    mine = pki.operator()
    who = replace(operator(1), ca=pki.ca, cert=mine.certificate, key=mine.key)
    key = serialization.load_pem_private_key(mine.key.read_bytes(), None)
    mine.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(OtaError, match="a certificate and its private key as PEM"):
        link(1, who=who)
    pki.ca.write_text("no")
    with pytest.raises(FormatError, match=r"ca\.pem: expected certificates as PEM"):
        link(1, who=who)


def test_a_pace_is_kept_in_every_second() -> None:
    pace = Pace(3)
    sent = [tick / 10 for tick in range(100) if pace.may_send(tick / 10)]
    assert len(sent) == 30
    for begin in sent:
        assert len([time for time in sent if begin <= time < begin + 1]) <= 3
    assert all(Pace(None).may_send(0.0) for _ in range(1000))


def test_a_paced_link_sends_all(broker: Mosquitto) -> None:
    sender = MqttLink(
        operator(broker.port), client_id="x", report_filter=FILTER, per_second=20
    )
    sender.open()
    delivered: list[int] = []
    sender.send([Message("a", b"x")] * 25, delivered=delivered.append)
    assert sorted(delivered) == list(range(25))
    sender.close(forget=True)

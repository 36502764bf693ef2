# SPDX-License-Identifier: Apache-2.0
"""MQTT(S) of the modem against a real broker: mosquitto with client certificates."""

from __future__ import annotations

import datetime
import os
import signal
import time

import pytest
from modem_rig import Host, is_final
from support.mosquitto import Mosquitto, running
from support.pki import Pki
from support.process import wait_until
from vboard.clock import NS_PER_MS, NS_PER_S
from vboard.modem import FaultPlan, ModemProfile
from vboard.modem import faults as fault
from vboard.modem.sim7600 import Sim7600

OK = b"\r\nOK\r\n"
HOUR_MS = 3_600_000
EXPIRED = datetime.datetime(2025, 6, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory, pki):
    with running(Mosquitto(tmp_path_factory.mktemp("broker"), pki=pki)) as broker:
        yield broker


@pytest.fixture(scope="module")
def device(pki):
    return pki.device("dev-1")


def host_with(tmp_path, **more):
    """A host whose modem lets a broker keep up with simulated time."""
    host = Host(tmp_path / "modem", **more)
    host.modem.pace = 200.0
    return host


def prompt(host, command, payload):
    host.put(command.encode() + b"\r")
    got = host.until(lambda got: got.endswith(b">") or is_final(got))
    if not got.endswith(b">"):
        return got
    host.put(payload, split=256, gap_ns=50 * NS_PER_MS)
    return host.until(is_final)


def result(host, name):
    """The late result line of a command, an error number."""
    head = f"\r\n+{name}: 0,".encode()
    got = host.until(
        lambda got: b"\r\n" in got.partition(head)[2], max_ms=100 * HOUR_MS
    )
    return int(got.partition(head)[2].split()[0])


def heard(host, wanted):
    """Runs until the modem has printed `wanted`."""
    return host.until(lambda got: wanted in got, max_ms=100 * HOUR_MS)


def store(host, pki, device):
    """CA, certificate and key in the modem, and SSL context 0 with all three."""
    files = (("ca", pki.ca), ("cert", device.certificate), ("key", device.key))
    for name, path in files:
        data = path.read_bytes()
        assert prompt(host, f'AT+CCERTDOWN="{name}.pem",{len(data)}', data) == OK
    for key, value in (
        ("cacert", '"ca.pem"'),
        ("clientcert", '"cert.pem"'),
        ("clientkey", '"key.pem"'),
        ("authmode", "2"),
        ("enableSNI", "1"),
    ):
        assert host.at(f'AT+CSSLCFG="{key}",0,{value}') == OK


def acquire(host, client_id="dev-1", *, tls=False):
    assert host.at("AT+CMQTTSTART") == OK
    heard(host, b"+CMQTTSTART: 0")
    assert host.at(f'AT+CMQTTACCQ=0,"{client_id}",{int(tls)}') == OK
    if tls:
        assert host.at("AT+CMQTTSSLCFG=0,0") == OK


def connect(host, port, *, clean=1, keepalive=60, name="localhost"):
    url = f"tcp://{name}:{port}"
    assert host.at(f'AT+CMQTTCONNECT=0,"{url}",{keepalive},{clean}') == OK
    return result(host, "CMQTTCONNECT")


def secured(tmp_path, pki, device, **more):
    host = host_with(tmp_path, **more)
    store(host, pki, device)
    acquire(host, tls=True)
    return host


def subscribe(host, topic, qos=1):
    assert prompt(host, f"AT+CMQTTSUB=0,{len(topic)},{qos}", topic) == OK
    return result(host, "CMQTTSUB")


def publish(host, topic, payload, qos=1, tail=""):
    assert prompt(host, f"AT+CMQTTTOPIC=0,{len(topic)}", topic) == OK
    assert prompt(host, f"AT+CMQTTPAYLOAD=0,{len(payload)}", payload) == OK
    assert host.at(f"AT+CMQTTPUB=0,{qos},60{tail}") == OK
    return result(host, "CMQTTPUB")


# TLS


def test_request_and_report_by_tls_with_a_client_certificate(
    tmp_path, shared, pki, device
):
    host = secured(tmp_path, pki, device)
    assert connect(host, shared.tls_port) == 0
    assert subscribe(host, b"ota/device/dev-1/request") == 0
    with shared.client(pki.operator()) as operator:
        operator.subscribe("ota/device/+/report")
        operator.publish("ota/device/dev-1/request", b"{}")
        heard(host, b"+CMQTTRXPAYLOAD: 0,2\r\n{}\r\n+CMQTTRXEND: 0\r\n")
        assert publish(host, b"ota/device/dev-1/report", b'{"a":1}') == 0
        (message,) = operator.wait_for(bool)
    assert message.payload == b'{"a":1}'


def test_a_broker_of_another_authority_fails_the_handshake(
    tmp_path, shared, pki, device
):
    alien = Pki(tmp_path / "alien")
    host = host_with(tmp_path)
    store(host, alien, device)
    acquire(host, tls=True)
    assert connect(host, shared.tls_port) == 32


def test_no_client_certificate_fails_the_handshake(tmp_path, shared, pki, device):
    host = host_with(tmp_path)
    store(host, pki, device)
    host.at('AT+CSSLCFG="authmode",0,1')
    acquire(host, tls=True)
    assert connect(host, shared.tls_port) == 32


def test_a_client_certificate_of_another_authority_is_refused(tmp_path, shared, pki):
    stranger = Pki(tmp_path / "alien").device("dev-1")
    host = secured(tmp_path, pki, stranger)
    assert connect(host, shared.tls_port) == 32


def test_a_certificate_that_is_not_in_the_store_is_33(tmp_path, shared, pki, device):
    host = host_with(tmp_path)
    store(host, pki, device)
    assert host.at('AT+CCERTDELE="cert.pem"') == OK
    acquire(host, tls=True)
    assert connect(host, shared.tls_port) == 33


@pytest.mark.parametrize(
    "ignore, clock, code",
    [
        pytest.param(1, "26/01/01,00:00:00+00", 0, id="expired, ignored"),
        pytest.param(0, "26/01/01,00:00:00+00", 32, id="expired"),
        pytest.param(0, "25/03/01,00:00:00+00", 0, id="valid"),
        pytest.param(0, "24/03/01,00:00:00+00", 32, id="not yet valid"),
        pytest.param(0, "", 32, id="clock never set"),
        pytest.param(1, "", 0, id="clock never set, ignored"),
    ],
)
def test_dates_count_by_the_clock_of_the_modem(tmp_path, pki, ignore, clock, code):
    device = pki.device("dated")
    broker = Mosquitto(tmp_path / "broker", pki=pki)
    broker.identity = pki.server("stale", end=EXPIRED)
    host = secured(tmp_path, pki, device)
    host.at(f'AT+CSSLCFG="ignorelocaltime",0,{ignore}')
    if clock:
        assert host.at(f'AT+CCLK="{clock}"') == OK
    with running(broker):
        assert connect(host, broker.tls_port) == code


def test_one_cipher_suite_is_the_one_that_is_spoken(tmp_path, shared, pki, device):
    host = secured(tmp_path, pki, device)
    host.at('AT+CSSLCFG="ciphersuites",0,0x002F')
    assert connect(host, shared.tls_port) == 0
    link = host.modem.mqtt.clients[0].link
    assert link._socket.cipher()[0] == "AES128-SHA"


def test_a_device_may_not_publish_for_another(tmp_path, shared, pki, device):
    """mosquitto acknowledges what its ACL drops, as MQTT 3.1.1 has it."""
    host = secured(tmp_path, pki, device)
    assert connect(host, shared.tls_port) == 0
    with shared.client(pki.operator()) as operator:
        operator.subscribe("ota/device/+/report")
        assert publish(host, b"ota/device/dev-2/report", b"forged") == 0
        assert publish(host, b"ota/device/dev-1/report", b"own") == 0
        (message,) = operator.wait_for(bool)
    assert message.topic == "ota/device/dev-1/report"


# Connections that break


def test_nobody_listens(tmp_path):
    host = host_with(tmp_path)
    acquire(host)
    with running(Mosquitto(tmp_path / "broker")) as broker:
        pass
    assert connect(host, broker.port) == 3


def test_a_name_that_is_not_known(tmp_path, shared):
    host = host_with(tmp_path)
    acquire(host)
    assert connect(host, shared.port, name="no-such-host.invalid") == 25


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_broker_that_ends_is_a_lost_connection_and_may_come_back(tmp_path, end):
    host = host_with(tmp_path)
    acquire(host)
    broker = Mosquitto(tmp_path / "broker")
    with running(broker):
        assert connect(host, broker.port) == 0
        getattr(broker, end)()
        heard(host, b"\r\n+CMQTTCONNLOST: 0,1\r\n")
        assert connect(host, broker.port) == 3
        broker.start()
        assert connect(host, broker.port) == 0
        assert subscribe(host, b"a") == 0


def test_pings_keep_the_connection_alive_by_either_clock(tmp_path):
    """Ten minutes of simulated time, a moment of real; and the other way round."""
    host = host_with(tmp_path)
    host.modem.pace = 2_000.0
    acquire(host)
    with running(Mosquitto(tmp_path / "broker")) as broker:

        def pings():
            return broker.log.count("Sending PINGRESP")

        assert connect(host, broker.port, keepalive=120) == 0
        host.run(HOUR_MS // 6)
        assert host.at("AT+CMQTTDISC?").split(b"\r\n")[1] == b"+CMQTTDISC: 0,0"
        wait_until("simulated time's pings", lambda: pings() == 10)
        host.modem.mqtt.clients[0].ping_s -= 61.0
        host.run(100)
        wait_until("real time's ping", lambda: pings() == 11)


def test_an_answer_to_a_ping_that_is_read_late_counts(tmp_path):
    """As when a board stood still for a while and its broker did not."""
    host = host_with(tmp_path)
    acquire(host)
    with running(Mosquitto(tmp_path / "broker")) as broker:
        assert connect(host, broker.port, keepalive=120) == 0
        client = host.modem.mqtt.clients[0]
        client.ping_s -= 61.0
        while not client.link.unanswered:
            host.run(50)
        wait_until("the answer", lambda: "Sending PINGRESP" in broker.log)
        client.ping_s -= 61.0
        assert b"+CMQTTPING" not in host.run(200)
        assert client.joined


def test_a_broker_that_hangs_is_a_ping_that_fails(tmp_path):
    host = host_with(tmp_path)
    acquire(host)
    with running(Mosquitto(tmp_path / "broker")) as broker:
        assert connect(host, broker.port, keepalive=10) == 0
        os.kill(broker.pid, signal.SIGSTOP)
        host.run(6_000)  # a ping goes out, and nothing comes back
        host.modem.mqtt.clients[0].ping_s -= 5.0
        assert b"+CMQTTPING: 0,17" in host.run(6_000)
        os.kill(broker.pid, signal.SIGCONT)
        assert host.at("AT+CMQTTDISC=0,60") == OK
        assert result(host, "CMQTTDISC") == 0
        assert connect(host, broker.port) == 0


# Sessions and messages


def test_a_kept_session_has_what_came_meanwhile(tmp_path, shared):
    host = host_with(tmp_path)
    acquire(host, "kept-1")
    assert connect(host, shared.port, clean=0) == 0
    assert subscribe(host, b"kept/1") == 0
    assert host.at("AT+CMQTTDISC=0,60") == OK
    assert result(host, "CMQTTDISC") == 0
    with shared.client() as operator:
        operator.publish("kept/1", b"while you were out")
    assert host.at(f'AT+CMQTTCONNECT=0,"tcp://localhost:{shared.port}",60,0') == OK
    got = heard(host, b"+CMQTTRXEND: 0\r\n")
    assert b"+CMQTTCONNECT: 0,0" in got and b"while you were out" in got


def test_a_clean_session_has_not(tmp_path, shared):
    host = host_with(tmp_path)
    acquire(host, "clean-1")
    assert connect(host, shared.port) == 0
    assert subscribe(host, b"clean/1") == 0
    assert host.at("AT+CMQTTDISC=0,60") == OK
    assert result(host, "CMQTTDISC") == 0
    with shared.client() as operator:
        operator.publish("clean/1", b"lost")
        assert connect(host, shared.port) == 0
        assert subscribe(host, b"clean/1") == 0
        operator.publish("clean/1", b"found")
    got = heard(host, b"+CMQTTRXEND: 0\r\n")
    assert b"found" in got and b"lost" not in got


def test_a_killed_broker_with_a_saved_state_delivers_after_its_restart(tmp_path):
    host = host_with(tmp_path)
    acquire(host)
    broker = Mosquitto(tmp_path / "broker", persistence=True)
    with running(broker):
        assert connect(host, broker.port, clean=0) == 0
        assert subscribe(host, b"a") == 0
        assert host.at("AT+CMQTTDISC=0,60") == OK
        with broker.client() as operator:
            operator.publish("a", b"queued")
        broker.save()
        broker.kill()
        broker.start()
        assert host.at(f'AT+CMQTTCONNECT=0,"tcp://localhost:{broker.port}",60,0') == OK
        assert b"queued" in heard(host, b"+CMQTTRXEND: 0\r\n")


@pytest.mark.parametrize(
    "size, parts",
    [(1_500, [1_500]), (1_501, [1_500, 1]), (10_240, [1_500] * 6 + [1_240])],
)
def test_long_messages_come_in_fragments(tmp_path, shared, size, parts):
    host = host_with(tmp_path)
    acquire(host, f"long-{size}")
    assert connect(host, shared.port) == 0
    topic = f"long/{size}"
    assert subscribe(host, topic.encode()) == 0
    with shared.client() as operator:
        operator.publish(topic, b"x" * size)
    got = heard(host, b"+CMQTTRXEND: 0\r\n")
    lines = got.split(b"\r\n")
    told = [int(line[19:]) for line in lines if line.startswith(b"+CMQTTRXPAYLOAD")]
    assert told == parts
    assert got.count(b"x" * min(size, 1_500)) >= 1
    assert f"+CMQTTRXSTART: 0,{len(topic)},{size}".encode() in got


def test_a_message_over_10240_bytes_is_not_reported(tmp_path, shared):
    host = host_with(tmp_path)
    acquire(host, "too-long")
    assert connect(host, shared.port) == 0
    assert subscribe(host, b"toolong") == 0
    with shared.client() as operator:
        operator.publish("toolong", b"x" * 10_241)
        operator.publish("toolong", b"short")
    got = heard(host, b"+CMQTTRXEND: 0\r\n")
    assert got.count(b"+CMQTTRXSTART") == 1 and b"short" in got


def test_a_retained_message_comes_with_the_subscription(tmp_path, shared):
    host = host_with(tmp_path)
    acquire(host, "retained")
    assert connect(host, shared.port) == 0
    assert publish(host, b"kept/r", b"stays", tail=",1") == 0
    assert prompt(host, "AT+CMQTTSUB=0,6,1", b"kept/r") == OK
    assert b"stays" in heard(host, b"+CMQTTRXEND: 0\r\n")


def test_the_will_is_published_when_the_modem_is_gone(tmp_path, shared):
    host = host_with(tmp_path)
    acquire(host, "willing")
    assert prompt(host, "AT+CMQTTWILLTOPIC=0,4", b"will") == OK
    assert prompt(host, "AT+CMQTTWILLMSG=0,4,1", b"gone") == OK
    assert connect(host, shared.port) == 0
    with shared.client() as operator:
        operator.subscribe("will")
        host.modem.power_off()
        (message,) = operator.wait_for(bool)
    assert message.payload == b"gone"


def test_the_end_of_the_service(tmp_path, shared):
    host = host_with(tmp_path)
    acquire(host, "ending")
    assert connect(host, shared.port) == 0
    assert host.at("AT+CMQTTREL=0").startswith(b"\r\n+CMQTTREL: 0,14")
    assert host.at("AT+CMQTTSTOP").startswith(b"\r\n+CMQTTSTOP: 21")
    assert host.at("AT+CMQTTDISC=0,120") == OK
    assert result(host, "CMQTTDISC") == 0
    assert host.at("AT+CMQTTREL=0") == OK
    assert host.at("AT+CMQTTSTOP") == OK
    heard(host, b"+CMQTTSTOP: 0")


# The network


@pytest.mark.parametrize("style", ["nonet", "connlost"])
def test_a_lost_network_is_told_and_comes_back(tmp_path, shared, style):
    lost = fault.NetworkLost(command="CSQ", after_ms=100, ms=120_000, mqtt=style)
    host = host_with(tmp_path, faults=FaultPlan(lost))
    acquire(host, f"lost-{style}")
    assert host.at("AT+CREG=1") == OK
    assert connect(host, shared.port, clean=0) == 0
    assert subscribe(host, b"lost/" + style.encode()) == 0
    host.at("AT+CSQ")
    got = heard(host, b"+CREG: 2\r\n") + host.run(10)
    wanted = b"+CMQTTNONET" if style == "nonet" else b"+CMQTTCONNLOST: 0,3"
    assert wanted in got
    assert lost.fired == 1
    assert host.at("AT+CREG?") == b"\r\n+CREG: 1,2\r\n" + OK
    # For the broker the device is still there, and the message is on its way.
    with shared.client() as operator:
        operator.publish(f"lost/{style}", b"meanwhile")
    if style == "nonet":
        assert host.at("AT+CMQTTSTART") == OK
        heard(host, b"+CMQTTSTART: 7")
    else:
        assert connect(host, shared.port, clean=0) == 3
    heard(host, b"+CREG: 1\r\n")
    if style == "nonet":
        acquire(host, f"lost-{style}")
    assert host.at(f'AT+CMQTTCONNECT=0,"tcp://localhost:{shared.port}",60,0') == OK
    assert b"meanwhile" in heard(host, b"+CMQTTRXEND: 0\r\n")


def test_an_operation_that_loses_the_network_fails(tmp_path, shared):
    lost = fault.NetworkLost(command="CMQTTPUB", after_ms=100, mqtt="connlost")
    profile = ModemProfile(mqtt_wait_ms=1_000)
    host = host_with(tmp_path, faults=FaultPlan(lost), profile=profile)
    acquire(host, "loser")
    assert connect(host, shared.port) == 0
    assert publish(host, b"loser/1", b"x") == 11
    assert lost.fired == 1


def test_a_connection_that_comes_too_late_is_none(tmp_path, shared):
    lost = fault.NetworkLost(command="CMQTTCONNECT", after_ms=100, mqtt="connlost")
    host = host_with(tmp_path, faults=FaultPlan(lost))
    acquire(host, "late")
    assert connect(host, shared.port) == 11


# Pace


def test_simulated_time_waits_for_the_broker_while_it_is_connected(tmp_path, shared):
    host = host_with(tmp_path)
    host.modem.pace = 100.0
    acquire(host, "paced")
    assert connect(host, shared.port) == 0
    begin_s, begin_ns = time.monotonic(), host.clock.now_ns
    host.run(20_000)
    passed_s = time.monotonic() - begin_s
    assert (host.clock.now_ns - begin_ns) / NS_PER_S <= 100.0 * passed_s * 1.1


def test_a_pace_of_nothing_is_refused(tmp_path):
    host = Host(tmp_path)
    with pytest.raises(ValueError, match="pace of more than 0"):
        Sim7600(host.clock, host.storage, pace=0)

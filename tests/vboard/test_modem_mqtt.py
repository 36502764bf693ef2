# SPDX-License-Identifier: Apache-2.0
"""MQTT against a small broker on loopback, and without one."""

from __future__ import annotations

import socket
import ssl

import pytest
from mini_broker import Broker
from modem_rig import Host, is_final
from tls_material import make_certificates
from vboard.modem import FaultPlan, ModemProfile
from vboard.modem.faults import FlipByte

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"


@pytest.fixture
def broker():
    broker = Broker()
    yield broker
    broker.close()


def data(host, command, payload):
    """A command with a prompt."""
    host.put(command.encode() + b"\r")
    got = host.until(lambda got: got.endswith(b">") or is_final(got))
    if not got.endswith(b">"):
        return got
    host.put(payload)
    return host.until(is_final)


def acquired(tmp_path, **more):
    host = Host(tmp_path, **more)
    assert host.at("AT+CMQTTSTART") == OK
    assert host.run(1_000) == b"\r\n+CMQTTSTART: 0\r\n"
    assert host.at('AT+CMQTTACCQ=0,"client test0"') == OK
    return host


def connected(tmp_path, broker, options="60,1", **more):
    host = acquired(tmp_path, **more)
    host.at(f'AT+CMQTTCONNECT=0,"tcp://127.0.0.1:{broker.port}",{options}')
    assert host.run(500) == b"\r\n+CMQTTCONNECT: 0,0\r\n"
    return host


def publish(host, topic, payload, qos=1, tail=""):
    assert data(host, f"AT+CMQTTTOPIC=0,{len(topic)}", topic) == OK
    if payload:
        assert data(host, f"AT+CMQTTPAYLOAD=0,{len(payload)}", payload) == OK
    assert host.at(f"AT+CMQTTPUB=0,{qos},60{tail}") == OK
    return host.run(500)


def later(host, wanted):
    """Runs until the modem has printed `wanted` (a broker answers when it likes)."""
    return host.until(lambda got: wanted in got, max_ms=1_000_000_000)


def test_the_session_of_the_application_note(tmp_path, broker):
    host = connected(tmp_path, broker)
    assert b'+CMQTTCONNECT: 0,"tcp://127.0.0.1:' in host.at("AT+CMQTTCONNECT?")
    assert data(host, "AT+CMQTTSUB=0,10,1", b"simcom/tst") == OK
    assert host.run(500) == b"\r\n+CMQTTSUB: 0,0\r\n"
    got = publish(host, b"simcom/tst", b"some data")
    got += later(host, b"+CMQTTRXEND: 0\r\n") if b"RXEND" not in got else b""
    assert b"\r\n+CMQTTPUB: 0,0\r\n" in got
    assert (
        b"\r\n+CMQTTRXSTART: 0,10,9\r\n\r\n+CMQTTRXTOPIC: 0,10\r\nsimcom/tst"
        b"\r\n+CMQTTRXPAYLOAD: 0,9\r\nsome data\r\n+CMQTTRXEND: 0\r\n"
    ) in got
    assert host.at("AT+CMQTTDISC=0,120") == OK
    assert host.run(500) == b"\r\n+CMQTTDISC: 0,0\r\n"
    assert host.at("AT+CMQTTREL=0") == OK
    assert host.at("AT+CMQTTSTOP") == OK
    assert host.run(500) == b"\r\n+CMQTTSTOP: 0\r\n"


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_publish_with_every_quality(tmp_path, broker, qos):
    host = connected(tmp_path, broker)
    assert publish(host, b"t", b"x\r\nOK", qos, ",1") == b"\r\n+CMQTTPUB: 0,0\r\n"
    broker.wait_for(lambda: broker.received)
    assert broker.received == [(b"t", b"x\r\nOK", qos, True)]
    assert host.at("AT+CMQTTPUB=0,1,60") == b"\r\n+CMQTTPUB: 0,18\r\n" + ERROR


def test_an_empty_payload(tmp_path, broker):
    host = connected(tmp_path, broker)
    assert publish(host, b"t", b"") == b"\r\n+CMQTTPUB: 0,0\r\n"
    assert broker.received == [(b"t", b"", 1, False)]


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_comes_in_fragments_of_1500(tmp_path, broker, qos):
    host = connected(tmp_path, broker)
    data(host, "AT+CMQTTSUB=0,2,2", b"up")
    host.run(500)
    payload = bytes(range(256)) * 8
    broker.publish(b"up", payload[:2039], qos)
    got = later(host, b"+CMQTTRXEND: 0\r\n")
    assert got == (
        b"\r\n+CMQTTRXSTART: 0,2,2039\r\n\r\n+CMQTTRXTOPIC: 0,2\r\nup"
        b"\r\n+CMQTTRXPAYLOAD: 0,1500\r\n"
        + payload[:1500]
        + b"\r\n+CMQTTRXPAYLOAD: 0,539\r\n"
        + payload[1500:2039]
        + b"\r\n+CMQTTRXEND: 0\r\n"
    )


def test_cached_topics_are_subscribed_together_and_unsubscribed(tmp_path, broker):
    host = connected(tmp_path, broker)
    assert host.at("AT+CMQTTSUB=0") == b"\r\n+CMQTTSUB: 0,18\r\n" + ERROR
    assert data(host, "AT+CMQTTSUBTOPIC=0,1,0", b"a") == OK
    assert data(host, "AT+CMQTTSUBTOPIC=0,1,2", b"b") == OK
    assert host.at("AT+CMQTTSUB=0") == OK
    assert host.run(500) == b"\r\n+CMQTTSUB: 0,0\r\n"
    topics = broker.clients[0][1]
    assert topics == {b"a": 0, b"b": 2}
    assert data(host, "AT+CMQTTUNSUBTOPIC=0,1", b"a") == OK
    assert host.at("AT+CMQTTUNSUB=0,0") == OK
    assert host.run(500) == b"\r\n+CMQTTUNSUB: 0,0\r\n"
    assert data(host, "AT+CMQTTUNSUB=0,1,0", b"b") == OK
    host.run(500)
    assert topics == {}
    assert host.at("AT+CMQTTUNSUB=0") == b"\r\n+CMQTTUNSUB: 0,18\r\n" + ERROR


def test_a_refused_subscription_is_an_error(tmp_path, broker):
    host = connected(tmp_path, broker)
    data(host, "AT+CMQTTSUB=0,9,0", b"forbidden")
    assert host.run(500) == b"\r\n+CMQTTSUB: 0,1\r\n"


def test_user_password_and_will_travel(tmp_path, broker):
    host = acquired(tmp_path)
    assert data(host, "AT+CMQTTWILLMSG=0,4,1", b"") == (
        b"\r\n+CMQTTWILLMSG: 0,18\r\n" + ERROR
    )
    assert data(host, "AT+CMQTTWILLTOPIC=0,4", b"last") == OK
    assert data(host, "AT+CMQTTWILLMSG=0,4,1", b"gone") == OK
    url = f"tcp://127.0.0.1:{broker.port}"
    host.at(f'AT+CMQTTCONNECT=0,"{url}",30,0,"me","secret"')
    assert host.run(500) == b"\r\n+CMQTTCONNECT: 0,0\r\n"
    hello = broker.connects[0]
    assert hello[:10] == b"\x00\x04MQTT\x04\xcc\x00\x1e"
    assert hello[10:].endswith(
        b"client test0\x00\x04last\x00\x04gone\x00\x02me\x00\x06secret"
    )
    host.modem.power_off()
    broker.wait_for(lambda: broker.wills)
    assert broker.wills == [b"gone"]


@pytest.mark.parametrize(
    "refuse, code", [(1, 27), (2, 28), (3, 29), (4, 30), (5, 31), (9, 1)]
)
def test_a_refusing_broker(tmp_path, refuse, code):
    broker = Broker(refuse=refuse)
    host = acquired(tmp_path)
    url = f"tcp://127.0.0.1:{broker.port}"
    assert host.at(f'AT+CMQTTCONNECT=0,"{url}",60,1') == OK
    assert host.run(500) == f"\r\n+CMQTTCONNECT: 0,{code}\r\n".encode()
    assert b"+CMQTTDISC: 0,1" in host.at("AT+CMQTTDISC?")
    broker.close()


def test_nobody_listens_and_unknown_name(tmp_path):
    host = acquired(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    host.at(f'AT+CMQTTCONNECT=0,"tcp://127.0.0.1:{port}",60,1')
    assert host.run(500) == b"\r\n+CMQTTCONNECT: 0,3\r\n"
    host.at(f'AT+CMQTTCONNECT=0,"tcp://{"a" * 70}.invalid",60,1')
    assert host.run(500) == b"\r\n+CMQTTCONNECT: 0,25\r\n"


def test_a_broker_that_goes_away_is_told(tmp_path, broker):
    host = connected(tmp_path, broker)
    broker.drop()
    assert later(host, b"+CMQTTCONNLOST: 0,1\r\n").startswith(b"\r\n+CMQTTCONN")
    assert host.at("AT+CMQTTPUB=0,0,60") == b"\r\n+CMQTTPUB: 0,11\r\n" + ERROR


def test_an_idle_connection_is_kept_alive(tmp_path, broker):
    host = connected(tmp_path, broker, options="10,1")
    assert host.run(600_000) == b""
    assert publish(host, b"t", b"x") == b"\r\n+CMQTTPUB: 0,0\r\n"


@pytest.mark.parametrize(
    "authority, code", [("ca.pem", 0), ("other.pem", 32), ("", 33)]
)
def test_mqtts_checks_the_server(tmp_path, authority, code):
    folder = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    broker = Broker(wrap=lambda sock: context.wrap_socket(sock, server_side=True))
    host = Host(tmp_path / "modem")
    if authority:
        place = tmp_path / "modem" / "mssl_cert" / "ca.pem"
        place.write_bytes((folder / authority).read_bytes())
    host.at("AT+CMQTTSTART")
    host.run(1_000)
    host.at('AT+CSSLCFG="cacert",3,"ca.pem"')
    host.at('AT+CSSLCFG="authmode",3,1')
    assert host.at('AT+CMQTTACCQ=0,"id",1') == OK
    assert host.at("AT+CMQTTSSLCFG=0,3") == OK
    host.at(f'AT+CMQTTCONNECT=0,"tcp://localhost:{broker.port}",60,1')
    assert host.run(500) == f"\r\n+CMQTTCONNECT: 0,{code}\r\n".encode()
    broker.close()


def test_the_order_of_results_is_a_knob(tmp_path):
    host = Host(tmp_path, profile=ModemProfile(mqtt_order="result_first"))
    assert host.at("AT+CMQTTSTART") == b"\r\n+CMQTTSTART: 0\r\n" + OK
    assert host.at("AT+CMQTTSTOP") == b"\r\n+CMQTTSTOP: 0\r\n" + OK


def test_without_a_network_the_service_does_not_start(tmp_path):
    host = Host(tmp_path, profile=ModemProfile(registered=2))
    assert host.at("AT+CMQTTSTART") == OK
    assert host.run(1_000) == b"\r\n+CMQTTSTART: 7\r\n"


def test_messages_can_be_injected_and_damaged(tmp_path):
    flip = FlipByte(command="CMQTTRXPAYLOAD", offset=1, mask=0x20)
    host = acquired(tmp_path, faults=FaultPlan(flip))
    host.modem.mqtt.inject(0, b"t", b"abc")
    assert b"+CMQTTRXPAYLOAD: 0,3\r\naBc\r\n+CMQTTRXEND" in host.run(1_000)
    assert flip.fired == 1
    host.modem.mqtt.inject(0, b"t", b"")
    assert b"RXPAYLOAD" not in host.run(1_000)
    host.modem.mqtt.inject(0, b"t", bytes(10_241))
    assert host.run(5_000) == b""


def test_a_message_waits_for_the_running_command(tmp_path):
    host = acquired(tmp_path)
    host.put(b"AT+CATR?\r")
    host.clock.advance_to_ns(host.free_ns)
    host.modem.mqtt.inject(0, b"t", b"x")
    got = host.run(1_000)
    assert got.startswith(b"\r\n+CATR: 0\r\n" + OK + b"\r\n+CMQTTRXSTART: 0,1,1")


def test_loss_of_the_connection_and_of_the_service(tmp_path):
    host = acquired(tmp_path)
    host.modem.mqtt.lose(0, 3)
    assert host.run(100) == b"\r\n+CMQTTCONNLOST: 0,3\r\n"
    host.modem.mqtt.lose_service()
    assert host.run(100) == b"\r\n+CMQTTNONET\r\n"
    assert host.at('AT+CMQTTACCQ=0,"id"') == ERROR


def test_text_that_is_not_utf8_needs_the_check_off(tmp_path):
    host = acquired(tmp_path)
    refused = b"\r\n+CMQTTPAYLOAD: 0,2\r\n" + ERROR
    assert data(host, "AT+CMQTTPAYLOAD=0,1", b"\xff") == refused
    assert host.at('AT+CMQTTCFG="checkUTF8",0,0') == OK
    assert data(host, "AT+CMQTTPAYLOAD=0,1", b"\xff") == OK


@pytest.mark.parametrize(
    "command, line",
    [
        ("AT+CMQTTSTART", "+CMQTTSTART: 23"),
        ("AT+CMQTTSTOP", "+CMQTTSTOP: 21"),
        ('AT+CMQTTACCQ=0,"x"', "+CMQTTACCQ: 0,19"),
        ("AT+CMQTTREL=1", "+CMQTTREL: 1,20"),
        ('AT+CMQTTCONNECT=1,"tcp://host",60,1', "+CMQTTCONNECT: 1,20"),
        ('AT+CMQTTCONNECT=0,"http://host",60,1', "+CMQTTCONNECT: 0,12"),
        ('AT+CMQTTCONNECT=0,"tcp://h:99999",60,1', "+CMQTTCONNECT: 0,12"),
        ("AT+CMQTTDISC=0,60", "+CMQTTDISC: 0,11"),
        ("AT+CMQTTSUB=0", "+CMQTTSUB: 0,11"),
        ("AT+CMQTTPUB=0,0,60", "+CMQTTPUB: 0,11"),
        ('AT+CMQTTCFG="checkUTF8",1,0', "+CMQTTCFG: 1,20"),
        ('AT+CMQTTCFG="optimeout",0,19', ""),
        ('AT+CMQTTCFG="other",0,1', ""),
        ('AT+CMQTTACCQ=2,"x"', ""),
        ('AT+CMQTTACCQ=1,""', ""),
        ('AT+CMQTTACCQ=1,"x",2', ""),
        ('AT+CMQTTACCQ=1,"x",0,5', ""),
        ('AT+CMQTTCONNECT=0,"tcp://host",0,1', ""),
        ("AT+CMQTTTOPIC=0,0", ""),
        ("AT+CMQTTTOPIC=0,1025", ""),
        ("AT+CMQTTPAYLOAD=0,10241", ""),
        ("AT+CMQTTSSLCFG=0,10", ""),
    ],
)
def test_refused_with_error(tmp_path, command, line):
    expected = f"\r\n{line}\r\n".encode() if line else b""
    assert acquired(tmp_path).at(command) == expected + ERROR


def test_connecting_twice_is_13_and_release_needs_disconnect(tmp_path, broker):
    host = connected(tmp_path, broker)
    again = f'AT+CMQTTCONNECT=0,"tcp://127.0.0.1:{broker.port}",60,1'
    assert host.at(again) == b"\r\n+CMQTTCONNECT: 0,13\r\n" + ERROR
    assert host.at("AT+CMQTTREL=0") == b"\r\n+CMQTTREL: 0,14\r\n" + ERROR
    assert host.at("AT+CMQTTDISC=0,30") == ERROR
    assert b"+CMQTTDISC: 0,0\r\n\r\n+CMQTTDISC: 1,1" in host.at("AT+CMQTTDISC?")


def test_query_forms(tmp_path):
    host = acquired(tmp_path)
    assert host.at("AT+CMQTTCONNECT?") == (
        b"\r\n+CMQTTCONNECT: 0\r\n\r\n+CMQTTCONNECT: 1\r\n" + OK
    )
    assert b'+CMQTTACCQ: 0,"client test0",0' in host.at("AT+CMQTTACCQ?")
    assert host.at('AT+CMQTTCFG="optimeout",0,20') == OK


def test_the_cache_of_topics_has_an_end(tmp_path):
    host = acquired(tmp_path)
    for _ in range(5):
        assert data(host, "AT+CMQTTSUBTOPIC=0,1024,0", bytes(1024)) == OK
    assert data(host, "AT+CMQTTSUBTOPIC=0,1,0", b"x") == (
        b"\r\n+CMQTTSUBTOPIC: 0,22\r\n" + ERROR
    )

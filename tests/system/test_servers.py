# SPDX-License-Identifier: Apache-2.0
"""The broker and the file server that other tests rely on do what they promise."""

from __future__ import annotations

import datetime
import http.client
import socket
import ssl
import urllib.request

import pytest
from support.mosquitto import Mosquitto, running
from support.nginx import Nginx
from support.pki import Pki
from support.process import Server, ServerError, free_ports, program

BODY = bytes(range(256)) * 400


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def files(tmp_path_factory, pki):
    with running(Nginx(tmp_path_factory.mktemp("files"), pki=pki)) as files:
        (files.root / "a.bin").write_bytes(BODY)
        yield files


def get(url, headers=None, context=None, method="GET", data=None):
    request = urllib.request.Request(
        url, headers=headers or {}, method=method, data=data
    )
    with urllib.request.urlopen(request, context=context) as reply:
        return reply.status, reply.read()


# mosquitto


def test_a_message_comes_through_the_plain_listener(tmp_path):
    with (
        running(Mosquitto(tmp_path / "broker")) as broker,
        broker.client() as one,
        broker.client() as two,
    ):
        one.subscribe("a/#")
        two.publish("a/b", b"hello")
        (message,) = one.wait_for(bool)
    assert (message.topic, message.payload, message.qos) == ("a/b", b"hello", 1)


def test_the_tls_listener_wants_a_certificate_of_its_authority(tmp_path, pki):
    alien = Pki(tmp_path / "alien")
    with running(Mosquitto(tmp_path / "broker", pki=pki)) as broker:
        context = ssl.create_default_context(cafile=pki.ca)
        for identity in (None, alien.device("dev-1")):
            if identity is not None:
                context.load_cert_chain(identity.certificate, identity.key)
            with (
                socket.create_connection(("127.0.0.1", broker.tls_port)) as raw,
                pytest.raises((ssl.SSLError, OSError)),
                context.wrap_socket(raw, server_hostname="localhost") as secured,
            ):
                # In TLS 1.3 the refusal comes after the client's last flight.
                secured.sendall(b"\x10")
                assert secured.recv(1)


def test_a_device_may_not_read_requests_of_another(tmp_path, pki):
    with (
        running(Mosquitto(tmp_path / "broker", pki=pki)) as broker,
        broker.client(pki.operator()) as operator,
        broker.client(pki.device("dev-1")) as device,
    ):
        device.subscribe("ota/device/+/request")
        operator.subscribe("ota/device/+/report")
        operator.publish("ota/device/dev-2/request", b"not yours")
        operator.publish("ota/device/dev-1/request", b"yours")
        device.publish("ota/device/dev-2/report", b"forged")
        device.publish("ota/device/dev-1/report", b"own")
        got = device.wait_for(bool) + operator.wait_for(bool)
    assert [message.payload for message in got] == [b"yours", b"own"]


@pytest.mark.parametrize("keep", [True, False])
def test_a_killed_broker_comes_back_on_its_port(tmp_path, keep):
    broker = Mosquitto(tmp_path / "broker", persistence=keep)
    with running(broker):
        ports = list(broker.ports)
        with broker.client() as client:
            client.publish("kept", b"1", retain=True)
            client.publish("kept/too", b"2", retain=True)
        if keep:
            broker.save()
        broker.kill()
        assert not broker.running
        broker.start()
        assert broker.ports == ports
        with broker.client() as client:
            client.subscribe("kept/#")
            client.publish("kept/end", b"end")
            got = client.wait_for(lambda all_: all_[-1:] and not all_[-1].retain)
    kept = {message.payload for message in got if message.retain}
    assert kept == ({b"1", b"2"} if keep else set())


def test_forgotten_state_is_gone(tmp_path):
    broker = Mosquitto(tmp_path / "broker", persistence=True)
    with running(broker):
        with broker.client() as client:
            client.publish("kept", b"1", retain=True)
        broker.stop()
        assert (broker.folder / "mosquitto.db").exists()
        broker.forget()
        broker.start()
        with broker.client() as client:
            client.subscribe("#")
            client.publish("end", b"end")
            (message,) = client.wait_for(bool)
    assert message.payload == b"end"


def test_a_client_sees_the_broker_again_after_a_restart(tmp_path):
    broker = Mosquitto(tmp_path / "broker")
    with running(broker), broker.client() as client:
        client.subscribe("a")
        broker.stop()
        broker.start()
        with broker.client() as other:
            # Until it is there again its messages are lost: retained ones are not.
            other.publish("a", b"1", retain=True)
            client.wait_for(bool)


# nginx


def test_files_come_whole_and_in_ranges(files):
    assert get(files.url("a.bin")) == (200, BODY)
    ranged = {"Range": "bytes=100-299"}
    assert get(files.url("a.bin"), ranged) == (206, BODY[100:300])
    assert get(files.url("a.bin", "noranges"), ranged) == (200, BODY)


@pytest.mark.parametrize(
    "place, name, status",
    [
        ("", "missing.bin", 404),
        ("error", "a.bin", 500),
        ("moved", "a.bin", 301),
    ],
)
def test_other_answers(files, place, name, status):
    connection = http.client.HTTPConnection("127.0.0.1", files.port)
    path = files.url(name, place).partition(str(files.port))[2]
    connection.request("GET", path)
    reply = connection.getresponse()
    assert reply.status == status
    if status == 301:
        assert reply.headers["Location"].endswith("/a.bin")
    connection.close()


def test_the_log_counts_requests_and_bytes(files):
    before = len(files.requests())
    get(files.url("a.bin") + "?count=1", {"Range": "bytes=0-9"})
    (line,) = files.wait_for(lambda lines: len(lines) > before)[before:]
    assert (line.method, line.uri, line.status) == ("GET", "/a.bin?count=1", 206)
    assert (line.bytes, line.range, line.complete) == (10, "bytes=0-9", True)


def test_a_killed_server_stops_in_mid_body(tmp_path):
    with running(Nginx(tmp_path / "files", slow_rate=4_096)) as files:
        (files.root / "a.bin").write_bytes(BODY)
        reply = urllib.request.urlopen(files.url("a.bin", "slow"))
        assert reply.read(16) == BODY[:16]
        files.kill()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            reply.read()


def test_a_file_may_be_put(files):
    assert get(files.url("b.bin", "put"), method="PUT", data=b"new")[0] == 201
    assert (files.root / "b.bin").read_bytes() == b"new"
    assert get(files.url("b.bin")) == (200, b"new")


def test_https_logs_the_client_and_the_name_it_asked_for(files, pki):
    before = len(files.requests())
    device = pki.device("dev-1")
    context = ssl.create_default_context(cafile=pki.ca)
    context.load_cert_chain(device.certificate, device.key)
    assert get(files.url("a.bin", tls=True), context=context) == (200, BODY)
    (line,) = files.wait_for(lambda lines: len(lines) > before)[before:]
    assert (line.scheme, line.sni, line.client) == ("https", "localhost", "CN=dev-1")


@pytest.mark.parametrize("name, answers", [("localhost", True), (None, False)])
def test_the_sni_port_answers_those_that_name_it(files, pki, name, answers):
    context = ssl.create_default_context(cafile=pki.ca)
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", files.sni_port)) as raw:
        if answers:
            context.wrap_socket(raw, server_hostname=name).close()
        else:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(raw, server_hostname=name)


# Both


def test_an_expired_certificate_is_one(pki):
    when = datetime.datetime(2025, 2, 1, tzinfo=datetime.UTC)
    old = pki.server("old", end=when)
    known = ssl._ssl._test_decode_cert(str(old.certificate))
    assert known["notAfter"] == "Feb  1 00:00:00 2025 GMT"


def test_a_port_that_is_taken_is_given_up_for_another(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broker = Mosquitto(tmp_path / "broker")
        broker.ports = [taken.getsockname()[1]]
        with running(broker):
            assert broker.port != taken.getsockname()[1]


def test_a_server_that_cannot_start_says_why(tmp_path):
    broker = Mosquitto(tmp_path / "broker", options=["nonsense 1"])
    with pytest.raises(ServerError, match="nonsense"):
        broker.start()


def test_free_ports_differ():
    assert len(set(free_ports(20))) == 20


def test_a_missing_program_is_named_with_the_command_that_installs_it():
    with pytest.raises(ServerError, match=r"setup\.sh --tests"):
        program("no-such-server")


def test_what_does_not_stop_is_reported(tmp_path, monkeypatch):
    class Deaf(Server):
        ready_text = "up"  # it hears nothing from here on

        def command(self):
            return ["sh", "-c", "trap '' TERM; echo up; exec sleep 1000"]

    deaf = Deaf(tmp_path, 0)
    deaf.start()
    monkeypatch.setattr("support.process.READY_S", 0.3)
    with pytest.raises(ServerError, match="did not stop"):
        deaf.stop()
    assert not deaf.running

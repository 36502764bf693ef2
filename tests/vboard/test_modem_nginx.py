# SPDX-License-Identifier: Apache-2.0
"""HTTP(S) of the modem against a real file server: nginx."""

from __future__ import annotations

import datetime
import hashlib
import socket
import threading
from pathlib import Path

import pytest
from modem_rig import Host, is_final
from support.mosquitto import running
from support.nginx import Nginx
from support.pki import Pki
from support.process import free_ports, wait_until
from vboard.clock import NS_PER_MS
from vboard.modem import FaultPlan, ModemProfile
from vboard.modem import faults as fault

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
BODY = hashlib.shake_256(b"body").digest(300_000)
EXPIRED = datetime.datetime(2025, 6, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def files(tmp_path_factory, pki):
    with running(Nginx(tmp_path_factory.mktemp("files"), pki=pki)) as files:
        (files.root / "fw.ebin").write_bytes(BODY)
        yield files


def asked(host, url, *, method=0, para=()):
    """HTTPINIT to the OK of HTTPACTION."""
    host.at("AT+HTTPTERM")
    assert host.at("AT+HTTPINIT") == OK
    assert host.at(f'AT+HTTPPARA="URL","{url}"') == OK
    for text in para:
        assert host.at(f"AT+HTTPPARA={text}") == OK
    assert host.at(f"AT+HTTPACTION={method}") == OK


def get(host, url, *, method=0, para=()):
    """Status and length that the result line says."""
    asked(host, url, method=method, para=para)
    return answer(host, method)


def answer(host, method=0):
    head = f"\r\n+HTTPACTION: {method},".encode()
    got = host.until(lambda got: b"\r\n" in got.partition(head)[2])
    status, size = got.partition(head)[2].split()[0].split(b",")
    return int(status), int(size)


def save(host, name="fw.ebin", drive=3):
    host.put(f'AT+HTTPREADFILE="{name}",{drive}\r'.encode())
    got = host.until(lambda got: b"+HTTPREADFILE: " in got and got.endswith(b"\r\n"))
    return int(got.partition(b"+HTTPREADFILE: ")[2].split()[0])


def store(host, **files):
    """Certificate files into the modem."""
    for name, path in files.items():
        data = path.read_bytes()
        host.put(f'AT+CCERTDOWN="{name}.pem",{len(data)}\r'.encode())
        host.until(lambda got: got.endswith(b">"))
        host.put(data, split=256, gap_ns=50 * NS_PER_MS)
        assert host.until(is_final) == OK


def tls(host, **settings):
    for key, value in settings.items():
        assert host.at(f'AT+CSSLCFG="{key}",0,{value}') == OK


# Bodies


def test_a_file_comes_whole(tmp_path, files):
    host = Host(tmp_path)
    assert get(host, files.url("fw.ebin")) == (200, len(BODY))
    assert save(host) == 0
    assert (host.drive / "fw.ebin").read_bytes() == BODY


@pytest.mark.parametrize("drive, folder", [(1, "F"), (3, "E"), (4, "mssl_cert")])
def test_a_body_goes_to_the_drive_that_is_named(tmp_path, files, drive, folder):
    host = Host(tmp_path)
    assert get(host, files.url("fw.ebin"), para=['"BREAKEND",99'])[0] == 206
    assert save(host, "part.pem", drive) == 0
    assert (tmp_path / folder / "part.pem").read_bytes() == BODY[:100]


@pytest.mark.parametrize(
    "para, first, end",
    [
        (['"BREAK",131072', '"BREAKEND",262143'], 131_072, 262_144),
        (['"BREAK",262144'], 262_144, 300_000),
        (['"BREAK",262144', '"BREAKEND",9'], 262_144, 300_000),
        (['"BREAKEND",131071'], 0, 131_072),
        (['"USERDATA","Range: bytes=1000-1999"'], 1_000, 2_000),
        (['"BREAK",299999', '"BREAKEND",999999'], 299_999, 300_000),
    ],
)
def test_ranges(tmp_path, files, para, first, end):
    host = Host(tmp_path)
    assert get(host, files.url("fw.ebin"), para=para) == (206, end - first)
    assert save(host) == 0
    assert (host.drive / "fw.ebin").read_bytes() == BODY[first:end]


def test_a_range_behind_the_end_is_416(tmp_path, files):
    host = Host(tmp_path)
    assert get(host, files.url("fw.ebin"), para=['"BREAK",300000'])[0] == 416


def test_a_server_without_ranges_sends_all(tmp_path, files):
    host = Host(tmp_path)
    url = files.url("fw.ebin", "noranges")
    assert get(host, url, para=['"BREAK",1000']) == (200, len(BODY))


@pytest.mark.parametrize(
    "place, name, status",
    [("", "missing", 404), ("error", "fw.ebin", 500), ("moved", "fw.ebin", 301)],
)
def test_other_statuses_are_told_and_no_redirect_is_followed(
    tmp_path, files, place, name, status
):
    host = Host(tmp_path)
    before = len(files.requests())
    url = files.url(name, place)
    assert get(host, url)[0] == status
    assert len(files.wait_for(lambda lines: len(lines) > before)) == before + 1


def test_a_long_presigned_address_arrives_as_it_is(tmp_path, files):
    host = Host(tmp_path)
    query = "X-Amz-Signature=" + "0123456789abcdef" * 28
    url = files.url("fw.ebin") + "?" + query
    assert 480 < len(url) <= 512
    before = len(files.requests())
    assert get(host, url) == (200, len(BODY))
    (line,) = files.wait_for(lambda lines: len(lines) > before)[before:]
    assert line.uri == "/fw.ebin?" + query


def test_head_has_no_body(tmp_path, files):
    host = Host(tmp_path)
    assert get(host, files.url("fw.ebin"), method=2)[0] == 200
    assert save(host) == 0
    assert (host.drive / "fw.ebin").read_bytes() == b""


def test_a_file_without_room_is_707_and_leaves_nothing(tmp_path, files):
    host = Host(tmp_path, profile=ModemProfile(size_E=200_000))
    assert get(host, files.url("fw.ebin"))[0] == 200
    assert save(host) == 707
    assert not (host.drive / "fw.ebin").exists()


# Servers that fail


def test_a_server_that_is_killed_in_mid_body(tmp_path):
    """704 when its end of the connection was closed, 706 when it was reset."""
    host = Host(tmp_path / "modem")
    with running(Nginx(tmp_path / "files", slow_rate=20_000)) as files:
        (files.root / "fw.ebin").write_bytes(BODY)

        def kill():
            wait_until("a connection", lambda: established(files.port))
            files.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        status, size = get(host, files.url("fw.ebin", "slow"))
        killer.join()
    assert status in (704, 706) and size == 0
    assert host.at('AT+HTTPREADFILE="fw.ebin",3') == ERROR


def established(port):
    """True when the server on this port has a connection."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return any(line[1].endswith(f":{port:04X}") and line[3] == "01" for line in lines)


def test_a_body_that_ends_too_early_is_704(tmp_path):
    host = Host(tmp_path)
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"
    with Raw(text, closes=True) as server:
        assert get(host, server.url) == (704, 0)


def test_nobody_listens(tmp_path):
    host = Host(tmp_path)
    assert get(host, f"http://127.0.0.1:{free_ports(1)[0]}/fw") == (714, 0)


def test_a_name_that_is_not_known(tmp_path):
    host = Host(tmp_path)
    assert get(host, "http://no-such-host.invalid/fw") == (713, 0)


class Raw:
    """A server that says what it is told and then closes, or keeps quiet."""

    def __init__(self, text: bytes, *, closes: bool = False) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/fw"
        self._text = text
        self._closes = closes
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self._listener.close()

    def _serve(self):
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(self._text)
            if not self._closes:
                self._over.wait()


def test_a_body_that_stops_is_over_after_recvto(tmp_path):
    host = Host(tmp_path)
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"
    with Raw(text) as server:
        assert get(host, server.url, para=['"RECVTO",2']) == (705, 0)


def test_a_slow_body_within_recvto_comes_whole(tmp_path):
    """Three seconds in all, but never two without a byte."""
    host = Host(tmp_path / "modem")
    with running(Nginx(tmp_path / "files", slow_rate=20_000)) as files:
        (files.root / "fw.ebin").write_bytes(BODY[:60_000])
        url = files.url("fw.ebin", "slow")
        assert get(host, url, para=['"RECVTO",2']) == (200, 60_000)


# TLS


def test_https_with_the_authority_in_the_modem(tmp_path, files, pki):
    host = Host(tmp_path)
    store(host, ca=pki.ca)
    tls(host, cacert='"ca.pem"', authmode=1)
    assert get(host, files.url("fw.ebin", tls=True)) == (200, len(BODY))


def test_https_with_a_client_certificate(tmp_path, files, pki):
    host = Host(tmp_path)
    device = pki.device("dev-1")
    store(host, ca=pki.ca, cert=device.certificate, key=device.key)
    names = {"cacert": '"ca.pem"', "clientcert": '"cert.pem"', "clientkey": '"key.pem"'}
    tls(host, **names, authmode=2)
    before = len(files.requests())
    assert get(host, files.url("fw.ebin", tls=True))[0] == 200
    (line,) = files.wait_for(lambda lines: len(lines) > before)[before:]
    assert line.client == "CN=dev-1"


def test_https_of_another_authority_is_715(tmp_path, files):
    host = Host(tmp_path / "modem")
    store(host, ca=Pki(tmp_path / "alien").ca)
    tls(host, cacert='"ca.pem"', authmode=1)
    assert get(host, files.url("fw.ebin", tls=True)) == (715, 0)


def test_https_without_the_authoritys_file_is_719(tmp_path, files):
    host = Host(tmp_path)
    tls(host, cacert='"ca.pem"', authmode=1)
    assert get(host, files.url("fw.ebin", tls=True)) == (719, 0)


def test_https_without_authentication_believes_anybody(tmp_path, files):
    host = Host(tmp_path)
    assert get(host, files.url("fw.ebin", tls=True))[0] == 200


@pytest.mark.parametrize(
    "ignore, clock, status",
    [
        (0, "26/01/01,00:00:00+00", 715),
        (1, "26/01/01,00:00:00+00", 200),
        (0, "25/03/01,00:00:00+00", 200),
    ],
)
def test_an_expired_server_counts_by_the_modems_clock(tmp_path, ignore, clock, status):
    pki = Pki(tmp_path / "pki")
    server = Nginx(tmp_path / "files", pki=pki)
    server.identity = pki.server("stale", end=EXPIRED)
    (server.root / "fw.ebin").write_bytes(BODY)
    host = Host(tmp_path / "modem")
    store(host, ca=pki.ca)
    tls(host, cacert='"ca.pem"', authmode=1, ignorelocaltime=ignore)
    assert host.at(f'AT+CCLK="{clock}"') == OK
    with running(server):
        assert get(host, server.url("fw.ebin", tls=True))[0] == status


def test_a_route_keeps_the_name_in_the_request(tmp_path, files):
    routes = f"localhost:443=127.0.0.1:{files.sni_port}"
    host = Host(tmp_path, profile=ModemProfile(routes=routes))
    tls(host, enableSNI=1)
    assert get(host, "https://localhost/fw.ebin") == (200, len(BODY))


@pytest.mark.parametrize("sni, status", [(0, 715), (1, 200)])
def test_a_host_that_wants_to_be_named(tmp_path, files, sni, status):
    host = Host(tmp_path)
    tls(host, enableSNI=sni)
    assert get(host, f"https://localhost:{files.sni_port}/fw.ebin")[0] == status


def test_plain_http_spoken_to_a_tls_port_is_an_answer_of_400(tmp_path, files):
    host = Host(tmp_path)
    assert get(host, f"http://127.0.0.1:{files.tls_port}/fw.ebin")[0] == 400


def test_tls_spoken_to_a_plain_port_is_715(tmp_path, files):
    host = Host(tmp_path)
    assert get(host, f"https://127.0.0.1:{files.port}/fw.ebin") == (715, 0)


# The network


def test_a_network_lost_in_mid_transfer_is_told_and_may_be_resumed(tmp_path, files):
    lost = fault.NetworkLost(command="HTTPACTION", after_ms=300, ms=180_000)
    host = Host(tmp_path, faults=FaultPlan(lost))
    url = files.url("fw.ebin")
    asked(host, url, para=['"BREAK",1000'])
    got = host.run(1_000)
    assert got == b"\r\n+HTTP_NONET_EVENT\r\n\r\n+HTTPACTION: 0,709,0\r\n"
    assert host.at('AT+HTTPREADFILE="fw.ebin",3') == ERROR
    assert get(host, url) == (717, 0)
    host.run(180_000)
    assert get(host, url, para=['"BREAK",1000']) == (206, len(BODY) - 1_000)
    assert lost.fired == 1


def test_a_body_that_came_before_the_network_went_is_kept(tmp_path, files):
    lost = fault.NetworkLost(command="CSQ", ms=180_000)
    host = Host(tmp_path, faults=FaultPlan(lost))
    assert get(host, files.url("fw.ebin"))[0] == 200
    assert b"+HTTP_NONET_EVENT" in host.at("AT+CSQ") + host.run(10)
    assert save(host) == 0


def test_a_modem_that_reboots_in_mid_transfer_forgets_it(tmp_path, files):
    late = fault.RebootLater(command="HTTPACTION", after_ms=300)
    host = Host(tmp_path, faults=FaultPlan(late), profile=ModemProfile(boot_ms=1_000))
    asked(host, files.url("fw.ebin"))
    got = host.run(10_000)
    assert b"RDY" in got and b"+HTTPACTION" not in got
    assert host.at("AT+HTTPTERM").endswith(ERROR)
    assert late.fired == 1


@pytest.mark.parametrize(
    "plan, message",
    [
        ("networklost:mqtt=maybe", "expected mqtt to be nonet or connlost"),
        ("networklost:hours=1", "expected after_ms"),
        ("rebootlater:ms=5", "expected after_ms"),
    ],
)
def test_a_wrong_plan_says_what_was_expected(plan, message):
    with pytest.raises(fault.FaultError, match=message):
        FaultPlan.parse(plan)

# SPDX-License-Identifier: Apache-2.0
"""HTTP and HTTPS against servers on loopback."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from typing import ClassVar

import pytest
from modem_rig import Host, blocks
from tls_material import make_certificates
from vboard.modem import ModemProfile

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
BODY = bytes(range(256)) * 10


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []

    def log_message(self, *args):
        pass

    def _serve(self):
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        headers = {k.lower(): v for k, v in self.headers.items()}
        Handler.seen.append((self.command, self.path, headers, body))
        data, status = BODY, 200
        if self.path == "/missing":
            data, status = b"no", 404
        elif self.path == "/moved":
            status = 302
        elif "range" in headers:
            first, last = headers["range"].removeprefix("bytes=").split("-")
            data = BODY[int(first) : int(last) + 1 if last else None]
            status = 206
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if self.path == "/close":
            self.send_header("Connection", "close")
        if status == 302:
            self.send_header("Location", "/fw")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_HEAD = do_DELETE = _serve


def serve(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    return server


@pytest.fixture
def server():
    Handler.seen.clear()
    server = serve(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def get(host, url, method=0):
    """HTTPINIT to the result line of HTTPACTION."""
    host.at("AT+HTTPTERM")
    assert host.at("AT+HTTPINIT") == OK
    assert host.at(f'AT+HTTPPARA="URL","{url}"') == OK
    assert host.at(f"AT+HTTPACTION={method}") == OK
    return host.run(30_000)


def test_download_to_a_file(tmp_path, server):
    host = Host(tmp_path)
    assert get(host, server + "/fw.ebin") == b"\r\n+HTTPACTION: 0,200,2560\r\n"
    assert host.at('AT+HTTPREADFILE="fw.ebin",3') == OK
    assert host.run(10_000) == b"\r\n+HTTPREADFILE: 0\r\n"
    assert (host.drive / "fw.ebin").read_bytes() == BODY
    assert host.at("AT+HTTPTERM") == OK
    assert host.at("AT+HTTPTERM") == ERROR


@pytest.mark.parametrize(
    "drive, folder", [("", "F"), (",1", "F"), (",3", "E"), (",4", "mssl_cert")]
)
def test_the_path_index_of_readfile(tmp_path, server, drive, folder):
    host = Host(tmp_path)
    get(host, server)
    host.at(f'AT+HTTPREADFILE="a.pem"{drive}')
    host.run(10_000)
    assert (tmp_path / folder / "a.pem").read_bytes() == BODY


@pytest.mark.parametrize("order", ["ok_first", "result_first"])
def test_the_order_of_readfile_is_a_knob(tmp_path, server, order):
    host = Host(tmp_path, profile=ModemProfile(readfile_order=order))
    get(host, server)
    host.put(b'AT+HTTPREADFILE="a"\r')
    lines = host.run(10_000).split()
    first = [b"OK", b"+HTTPREADFILE:", b"0"]
    assert lines == (first if order == "ok_first" else [*first[1:], b"OK"])


@pytest.mark.parametrize("order", ["ok_first", "result_first"])
def test_readfile_onto_a_full_or_missing_drive_is_707(tmp_path, server, order):
    host = Host(
        tmp_path, profile=ModemProfile(readfile_order=order, size_E=100, has_F=False)
    )
    get(host, server)
    for drive in (1, 2, 3):
        assert host.at(f'AT+HTTPREADFILE="a",{drive}') == (
            b"\r\n+HTTPREADFILE: 707\r\n" + ERROR
        )


def test_readfile_of_an_existing_name_follows_the_overwrite_policy(tmp_path, server):
    host = Host(tmp_path, profile=ModemProfile(overwrite="error"))
    (host.drive / "a").write_bytes(b"old")
    get(host, server)
    assert host.at('AT+HTTPREADFILE="a",3') == b"\r\n+HTTPREADFILE: 707\r\n" + ERROR


def test_read_in_blocks(tmp_path, server):
    host = Host(tmp_path)
    get(host, server)
    assert host.at("AT+HTTPREAD?") == b"\r\n+HTTPREAD: LEN,2560\r\n" + OK
    host.put(b"AT+HTTPREAD=100,2100\r")
    got = host.run(2_000)
    assert got.startswith(OK + b"\r\n+HTTPREAD: DATA,1024\r\n")
    body, text = blocks(got, b"+HTTPREAD: DATA,")
    assert body == BODY[100:2200]
    assert text.split() == [b"OK", b"+HTTPREAD:", b"0"]
    host.put(b"AT+HTTPREAD=16\r")
    assert blocks(host.run(500), b"+HTTPREAD: DATA,")[0] == BODY[:16]
    assert host.at("AT+HTTPREAD=2561,1") == ERROR


def test_head_of_a_reply(tmp_path, server):
    host = Host(tmp_path)
    assert b"+HTTPACTION: 2,200," in get(host, server, method=2)
    head, text = blocks(host.at("AT+HTTPHEAD"), b"+HTTPHEAD: DATA,")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 2560\r\n" in head
    assert head.endswith(b"\r\n\r\n")
    assert text.split() == [b"OK"]


def test_post_sends_the_data(tmp_path, server):
    host = Host(tmp_path)
    host.at("AT+HTTPINIT")
    host.at(f'AT+HTTPPARA="URL","{server}/up?a=1"')
    host.at('AT+HTTPPARA="CONTENT","application/json"')
    host.at('AT+HTTPPARA="UA","me"')
    host.at('AT+HTTPPARA="USERDATA","X-Key: 7"')
    host.put(b"AT+HTTPDATA=4,10\r")
    assert host.run(100) == b"\r\nDOWNLOAD\r\n"
    host.put(b"\r\nOK")
    assert host.run(100) == OK
    host.at("AT+HTTPACTION=1")
    assert b"+HTTPACTION: 1,200,2560" in host.run(10_000)
    method, path, headers, body = Handler.seen[-1]
    assert (method, path, body) == ("POST", "/up?a=1", b"\r\nOK")
    assert headers["content-type"] == "application/json"
    assert (headers["user-agent"], headers["x-key"]) == ("me", "7")


def test_httpdata_gives_up_after_its_time(tmp_path):
    host = Host(tmp_path)
    host.at("AT+HTTPINIT")
    host.put(b"AT+HTTPDATA=4,10\r")
    host.run(100)
    host.put(b"abc")
    assert host.run(11_000) == ERROR
    assert host.at("AT") == OK


def test_postfile_sends_a_file(tmp_path, server):
    host = Host(tmp_path)
    (host.drive / "log").write_bytes(b"hello")
    host.at("AT+HTTPINIT")
    host.at(f'AT+HTTPPARA="URL","{server}/log"')
    assert host.at('AT+HTTPPOSTFILE="log",3') == OK
    assert host.run(10_000) == b"\r\n+HTTPPOSTFILE: 1,200,2560\r\n"
    assert Handler.seen[-1][3] == b"hello"
    assert host.at('AT+HTTPPOSTFILE="none",3') == (
        b"\r\n+HTTPPOSTFILE: 1,707,0\r\n" + ERROR
    )


@pytest.mark.parametrize(
    "first, last, expected",
    [(10, 19, BODY[10:20]), (100, 0, BODY[100:]), (0, 0, BODY)],
    ids=["part", "rest", "off"],
)
def test_break_asks_for_a_range(tmp_path, server, first, last, expected):
    host = Host(tmp_path)
    host.at("AT+HTTPINIT")
    host.at(f'AT+HTTPPARA="URL","{server}/fw"')
    host.at(f'AT+HTTPPARA="BREAK",{first}')
    host.at(f'AT+HTTPPARA="BREAKEND",{last}')
    host.at("AT+HTTPACTION=0")
    status = 200 if len(expected) == len(BODY) else 206
    assert f"+HTTPACTION: 0,{status},{len(expected)}".encode() in host.run(10_000)


@pytest.mark.parametrize(
    "path, status, size", [("/missing", 404, 2), ("/moved", 302, 2560)]
)
def test_other_statuses_are_passed_on_and_not_followed(
    tmp_path, server, path, status, size
):
    host = Host(tmp_path)
    assert f"+HTTPACTION: 0,{status},{size}".encode() in get(host, server + path)
    assert len(Handler.seen) == 1


def test_a_closing_server_is_told(tmp_path, server):
    got = get(Host(tmp_path), server + "/close")
    assert got == b"\r\n+HTTPACTION: 0,200,2560\r\n\r\n+HTTP_PEER_CLOSED\r\n"


def test_the_time_is_the_models_and_the_port_is_free_meanwhile(tmp_path, server):
    profile = ModemProfile(http_wait_ms=5_000, http_rate=1_000)
    host = Host(tmp_path, profile=profile)
    host.at("AT+HTTPINIT")
    host.at(f'AT+HTTPPARA="URL","{server}"')
    host.at("AT+HTTPACTION=0")
    assert host.at("AT+CATR?").endswith(OK)
    assert host.at("AT+HTTPACTION=0") == ERROR
    assert host.run(7_000) == b""
    assert b"+HTTPACTION: 0,200" in host.run(1_000)


def test_httpterm_ends_a_running_action(tmp_path, server):
    host = Host(tmp_path)
    host.at("AT+HTTPINIT")
    host.at(f'AT+HTTPPARA="URL","{server}"')
    host.at("AT+HTTPACTION=0")
    assert host.at("AT+HTTPTERM") == OK
    assert host.run(60_000) == b""


def garbage_server(reply: bytes):
    """A server that answers anything with `reply` and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def work():
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(reply)
        connection.close()
        listener.close()

    threading.Thread(target=work, daemon=True).start()
    return listener.getsockname()[1]


@pytest.mark.parametrize(
    "reply, code",
    [
        (b"", 704),
        (b"nonsense\r\n\r\n", 600),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", 704),
    ],
    ids=["silent", "not_http", "cut_short"],
)
def test_a_server_that_misbehaves(tmp_path, reply, code):
    port = garbage_server(reply)
    got = get(Host(tmp_path), f"http://127.0.0.1:{port}/")
    assert got == f"\r\n+HTTPACTION: 0,{code},0\r\n".encode()


def test_nobody_listens_is_714(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    got = get(Host(tmp_path), f"http://127.0.0.1:{port}/")
    assert got == b"\r\n+HTTPACTION: 0,714,0\r\n"


def test_a_name_that_does_not_exist_is_713(tmp_path):
    got = get(Host(tmp_path), "http://" + "a" * 70 + ".invalid/")
    assert got == b"\r\n+HTTPACTION: 0,713,0\r\n"


def test_without_a_network_is_717(tmp_path):
    host = Host(tmp_path, profile=ModemProfile(registered=0))
    assert get(host, "http://127.0.0.1/") == b"\r\n+HTTPACTION: 0,717,0\r\n"
    assert host.at("AT+HTTPREAD?") == ERROR


@pytest.mark.parametrize(
    "command",
    [
        'AT+HTTPPARA="URL","ftp://a/"',
        'AT+HTTPPARA="URL","a"',
        'AT+HTTPPARA="URL","http://a:99999/"',
        'AT+HTTPPARA="URL",http://a/',
        'AT+HTTPPARA="CONNECTTO",19',
        'AT+HTTPPARA="RECVTO",121',
        'AT+HTTPPARA="RESPTO",121',
        'AT+HTTPPARA="SSLCFG",10',
        'AT+HTTPPARA="USERDATA","no colon"',
        'AT+HTTPPARA="CID",1',
        'AT+HTTPPARA="READMODE",1',
        'AT+HTTPPARA="URL"',
        "AT+HTTPACTION=4",
        "AT+HTTPACTION=0",
        "AT+HTTPINIT",
        "AT+HTTPHEAD",
        "AT+HTTPREAD?",
        "AT+HTTPREAD=0,10",
        "AT+HTTPDATA=0,10",
        "AT+HTTPDATA=1,9",
        'AT+HTTPREADFILE="a"',
        'AT+HTTPPOSTFILE="a"',
    ],
)
def test_refused_with_error(tmp_path, command):
    host = Host(tmp_path)
    host.at("AT+HTTPINIT")
    assert host.at(command) == ERROR


@pytest.mark.parametrize(
    "command",
    [
        'AT+HTTPPARA="CONNECTTO",20',
        'AT+HTTPPARA="RECVTO",2',
        'AT+HTTPPARA="RESPTO",120',
        'AT+HTTPPARA="SSLCFG",9',
        'AT+HTTPPARA="SSLCFG","9"',
        'AT+HTTPPARA="ACCEPT","text/html"',
    ],
)
def test_parameters(tmp_path, command):
    host = Host(tmp_path)
    assert host.at(command) == ERROR
    host.at("AT+HTTPINIT")
    assert host.at(command) == OK


def test_the_test_form_of_httpaction(tmp_path):
    assert Host(tmp_path).at("AT+HTTPACTION=?") == b"\r\n+HTTPACTION: (0-3)\r\n" + OK


# HTTPS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_server(certificates):
    Handler.seen.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    names = []
    context.sni_callback = lambda sock, name, own: names.append(name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *args: None
    serve(server)
    yield f"https://localhost:{server.server_port}/fw", names
    server.shutdown()
    server.server_close()


def install(host, certificates, name):
    data = (certificates / name).read_bytes()
    host.put(f'AT+CCERTDOWN="{name}",{len(data)}\r'.encode())
    host.until(lambda got: got.endswith(b">"))
    host.put(data, split=256, gap_ns=50_000_000)
    assert host.run(1_000) == OK


def test_https_without_authentication(tmp_path, tls_server):
    url, names = tls_server
    assert b"+HTTPACTION: 0,200,2560" in get(Host(tmp_path), url)
    assert names == [None]


def test_sni_is_sent_when_enabled(tmp_path, tls_server):
    url, names = tls_server
    host = Host(tmp_path)
    host.at('AT+CSSLCFG="enableSNI",0,1')
    assert b"+HTTPACTION: 0,200" in get(host, url)
    assert names == ["localhost"]


@pytest.mark.parametrize(
    "authority, code", [("ca.pem", 200), ("other.pem", 715)], ids=["right", "wrong"]
)
def test_server_authentication(tmp_path, tls_server, certificates, authority, code):
    host = Host(tmp_path)
    install(host, certificates, authority)
    host.at(f'AT+CSSLCFG="cacert",0,"{authority}"')
    host.at('AT+CSSLCFG="authmode",0,1')
    assert f"+HTTPACTION: 0,{code},".encode() in get(host, tls_server[0])


def test_a_missing_authority_is_719(tmp_path, tls_server):
    host = Host(tmp_path)
    host.at('AT+CSSLCFG="cacert",0,"ca.pem"')
    host.at('AT+CSSLCFG="authmode",0,1')
    assert b"+HTTPACTION: 0,719,0" in get(host, tls_server[0])


def test_certificate_dates_are_judged_by_the_modems_clock(
    tmp_path, tls_server, certificates
):
    host = Host(tmp_path)
    install(host, certificates, "ca.pem")
    for setting in ('"cacert",0,"ca.pem"', '"authmode",0,1', '"ignorelocaltime",0,0'):
        assert host.at(f"AT+CSSLCFG={setting}") == OK
    assert b"+HTTPACTION: 0,715,0" in get(host, tls_server[0])
    host.at('AT+CCLK="30/01/01,00:00:00+00"')
    assert b"+HTTPACTION: 0,200," in get(host, tls_server[0])


def test_ssl_3_cannot_be_started(tmp_path, tls_server):
    host = Host(tmp_path)
    host.at('AT+CSSLCFG="sslversion",0,0')
    assert b"+HTTPACTION: 0,710,0" in get(host, tls_server[0])


def test_plain_http_behind_https_is_715(tmp_path, server):
    url = server.replace("http:", "https:")
    assert b"+HTTPACTION: 0,715,0" in get(Host(tmp_path), url)

# SPDX-License-Identifier: Apache-2.0
"""The modem's network drivers as ARM code: real brokers and servers on loopback."""

from __future__ import annotations

import http.server
import random
import re
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from driver_rig import BUFFER, CHIP, DriverRig, Result, build_bench
from mini_broker import Broker
from support.firmware import ROOT
from tls_material import make_certificates
from vboard.clock import NS_PER_MS
from vboard.modem.faults import DropByte
from vboard.modem.profile import ModemProfile
from vboard.modem.sim7600 import Sim7600
from vboard.modem.storage import Storage

OPEN, ATTACH, IMEI, CONNECT, SUBSCRIBE, PUBLISH, POLL, TAKE = range(1, 9)
FETCH, WRITE, READ, CONNECTED, DROPPED, CODE, DISCONNECT = range(9, 16)
IDLE_GAP, DRIVE = 16, 17
E_LINK, E_NO_FILE = -2, -5
E_NETWORK, E_BROKER, E_HTTP, E_CERTIFICATE, E_TLS = -70, -71, -72, -73, -76
LIB = ROOT / "bootloader/lib"
SOURCES = [
    *(CHIP / f"{name}.c" for name in ("uarte", "uarte_rx", "timebase", "clock")),
    *(CHIP / f"{name}.c" for name in ("gpio", "nvmc")),
    *(LIB / f"{name}.c" for name in ("at", "sim7600", "format", "fw_info")),
    *(LIB / f"update/sim7600_{name}.c" for name in ("net", "mqtt", "http", "files")),
    *(LIB / f"update/{name}.c" for name in ("at_result", "mqtt_receive")),
]
DATA = BUFFER + 0x4000
SEED = 11
BODY = random.Random(9).randbytes(70_000)


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, compiled once."""
    folder = tmp_path_factory.mktemp("network")
    includes = [f"-I{LIB}", f"-I{LIB / 'update'}"]
    return build_bench(folder, "network_bench.c", SOURCES, flags=includes)


class NetworkRig(DriverRig):
    """The program with a modem on UARTE1."""

    def __init__(self, elf: Path, folder: Path, **profile: object) -> None:
        super().__init__(elf)
        uart = self.board.uart(1)
        self.storage = Storage(folder)
        self.modem = Sim7600(
            self.board.clock,
            self.storage,
            seed=5,
            profile=ModemProfile(**profile),  # type: ignore[arg-type]
        )
        self.modem.attach(uart.tx, uart.rx)
        self.modem.start_ready()

    def call(
        self,
        operation: int,
        *texts: str,
        size: int = 0,
        step: int = 0,
        ms: int = 200_000,
    ) -> Result:
        """Runs one job to its end."""
        data = b"".join(text.encode() + b"\0" for text in texts)
        self.board.ram_write(BUFFER, data.ljust(len(data) + 4, b"\0"))
        self.start(operation, source=BUFFER, destination=DATA, size=size, step=step)
        return self.finish(ms=ms)

    def result(self, operation: int, *texts: str, size: int = 0, step: int = 0) -> int:
        """The result of one job."""
        return self.call(operation, *texts, size=size, step=step).result

    def ready(self) -> None:
        """Open and attached."""
        assert self.result(OPEN) == 0
        assert self.result(ATTACH, "iot.example", size=60_000) == 0

    def connect(self, broker: Broker, *more: str) -> int:
        """Ready, and connected to a broker."""
        self.ready()
        texts = ["127.0.0.1", "device-1", *more]
        texts += [""] * (7 - len(texts))
        return self.result(CONNECT, *texts, size=broker.port)

    def take(self) -> tuple[bytes, bytes]:
        """Topic and payload of the oldest message, once there is one.

        The modem's socket is served by the host: simulated time may run ahead of it.
        """
        size = self.result(TAKE)
        for _ in range(200):
            if size >= 0:
                break
            assert self.result(POLL, size=1000) == 0
            size = self.result(TAKE)
        assert size >= 0
        topic, _, rest = self.board.ram_read(DATA, 0x2000).partition(b"\0")
        return topic, rest[:size]

    def file(self, name: str, drive: str = "E") -> bytes:
        """A file in the modem."""
        return (self.storage.folder / drive / name).read_bytes()


@pytest.fixture
def rig(elf: Path, tmp_path: Path) -> NetworkRig:
    """A modem with its default behaviour."""
    return NetworkRig(elf, tmp_path / "modem")


@pytest.fixture
def broker() -> Iterator[Broker]:
    """On a free port."""
    broker = Broker()
    yield broker
    broker.close()


def test_attach_imei_and_drive(rig: NetworkRig) -> None:
    """The modem is found, registers, and says who it is."""
    rig.ready()
    done = rig.call(IMEI)
    assert done.result == 0
    assert done.digest.startswith(rig.modem.profile.imei.encode() + b"\0")
    assert rig.call(DRIVE).digest.startswith(b"E:/")


def test_without_a_sim_attaching_ends_in_time(rig: NetworkRig) -> None:
    """OTA_E_NETWORK, and the watchdog was fed all the time."""
    assert rig.result(OPEN) == 0
    rig.modem.network.sim = ""
    begin = rig.board.clock.now_ns
    assert rig.result(ATTACH, "", size=8_000) == E_NETWORK
    assert 8_000 <= (rig.board.clock.now_ns - begin) // NS_PER_MS < 12_000
    assert 0 < rig.result(IDLE_GAP) < 300


@pytest.mark.parametrize("order", ["ok_first", "result_first"])
def test_a_round_trip_through_a_broker(
    elf: Path, tmp_path: Path, broker: Broker, order: str
) -> None:
    """Subscribe, publish, receive; then leave."""
    rig = NetworkRig(elf, tmp_path, mqtt_order=order)
    assert rig.connect(broker) == 0
    assert rig.result(SUBSCRIBE, "ota/device-1") == 0
    assert rig.result(PUBLISH, "ota/report", '{"stage":"accepted"}') == 0
    assert broker.received[-1][:3] == (b"ota/report", b'{"stage":"accepted"}', 1)
    broker.publish(b"ota/device-1", b'{"type":"update_fw"}\r\nOK\r\n')
    assert rig.take() == (b"ota/device-1", b'{"type":"update_fw"}\r\nOK\r\n')
    assert rig.result(DISCONNECT) == 0
    assert rig.result(CONNECTED) == 0
    assert rig.connect(broker, "user", "password") == 0
    assert len(broker.connects) == 2
    assert broker.connects[-1].endswith(b"\0\4user\0\10password")


def test_a_large_message_arrives_in_fragments(rig: NetworkRig, broker: Broker) -> None:
    """4,096 bytes are three RXPAYLOAD blocks."""
    assert rig.connect(broker) == 0
    assert rig.result(SUBSCRIBE, "t") == 0
    payload = bytes(32 + i % 90 for i in range(4096))
    broker.publish(b"t", payload)
    assert rig.take() == (b"t", payload)


def test_more_than_can_be_held_is_counted(rig: NetworkRig, broker: Broker) -> None:
    """Two are held, whatever else happens on the line; the third is dropped."""
    assert rig.connect(broker) == 0
    assert rig.result(SUBSCRIBE, "t") == 0
    for payload in (b"one", b"two", b"three"):
        broker.publish(b"t", payload)
    for _ in range(200):
        assert rig.result(PUBLISH, "other", "x") == 0
        assert rig.result(ATTACH, "", size=1000) == 0
        if rig.result(DROPPED):
            break
    assert [rig.take()[1] for _ in range(2)] == [b"one", b"two"]
    assert rig.result(TAKE) == -1000
    assert rig.result(DROPPED) == 1


def test_a_lost_broker_is_noticed_and_joined_again(
    rig: NetworkRig, broker: Broker
) -> None:
    """CONNLOST ends the connection; connecting again works without a restart."""
    assert rig.connect(broker) == 0
    broker.drop()
    for _ in range(200):
        assert rig.result(POLL, size=1000) == 0
        if not rig.result(CONNECTED):
            break
    assert rig.result(CONNECTED) == 0
    assert rig.result(PUBLISH, "t", "x") == E_BROKER
    assert rig.connect(broker) == 0
    assert rig.result(PUBLISH, "t", "x") == 0


def test_a_restart_of_the_modem_ends_the_connection(
    rig: NetworkRig, broker: Broker
) -> None:
    """RDY comes at a rate the host is not at; the echo tells when it is found."""
    assert rig.connect(broker) == 0
    rig.modem.reboot()
    assert rig.result(POLL, size=30_000) in (0, E_LINK)
    assert rig.result(OPEN) == 0
    assert rig.result(CONNECTED) == 0
    assert rig.connect(broker) == 0
    assert rig.result(PUBLISH, "t", "x") == 0


def test_a_broker_that_refuses(elf: Path, tmp_path: Path) -> None:
    """The modem's code is kept."""
    broker = Broker(refuse=5)
    rig = NetworkRig(elf, tmp_path)
    assert rig.connect(broker) == E_BROKER
    assert rig.result(CODE) == 31
    broker.close()


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Broker, Path]]:
    """A broker with TLS and its certificates."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    make_certificates(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem", folder / "server.key")
    broker = Broker(wrap=lambda sock: tls.wrap_socket(sock, server_side=True))
    yield broker, folder
    broker.close()


def test_mqtt_with_tls(rig: NetworkRig, secure: tuple[Broker, Path]) -> None:
    """The right CA connects, an alien one is OTA_E_TLS, a missing one is told."""
    broker, folder = secure
    for name in ("ca.pem", "other.pem"):
        rig.storage.certificate(name).write_bytes((folder / name).read_bytes())
    assert rig.connect(broker, "", "", "ca.pem") == 0
    assert rig.result(PUBLISH, "t", "secret") == 0
    assert broker.received[-1][1] == b"secret"
    assert rig.connect(broker, "", "", "other.pem") == E_TLS
    assert rig.connect(broker, "", "", "absent.pem") == E_CERTIFICATE


@pytest.mark.parametrize("stream", ["rx", "tx"])
def test_a_lost_byte_costs_one_exchange(
    rig: NetworkRig, broker: Broker, stream: str
) -> None:
    """Any byte, either way: after OPEN, and CONNECT if need be, all is well.

    A modem that waits for data that was lost would swallow every command.
    """
    assert rig.connect(broker) == 0
    plan = rig.modem.faults
    for offset in random.Random(SEED).sample(range(100), 8):
        lost = plan.add(DropByte(stream=stream, offset=plan._offsets[stream] + offset))
        first = rig.result(PUBLISH, "topic/of/some/length", "payload" * 8)
        second = rig.result(WRITE, "E:/state.txt", size=100)
        assert lost.fired == 1
        name = f"lost_byte[{stream}={offset}]: {first}, {second}"
        assert rig.result(OPEN) == 0, name
        if not rig.result(CONNECTED):
            assert rig.connect(broker) == 0, name
        assert rig.result(PUBLISH, "again", str(offset)) == 0, name
        assert broker.received[-1][1] == str(offset).encode()
        assert rig.result(WRITE, "E:/state.txt", size=100) == 0, name


class Handler(http.server.BaseHTTPRequestHandler):
    """BODY at /fw, with ranges; before each answer it does what `before` says."""

    protocol_version = "HTTP/1.1"
    before: ClassVar[list[object]] = []
    ranges: ClassVar[list[str]] = []

    def log_message(self, *args: object) -> None:
        """Nothing on the console."""

    def do_GET(self) -> None:
        for action in Handler.before:
            action()  # type: ignore[operator]
        data, status = BODY, 200
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not self.path.startswith("/fw"):
            data, status = b"no", 404
        elif self.path == "/fw-moved":
            data, status = b"", 302
        elif asked and self.path != "/fw-no-ranges":
            Handler.ranges.append(asked[0])
            last = int(asked[2]) + 1 if asked[2] else None
            data, status = BODY[int(asked[1]) : last], 206
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(autouse=True)
def plain_handler() -> None:
    """What one test asked of the server is not the next one's."""
    Handler.before.clear()
    Handler.ranges.clear()


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a server on a free port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetched(done: Result) -> tuple[int, int, int]:
    """Result, HTTP status, size."""
    status, size = struct.unpack_from("<2I", done.digest)
    return done.result, status, size


@pytest.mark.parametrize("order", ["ok_first", "result_first"])
@pytest.mark.parametrize("overwrite", ["truncate", "error"])
def test_a_file_is_fetched(
    elf: Path, tmp_path: Path, server: str, order: str, overwrite: str
) -> None:
    """Twice: an older file is in the way the second time."""
    rig = NetworkRig(elf, tmp_path, readfile_order=order, overwrite=overwrite)
    rig.ready()
    for _ in range(2):
        done = rig.call(FETCH, f"{server}/fw?x={'y' * 440}", "E:/fw_2.ebin", "")
        assert fetched(done) == (0, 200, len(BODY))
        assert rig.file("fw_2.ebin") == BODY
    assert 0 < rig.result(IDLE_GAP) < 300


def test_ranges_are_fetched_and_forgotten(rig: NetworkRig, server: str) -> None:
    """A part of the file, its last byte, then all of it."""
    rig.ready()
    url = f"{server}/fw"
    done = rig.call(FETCH, url, "E:/fw_2.ebi1", "", size=30_000, step=59_999)
    assert fetched(done) == (0, 206, 30_000)
    assert rig.file("fw_2.ebi1") == BODY[30_000:60_000]
    end = len(BODY) - 1
    done = rig.call(FETCH, url, "F:/last.ebin", "", size=end, step=end)
    assert fetched(done) == (0, 206, 1)
    assert rig.file("last.ebin", "F") == BODY[-1:]
    assert Handler.ranges == ["bytes=30000-59999", f"bytes={end}-"]
    assert fetched(rig.call(FETCH, url, "E:/a.ebin", "")) == (0, 200, len(BODY))
    url = f"{server}/fw-no-ranges"
    done = rig.call(FETCH, url, "E:/a.ebin", "", size=1, step=9)
    assert fetched(done) == (0, 200, len(BODY))


@pytest.mark.parametrize(
    ("path", "status"), [("/missing", 404), ("/fw-moved", 302)], ids=["404", "302"]
)
def test_other_answers_leave_no_file(
    rig: NetworkRig, server: str, path: str, status: int
) -> None:
    """OTA_E_HTTP with the status."""
    rig.ready()
    done = rig.call(FETCH, server + path, "E:/fw_2.ebin", "")
    assert fetched(done) == (E_HTTP, status, 0)
    assert not (rig.storage.folder / "E" / "fw_2.ebin").exists()


def test_nobody_listens(rig: NetworkRig) -> None:
    """A port that refuses is worth another try."""
    rig.ready()
    done = rig.call(FETCH, "http://127.0.0.1:1/fw", "E:/fw_2.ebin", "")
    assert fetched(done) == (E_NETWORK, 714, 0)


def test_a_message_during_a_download_is_kept(
    rig: NetworkRig, server: str, broker: Broker
) -> None:
    """The broker sends while HTTPACTION runs."""
    assert rig.connect(broker) == 0
    assert rig.result(SUBSCRIBE, "t") == 0
    Handler.before.append(lambda: broker.publish(b"t", b"meanwhile"))
    done = rig.call(FETCH, f"{server}/fw", "E:/fw_2.ebin", "")
    assert fetched(done) == (0, 200, len(BODY))
    assert rig.take() == (b"t", b"meanwhile")
    assert rig.result(CONNECTED) == 1


def test_https_needs_the_right_authority(rig: NetworkRig, tmp_path: Path) -> None:
    """A file over TLS; an alien CA is OTA_E_TLS; without a CA nobody is verified."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    make_certificates(folder)
    for name in ("ca.pem", "other.pem"):
        rig.storage.certificate(name).write_bytes((folder / name).read_bytes())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem", folder / "server.key")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"https://127.0.0.1:{server.server_port}/fw"
    rig.ready()
    good = (0, 200, len(BODY))
    assert fetched(rig.call(FETCH, url, "E:/a.ebin", "ca.pem")) == good
    assert fetched(rig.call(FETCH, url, "E:/a.ebin", "other.pem")) == (E_TLS, 715, 0)
    assert rig.result(FETCH, url, "E:/a.ebin", "absent.pem") == E_CERTIFICATE
    assert fetched(rig.call(FETCH, url, "E:/a.ebin", "")) == good
    server.shutdown()
    server.server_close()


def test_small_files_are_written_and_read(rig: NetworkRig) -> None:
    """160 bytes of anything, over an older and longer file."""
    rig.ready()
    data = bytes(range(160))
    (rig.storage.folder / "E" / "ota_state.txt").write_bytes(bytes(900))
    rig.board.ram_write(DATA, data)
    assert rig.result(WRITE, "E:/ota_state.txt", size=160) == 0
    assert rig.file("ota_state.txt") == data
    rig.board.ram_write(DATA, bytes(160))
    assert rig.result(READ, "E:/ota_state.txt", size=256) == 160
    assert rig.board.ram_read(DATA, 160) == data
    assert rig.result(READ, "E:/absent.txt", size=256) == E_NO_FILE

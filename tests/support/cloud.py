# SPDX-License-Identifier: Apache-2.0
"""The cloud of a test: a broker, a file server, and devices that know them.

The firmware is built once, for the broker `broker.test`; `Cloud.resolve` leads its
modem to whatever port the test's broker has.

    cloud = Cloud(monkeypatch)
    device = cloud.device(tmp_path, version=1)
    cloud.request(make_request(cloud.serve(release), release))
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from support.firmware import ROOT
from system.device import Device, Release, package

DEVICE = "bench-7"
REQUEST = f"ota/device/{DEVICE}/request"
GROUP = "ota/group/bench/request"
REPORT = f"ota/device/{DEVICE}/report"
TELEMETRY = f"ota/device/{DEVICE}/telemetry"

CLOUD_FILE = """\
profile: mqtt
host: broker.test
device_id: %s
group: bench
keepalive_s: 60
telemetry_s: 600
"""


@functools.cache
def cloud_build_dir(
    version: int, *cmake_args: str, device_id: str = f"{{text: {DEVICE}}}"
) -> Path:
    """A build directory with the connected application."""
    parts = ["test-cloud", str(version), *(arg.lstrip("-D") for arg in cmake_args)]
    parts += [device_id] if device_id.isalpha() else []
    folder = ROOT / "build" / "-".join(parts).replace("=", "-")
    folder.mkdir(parents=True, exist_ok=True)
    cloud = folder / "cloud.yml"
    command = [sys.executable, "-m", "nrfota", "build", f"-d{folder}", f"-A{version}"]
    command += ["--cloud", str(cloud)]
    command += [f"--cmake-arg={arg}" for arg in cmake_args]
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cloud.write_text(CLOUD_FILE % device_id)
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise AssertionError(f"the firmware did not build:\n{done.stdout}{done.stderr}")
    return folder


def cloud_release(
    version: int, *cmake_args: str, factory: bool = False, **more: str
) -> Release:
    """The connected application, built as `version` and packaged."""
    folder = cloud_build_dir(version, *cmake_args, **more)
    return package(folder / "app" / "app.elf", version, factory=factory)


def make_request(release: Release, url: str, alt_url: str = "", **more: Any) -> bytes:
    """ota.json (SPEC 3)."""
    message = {"type": "update_fw", "url": url, "alt_url": alt_url}
    return json.dumps(message | {"fw_info": release.fw_info.hex()} | more).encode()


class FileServer:
    """HTTP on loopback: `files` by path, ranges unless told otherwise, a log."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.statuses: dict[str, list[int]] = {}  # answered first, one a request
        self.log: list[tuple[str, int, int]] = []  # path, first, last
        self.on_request: Callable[[str], None] = lambda path: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def base(self) -> str:
        """http://host:port"""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.split("?")[0]
        data = self.files.get(path)
        first, last = _range(handler.headers.get("Range", ""), len(data or b""))
        self.log.append((path, first, last))
        self.on_request(path)
        planned = self.statuses.get(path)
        if planned:
            return _send(handler, planned.pop(0), b"planned")
        if data is None:
            return _send(handler, 404, b"no such file")
        if not self.ranges or "Range" not in handler.headers:
            return _send(handler, 200, data)
        if first >= len(data):
            return _send(handler, 416, b"")
        return _send(handler, 206, data[first : last + 1])


def _range(text: str, size: int) -> tuple[int, int]:
    first, _, last = text.removeprefix("bytes=").partition("-")
    if not first:
        return 0, size - 1
    return int(first), int(last) if last else size - 1


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


class Broker:
    """MQTT 3.1.1 with sessions: QoS 1 messages wait for a client that is away."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.received: list[tuple[str, bytes]] = []
        self.connects = 0
        self.acknowledges = True
        self._subscribed: set[str] = set()
        self._waiting: list[tuple[str, bytes]] = []
        self._connection: socket.socket | None = None
        self._lock = threading.RLock()
        self._listener: socket.socket | None = None
        self._number = 0
        self.start()

    def start(self, port: int = 0) -> None:
        """Listens, again after `stop` on the same port."""
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(
            target=self._accept, args=(self._listener,), daemon=True
        ).start()

    def stop(self) -> None:
        """As a broker that is killed; also when it is not there any more."""
        assert self._listener is not None
        with contextlib.suppress(OSError):
            # Else the thread in accept() takes one connection more.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        with self._lock:
            if self._connection is not None:
                with contextlib.suppress(OSError):
                    self._connection.shutdown(socket.SHUT_RDWR)
                self._connection.close()
            self._connection = None

    def publish(self, topic: str, payload: bytes) -> None:
        """QoS 1; kept until a client has subscribed the topic."""
        with self._lock:
            self._waiting.append((topic, payload))
            self._flush()

    def stages(self, request: str | None = None) -> list[str]:
        """Stages of the reports so far, in order, repeated progress left out."""
        names: list[str] = []
        for report in list(self.reports):
            if request is not None and report["id"] != request:
                continue
            if not names or names[-1] != report["stage"]:
                names.append(report["stage"])
        return names

    def _flush(self) -> None:
        for topic, payload in list(self._waiting):
            if self._connection is None or topic not in self._subscribed:
                continue
            self._waiting.remove((topic, payload))
            self._number = self._number % 60000 + 1
            name = topic.encode()
            body = struct.pack(">H", len(name)) + name
            body += struct.pack(">H", self._number) + payload
            self._connection.sendall(_packet(0x32, body))

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(
                target=self._serve, args=(connection,), daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while True:
                first, body = _read(connection)
                with self._lock:
                    self._handle(connection, first, body)
        except (OSError, EOFError):
            pass
        finally:
            with self._lock:
                connection.close()
                if self._connection is connection:
                    self._connection = None

    def _handle(self, connection: socket.socket, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == 1:
            if body[7] & 0x02:  # a clean session
                self._subscribed.clear()
            self._connection = connection
            self.connects += 1
            connection.sendall(b"\x20\x02\x00\x00")
        elif kind == 3:
            self._published(connection, first, body)
        elif kind == 8:
            size = struct.unpack(">H", body[2:4])[0]
            self._subscribed.add(body[4 : 4 + size].decode(errors="replace"))
            connection.sendall(_packet(0x90, body[:2] + b"\x01"))
            self._flush()
        elif kind == 12:
            connection.sendall(b"\xd0\x00")

    def _published(self, connection: socket.socket, first: int, body: bytes) -> None:
        size = struct.unpack(">H", body[:2])[0]
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        if first >> 1 & 3:
            number, rest = rest[:2], rest[2:]
            if not self.acknowledges:
                return
            connection.sendall(_packet(0x40, number))
        self.received.append((topic, rest))
        if topic == REPORT:
            self.reports.append(json.loads(rest))


def _packet(first: int, body: bytes) -> bytes:
    size, digits = len(body), b""
    while True:
        digits += bytes((size % 128 | (128 if size > 127 else 0),))
        size //= 128
        if not size:
            return bytes((first,)) + digits + body


def _read(connection: socket.socket) -> tuple[int, bytes]:
    first = _exactly(connection, 1)[0]
    size = shift = 0
    while True:
        digit = _exactly(connection, 1)[0]
        size |= (digit & 127) << shift
        shift += 7
        if digit < 128:
            return first, _exactly(connection, size)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


class Cloud:
    """Broker and file server, and the way of the devices' modems to them."""

    def __init__(self, monkeypatch: Any) -> None:
        self.broker = Broker()
        self.files = FileServer()
        connect = socket.create_connection
        resolve = socket.getaddrinfo

        def create_connection(address: tuple[str, int], *args: Any, **more: Any) -> Any:
            if address[0] == "broker.test":
                address = ("127.0.0.1", self.broker.port)
            return connect(address, *args, **more)

        def getaddrinfo(host: Any, port: Any, *args: Any, **more: Any) -> Any:
            name = "127.0.0.1" if host == "broker.test" else host
            return resolve(name, port, *args, **more)

        monkeypatch.setattr(socket, "create_connection", create_connection)
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    def close(self) -> None:
        self.broker.stop()
        self.files.close()

    def serve(self, name: str, data: bytes) -> str:
        """Puts a file on the server; its URL."""
        self.files.files[f"/{name}"] = data
        return f"{self.files.base}/{name}"

    def device(self, folder: Path, release: Release) -> Device:
        """A device as it leaves the factory with this release, powered."""
        assert release.factory is not None
        device = Device(factory=release.factory, modem_dir=folder / "modem")
        version = struct.unpack("<I", release.fw_info[:4])[0]
        device.store(f"fw_{version}.ebin", release.ebin)
        return device

    def run(self, device: Device, done: Callable[[], bool], max_s: float = 600) -> bool:
        """Runs the device until `done`; False when time is over."""
        end_ns = device.board.clock.now_ns + round(max_s * 1e9)
        device.board.run(until_ns=end_ns, stop=done)
        return done()

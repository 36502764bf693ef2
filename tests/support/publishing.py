# SPDX-License-Identifier: Apache-2.0
"""What a publication needs around it: a package, file servers, devices that answer.

package(folder, url="http://127.0.0.1:8080/fw.ebin")
with FileServer(folder) as server: server.url("fw.ebin")
"""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from nrfota.ebin import Ebin, seal
from nrfota.ota_json import OtaJson

KEY = bytes(range(0x40, 0x50))
IV = bytes(range(0x60, 0x70))
VERSION = 7
APP_BASE = 0x1000
NAME = "fw_7.ebin"


def package(
    folder: Path,
    *,
    url: str,
    alt_url: str = "",
    size: int = 200_000,
    base: int = APP_BASE,
) -> tuple[OtaJson, bytes]:
    """ota.json (mode 0600) and ota.ebin in a folder."""
    plain = (b"firmware" * (size // 8 + 1))[:size]
    info, cipher_text = seal(plain, version=VERSION, fp_base=base, key=KEY, iv=IV)
    ota = OtaJson(url=url, alt_url=alt_url, fw_info=info)
    data = Ebin(info.public(), cipher_text).pack()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ota.ebin").write_bytes(data)
    (folder / "ota.json").write_bytes(ota.pack())
    (folder / "ota.json").chmod(0o600)
    return ota, data


def report(
    device: str, request: str, stage: str, *, target: int = VERSION, **members: Any
) -> bytes:
    """A report of SPEC 11."""
    version = members.pop("version", target if stage == "confirmed" else 1)
    found = {
        "type": "update_report",
        "device": device,
        "id": request,
        "stage": stage,
        "version": version,
        "target": target,
    }
    if stage in ("refused", "failed", "rolled_back"):
        found |= {"error": -72, "reason": "http"}
    return json.dumps(found | members).encode()


@dataclass
class Faults:
    """What a file server does wrong, by path."""

    redirect: set[str] = field(default_factory=set)
    status: dict[str, int] = field(default_factory=dict)
    no_ranges: bool = False
    bad_range: bool = False
    gzip: bool = False
    chunked: bool = False
    put_status: int = 201
    conditions: bool = True  # knows If-None-Match


class FileServer:
    """Serves and takes files of a folder; `requests` has method and path of each."""

    def __init__(self, folder: Path, *, context: ssl.SSLContext | None = None) -> None:
        self.folder = folder
        self.faults = Faults()
        self.requests: list[tuple[str, str]] = []
        self.authorization: list[str | None] = []
        self._server = _Quiet(("127.0.0.1", 0), partial(_Files, self))
        self._scheme = "https" if context else "http"
        if context is not None:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True
            )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> FileServer:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, name: str) -> str:
        """Of a file."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}/{name}"


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client that went away is no error."""


class _Files(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, owner: FileServer, *rest: Any) -> None:
        self._owner = owner
        super().__init__(*rest)

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def _path(self) -> Path:
        return self._owner.folder / self.path.partition("?")[0].lstrip("/")

    def do_GET(self) -> None:
        owner, faults = self._owner, self._owner.faults
        owner.requests.append(("GET", self.path))
        owner.authorization.append(self.headers.get("Authorization"))
        if self.path in faults.redirect:
            self._reply(302, b"", Location=owner.url("elsewhere.ebin?token=x"))
            return
        if self.path in faults.status:
            self._reply(faults.status[self.path], b"no")
            return
        if not self._path().is_file():
            self._reply(404, b"no")
            return
        data = self._path().read_bytes()
        asked = re.match(r"bytes=(\d+)-\Z", self.headers.get("Range", ""))
        if asked and not faults.no_ranges:
            start = int(asked[1])
            part = data[start:]
            if faults.bad_range:
                part = data[: len(part)]
            size = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self._reply(206, part, **{"Content-Range": size})
        elif faults.gzip:
            self._reply(200, data, **{"Content-Encoding": "gzip"})
        elif faults.chunked:
            self._chunked(data)
        else:
            self._reply(200, data)

    def do_PUT(self) -> None:
        owner = self._owner
        owner.requests.append(("PUT", self.path))
        owner.authorization.append(self.headers.get("Authorization"))
        data = self.rfile.read(int(self.headers["Content-Length"]))
        path = self._path()
        if owner.faults.put_status != 201:
            self._reply(owner.faults.put_status, b"")
            return
        new = self.headers.get("If-None-Match") == "*"
        if new and owner.faults.conditions and path.exists():
            self._reply(412, b"")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self._reply(201, b"")

    def _reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has enough
            self.wfile.write(body)

    def _chunked(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n0\r\n\r\n")


@contextlib.contextmanager
def answering(
    port: int, devices: dict[str, list[str]], *, host: str = "127.0.0.1"
) -> Iterator[list[tuple[str, bytes]]]:
    """Devices of profile `mqtt` on a plain broker: each answers a request with the
    stages that it has in `devices`. Yields the requests as (device, payload)."""
    import paho.mqtt.client as mqtt

    got: list[tuple[str, bytes]] = []
    ready = threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)

    def on_message(client: Any, _data: Any, message: Any) -> None:
        device = message.topic.split("/")[2]
        got.append((device, message.payload))
        request = json.loads(message.payload)
        for stage in devices[device]:
            topic = f"ota/device/{device}/report"
            client.publish(topic, report(device, request["id"], stage), qos=1)

    client.on_message = on_message
    client.on_subscribe = lambda *_: ready.set()
    client.connect(host, port)
    client.loop_start()
    for device in devices:
        ready.clear()
        client.subscribe(f"ota/device/{device}/request", qos=1)
        assert ready.wait(20)
    try:
        yield got
    finally:
        client.disconnect()
        client.loop_stop()

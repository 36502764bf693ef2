# SPDX-License-Identifier: Apache-2.0
"""Debian's nginx on loopback, unprivileged, in one process (a kill is a kill).

with running(Nginx(tmp_path / "files", pki=pki)) as files:
    (files.root / "a.ebin").write_bytes(...)
    files.url("a.ebin")                     # http://127.0.0.1:PORT/a.ebin
    files.url("a.ebin", "slow", tls=True)   # https, at slow_rate bytes per second
    files.requests()                        # what its access log says

Every file of `root` is also under
    noranges/   no range requests           slow/    limited to `slow_rate`
    moved/      301 to the file             error/   500
    put/        may be written by PUT
https://localhost on `sni_port` answers only those that name the host (SNI).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.pki import Pki
from support.process import Server, ServerError, program, wait_until

_LOG = (
    '{"method":"$request_method","uri":"$request_uri","status":"$status",'
    '"bytes":"$body_bytes_sent","range":"$http_range","scheme":"$scheme",'
    '"sni":"$ssl_server_name","client":"$ssl_client_s_dn",'
    '"agent":"$http_user_agent","complete":"$request_completion"}'
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One line of the access log; `bytes` counts the body that was sent."""

    method: str
    uri: str
    status: int
    bytes: int
    range: str
    scheme: str
    sni: str
    client: str
    agent: str
    complete: bool


class Nginx(Server):
    """A file server; `locations` are added to every server of its configuration."""

    ready_text = "getrlimit(RLIMIT_NOFILE)"

    def __init__(
        self,
        folder: Path,
        *,
        pki: Pki | None = None,
        slow_rate: int = 16_384,
        locations: str = "",
    ) -> None:
        super().__init__(folder, 3 if pki else 1)
        self.root = folder / "www"
        self.root.mkdir(exist_ok=True)
        self._pki = pki
        self.identity = pki.server("files") if pki else None
        self._slow_rate = slow_rate
        self._locations = locations

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def tls_port(self) -> int:
        self._need_tls()
        return self.ports[1]

    @property
    def sni_port(self) -> int:
        self._need_tls()
        return self.ports[2]

    def _need_tls(self) -> None:
        if self._pki is None:
            raise ServerError("this file server was made without certificates")

    def url(self, name: str, place: str = "", *, tls: bool = False) -> str:
        """The file's address; `place` is one of the folders named above."""
        path = f"{place}/{name}" if place else name
        if tls:
            return f"https://localhost:{self.tls_port}/{path}"
        return f"http://127.0.0.1:{self.port}/{path}"

    def requests(self) -> list[Request]:
        """Every request that has ended, in the order of their ends."""
        log = self.folder / "access.log"
        if not log.exists():
            return []
        found = [json.loads(line) for line in log.read_text().splitlines()]
        return [
            Request(
                method=line["method"],
                uri=line["uri"],
                status=int(line["status"]),
                bytes=int(line["bytes"]),
                range=line["range"],
                scheme=line["scheme"],
                sni=line["sni"],
                client=line["client"],
                agent=line["agent"],
                complete=line["complete"] == "OK",
            )
            for line in found
        ]

    def wait_for(self, done: Callable[[list[Request]], bool]) -> list[Request]:
        """A request is logged after its last byte was sent: waits for `done`."""
        wait_until("the access log", lambda: done(self.requests()), self._process)
        return self.requests()

    def bytes_sent(self, name: str) -> int:
        """Bytes of bodies sent for the file, from any place and port."""
        return sum(
            request.bytes
            for request in self.requests()
            if request.uri.partition("?")[0].endswith(f"/{name}")
            and request.method == "GET"
        )

    def command(self) -> Sequence[str]:
        config = self.folder / "nginx.conf"
        config.write_text(self._config())
        command = [program("nginx"), "-e", "stderr"]
        return [*command, "-p", f"{self.folder}/", "-c", str(config)]

    def _config(self) -> str:
        temporary = "".join(
            f"{kind}_temp_path temp_{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return (
            "daemon off; master_process off; pid nginx.pid;\n"
            "error_log stderr info;\n"
            "events { worker_connections 512; }\n"
            "http {\n"
            f"{temporary}\n"
            f"log_format requests escape=json '{_LOG}';\n"
            "access_log access.log requests;\n"
            "default_type application/octet-stream; client_max_body_size 64m;\n"
            f"{self._servers()}"
            "}\n"
        )

    def _servers(self) -> str:
        plain = f"server {{ listen 127.0.0.1:{self.port};\n{self._places()}}}\n"
        if self._pki is None or self.identity is None:
            return plain
        own = (
            f"ssl_certificate {self.identity.certificate};"
            f" ssl_certificate_key {self.identity.key};"
            f" ssl_client_certificate {self._pki.ca}; ssl_verify_client optional;\n"
        )
        return (
            plain
            + f"server {{ listen 127.0.0.1:{self.tls_port} ssl;\n"
            + f"{own}{self._places()}}}\n"
            + f"server {{ listen 127.0.0.1:{self.sni_port} ssl default_server;\n"
            + "ssl_reject_handshake on; }\n"
            + f"server {{ listen 127.0.0.1:{self.sni_port} ssl;"
            + f" server_name localhost;\n{own}{self._places()}}}\n"
        )

    def _places(self) -> str:
        alias = f"alias {self.root}/;"
        return (
            f"location / {{ root {self.root}; }}\n"
            f"location /noranges/ {{ {alias} max_ranges 0; }}\n"
            f"location /slow/ {{ {alias} limit_rate {self._slow_rate}; }}\n"
            "location /moved/ { rewrite ^/moved/(.*)$ /$1 permanent; }\n"
            "location /error/ { return 500; }\n"
            f"location /put/ {{ {alias} dav_methods PUT DELETE;"
            " create_full_put_path on; dav_access user:rw; }\n"
            f"{self._locations}"
        )

# SPDX-License-Identifier: Apache-2.0
"""HTTP(S) commands (AT manual chapter "HTTP(S)").

One session: HTTPINIT, HTTPPARA, HTTPACTION, then HTTPHEAD, HTTPREAD, HTTPREADFILE,
HTTPTERM. Servers are really asked. In simulated time an exchange takes
`http_wait_ms` + bytes / `http_rate`, however long it really took.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

from vboard.clock import NS_PER_MS, NS_PER_S
from vboard.modem.at import (
    CRLF,
    Ask,
    AtError,
    Block,
    Call,
    Final,
    Form,
    Handler,
    Job,
    Say,
    Script,
    Wait,
)
from vboard.modem.chapter import Chapter
from vboard.modem.http_client import (
    METHODS,
    NETWORK,
    NO_CERTIFICATE,
    NO_NETWORK,
    SSL_START,
    Reply,
    Request,
    fetch,
    valid_url,
)
from vboard.modem.ssl import CertificateMissing
from vboard.modem.storage import StorageError, valid_name, write_whole

_DRIVES = {1: "F", 2: "D", 3: "E"}
_CERTIFICATES = 4
_FILE_ERROR = 707
_TIMES = {"CONNECTTO": (20, 120), "RECVTO": (2, 120), "RESPTO": (20, 120)}
_TEXTS = {"CONTENT": 256, "ACCEPT": 256, "UA": 256, "USERDATA": 512}
_HEADER = re.compile(r"[!#-'*+.^_`|~0-9A-Za-z-]+:.*")


@dataclass
class Session:
    """Between HTTPINIT and HTTPTERM."""

    url: str = ""
    times: dict[str, int] = field(
        default_factory=lambda: {"CONNECTTO": 120, "RECVTO": 10, "RESPTO": 20}
    )
    texts: dict[str, str] = field(
        default_factory=lambda: {"CONTENT": "text/plain", "ACCEPT": "*/*"}
    )
    context: int = 0
    first: int = 0  # BREAK
    last: int = 0  # BREAKEND
    data: bytes = b""
    exchange: object | None = None  # the one that runs
    running: str = ""  # its result line, up to the status
    reply: Reply | None = None


class Http(Chapter):
    """AT+HTTP*."""

    def reset(self) -> None:
        self.session: Session | None = None

    def commands(self) -> dict[str, Handler]:
        return {
            "HTTPINIT": self.httpinit,
            "HTTPTERM": self.httpterm,
            "HTTPPARA": self.httppara,
            "HTTPACTION": self.httpaction,
            "HTTPHEAD": self.httphead,
            "HTTPREAD": self.httpread,
            "HTTPDATA": self.httpdata,
            "HTTPPOSTFILE": self.httppostfile,
            "HTTPREADFILE": self.httpreadfile,
        }

    def _open(self) -> Session:
        """The session, when no action runs; else ERROR."""
        if self.session is None or self.session.exchange is not None:
            raise AtError
        return self.session

    def _answered(self) -> tuple[Session, Reply]:
        session = self._open()
        if session.reply is None:
            raise AtError
        return session, session.reply

    def httpinit(self, call: Call) -> Script:
        call.need(Form.EXEC)
        if self.session is not None:
            raise AtError
        yield Wait(100 * NS_PER_MS)
        self.session = Session()

    def httpterm(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        if self.session is None:
            raise AtError
        self.session = None
        return ()

    def httppara(self, call: Call) -> Sequence[str]:
        call.need(Form.SET, 2)
        session, key, value = self._open(), call.args[0].string(1, 20), call.args[1]
        if key == "URL":
            url = value.string(1, 512)
            if not valid_url(url):
                raise AtError
            session.url = url
        elif key in _TIMES:
            session.times[key] = value.number(*_TIMES[key])
        elif key == "USERDATA" and not _HEADER.fullmatch(value.text):
            raise AtError
        elif key in _TEXTS:
            session.texts[key] = value.string(1, _TEXTS[key])
        elif key == "SSLCFG":
            session.context = value.number(0, 9)
        elif key == "BREAK":
            session.first = value.number(0, 2_147_483_647)
        elif key == "BREAKEND":
            session.last = value.number(0, 2_147_483_647)
        else:
            raise AtError
        return ()

    # Exchanges

    def httpaction(self, call: Call) -> Sequence[str]:
        if call.form is Form.TEST:
            return ("+HTTPACTION: (0-3)",)
        call.need(Form.SET, 1)
        session, method = self._open(), call.args[0].number(0, 3)
        if not session.url:
            raise AtError
        body = session.data if method == 1 else b""
        self._begin(session, call.name, method=method, body=body)
        return ()

    def httppostfile(self, call: Call) -> Sequence[str]:
        call.need(Form.SET, 1, 4)
        session = self._open()
        name = call.args[0].string(1, 64)
        numbers = [arg.number(0, 4) for arg in call.args[1:]]
        drive, method = [*numbers, *(1, 1)[len(numbers) :]][:2]
        if not session.url or drive not in _DRIVES or method > 3:
            raise AtError
        try:
            body = self.modem.storage.read(
                self.modem.files.path(f"{_DRIVES[drive]}:/{name}")
            )
        except StorageError:
            raise AtError(f"+HTTPPOSTFILE: {method},{_FILE_ERROR},0") from None
        self._begin(session, call.name, method=method, body=body)
        return ()

    def _begin(self, session: Session, name: str, *, method: int, body: bytes) -> None:
        """Starts an exchange; its result line comes when it is over."""
        session.exchange = exchange = object()
        session.running = f"+{name}: {method}"
        session.reply = None
        job = Job(run=lambda: self._fetch(session, method, body), wait_ns=self._time)

        def answered(reply: Reply) -> None:
            if self.session is not session or session.exchange is not exchange:
                return
            session.exchange = None
            session.reply = reply if reply.status < 600 else None
            size = len(reply.head if method == 2 else reply.body)
            self.modem.result(f"{session.running},{reply.status},{size}")
            if reply.closed:
                self.modem.urc("+HTTP_PEER_CLOSED")

        self.modem.runner.after_result(lambda: self.modem.run_job(job, answered))

    def lose_network(self) -> None:
        """What a session has to say when the network goes away."""
        session = self.session
        if session is None:
            return
        self.modem.urc("+HTTP_NONET_EVENT")
        if session.exchange is not None:
            session.exchange = None
            self.modem.result(f"{session.running},{NETWORK},0")

    def _time(self, reply: Reply) -> int:
        profile = self.modem.profile
        size = len(reply.body) * NS_PER_S // profile.http_rate
        return profile.http_wait_ms * NS_PER_MS + size

    def _fetch(self, session: Session, method: int, body: bytes) -> Reply:
        if not self.modem.network.online:
            return Reply(status=NO_NETWORK)
        tls = None
        if session.url.startswith("https"):
            try:
                tls = self.modem.ssl.tls(session.context)
            except CertificateMissing:
                return Reply(status=NO_CERTIFICATE)
            except ssl.SSLError:
                return Reply(status=SSL_START)

        def wrap(sock: socket.socket, host: str) -> ssl.SSLSocket:
            assert tls is not None
            own = self.modem.ssl
            sni = own.contexts[session.context].enableSNI == 1
            sock.settimeout(own.contexts[session.context].negotiatetime)
            secured = tls.wrap_socket(sock, server_hostname=host if sni else None)
            if not own.check_dates(session.context, secured):
                secured.close()
                raise ssl.SSLError("certificate dates against the modem's clock")
            return secured

        return fetch(
            Request(
                method=METHODS[method],
                url=session.url,
                headers=_headers(session, method),
                body=body,
                connect_s=session.times["CONNECTTO"],
                response_s=session.times["RESPTO"],
                receive_s=session.times["RECVTO"],
                wrap=wrap,
                route=self.modem.profile.route,
            )
        )

    # What came

    def httphead(self, call: Call) -> Script:
        call.need(Form.EXEC)
        _, reply = self._answered()
        yield Block(f"+HTTPHEAD: DATA,{len(reply.head)}", reply.head, CRLF)

    def httpread(self, call: Call) -> Script:
        if call.form is Form.READ:
            _, reply = self._answered()
            yield Say(f"+HTTPREAD: LEN,{len(reply.body)}")
            return
        call.need(Form.SET, 1, 2)
        numbers = [arg.number(0, 2_147_483_647) for arg in call.args]
        start, size = (0, numbers[0]) if len(numbers) == 1 else numbers
        _, reply = self._answered()
        if start > len(reply.body):
            raise AtError
        yield Final()
        data, step = reply.body[start : start + size], self.modem.profile.http_block
        for index in range(0, len(data), step):
            block = data[index : index + step]
            yield Block(f"+HTTPREAD: DATA,{len(block)}", block, CRLF)
        yield Say("+HTTPREAD: 0")

    def httpdata(self, call: Call) -> Script:
        call.need(Form.SET, 2)
        session = self._open()
        size = call.args[0].number(1, 153_600)
        seconds = call.args[1].number(10, 65_535)
        data = yield Ask(size, CRLF + b"DOWNLOAD" + CRLF, seconds * NS_PER_S)
        if data is None:
            raise AtError
        session.data = data

    def httpreadfile(self, call: Call) -> Script:
        call.need(Form.SET, 1, 2)
        name = call.args[0].string(1, 64)
        drive = call.args[1].number(1, 4) if len(call.args) == 2 else 1
        _, reply = self._answered()
        if not valid_name(name) or len(name.encode()) > 64:
            raise AtError
        code = 0
        if self.modem.profile.readfile_order == "ok_first":
            # The command goes on behind the OK, so what cannot work comes first.
            self._check_target(drive, name, reply.body)
            yield Final()
        yield Wait(100 * NS_PER_MS + self._time(reply) // 10)
        try:
            self._check_target(drive, name, reply.body)
            self._save(drive, name, reply.body)
        except (AtError, StorageError, OSError):
            code = _FILE_ERROR
        yield Say(f"+HTTPREADFILE: {code}")
        if code:
            raise AtError

    def _check_target(self, drive: int, name: str, data: bytes) -> None:
        failure = AtError(f"+HTTPREADFILE: {_FILE_ERROR}")
        files, storage = self.modem.files, self.modem.storage
        if drive == _CERTIFICATES:
            return
        try:
            path = files.path(f"{_DRIVES[drive]}:/{name}")
            exists = storage.is_file(path)
        except (AtError, StorageError):
            raise failure from None
        if exists and self.modem.profile.overwrite == "error":
            raise failure
        room = files.free(path[0]) + (storage.size(path) if exists else 0)
        if len(data) > room:
            raise failure

    def _save(self, drive: int, name: str, data: bytes) -> None:
        storage = self.modem.storage
        if drive == _CERTIFICATES:
            write_whole(storage.certificate(name), data, mode=0o600)
        else:
            path = f"{_DRIVES[drive]}:/{name}"
            storage.write(path, data, seconds=self.modem.seconds())


def _headers(session: Session, method: int) -> dict[str, str]:
    headers = {"Accept": session.texts["ACCEPT"]}
    if method == 1:
        headers["Content-Type"] = session.texts["CONTENT"]
    if "UA" in session.texts:
        headers["User-Agent"] = session.texts["UA"]
    if "USERDATA" in session.texts:
        name, _, value = session.texts["USERDATA"].partition(":")
        headers[name.strip()] = value.strip()
    if method == 0 and (session.first or session.last):
        last = str(session.last) if session.last > session.first else ""
        headers["Range"] = f"bytes={session.first}-{last}"
    return headers

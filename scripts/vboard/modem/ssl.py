# SPDX-License-Identifier: Apache-2.0
"""SSL contexts and the certificate store (AT manual chapter "SSL").

Settings are gone after a reset, certificates are not. A handshake is really made, with
the host's TLS library: server authentication checks the chain against the CA file, the
dates against the modem's own clock unless ignorelocaltime is 1, and no host name.
"""

from __future__ import annotations

import re
import ssl
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from vboard.modem.at import Ask, AtError, Call, Form, Handler, Script
from vboard.modem.chapter import Chapter
from vboard.modem.storage import StorageError, valid_name, write_whole

MAX_CERTIFICATE = 10_240
_NO_CHECK_TIME = 0x20_0000  # X509_V_FLAG_NO_CHECK_TIME
_VERSIONS = {
    1: (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1),
    2: (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1),
    3: (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
    4: (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2),
}
_RSA_AES128_SHA = 0x002F
_FILES = ("cacert", "clientcert", "clientkey")
_RANGES = {
    "sslversion": (0, 4),
    "authmode": (0, 3),
    "ignorelocaltime": (0, 1),
    "negotiatetime": (10, 300),
    "enableSNI": (0, 1),
}


class CertificateMissing(Exception):
    """A context names a file that is not in the store, or not usable."""


@dataclass
class Context:
    """One of the ten SSL contexts, with its factory values."""

    sslversion: int = 4
    authmode: int = 0
    ignorelocaltime: int = 1
    negotiatetime: int = 300
    cacert: str = ""
    clientcert: str = ""
    clientkey: str = ""
    enableSNI: int = 0
    keypwd: str = ""
    ciphersuites: int = 0xFFFF

    def show(self, index: int) -> str:
        """The line that the query prints."""
        return (
            f"+CSSLCFG: {index},{self.sslversion},{self.authmode},"
            f"{self.ignorelocaltime},{self.negotiatetime},"
            f'"{self.cacert}","{self.clientcert}","{self.clientkey}",'
            f'{self.enableSNI},"{self.keypwd}",0x{self.ciphersuites:04X}'
        )


class Ssl(Chapter):
    """AT+CSSLCFG, CCERTDOWN, CCERTLIST, CCERTDELE."""

    def reset(self) -> None:
        self.contexts = [Context() for _ in range(10)]

    def commands(self) -> dict[str, Handler]:
        return {
            "CSSLCFG": self.csslcfg,
            "CCERTDOWN": self.ccertdown,
            "CCERTLIST": self.ccertlist,
            "CCERTDELE": self.ccertdele,
        }

    def csslcfg(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return tuple(c.show(i) for i, c in enumerate(self.contexts))
        if call.form is Form.SET and len(call.args) == 1:
            index = call.args[0].number(0, 9)
            return (self.contexts[index].show(index),)
        call.need(Form.SET, 3)
        key, value = call.args[0].string(1, 20), call.args[2]
        context = self.contexts[call.args[1].number(0, 9)]
        if key in _RANGES:
            setattr(context, key, value.number(*_RANGES[key]))
        elif key in _FILES:
            name = value.string(5, 128)
            if not name.endswith((".pem", ".der")) or not valid_name(name):
                raise AtError
            setattr(context, key, name)
        elif key == "keypwd":
            context.keypwd = value.string(0, 128)
        elif key == "ciphersuites" and re.fullmatch("0x(002F|FFFF)", value.text):
            context.ciphersuites = int(value.text, 16)
        else:
            raise AtError
        return ()

    def _name(self, call: Call) -> str:
        name = call.args[0].string(5, 128)
        if not name.endswith((".pem", ".der")) or not valid_name(name):
            raise AtError
        return name

    def ccertdown(self, call: Call) -> Script:
        call.need(Form.SET, 2)
        name, size = self._name(call), call.args[1].number(1, MAX_CERTIFICATE)
        data = yield Ask(size)
        try:
            write_whole(self.modem.storage.certificate(name), data, mode=0o600)
        except (StorageError, OSError):
            raise AtError from None

    def ccertlist(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        folder = self.modem.storage.folder / "mssl_cert"
        names = sorted(place.name for place in folder.iterdir() if place.is_file())
        return tuple(f'+CCERTLIST: "{name}"' for name in names if valid_name(name))

    def ccertdele(self, call: Call) -> Sequence[str]:
        call.need(Form.SET, 1)
        try:
            self.modem.storage.certificate(self._name(call)).unlink()
        except (StorageError, OSError):
            raise AtError from None
        return ()

    def tls(self, index: int) -> ssl.SSLContext:
        """The host's TLS settings for a context; `CertificateMissing`, `SSLError`."""
        own = self.contexts[index]
        if own.sslversion not in _VERSIONS:
            raise ssl.SSLError("SSL 3.0 is not offered by any server")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
        with warnings.catch_warnings():
            # TLS 1.0 and 1.1 are what this modem may be told to speak.
            warnings.simplefilter("ignore", DeprecationWarning)
            tls.minimum_version, tls.maximum_version = _VERSIONS[own.sslversion]
        if own.ciphersuites == _RSA_AES128_SHA:
            tls.set_ciphers("AES128-SHA")
        try:
            if own.authmode in (1, 2):
                tls.verify_mode = ssl.CERT_REQUIRED
                tls.verify_flags |= _NO_CHECK_TIME
                tls.load_verify_locations(cafile=self._file(own.cacert))
            if own.authmode in (2, 3):
                password = own.keypwd or None
                tls.load_cert_chain(
                    self._file(own.clientcert),
                    self._file(own.clientkey),
                    password=password,
                )
        except (ssl.SSLError, ValueError, OSError):
            raise CertificateMissing from None
        return tls

    def _file(self, name: str) -> str:
        try:
            place = self.modem.storage.certificate(name)
        except StorageError:
            raise CertificateMissing from None
        if not place.is_file():
            raise CertificateMissing
        return str(place)

    def check_dates(self, index: int, sock: ssl.SSLSocket) -> bool:
        """False when the server's certificate is not valid by the modem's clock."""
        own = self.contexts[index]
        if own.authmode not in (1, 2) or own.ignorelocaltime:
            return True
        peer = sock.getpeercert() or {}
        start, end = str(peer.get("notBefore", "")), str(peer.get("notAfter", ""))
        if not start or not end:
            return False
        now = self.modem.seconds()
        return ssl.cert_time_to_seconds(start) <= now <= ssl.cert_time_to_seconds(end)

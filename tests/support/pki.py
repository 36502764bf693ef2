# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for servers, devices and operators on loopback.

RSA, because the SIM7600 fails handshakes with ECC keys. Valid 2025 to 2045 unless
told otherwise, so the modem's clock of a test may stand anywhere in between.

pki = Pki(tmp_path / "pki")
server = pki.server()                   # localhost, 127.0.0.1, ::1
device = pki.device("dev-1")            # CN is the device's id
stale = pki.device("dev-2", end=datetime.datetime(2025, 2, 1, tzinfo=UTC))
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

START = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2045, 1, 1, tzinfo=datetime.UTC)
HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A certificate and its key, both PEM files."""

    name: str
    certificate: Path
    key: Path


class Pki:
    """One authority; `ca` is its certificate."""

    def __init__(self, folder: Path, *, name: str = "test ca") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._name = name
        self._key = _new_key()
        certificate = (
            _builder(name, name, self._key, START, END)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self._ca = certificate
        self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(
        self,
        name: str = "server",
        *,
        hosts: Sequence[str] = HOSTS,
        start: datetime.datetime = START,
        end: datetime.datetime = END,
    ) -> Identity:
        """A server's certificate for `hosts` (names and addresses)."""
        usage = ExtendedKeyUsageOID.SERVER_AUTH
        return self._issue(name, usage, hosts=hosts, start=start, end=end)

    def device(
        self,
        name: str,
        *,
        start: datetime.datetime = START,
        end: datetime.datetime = END,
    ) -> Identity:
        """A client's certificate whose common name is `name`."""
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
        return self._issue(name, usage, hosts=(), start=start, end=end)

    def operator(self, name: str = "operator") -> Identity:
        """The certificate of who publishes."""
        return self.device(name)

    def _issue(
        self,
        name: str,
        usage: x509.ObjectIdentifier,
        *,
        hosts: Sequence[str],
        start: datetime.datetime,
        end: datetime.datetime,
    ) -> Identity:
        key = _new_key()
        builder = (
            _builder(name, self._name, key, start, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(_usage(sign=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        made = Identity(
            name=name,
            certificate=self.folder / f"{name}.pem",
            key=self.folder / f"{name}.key.pem",
        )
        made.certificate.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
        )
        made.key.touch(mode=0o600)
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        return made


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        key_encipherment=not sign,
        key_cert_sign=sign,
        crl_sign=sign,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: str,
    issuer: str,
    key: rsa.RSAPrivateKey,
    start: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )

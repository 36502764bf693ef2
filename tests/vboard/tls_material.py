# SPDX-License-Identifier: Apache-2.0
"""Certificates for servers on loopback, valid from 2025 to 2045."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_START = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
_END = datetime.datetime(2045, 1, 1, tzinfo=datetime.UTC)


def make_certificates(folder: Path) -> Path:
    """`ca.pem`, `server.pem`/`.key` signed by it, and `other.pem`, an alien CA."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    _write(folder / "ca.pem", _certificate("test ca", "test ca", ca_key, ca_key))
    other = ec.generate_private_key(ec.SECP256R1())
    _write(folder / "other.pem", _certificate("alien", "alien", other, other))
    key = ec.generate_private_key(ec.SECP256R1())
    _write(folder / "server.pem", _certificate("localhost", "test ca", key, ca_key))
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject, issuer, key, signer) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_START)
        .not_valid_after(_END)
        .add_extension(x509.BasicConstraints(subject == issuer, None), critical=True)
        .sign(signer, hashes.SHA256())
    )


def _write(place: Path, certificate: x509.Certificate) -> None:
    place.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

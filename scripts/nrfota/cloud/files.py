# SPDX-License-Identifier: Apache-2.0
"""The certificates and keys that a cloud file names, looked at before they are used.

Rule 1: a role's file has one name in the modem, in every fleet.
Rule 2: what cannot work is refused; what works but should be known is a notice.
Rule 3: nothing of a key is in a message.

    checked = check_device_files(cloud, device="dev-1", now=datetime.now(UTC))
    checked.files[0].data, checked.notices
"""

from __future__ import annotations

import codecs
import datetime
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nrfota.cloud.profile import CloudProfile
from nrfota.cloud.topics import ID, check_device_id
from nrfota.errors import FormatError, UsageError
from nrfota.outputs import read_input

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

# Names in the modem's store: 5 to 128 characters that end with .pem or .der.
CA_NAME = "ca.pem"
CERT_NAME = "client.pem"
KEY_NAME = "client_key.pem"
HTTPS_CA_NAME = "web_ca.pem"
STORE_NAMES = (CA_NAME, CERT_NAME, KEY_NAME, HTTPS_CA_NAME)
# AT+CCERTDOWN takes no more.
MAX_FILE = 10_240

_PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")


@dataclass(frozen=True)
class CertFile:
    """A file for the modem: what the cloud file calls it, where it is, its bytes."""

    role: str
    store_name: str
    path: Path
    data: bytes = field(repr=False)

    @property
    def secret(self) -> bool:
        """Whether the bytes may not be shown."""
        return self.store_name == KEY_NAME


@dataclass(frozen=True)
class Checked:
    """Files that can be used, and what their owner should know about them."""

    files: tuple[CertFile, ...]
    notices: tuple[str, ...]


def needs_device(cloud: CloudProfile) -> bool:
    """Whether some of a device's files are its own (`{id}` in the name)."""
    tls = cloud.tls
    return tls is not None and any(ID in str(path) for path in (tls.cert, tls.key))


def device_paths(
    cloud: CloudProfile, *, device: str | None
) -> tuple[tuple[str, str, Path], ...]:
    """Role, name in the modem and path of each file that a device needs.

    Without `device`, files of single devices are left out.
    """
    tls = cloud.tls
    named: list[tuple[str, str, Path | None]] = []
    if tls is not None:
        named = [
            ("tls.ca", CA_NAME, tls.ca),
            ("tls.cert", CERT_NAME, tls.cert),
            ("tls.key", KEY_NAME, tls.key),
        ]
    named.append(("https.ca", HTTPS_CA_NAME, cloud.https_ca))
    paths = []
    for role, name, path in named:
        if path is None:
            continue
        if ID in str(path):
            if device is None:
                continue
            paths.append((role, name, path_for(path, device)))
        else:
            paths.append((role, name, path))
    return tuple(paths)


def path_for(path: Path, device: str) -> Path:
    """`path` with the device's id in place of `{id}`."""
    if check_device_id(device) in (".", ".."):
        raise FormatError(f"device id: expected one that can name a file, got {device}")
    return Path(str(path).replace(ID, device))


def check_device_files(
    cloud: CloudProfile, *, now: datetime.datetime, device: str | None = None
) -> Checked:
    """Reads and checks a device's files; raises UsageError or FormatError.

    Without `device`, only those that all devices share.
    """
    files = tuple(
        CertFile(role, name, path, _read(cloud.path, role, path))
        for role, name, path in device_paths(cloud, device=device)
    )
    notices = _check(files, now) + [
        f"{file.path} has an elliptic curve key; some firmware of the modem cannot "
        "verify a server with such keys: use RSA until yours was tried"
        for file in files
        if not file.secret and any(map(_is_ecc, _certificates(file)))
    ]
    if cloud.login is not None:
        notices += _check_password(cloud.login.password_file, cloud.path, "login")
        cloud.login.password()
    return Checked(files, tuple(notices))


def check_operator_files(cloud: CloudProfile, *, now: datetime.datetime) -> Checked:
    """The same for the operator's files; their names are not the modem's."""
    own = cloud.operator
    named = (
        ("operator.ca" if _own_ca(cloud) else "tls.ca", CA_NAME, own.ca),
        ("operator.cert", CERT_NAME, own.cert),
        ("operator.key", KEY_NAME, own.key),
    )
    files = tuple(
        CertFile(role, name, path, _read(cloud.path, role, path, limit=1 << 20))
        for role, name, path in named
        if path is not None
    )
    notices = _check(files, now)
    if own.login is not None:
        notices += _check_password(own.login.password_file, cloud.path, "operator")
        own.login.password()
    return Checked(files, tuple(notices))


def _own_ca(cloud: CloudProfile) -> bool:
    return cloud.tls is None or cloud.operator.ca != cloud.tls.ca


def _read(cloud: Path, role: str, path: Path, *, limit: int = MAX_FILE) -> bytes:
    if not path.exists():
        what = {"ca": "certificate", "cert": "certificate", "key": "private key"}
        raise UsageError(
            f"'{path}' does not exist; copy the {what[role.split('.')[-1]]} there that "
            f"{cloud} names as {role}"
        )
    data = read_input(path, limit=limit + 1)
    if len(data) > limit:
        raise FormatError(
            f"{path}: expected at most {limit} bytes, which is what the modem takes, "
            "got more"
        )
    if data.startswith(codecs.BOM_UTF8):
        raise FormatError(
            f"{path}: expected PEM from the first byte on, got a byte order mark; "
            "save it as plain ASCII"
        )
    return data


def _check(files: Sequence[CertFile], now: datetime.datetime) -> list[str]:
    notices: list[str] = []
    certificate: Certificate | None = None
    for file in files:
        if file.store_name == KEY_NAME:
            key = _key(file)
            notices += _readable(file.path)
            if certificate is not None:
                _check_pair(files, certificate, key)
            continue
        found = _certificates(file)
        if file.store_name == CERT_NAME:
            certificate = found[0]
        for one in found:
            notices += _dates(file.path, one, now)
    return notices


def _is_ecc(certificate: Certificate) -> bool:
    from cryptography.hazmat.primitives.asymmetric import rsa

    # Ed25519 and its kind are curves, too.
    return not isinstance(certificate.public_key(), rsa.RSAPublicKey)


def _certificates(file: CertFile) -> list[Certificate]:
    from cryptography import x509

    if _PRIVATE.search(file.data):
        raise FormatError(
            f"{file.path}: expected certificates only, got a private key, too "
            f"({file.role})"
        )
    try:
        found = x509.load_pem_x509_certificates(file.data)
        for one in found:
            one.public_key()
    except Exception:
        raise FormatError(
            f"{file.path}: expected a certificate as PEM, got something else "
            f"({file.role})"
        ) from None
    return found


def _key(file: CertFile) -> Any:
    from cryptography.hazmat.primitives import serialization

    try:
        return serialization.load_pem_private_key(file.data, password=None)
    except TypeError:
        problem = "without password, got an encrypted one"
    except Exception:
        problem = "as PEM, got something else"
    raise FormatError(
        f"{file.path}: expected a private key {problem} ({file.role})"
    ) from None


def _check_pair(files: Sequence[CertFile], certificate: Certificate, key: Any) -> None:
    if certificate.public_key() == key.public_key():
        return
    paths = {file.store_name: file.path for file in files}
    raise FormatError(
        f"{paths[KEY_NAME]}: expected the key of {paths[CERT_NAME]}, got another one"
    )


def _dates(
    path: Path, certificate: Certificate, now: datetime.datetime
) -> tuple[str, ...]:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        return (f"{path} has expired: valid until {end:%Y-%m-%d}",)
    if now < start:
        return (f"{path} is not valid yet: from {start:%Y-%m-%d}",)
    return ()


def _readable(path: Path) -> tuple[str, ...]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & stat.S_IROTH:
        return ()
    return (f"{path} can be read by everybody (mode {mode:04o}): chmod 600 it",)


def _check_password(path: Path, cloud: Path, where: str) -> tuple[str, ...]:
    if not path.exists():
        raise UsageError(
            f"'{path}' does not exist; write the password there that {cloud} names as "
            f"{where}.password_file"
        )
    return _readable(path)

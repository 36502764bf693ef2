# SPDX-License-Identifier: Apache-2.0
"""`nrfota.cloud.files`: certificates and keys are looked at before they are used."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from nrfota.cloud.files import (
    MAX_FILE,
    STORE_NAMES,
    Checked,
    check_device_files,
    check_operator_files,
    needs_device,
)
from nrfota.cloud.profile import CloudProfile, load_cloud, parse_cloud
from nrfota.errors import FormatError, OtaError, UsageError
from nrfota.render import default_templates
from support.certificates import (
    NOW,
    certificate_pem,
    ec_key,
    key_pem,
    rsa_key,
    write_pair,
)

HEAD = "profile: mqtt\nhost: broker.example.com\ndevice_id: imei\n"
TEXT = (
    HEAD
    + "tls: {ca: ca.pem, cert: 'own/{id}.pem', key: 'own/{id}.key'}\n"
    + "https: {ca: web.pem}\n"
)
RSA = rsa_key()


@pytest.fixture
def fleet(tmp_path: Path) -> CloudProfile:
    """A cloud file with good certificates for the device `dev-1`."""
    (tmp_path / "ca.pem").write_bytes(certificate_pem(RSA))
    (tmp_path / "web.pem").write_bytes(certificate_pem(RSA))
    write_pair(tmp_path / "own", "dev-1", RSA)
    return parse_cloud(TEXT, path=tmp_path / "cloud.yml")


def check(cloud: CloudProfile, device: str | None = "dev-1") -> Checked:
    """At a time when the certificates are valid."""
    return check_device_files(cloud, device=device, now=NOW)


def test_each_role_has_one_name_in_the_modem(fleet: CloudProfile, tmp_path: Path):
    """And the bytes are the file's; good files need no notice."""
    checked = check(fleet)
    assert [(file.role, file.store_name) for file in checked.files] == [
        ("tls.ca", "ca.pem"),
        ("tls.cert", "client.pem"),
        ("tls.key", "client_key.pem"),
        ("https.ca", "web_ca.pem"),
    ]
    assert checked.files[2].data == (tmp_path / "own/dev-1.key").read_bytes()
    assert [file.secret for file in checked.files] == [False, False, True, False]
    assert checked.notices == ()
    assert "PRIVATE" not in repr(checked)


def test_the_names_are_the_specs_table(fleet: CloudProfile) -> None:
    """SPEC.md 15: the firmware and other tools rely on it."""
    spec = (default_templates().parent / "SPEC.md").read_text()
    rows = re.findall(r"^\| (\w+\.\w+) \| `(\w+\.pem)` \|$", spec, re.MULTILINE)
    assert rows == [(file.role, file.store_name) for file in check(fleet).files]


def test_store_names_are_names_that_the_modem_takes() -> None:
    """AT+CCERTDOWN: 5 to 128 characters that end with .pem or .der."""
    for name in STORE_NAMES:
        assert re.fullmatch(r"[a-z_]{1,124}\.(pem|der)", name)


def test_without_a_device_only_shared_files_are_looked_at(fleet: CloudProfile) -> None:
    """A build is for all devices."""
    assert needs_device(fleet)
    assert [file.role for file in check(fleet, None).files] == ["tls.ca", "https.ca"]


def test_plain_tcp_needs_no_files() -> None:
    """Nothing to look at."""
    assert check(parse_cloud(HEAD)) == Checked((), ())
    assert not needs_device(parse_cloud(HEAD))


@pytest.mark.parametrize("name", ["aws", "gcp", "mqtt"])
def test_a_sample_says_which_certificate_is_missing(name: str) -> None:
    """And who named it."""
    path = default_templates() / "cloud" / f"{name}.yml"
    with pytest.raises(UsageError) as caught:
        check(load_cloud(path), None)
    assert str(caught.value) == (
        f"'{path.parent}/certs/ca.pem' does not exist; copy the certificate there that "
        f"{path} names as tls.ca"
    )


BAD: dict[str, tuple[str, bytes, str]] = {
    "ca_not_pem": (
        "ca.pem",
        b"hello",
        "ca.pem: expected a certificate as PEM, got something else (tls.ca)",
    ),
    "ca_empty": ("ca.pem", b"", "ca.pem: expected a certificate as PEM"),
    "ca_with_mark": (
        "ca.pem",
        b"\xef\xbb\xbf" + certificate_pem(RSA),
        "ca.pem: expected PEM from the first byte on, got a byte order mark",
    ),
    "ca_torn": (
        "ca.pem",
        certificate_pem(RSA)[:500],
        "ca.pem: expected a certificate as PEM",
    ),
    "ca_with_key": (
        "ca.pem",
        certificate_pem(RSA) + key_pem(RSA),
        "ca.pem: expected certificates only, got a private key, too (tls.ca)",
    ),
    "cert_is_key": (
        "own/dev-1.pem",
        key_pem(RSA),
        "dev-1.pem: expected certificates only, got a private key, too (tls.cert)",
    ),
    "key_is_cert": (
        "own/dev-1.key",
        certificate_pem(RSA),
        "dev-1.key: expected a private key as PEM, got something else (tls.key)",
    ),
    "key_torn": (
        "own/dev-1.key",
        key_pem(RSA)[:900],
        "dev-1.key: expected a private key as PEM, got something else (tls.key)",
    ),
    "key_locked": (
        "own/dev-1.key",
        key_pem(RSA, password=b"x"),
        "dev-1.key: expected a private key without password, got an encrypted one",
    ),
    "key_of_another": (
        "own/dev-1.key",
        key_pem(rsa_key()),
        "own/dev-1.key: expected the key of ",
    ),
    "key_of_another_kind": (
        "own/dev-1.key",
        key_pem(ec_key()),
        "own/dev-1.key: expected the key of ",
    ),
    "too_long": (
        "web.pem",
        certificate_pem(RSA) + b"#" * MAX_FILE,
        "web.pem: expected at most 10240 bytes, which is what the modem takes, got",
    ),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD.values(), ids=BAD)
def test_a_file_that_cannot_work_is_refused(
    fleet: CloudProfile, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    """Before anything is built or sent, and without a byte of it."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=re.escape(message)) as caught:
        check(fleet)
    assert "BEGIN" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("name", "role", "what"),
    [
        ("ca.pem", "tls.ca", "certificate"),
        ("own/dev-1.pem", "tls.cert", "certificate"),
        ("own/dev-1.key", "tls.key", "private key"),
        ("web.pem", "https.ca", "certificate"),
    ],
)
def test_a_missing_file_says_what_to_copy(
    fleet: CloudProfile, tmp_path: Path, name: str, role: str, what: str
) -> None:
    """Where to, and which member wants it."""
    (tmp_path / name).unlink()
    with pytest.raises(UsageError) as caught:
        check(fleet)
    assert str(caught.value) == (
        f"'{tmp_path / name}' does not exist; copy the {what} there that "
        f"{tmp_path / 'cloud.yml'} names as {role}"
    )


def test_a_folder_in_place_of_a_file_is_refused(
    fleet: CloudProfile, tmp_path: Path
) -> None:
    """With the system's reason."""
    (tmp_path / "ca.pem").unlink()
    (tmp_path / "ca.pem").mkdir()
    with pytest.raises(UsageError, match=r"cannot read '.*ca.pem': Is a directory"):
        check(fleet)


def test_an_id_that_is_a_folder_names_no_file(fleet: CloudProfile) -> None:
    """`..` is an id by its characters."""
    for device in (".", ".."):
        with pytest.raises(FormatError, match="expected one that can name a file"):
            check(fleet, device)


def test_a_certificate_out_of_its_time_is_a_notice(
    fleet: CloudProfile, tmp_path: Path
) -> None:
    """The modem may be told not to look at dates."""
    day = datetime.timedelta(days=1)
    (tmp_path / "ca.pem").write_bytes(certificate_pem(RSA, end=NOW - day))
    (tmp_path / "web.pem").write_bytes(certificate_pem(RSA, start=NOW + day))
    assert check(fleet).notices == (
        f"{tmp_path}/ca.pem has expired: valid until 2029-12-31",
        f"{tmp_path}/web.pem is not valid yet: from 2030-01-02",
    )


def test_a_key_that_everybody_can_read_is_a_notice(
    fleet: CloudProfile, tmp_path: Path
) -> None:
    """With the command that helps."""
    place = tmp_path / "own" / "dev-1.key"
    place.chmod(0o644)
    assert check(fleet).notices == (
        f"{place} can be read by everybody (mode 0644): chmod 600 it",
    )


def test_elliptic_curves_are_a_notice(fleet: CloudProfile, tmp_path: Path) -> None:
    """The modem is known to fail with them."""
    (tmp_path / "ca.pem").write_bytes(certificate_pem(ec_key()))
    (tmp_path / "web.pem").write_bytes(certificate_pem(RSA) + certificate_pem(ec_key()))
    write_pair(tmp_path / "own", "dev-1", ec_key())
    notices = check(fleet).notices
    assert [note.split(" ")[0] for note in notices] == [
        f"{tmp_path}/ca.pem",
        f"{tmp_path}/own/dev-1.pem",
        f"{tmp_path}/web.pem",
    ]
    assert all("has an elliptic curve key; some firmware" in note for note in notices)


def test_a_password_file_is_looked_at(tmp_path: Path) -> None:
    """Missing, open to all, good."""
    text = HEAD + "login: {user: fleet, password_file: pw}\n"
    cloud = parse_cloud(text, path=tmp_path / "cloud.yml")
    with pytest.raises(UsageError) as caught:
        check(cloud)
    assert str(caught.value) == (
        f"'{tmp_path}/pw' does not exist; write the password there that "
        f"{tmp_path}/cloud.yml names as login.password_file"
    )
    (tmp_path / "pw").write_text("s3cret\n")
    (tmp_path / "pw").chmod(0o644)
    assert check(cloud).notices == (
        f"{tmp_path}/pw can be read by everybody (mode 0644): chmod 600 it",
    )
    (tmp_path / "pw").chmod(0o600)
    assert check(cloud) == Checked((), ())


def test_the_operators_files_are_his_own(fleet: CloudProfile, tmp_path: Path) -> None:
    """A device's key is not needed to publish; curves are no trouble on a host."""
    text = TEXT + "operator: {cert: op.pem, key: op.key, user: me, password_file: pw}\n"
    cloud = parse_cloud(text, path=tmp_path / "cloud.yml")
    with pytest.raises(
        UsageError, match=r"op.pem' does not exist; copy the cert.*or.c"
    ):
        check_operator_files(cloud, now=NOW)
    write_pair(tmp_path, "op", ec_key())
    with pytest.raises(UsageError, match=r"names as operator.password_file"):
        check_operator_files(cloud, now=NOW)
    (tmp_path / "pw").write_text("x")
    (tmp_path / "pw").chmod(0o600)
    checked = check_operator_files(cloud, now=NOW)
    assert [(file.role, file.path.name) for file in checked.files] == [
        ("tls.ca", "ca.pem"),
        ("operator.cert", "op.pem"),
        ("operator.key", "op.key"),
    ]
    assert checked.notices == ()
    (tmp_path / "op.key").write_bytes(key_pem(ec_key()))
    with pytest.raises(OtaError, match="expected the key of"):
        check_operator_files(cloud, now=NOW)

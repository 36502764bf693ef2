# SPDX-License-Identifier: Apache-2.0
"""`nrfota.cloud.profile`: the cloud file, and every bad one refused by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nrfota.cloud.profile import IdSource, load_cloud, parse_cloud
from nrfota.errors import FormatError, OtaError, UsageError
from nrfota.render import default_templates

SAMPLES = default_templates() / "cloud"
PLAIN = "profile: mqtt\nhost: broker.example.com\ndevice_id: imei\n"
TLS = "tls: {ca: ca.pem, cert: c.pem, key: c.key}\n"
AWS = PLAIN.replace("mqtt", "aws") + TLS
GCP = PLAIN.replace("mqtt", "gcp") + "tls: {ca: ca.pem}\n"


def test_a_file_of_three_lines_is_a_fleet_on_plain_tcp() -> None:
    """Everything else has a default."""
    cloud = parse_cloud(PLAIN, path=Path("fleet/cloud.yml"))
    assert (cloud.host, cloud.port) == ("broker.example.com", 1883)
    assert cloud.device_id.source is IdSource.IMEI
    assert (cloud.group, cloud.apn, cloud.jobs) == ("", "", False)
    assert (cloud.keepalive_s, cloud.telemetry_s) == (600, 3600)
    assert (cloud.tls, cloud.https_ca, cloud.login) == (None, None, None)
    own = cloud.operator
    assert (own.host, own.port, own.client_id) == (
        "broker.example.com",
        1883,
        "publisher",
    )
    assert (own.ca, own.cert, own.key, own.login) == (None, None, None, None)


def test_files_are_relative_to_the_cloud_file() -> None:
    """Wherever the command runs; absolute paths stay."""
    text = PLAIN + "tls: {ca: /etc/ca.pem, cert: 'c/{id}.pem', key: 'c/{id}.key'}\n"
    cloud = parse_cloud(text, path=Path("fleet/cloud.yml"))
    assert cloud.tls is not None
    assert cloud.tls.ca == Path("/etc/ca.pem")
    assert cloud.tls.cert == Path("fleet/c/{id}.pem")
    assert cloud.tls.key == Path("fleet/c/{id}.key")
    assert cloud.port == 8883
    assert not cloud.tls.verify_dates


def test_the_operator_has_his_own_way_to_the_broker() -> None:
    """Other host, port, certificate and login than the devices."""
    text = (
        PLAIN + "operator: {host: 10.0.0.1, port: 18883, client_id: ci, ca: o.pem, "
        "cert: op.pem, key: op.key, user: me, password_file: pw}\n"
    )
    own = parse_cloud(text, path=Path("f/c.yml")).operator
    assert (own.host, own.port, own.client_id) == ("10.0.0.1", 18883, "ci")
    assert (own.ca, own.cert, own.key) == (
        Path("f/o.pem"),
        Path("f/op.pem"),
        Path("f/op.key"),
    )
    assert own.login is not None
    assert (own.login.user, own.login.password_file) == ("me", Path("f/pw"))


def test_without_operator_the_fleets_own_ca_is_used() -> None:
    """No client certificate: never a device's."""
    own = parse_cloud(AWS, path=Path("f/c.yml")).operator
    assert (own.ca, own.cert, own.key) == (Path("f/ca.pem"), None, None)


@pytest.mark.parametrize("name", ["aws", "gcp", "mqtt"])
def test_the_sample_of_each_profile_loads(name: str) -> None:
    """As it is, before any certificate was copied."""
    cloud = load_cloud(SAMPLES / f"{name}.yml")
    assert cloud.profile == name
    assert cloud.tls is not None
    assert cloud.tls.cert == SAMPLES / "certs" / "{id}.pem"


def test_a_text_id_is_for_one_device() -> None:
    """On a bench."""
    cloud = parse_cloud(PLAIN.replace("imei", "{text: dev-1}"))
    assert (cloud.device_id.source, cloud.device_id.text) == (IdSource.TEXT, "dev-1")


def test_the_password_is_the_files_one_line(tmp_path: Path) -> None:
    """Without its line end."""
    (tmp_path / "pw").write_bytes(b"s3cret, with spaces\r\n")
    text = PLAIN + "login: {user: fleet, password_file: pw}\n"
    cloud = parse_cloud(text, path=tmp_path / "cloud.yml")
    assert cloud.login is not None
    assert cloud.login.password() == "s3cret, with spaces"
    assert "s3cret" not in repr(cloud)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"s3cr\net\n", b's3cr"et', b"s3cr\\et", b"s3cr" * 65, b"s3\xc3\xa9"],
    ids=["empty", "blank", "two_lines", "quote", "backslash", "too_long", "not_ascii"],
)
def test_a_password_that_no_at_command_can_carry_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    """Without showing it."""
    (tmp_path / "pw").write_bytes(content)
    text = PLAIN + "login: {user: fleet, password_file: pw}\n"
    cloud = parse_cloud(text, path=tmp_path / "cloud.yml")
    assert cloud.login is not None
    with pytest.raises(
        FormatError, match=r"pw: expected one line of 1 to 256 printable ASCII"
    ) as caught:
        cloud.login.password()
    assert "s3" not in str(caught.value)


BAD: dict[str, tuple[str, str]] = {
    "no_mapping": ("- a\n", "c.yml: expected a mapping, got a list"),
    "a_password_file": ("hunter2\n", "c.yml: expected a mapping, got text"),
    "not_yaml": (PLAIN + "x: [\n", "c.yml: line 5: "),
    "twice": (PLAIN + "host: b\n", "c.yml: line 4: key 'host' is given twice"),
    "unknown": (
        PLAIN + "hots: b\n",
        "c.yml: unknown key 'hots', expected profile, host, device_id, port, group, "
        "apn, keepalive_s, telemetry_s, jobs, tls, https, login, topics, operator",
    ),
    "no_profile": ("host: b\ndevice_id: imei\n", "c.yml: key 'profile' is missing"),
    "profile": (
        PLAIN.replace("mqtt", "azure"),
        "c.yml: expected profile aws, gcp or mqtt, got 'azure'",
    ),
    "host_with_scheme": (
        PLAIN.replace("broker", "mqtts://broker"),
        "c.yml: expected host as a name or IPv4 address of at most 240 characters, "
        "without scheme and port, got 'mqtts://broker.example.com'",
    ),
    "host_with_port": (PLAIN.replace(".com", ".com:1883"), "expected host as a name"),
    "host_quote": (PLAIN.replace("broker.", "'b\"r.' #"), "expected host as a name"),
    "host_long": (PLAIN.replace("broker", "a." * 120), "expected host as a name"),
    "host_line_end": (
        PLAIN.replace("broker.example.com", '"broker\\n"'),
        "expected host as a name",
    ),
    "host_number": (PLAIN.replace("broker.example.com", "5"), "expected host to be"),
    "port_0": (PLAIN + "port: 0\n", "c.yml: expected port 1..65535, got 0"),
    "port_high": (PLAIN + "port: 65536\n", "expected port 1..65535, got 65536"),
    "port_text": (PLAIN + "port: '1'\n", "c.yml: expected port to be a number"),
    "id_source": (
        PLAIN.replace("imei", "serial"),
        "c.yml: expected device_id imei, chip or {text: ID}, got 'serial'",
    ),
    "id_text": (
        PLAIN.replace("imei", "{text: a/b}"),
        "c.yml: device_id.text: expected 1 to 64 of A-Z a-z 0-9 _ - ., got 'a/b'",
    ),
    "id_member": (PLAIN.replace("imei", "{name: a}"), "device_id: unknown key 'name'"),
    "group": (PLAIN + "group: a b\n", "c.yml: group: expected 1 to 64 of A-Z"),
    "group_gcp": (GCP + "group: all\n", "expected no group with profile gcp"),
    "apn": (
        PLAIN + "apn: 'a\"b'\n",
        "c.yml: expected apn as up to 100 of A-Z a-z 0-9 . _ -, got 'a\"b'",
    ),
    "keepalive": (PLAIN + "keepalive_s: 64801\n", "expected keepalive_s 1..64800"),
    "keepalive_aws": (
        AWS + "keepalive_s: 29\n",
        "c.yml: expected keepalive_s 30..1200, got 29",
    ),
    "telemetry": (PLAIN + "telemetry_s: 0\n", "expected telemetry_s 1..604800, got 0"),
    "jobs_text": (AWS + "jobs: 1\n", "expected jobs to be true or false, got 1"),
    "jobs_mqtt": (
        PLAIN + "jobs: true\n",
        "c.yml: expected jobs with profile aws only, got profile mqtt",
    ),
    "aws_plain": (
        PLAIN.replace("mqtt", "aws"),
        "c.yml: expected tls with profile aws, which has no plain TCP",
    ),
    "gcp_plain": (PLAIN.replace("mqtt", "gcp"), "expected tls with profile gcp"),
    "aws_no_cert": (
        PLAIN.replace("mqtt", "aws") + "tls: {ca: a}\n",
        "c.yml: tls: expected cert and key with profile aws, which knows a device by "
        "its certificate",
    ),
    "aws_login": (
        AWS + "login: {user: a, password_file: b}\n",
        "c.yml: expected no login with profile aws, which knows a device by its",
    ),
    "no_ca": (PLAIN + "tls: {cert: a, key: b}\n", "c.yml: tls: key 'ca' is missing"),
    "only_cert": (
        PLAIN + "tls: {ca: a, cert: b}\n",
        "c.yml: tls: expected cert and key together, got only cert",
    ),
    "only_key": (PLAIN + "tls: {ca: a, key: b}\n", "together, got only key"),
    "ca_each": (
        PLAIN + "tls: {ca: '{id}.pem'}\n",
        "c.yml: tls: expected ca as a file's name, without braces, got '{id}.pem'",
    ),
    "cert_marks": (
        PLAIN + "tls: {ca: a, cert: '{id}/{id}', key: k}\n",
        "c.yml: tls: expected cert as a file's name, with {id} at most once, got",
    ),
    "cert_other_mark": (
        PLAIN + "tls: {ca: a, cert: '{group}', key: k}\n",
        "expected cert as a file's name",
    ),
    "https": (PLAIN + "https: {cert: a}\n", "c.yml: https: unknown key 'cert'"),
    "password": (
        PLAIN + "login: {user: a, password: s3cret}\n",
        "c.yml: login: unknown key 'password', expected user, password_file",
    ),
    "user": (
        PLAIN + "login: {user: 'a\"', password_file: b}\n",
        "c.yml: login: expected user as 1 to 256 printable ASCII characters without",
    ),
    "topic": (
        PLAIN + "topics: {request: a/b}\n",
        "c.yml: topics: request: expected {id} once, as a whole level, and no other",
    ),
    "topic_group_gcp": (
        GCP + "topics: {group: 'a/{group}'}\n",
        "c.yml: topics: unknown key 'group', expected request, report, telemetry",
    ),
    "operator_cert": (
        PLAIN + "operator: {cert: a}\n",
        "c.yml: operator: expected cert and key together, got only cert",
    ),
    "operator_each": (
        AWS + "operator: {cert: '{id}', key: k}\n",
        "c.yml: operator: expected cert as a file's name, without braces",
    ),
    "operator_no_ca": (
        PLAIN + "operator: {cert: a, key: b}\n",
        "c.yml: operator: expected ca with cert and key, because the file has no tls",
    ),
    "operator_user": (
        PLAIN + "operator: {user: a}\n",
        "c.yml: operator: expected user and password_file together, got only user",
    ),
    "operator_client_id": (
        PLAIN + "operator: {client_id: ''}\n",
        "c.yml: operator: expected client_id as 1 to 128 printable ASCII characters",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused(text: str, message: str) -> None:
    """One sentence: what was expected, what came, where; no secret in it."""
    with pytest.raises(FormatError, match=re.escape(message)) as caught:
        parse_cloud(text, path=Path("c.yml"))
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(UsageError, match=r"cannot read '.*': Is a directory"):
        load_cloud(tmp_path)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_a_profile_or_one_sentence(text: str) -> None:
    """Never another exception."""
    for full in (text, PLAIN + text, AWS + "topics: " + text):
        try:
            parse_cloud(full)
        except OtaError as error:
            assert "\n" not in str(error)

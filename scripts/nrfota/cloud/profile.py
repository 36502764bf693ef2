# SPDX-License-Identifier: Apache-2.0
"""The cloud file: what one fleet talks to (SPEC.md 15).

Rule 1: topics, host, ids and certificates are written there and nowhere else.
Rule 2: a `CloudProfile` that exists is valid; the files that it names are looked at
        by `nrfota.cloud.files`, by whoever needs them.
Rule 3: it holds no secret: keys and passwords are files that it names.

    profile = load_cloud(Path("cloud.yml"))
    profile.topics.request_for("dev-1")
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from nrfota import yaml_source
from nrfota.cloud.topics import ID, Topics, check_device_id, default_topics
from nrfota.errors import FormatError, UsageError
from nrfota.yaml_source import Node

__all__ = [
    "CloudProfile",
    "DeviceId",
    "IdSource",
    "Login",
    "Operator",
    "Tls",
    "Topics",
    "check_device_id",
    "load_cloud",
    "parse_cloud",
]

PROFILES = ("aws", "gcp", "mqtt")
# As many as AT+CMQTTCONNECT takes; AWS IoT Core bends what is outside 30..1200.
KEEPALIVE_S = {"aws": (30, 1200), "gcp": (1, 64800), "mqtt": (1, 64800)}
TELEMETRY_S = (1, 604_800)
MAX_HOST = 240  # AT+CMQTTCONNECT: "tcp://HOST:PORT" is at most 256
MAX_USER = 256
MAX_CLIENT_ID = 128
MAX_APN = 100
HOST = re.compile(
    r"(?=.{1,240}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\Z"
)
APN = re.compile(r"[A-Za-z0-9._-]{0,100}\Z")
# Printable ASCII that stands in an AT command without escaping.
PLAIN = re.compile(r"[ !#-\[\]-~]+\Z")


class IdSource(StrEnum):
    """Where a device has its id from."""

    IMEI = "imei"
    CHIP = "chip"
    TEXT = "text"


@dataclass(frozen=True)
class DeviceId:
    """The source; `text` is the id itself for IdSource.TEXT, else empty."""

    source: IdSource
    text: str = ""


@dataclass(frozen=True)
class Tls:
    """Files on the host; `cert` and `key` may hold `{id}`."""

    ca: Path
    cert: Path | None
    key: Path | None
    verify_dates: bool


@dataclass(frozen=True)
class Login:
    """A user; the password is a file's first line."""

    user: str
    password_file: Path

    def password(self) -> str:
        """Reads it; raises UsageError or FormatError, never with the text in it."""
        text = yaml_source.read_text(self.password_file)
        password = text.removesuffix("\n").removesuffix("\r")
        if len(password) > MAX_USER or not PLAIN.match(password):
            raise FormatError(
                f"{self.password_file}: expected one line of 1 to {MAX_USER} printable "
                'ASCII characters without " and \\'
            )
        return password


@dataclass(frozen=True)
class Operator:
    """How who publishes reaches the broker; `ca` is None for plain TCP."""

    host: str
    port: int
    client_id: str
    ca: Path | None
    cert: Path | None
    key: Path | None
    login: Login | None


@dataclass(frozen=True)
class CloudProfile:
    """A whole, checked cloud file; relative paths were joined to its folder."""

    profile: str
    host: str
    port: int
    device_id: DeviceId
    group: str  # "" for none
    apn: str  # "" for what the modem has
    keepalive_s: int
    telemetry_s: int
    jobs: bool
    tls: Tls | None
    https_ca: Path | None
    login: Login | None
    topics: Topics
    operator: Operator
    path: Path = field(default_factory=lambda: Path("cloud.yml"))


def load_cloud(path: Path) -> CloudProfile:
    """Reads and checks a cloud file; raises UsageError or FormatError."""
    if not path.exists():
        samples = Path(__file__).resolve().parents[3] / "templates" / "cloud"
        raise UsageError(
            f"'{path}' does not exist; copy one of {samples}/aws.yml, gcp.yml or "
            "mqtt.yml there"
        )
    return parse_cloud(yaml_source.read_text(path), path=path)


def parse_cloud(text: str, *, path: Path = Path("cloud.yml")) -> CloudProfile:
    """Checks the text of a cloud file that stands at `path`; raises FormatError."""
    top = yaml_source.parse(text, source=str(path))
    top.allow(
        ("profile", "host", "device_id"),
        optional=(
            *("port", "group", "apn", "keepalive_s", "telemetry_s", "jobs"),
            *("tls", "https", "login", "topics", "operator"),
        ),
    )
    profile = _one_of(top, "profile", PROFILES)
    folder = path.parent
    tls = _tls(top.mapping("tls"), folder) if "tls" in top else None
    host = _host(top)
    port = _number(top, "port", (1, 65535), default=8883 if tls else 1883)
    cloud = CloudProfile(
        profile=profile,
        host=host,
        port=port,
        device_id=_device_id(top),
        group=_group(top, profile),
        apn=_apn(top),
        keepalive_s=_number(top, "keepalive_s", KEEPALIVE_S[profile], default=600),
        telemetry_s=_number(top, "telemetry_s", TELEMETRY_S, default=3600),
        jobs="jobs" in top and top.flag("jobs"),
        tls=tls,
        https_ca=_https_ca(top, folder),
        login=_fleet_login(top, folder),
        topics=_topics(top, profile),
        operator=_operator(top, folder, tls=tls, reach=(host, port)),
        path=path,
    )
    _check_profile(top, cloud)
    return cloud


def _check_profile(top: Node, cloud: CloudProfile) -> None:
    """What one profile needs or forbids."""
    if cloud.profile != "mqtt" and cloud.tls is None:
        raise FormatError(
            f"{top.where}: expected tls with profile {cloud.profile}, which has no "
            "plain TCP"
        )
    if cloud.jobs and cloud.profile != "aws":
        raise FormatError(
            f"{top.where}: expected jobs with profile aws only, got profile "
            f"{cloud.profile}"
        )
    if cloud.profile != "aws":
        return
    if cloud.tls is not None and cloud.tls.cert is None:
        raise FormatError(
            f"{top.where}: tls: expected cert and key with profile aws, which knows a "
            "device by its certificate"
        )
    if cloud.login is not None:
        raise FormatError(
            f"{top.where}: expected no login with profile aws, which knows a device by "
            "its certificate"
        )


def _device_id(top: Node) -> DeviceId:
    value = top.values["device_id"]
    if isinstance(value, dict):
        node = top.mapping("device_id")
        node.allow(("text",))
        text = check_device_id(node.text("text"), what=f"{node.where}.text")
        return DeviceId(IdSource.TEXT, text)
    if value not in ("imei", "chip"):
        raise FormatError(
            f"{top.where}: expected device_id imei, chip or {{text: ID}}, got {value!r}"
        )
    return DeviceId(IdSource(value))


def _group(top: Node, profile: str) -> str:
    if "group" not in top:
        return ""
    if profile == "gcp":
        raise FormatError(f"{top.where}: expected no group with profile gcp")
    return check_device_id(top.text("group"), what=f"{top.where}: group")


def _apn(top: Node) -> str:
    apn = top.text("apn") if "apn" in top else ""
    if not APN.match(apn):
        raise FormatError(
            f"{top.where}: expected apn as up to {MAX_APN} of A-Z a-z 0-9 . _ -, got "
            f"{apn[:40]!r}"
        )
    return apn


def _host(node: Node) -> str:
    host = node.text("host")
    if not HOST.match(host):
        raise FormatError(
            f"{node.where}: expected host as a name or IPv4 address of at most "
            f"{MAX_HOST} characters, without scheme and port, got {host[:80]!r}"
        )
    return host


def _number(node: Node, key: str, limits: tuple[int, int], *, default: int) -> int:
    if key not in node:
        return default
    value = node.integer(key)
    low, high = limits
    if not low <= value <= high:
        raise FormatError(f"{node.where}: expected {key} {low}..{high}, got {value}")
    return value


def _one_of(node: Node, key: str, known: tuple[str, ...]) -> str:
    value = node.text(key)
    if value not in known:
        raise FormatError(
            f"{node.where}: expected {key} {', '.join(known[:-1])} or {known[-1]}, got "
            f"'{value[:40]}'"
        )
    return value


def _file(node: Node, key: str, folder: Path, *, each: bool = False) -> Path:
    """A file's path; `each`: it may hold `{id}`."""
    text = node.text(key)
    rest = text.replace(ID, "", 1) if each else text
    if not text or "\0" in text or "{" in rest or "}" in rest:
        allowed = f"with {ID} at most once" if each else "without braces"
        raise FormatError(
            f"{node.where}: expected {key} as a file's name, {allowed}, got "
            f"{text[:80]!r}"
        )
    return folder / text


def _pair(node: Node, folder: Path, *, each: bool) -> tuple[Path | None, Path | None]:
    """`cert` and `key`: both or none."""
    given = [key for key in ("cert", "key") if key in node]
    if len(given) == 1:
        raise FormatError(
            f"{node.where}: expected cert and key together, got only {given[0]}"
        )
    if not given:
        return None, None
    cert, key = (_file(node, name, folder, each=each) for name in given)
    return cert, key


def _tls(node: Node, folder: Path) -> Tls:
    node.allow(("ca",), optional=("cert", "key", "verify_dates"))
    cert, key = _pair(node, folder, each=True)
    return Tls(
        ca=_file(node, "ca", folder),
        cert=cert,
        key=key,
        verify_dates="verify_dates" in node and node.flag("verify_dates"),
    )


def _https_ca(top: Node, folder: Path) -> Path | None:
    if "https" not in top:
        return None
    node = top.mapping("https")
    node.allow(("ca",))
    return _file(node, "ca", folder)


def _fleet_login(top: Node, folder: Path) -> Login | None:
    if "login" not in top:
        return None
    node = top.mapping("login")
    node.allow(("user", "password_file"))
    return _login(node, folder)


def _login(node: Node, folder: Path) -> Login:
    user = _plain(node, "user", MAX_USER)
    return Login(user, _file(node, "password_file", folder))


def _plain(node: Node, key: str, limit: int) -> str:
    """Text that an AT command can carry."""
    text = node.text(key)
    if len(text) > limit or not PLAIN.match(text):
        raise FormatError(
            f"{node.where}: expected {key} as 1 to {limit} printable ASCII "
            f'characters without " and \\, got {text[:40]!r}'
        )
    return text


def _topics(top: Node, profile: str) -> Topics:
    topics = default_topics(profile)
    if "topics" not in top:
        return topics
    node = top.mapping("topics")
    group = ("group",) if topics.group is not None else ()
    node.allow((), optional=("request", *group, "report", "telemetry"))

    def text(key: str, default: str) -> str:
        return node.text(key) if key in node else default

    # What the accessors refuse has its place already; what Topics refuses has not.
    values = (
        text("request", topics.request),
        None if topics.group is None else text("group", topics.group),
        text("report", topics.report),
        text("telemetry", topics.telemetry),
    )
    try:
        return Topics(*values)
    except FormatError as error:
        raise FormatError(f"{node.where}: {error}") from None


def _operator(
    top: Node, folder: Path, *, tls: Tls | None, reach: tuple[str, int]
) -> Operator:
    host, port = reach
    ca = tls.ca if tls else None
    if "operator" not in top:
        return Operator(host, port, "publisher", ca, None, None, None)
    node = top.mapping("operator")
    names = ("client_id", "ca", "cert", "key", "user", "password_file", "host", "port")
    node.allow((), optional=names)
    cert, key = _pair(node, folder, each=False)
    if "ca" in node:
        ca = _file(node, "ca", folder)
    if cert is not None and ca is None:
        raise FormatError(
            f"{node.where}: expected ca with cert and key, because the file has no tls"
        )
    login = [name for name in ("user", "password_file") if name in node]
    if len(login) == 1:
        raise FormatError(
            f"{node.where}: expected user and password_file together, got only "
            f"{login[0]}"
        )
    return Operator(
        host=_host(node) if "host" in node else host,
        port=_number(node, "port", (1, 65535), default=port),
        client_id=(
            _plain(node, "client_id", MAX_CLIENT_ID)
            if "client_id" in node
            else "publisher"
        ),
        ca=ca,
        cert=cert,
        key=key,
        login=_login(node, folder) if login else None,
    )

# SPDX-License-Identifier: Apache-2.0
"""What a publication is going to do, checked before anything is done.

plan = make_plan(wish, cloud=load_cloud(path), new_id=...)
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from nrfota import cipher
from nrfota.cloud.profile import CloudProfile
from nrfota.cloud.publish_state import Identity, State, find_states, id_of
from nrfota.cloud.rollout import Policy
from nrfota.cloud.stores import Place, object_name, parse_place
from nrfota.cloud.topics import Topics, check_device_id
from nrfota.ebin import Ebin
from nrfota.errors import FormatError, UsageError, VerifyError
from nrfota.ota_json import MAX_SIZE, OtaJson, check_id
from nrfota.outputs import read_input

COMMENT = re.compile(r"(^|\s)#.*")
MAX_EBIN = 16 << 20
FLASH_SIZE = 1 << 20  # of the nRF52840
# AWS IoT Core: targets of one job.
MAX_JOB_TARGETS = 100


class Via(StrEnum):
    """How requests are published."""

    MQTT = "mqtt"
    AWS_DATA = "aws-data"
    AWS_JOB = "aws-job"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the command line asks for."""

    folder: Path  # with ota.json and ota.ebin
    places: Sequence[str] = ()  # --to
    devices: Sequence[str] = ()
    group: str = ""
    via: Via = Via.MQTT
    id: str = ""
    allow_downgrade: bool = False
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True)
class Target:
    """An upload: the place, the object's name in it, and the URL it is fetched by."""

    place: Place
    name: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is needed; `ota` holds the key."""

    folder: Path
    id: str
    identity: Identity
    ota: OtaJson = field(repr=False)
    ebin: bytes = field(repr=False)
    targets: tuple[Target, ...]
    devices: tuple[str, ...]
    group: str
    topics: Topics
    via: Via
    retain: bool
    policy: Policy

    @property
    def payload(self) -> bytes:
        """The message."""
        return self.ota.pack()

    @property
    def urls(self) -> tuple[str, ...]:
        """Where devices fetch the file."""
        return tuple(url for url in (self.ota.url, self.ota.alt_url) if url)

    @property
    def is_application(self) -> bool:
        """Its version is what a device says that it runs. A bootloader's is not; it
        stands behind every application, at the end of the flash."""
        return self.ota.fw_info.fp_base < FLASH_SIZE // 2

    @property
    def ota_json(self) -> Path:
        """The file with the key."""
        return self.folder / "ota.json"

    def topic(self, device: str) -> str:
        """Where the device's request goes."""
        return self.topics.request_for(device)

    @property
    def group_topic(self) -> str:
        """Where the group's request goes; empty without one."""
        return (self.topics.group_request(self.group) if self.group else None) or ""


def read_devices(path: Path) -> list[str]:
    """One id per line; a `#` that no id touches begins a comment; raises UsageError."""
    found: list[str] = []
    lines = read_input(path, limit=64 << 20).decode("utf-8-sig", "replace")
    for number, line in enumerate(lines.splitlines(), 1):
        # `dev#1` is a mistake, not the device `dev`.
        name = COMMENT.sub("", line).strip()
        if not name:
            continue
        try:
            found.append(check_device_id(name))
        except FormatError as error:
            raise UsageError(f"{path}, line {number}: {error}") from None
    if not found:
        raise UsageError(f"{path}: expected one device a line, got none")
    return found


def new_id(version: int, *, now: float) -> str:
    """`fw7-20300101-1a2b3c`."""
    day = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d")
    return f"fw{version}-{day}-{os.urandom(3).hex()}"


def ended_before(folder: Path, *, id: str = "") -> State | None:
    """The rollout of this folder's ota.ebin that ended and took its ota.json along."""
    if (folder / "ota.json").exists() or not (folder / "ota.ebin").exists():
        return None
    digest = _sha256(read_input(folder / "ota.ebin", limit=MAX_EBIN))
    for path in find_states(folder):
        state = _state(path)
        if state.identity.ebin_sha256 != digest or id not in ("", state.id):
            continue
        if state.end:
            return state
    return None


def make_plan(
    wish: Wish, *, cloud: CloudProfile, fresh_id: Callable[[int], str]
) -> Plan:
    """Reads and checks everything; raises OtaError."""
    ota, ebin = _package(wish.folder)
    devices = tuple(dict.fromkeys(wish.devices))
    _check_targets(wish, cloud, devices)
    targets = _targets(wish.places, ota)
    identity = Identity(
        ebin_sha256=_sha256(ebin),
        urls_sha256=_sha256(f"{ota.url}\n{ota.alt_url}".encode()),
        version=ota.fw_info.version,
        via=wish.via.value,
        group=wish.group,
        devices=len(devices),
        devices_sha256=_sha256("\n".join(sorted(devices)).encode()),
        allow_downgrade=wish.allow_downgrade or ota.allow_downgrade,
    )
    name = wish.id or ota.id or _known_id(wish.folder, identity)
    name = name or fresh_id(identity.version)
    try:
        check_id(name)
    except FormatError as error:
        raise UsageError(f"--{error}") from None
    ota = replace(ota, id=name, allow_downgrade=identity.allow_downgrade)
    if len(ota.pack()) > MAX_SIZE:
        raise FormatError(
            f"request: expected at most {MAX_SIZE} bytes with its id, got "
            f"{len(ota.pack())}; shorten the URLs"
        )
    return Plan(
        folder=wish.folder,
        id=name,
        identity=identity,
        ota=ota,
        ebin=ebin,
        targets=targets,
        devices=devices,
        group=wish.group,
        topics=cloud.topics,
        via=wish.via,
        # Google's broker kept the last configuration and gave it to each subscriber.
        retain=cloud.profile == "gcp",
        policy=wish.policy,
    )


def needed_by(plan: Plan) -> str:
    """Another rollout of the same package that has not ended; empty without one."""
    for path in find_states(plan.folder):
        state = _state(path)
        same = state.identity.ebin_sha256 == plan.identity.ebin_sha256
        if same and not state.end and state.id != plan.id:
            return state.id
    return ""


def _package(folder: Path) -> tuple[OtaJson, bytes]:
    """ota.json and ota.ebin, which must belong together."""
    ota = OtaJson.unpack(read_input(folder / "ota.json", limit=MAX_SIZE + 1))
    data = read_input(folder / "ota.ebin", limit=MAX_EBIN)
    try:
        ebin = Ebin.unpack(data, trusted=ota.fw_info)
    except FormatError as error:
        raise VerifyError(
            f"'{folder / 'ota.ebin'}' is not what ota.json is for: {error}"
        ) from None
    if cipher.sha256(ebin.cipher_text) != ota.fw_info.ebin_hash:
        raise VerifyError(
            f"'{folder / 'ota.ebin'}' is not what ota.json is for: its SHA-256 differs"
        )
    return ota, data


def _check_targets(wish: Wish, cloud: CloudProfile, devices: tuple[str, ...]) -> None:
    if not devices and not wish.group:
        raise UsageError("expected --device, --devices or --group: who gets the update")
    for device in devices:
        try:
            check_device_id(device)
        except FormatError as error:
            raise UsageError(f"--{error}") from None
    if wish.via is not Via.MQTT and cloud.profile != "aws":
        raise UsageError(
            f"--via {wish.via}: expected a cloud file of profile aws, got "
            f"{cloud.profile}"
        )
    if wish.via is Via.AWS_JOB:
        if not cloud.jobs:
            raise UsageError(
                f"--via aws-job: expected 'jobs: true' in {cloud.path}, else no device "
                "listens"
            )
        if len(devices) > MAX_JOB_TARGETS and not wish.group:
            raise UsageError(
                f"--via aws-job: a job takes at most {MAX_JOB_TARGETS} targets, got "
                f"{len(devices)}; put them into a thing group, and --group"
            )
        return
    if not wish.group:
        return
    try:
        topic = cloud.topics.group_request(wish.group)
    except FormatError as error:
        raise UsageError(f"--{error}") from None
    if topic is None:
        raise UsageError(
            f"--group: profile {cloud.profile} has no groups; use --devices"
        )


def _targets(places: Sequence[str], ota: OtaJson) -> tuple[Target, ...]:
    urls = [url for url in (ota.url, ota.alt_url) if url]
    if len(places) > len(urls):
        raise UsageError(
            f"--to: given {len(places)} times, but ota.json has {len(urls)} URL"
            f"{'s' if len(urls) > 1 else ''}"
        )
    targets = []
    for text, url in zip(places, urls, strict=False):
        place = parse_place(text)
        targets.append(Target(place, object_name(place, url), url))
    return tuple(targets)


def _known_id(folder: Path, identity: Identity) -> str:
    """The id of the rollout that this run goes on with; empty for a new one."""
    states = [_state(path) for path in find_states(folder)]
    mine = [s for s in states if s.identity.ebin_sha256 == identity.ebin_sha256]
    for state in mine:
        if state.identity == identity:
            return state.id
    for state in mine:
        if not state.end:
            raise UsageError(
                f"{state.id} is a rollout of this ota.ebin that has not ended, and "
                f"differs in {state.identity.difference(identity)}; repeat it as it "
                "was, or begin another one with --id"
            )
    return ""


def _state(path: Path) -> State:
    state = State.unpack(read_input(path, limit=1 << 20), source=path)
    if state.id != id_of(path):
        raise FormatError(f"{path}: expected the state of {id_of(path)}")
    return state


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

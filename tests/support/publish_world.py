# SPDX-License-Identifier: Apache-2.0
"""A world for `nrfota.cloud.publish` that can end a run at any touch of it.

world = World(tmp_path, devices)
world.run()                 # a whole run
world.run(kill_at=17)       # the 17th touch of the world is the last one: Killed

What the broker, the store and the devices have survives a run, as do the files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest import mock

from nrfota.cloud import publish, publish_state
from nrfota.cloud.fetch import Checked
from nrfota.cloud.link import Arrival, Message
from nrfota.cloud.profile import parse_cloud
from nrfota.cloud.publish import Publication
from nrfota.cloud.publish_parts import End, Options, Ports
from nrfota.cloud.publish_plan import Via, Wish, make_plan
from nrfota.cloud.rollout import Policy
from support.publishing import APP_BASE, NAME, package, report

ID = "fw7-test"
HAPPY = ("accepted", "downloading", "downloaded", "updating", "confirmed")
URL = f"http://files.example.com/fw/{NAME}"
CLOUDS = {
    "mqtt": "profile: mqtt\nhost: broker.example.com\ndevice_id: imei\n",
    "gcp": (
        "profile: gcp\nhost: broker.example.com\ndevice_id: imei\ntls: {ca: ca.pem}\n"
    ),
}


class Killed(BaseException):
    """The process is gone: nothing after this touches the world."""


@dataclass
class World:
    """`answers` has the stages that a device reports, HAPPY when it is not there."""

    folder: Path
    devices: Sequence[str]
    profile: str = "mqtt"
    id: str = ID
    group: str = ""
    base: int = APP_BASE
    answers: dict[str, Sequence[str]] = field(default_factory=dict)
    policy: Policy = field(default_factory=lambda: Policy(stop_at=Fraction(50)))
    objects: dict[str, bytes] = field(default_factory=dict)
    writes: int = 0
    got: Counter[str] = field(default_factory=Counter)
    retained: dict[str, bytes] = field(default_factory=dict)
    kept: list[Arrival] = field(default_factory=list)  # reports, not acknowledged
    stopped: list[str] = field(default_factory=list)
    forgotten: int = 0
    most_kept: int = 0
    clock: float = 1_000_000.0
    chatter: str = ""  # a device that sends garbage all the time
    later: list[tuple[float, str, bytes]] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._touches = 0
        self._kill_at: int | None = None
        self._dead = False
        self._seen: set[str] = set()
        self._token = 0
        self.package()

    def package(self) -> None:
        """Puts the files there."""
        self.ota, self.ebin = package(self.folder, url=URL, size=2000, base=self.base)

    @property
    def touches(self) -> int:
        """Of the last run."""
        return self._touches

    def touch(self) -> None:
        """A touch of the world; the last one of a run does not return."""
        self._touches += 1
        if self._dead or self._touches == self._kill_at:
            self._dead = True
            raise Killed

    def run(self, *, kill_at: int | None = None, **options: Any) -> End:
        """A run from reading the package to its end."""
        self._touches, self._kill_at, self._dead = 0, kill_at, False
        wish = Wish(
            folder=self.folder,
            places=["file:///srv/www"],
            devices=self.devices,
            group=self.group,
            via=Via.MQTT,
            id=self.id,
            policy=self.policy,
        )
        plan = make_plan(
            wish, cloud=parse_cloud(CLOUDS[self.profile]), fresh_id=lambda _: "unused"
        )
        link = Link(self)
        publication = Publication(
            plan,
            options=Options(**options),
            ports=Ports(
                open_store=lambda _: Shelf(self),
                check=self.check,
                open_link=lambda: (link, link),
                now=lambda: self.clock,
            ),
            view=Quiet(self),
        )
        with self._touched_files():
            publication.begin()
            return publication.run()

    def check(self, url: str, want: bytes) -> Checked:
        """Of the file server."""
        self.touch()
        assert self.objects[NAME] == want
        return Checked(url, len(want), "", True)

    def deliver(self, device: str, payload: bytes) -> None:
        """To a device, which answers the first request of an id."""
        self.got[device] += 1
        request = json.loads(payload)["id"]
        if device in self._seen:
            return
        self._seen.add(device)
        for stage in self.answers.get(device, HAPPY):
            self.say(device, report(device, request, stage))

    def say(self, device: str, payload: bytes, *, topic: str = "") -> None:
        """From a device to the broker, which keeps it."""
        self._token += 1
        self.most_kept = max(self.most_kept, len(self.kept) + 1)
        prefix, suffix = {
            "mqtt": ("ota/device/", "/report"),
            "gcp": ("/devices/", "/state"),
        }[self.profile]
        self.kept.append(
            Arrival(topic or f"{prefix}{device}{suffix}", payload, self._token)
        )

    def say_what_is_due(self) -> None:
        """What devices say later, by the clock."""
        for due in [due for due in self.later if due[0] <= self.clock]:
            self.later.remove(due)
            self.say(*due[1:])

    def _touched_files(self) -> Any:
        """Each write to a file is a touch before and after, and in the middle."""
        patches = mock.patch.multiple(
            publish_state.StateFiles,
            save=self._around(publish_state.StateFiles.save),
            append=self._appending(publish_state.StateFiles.append),
        )
        destroy = self._around(publish.destroy)
        stack = mock.patch.object(publish, "destroy", destroy)
        return _Both(patches, stack)

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.touch()
            result = function(*args)
            self.touch()
            return result

        return call

    def _appending(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def append(files: Any, events: Sequence[dict[str, Any]]) -> None:
            if not events:
                return
            self.touch()
            function(files, events[:-1])
            try:
                self.touch()
            except Killed:
                with files.log_path.open("ab") as log:
                    log.write(json.dumps(events[-1]).encode()[:-3])
                raise
            function(files, events[-1:])
            self.touch()

        return append


class _Both:
    def __init__(self, *managers: Any) -> None:
        self._managers = managers

    def __enter__(self) -> None:
        for manager in self._managers:
            manager.__enter__()

    def __exit__(self, *reason: Any) -> None:
        for manager in self._managers:
            manager.__exit__(*reason)


class Shelf:
    """The store."""

    def __init__(self, world: World) -> None:
        self._world = world

    def where(self, name: str) -> str:
        return f"shelf/{name}"

    def read(self, name: str, *, limit: int) -> bytes | None:
        self._world.touch()
        data = self._world.objects.get(name)
        return None if data is None else data[:limit]

    def write(self, name: str, data: bytes, *, new: bool) -> None:
        self._world.touch()
        self._world.objects[name] = data
        self._world.writes += 1
        self._world.touch()


class Link:
    """The broker: what was not acknowledged comes again with the next connection."""

    connected = True
    ended = ""
    finished = False

    def __init__(self, world: World) -> None:
        self._world = world
        self._given = 0

    def open(self) -> None:
        self._world.touch()

    def send(
        self, messages: Sequence[Message], *, delivered: Callable[[int], None]
    ) -> None:
        world = self._world
        for index, message in enumerate(messages):
            world.touch()
            if message.retain:
                world.retained[message.topic] = message.payload
            if message.payload:
                for device in self._receivers(message.topic):
                    world.deliver(device, message.payload)
            world.touch()
            delivered(index)

    def _receivers(self, topic: str) -> Iterable[str]:
        if topic.startswith("ota/group/"):
            return self._world.devices
        return [topic.split("/")[2]]

    def receive(self, timeout_s: float) -> list[Arrival]:
        world = self._world
        world.touch()
        if world.chatter:
            world.clock += 0.01
            world.say(world.chatter, b"garbage")
        found = world.kept[self._given : self._given + 7]
        self._given += len(found)
        if not found:
            world.clock += timeout_s
            world.say_what_is_due()
        return found

    def acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        world = self._world
        world.touch()
        safe = {arrival.token for arrival in arrivals}
        world.kept = [a for a in world.kept if a.token not in safe]
        self._given -= len(safe)

    def stop(self, reason: str) -> None:
        self._world.touch()
        self._world.stopped.append(reason)

    def clean(self) -> None:
        self._world.touch()

    def close(self, *, forget: bool) -> None:
        self._world.forgotten += forget


class Quiet:
    """The view."""

    def __init__(self, world: World) -> None:
        self._world = world

    def step(self, text: str) -> None:
        self._world.steps.append(text)

    def note(self, text: str) -> None:
        self._world.steps.append(text)

    def progress(self, rollout: Any, now: float, *, connected: bool) -> None:
        pass

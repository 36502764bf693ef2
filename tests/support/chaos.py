# SPDX-License-Identifier: Apache-2.0
"""Cloud updates under random trouble, seeded: resets, modem, broker, file server.

    problems = run_case(folder, seed=1, index=7).problems

A case is a device of version 1 that is asked for version 2 while up to three things go
wrong at random simulated times. Then everything is well again, and a second request
must succeed. The long form:

    cd tests; export PYTHONPATH=.:../scripts
    ../.venv/bin/python -m support.chaos --cases 200 --seed 1 --jobs 2
    ../.venv/bin/python -m support.chaos --only 1/17          one case, and its console

Servers are real threads, so a case meets its trouble at about, not exactly, the same
place each time.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import random
import socket
import struct
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.cloud import REQUEST, Broker, cloud_release, make_request
from support.hostile_files import HostileFiles
from system.device import APP_START, Device, Release
from vboard.clock import NS_PER_S
from vboard.cpu_memory import RAM_BASE, RAM_SIZE
from vboard.modem import faults as fault
from vboard.modem.faults import FaultPlan
from vboard.modem.profile import ModemProfile

LARGE = ("-DAPP_PAD_BYTES=260000",)  # three parts
JOURNAL, JOURNAL_SIZE = 0xFC000, 0x2000
FINAL = ("confirmed", "rolled_back", "failed")
STORY_S = 18.0  # of an undisturbed update, from the request to the confirmation
SETTLE_S = 14_400.0
AES_KEY = slice(16, 32)  # of fw_info

COMMANDS = (
    *("HTTPINIT", "HTTPPARA", "HTTPACTION", "HTTPREADFILE", "HTTPTERM"),
    *("CMQTTSTART", "CMQTTACCQ", "CMQTTCONNECT", "CMQTTSUB", "CMQTTTOPIC"),
    *("CMQTTPAYLOAD", "CMQTTPUB", "CMQTTDISC", "CMQTTREL", "CMQTTSTOP"),
    *("CFTRANRX", "CFTRANTX", "FSATTRI", "FSDEL", "FSMEM", "FSLS", "FSCD"),
    *("CREG", "CEREG", "CGREG", "CPIN", "CGDCONT", "IPR", "AT", "E0", "*"),
)


class StubbornBroker(Broker):
    """Delivers again, at the next subscription, what was not acknowledged."""

    def __init__(self) -> None:
        self._sent: dict[int, tuple[str, bytes]] = {}
        super().__init__()

    def stop(self) -> None:
        """At once, though a thread waits for connections."""
        assert self._listener is not None
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        super().stop()

    def _flush(self) -> None:
        before = list(self._waiting)
        number = self._number
        super()._flush()
        for message in before:
            if message not in self._waiting:
                number = number % 60000 + 1
                self._sent[number] = message

    def _handle(self, connection: socket.socket, first: int, body: bytes) -> None:
        if first >> 4 == 4:
            self._sent.pop(struct.unpack(">H", body[:2])[0], None)
        elif first >> 4 == 1:
            self._waiting[:0] = self._sent.values()
            self._sent.clear()
        super()._handle(connection, first, body)


# What goes wrong


@dataclass
class Trouble:
    """One thing; `at_s` counts from the request, None for what waits for its event."""

    name: str
    at_s: float | None
    act: Callable[[World], None]


@dataclass
class World:
    """One case while it runs."""

    folder: Path
    rng: random.Random
    broker: StubbornBroker = field(default_factory=StubbornBroker)
    files: HostileFiles = field(default_factory=HostileFiles)
    plan: FaultPlan = field(default_factory=FaultPlan)
    device: Device = field(init=False)
    console: str = ""

    def run(self, done: Callable[[], bool], max_s: float) -> bool:
        """Runs until `done`, looked at now and then."""
        steps = 0

        def stop() -> bool:
            nonlocal steps
            steps += 1
            return steps % 32 == 0 and done()

        board = self.device.board
        board.run(until_ns=board.clock.now_ns + round(max_s * NS_PER_S), stop=stop)
        return done()

    def power_cycle(self) -> None:
        """Keeps what was said before it."""
        self.console += self.device.console
        self.device.power_cycle()

    @property
    def said(self) -> str:
        return self.console + self.device.console

    def ask(self, request: str, release: Release, **more: Any) -> None:
        """Publishes a request."""
        name = f"fw_{release.fw_info[:4].hex()}.ebin"
        url = self.files.serve(name, release.ebin)
        alt = url if self.rng.random() < 0.5 else ""
        self.broker.publish(
            REQUEST, make_request(release, url, alt, id=request, **more)
        )

    def close(self) -> None:
        self.broker.stop()
        self.files.close()
        self.device.modem.power_off()
        self.device.board.close()


def _board_cut(world: World) -> None:
    world.device.board.power_cycle()


def _broker_away(seconds: float) -> Callable[[World], None]:
    def act(world: World) -> None:
        port = world.broker.port
        world.broker.stop()
        world.run(lambda: False, seconds)
        world.broker.start(port)

    return act


def _garbage(rng: random.Random) -> bytes:
    return rng.choice(
        (
            b"",
            rng.randbytes(rng.randrange(1, 4000)),
            b"[" * 1500,
            b'{"a":' * 300,
            b'{"type":"update_fw"}',
            b"x" * 10_000,
            b'{"type":"update_fw","id":"' + b"A" * 65 + b'"}',
            json.dumps({"type": "update_fw", "fw_info": "0" * 224}).encode(),
        )
    )


def _message(payload: bytes) -> Callable[[World], None]:
    return lambda world: world.broker.publish(REQUEST, payload)


def _resets(rng: random.Random) -> tuple[str, Callable[[World], None]]:
    return rng.choice(
        (
            ("pin reset", lambda world: world.device.board.pin_reset()),
            ("power cut", lambda world: world.power_cycle()),
            ("power cut of the board alone", _board_cut),
            ("modem reboots", lambda world: world.device.modem.reboot()),
        )
    )


def _broker_trouble(rng: random.Random) -> tuple[str, Callable[[World], None]]:
    away = rng.choice((1.0, 30.0, 400.0))
    garbage = _garbage(rng)
    return rng.choice(
        (
            ("connection dropped", lambda world: world.broker.drop()),
            (f"broker away for {away:g} s", _broker_away(away)),
            (f"garbage {garbage[:20]!r}", _message(garbage)),
        )
    )


def _modem_fault(rng: random.Random) -> fault.Fault:
    kind = rng.choice(
        (
            *(fault.Delay, fault.OverrideReply, fault.Silence, fault.Dead),
            *(fault.Reboot, fault.RebootLater, fault.NetworkLost),
            *(fault.RebootInUpload, fault.MissingFile, fault.NoDrive),
            *(fault.ShortRead, fault.Urc, fault.GarbleHeader),
            *(fault.StopBeforeBlock, fault.Stall, fault.RebootInBlock),
            *(fault.DropByte, fault.DuplicateByte, fault.FlipByte),
        )
    )
    nth = rng.choice((1, 1, 2, 3, rng.randrange(1, 40)))
    more: dict[str, Any] = {"nth": nth, "times": rng.choice((1, 1, 2, 5))}
    if kind is not fault.NoDrive:
        more["command"] = rng.choice(COMMANDS)
    if kind in (fault.Delay, fault.Dead, fault.Stall):
        more["ms"] = rng.choice((500, 5_000, 60_000, 400_000))
    if kind is fault.NetworkLost:
        more |= {"ms": rng.choice((3_000, 200_000)), "after_ms": rng.randrange(2_000)}
        more["mqtt"] = rng.choice(("nonet", "connlost"))
    if kind is fault.OverrideReply:
        more["reply"] = rng.choice(
            ("ERROR", "OK", "+CME ERROR: 14", "BUSY", "+HTTPACTION: 0,200,99999|OK")
        )
    if kind is fault.Urc:
        more["text"] = rng.choice(
            ("+CREG: 0", "RDY", "+CMQTTCONNLOST: 0,1", "+CMQTTNONET", "*ATREADY: 1")
        )
        more["where"] = rng.choice(("before", "before_result", "before_block"))
    if issubclass(kind, fault.ByteFault):
        more["stream"] = rng.choice(("tx", "rx", "data"))
        more["offset"] = rng.randrange(200 if more["stream"] == "data" else 30_000)
    return kind(**more)


def troubles(rng: random.Random) -> list[Trouble]:
    """One to three things."""
    found: list[Trouble] = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        at_s = rng.uniform(0, 1.2 * STORY_S)
        match rng.choice(("reset", "reset", "modem", "modem", "broker", "files")):
            case "reset":
                name, act = _resets(rng)
                found.append(Trouble(name, at_s, act))
            case "broker":
                name, act = _broker_trouble(rng)
                found.append(Trouble(name, at_s, act))
            case "modem":
                planned = _modem_fault(rng)
                found.append(
                    Trouble(
                        f"{planned}",
                        None if rng.random() < 0.5 else at_s,
                        lambda world, planned=planned: world.plan.add(planned) and None,
                    )
                )
            case "files":
                kinds = rng.choices(HostileFiles.KINDS, k=rng.choice((1, 1, 2, 6, 12)))
                found.append(
                    Trouble(
                        f"files: {' '.join(kinds)}",
                        None,
                        lambda world, kinds=kinds: world.files.plan.extend(kinds),
                    )
                )
    return found


# A case


@dataclass
class Verdict:
    """What became of it; `problems` is empty when all is well."""

    name: str
    what: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    console: str = ""
    log: list[str] = field(default_factory=list)


def final_stages(world: World, request: str) -> list[str]:
    """Final stages that were reported, each once."""
    stages = [r["stage"] for r in list(world.broker.reports) if r["id"] == request]
    return sorted({stage for stage in stages if stage in FINAL})


def version_of(world: World, releases: dict[int, Release]) -> int:
    """The version that is in flash, by its hash; 0 for none of them."""
    for version, release in releases.items():
        size = struct.unpack("<I", release.fw_info[8:12])[0]
        image = bytes(world.device.nv.read(APP_START, size))
        if hashlib.sha256(image).digest() == release.fw_info[48:80]:
            return version
    return 0


def where_keys_are(world: World, keys: dict[str, bytes]) -> list[str]:
    """Places that may not hold a key: RAM, flash but the journal, and the modem."""
    nv, found = world.device.nv, []
    ram = world.device.board.ram_read(RAM_BASE, RAM_SIZE)
    flash = bytes(nv.read(0, JOURNAL)) + bytes(
        nv.read(JOURNAL + JOURNAL_SIZE, 0x100000 - JOURNAL - JOURNAL_SIZE)
    )
    for name, key in keys.items():
        if key in flash or key.hex().encode() in flash:
            found.append(f"{name} is in flash")
        if key in ram or key.hex().encode() in ram:
            found.append(f"{name} is in RAM")
        for path in world.device.modem_dir.rglob("*"):
            if path.is_file() and key in path.read_bytes():
                found.append(f"{name} is in the modem's {path.name}")
    return found


def run_case(
    folder: Path,
    *,
    seed: int,
    index: int,
    large: bool = False,
    planned: Sequence[Trouble] | None = None,
) -> Verdict:
    """One case from the factory to its second update; its trouble may be given."""
    rng = random.Random(f"{seed}/{index}")
    args = LARGE if large else ()
    releases = {
        1: cloud_release(1, factory=True),
        2: cloud_release(2, *args),
    }
    world = World(folder, rng)
    planned = troubles(rng) if planned is None else planned
    verdict = Verdict(f"{seed}/{index}", [f"{t.name} @ {t.at_s}" for t in planned])
    factory = releases[1].factory
    assert factory is not None
    world.device = Device(
        factory=factory,
        modem_dir=folder / "modem",
        seed=seed,
        plan=world.plan,
        profile=ModemProfile(routes=f"broker.test:1883=127.0.0.1:{world.broker.port}"),
    )
    world.device.store("fw_1.ebin", releases[1].ebin)
    try:
        _story(world, planned, releases, verdict)
    finally:
        verdict.ends = final_stages(world, "r1")
        verdict.console = world.said
        verdict.log = [*world.files.log, *map(str, world.broker.reports)]
        world.close()
    return verdict


def _story(
    world: World,
    planned: Sequence[Trouble],
    releases: dict[int, Release],
    verdict: Verdict,
) -> None:
    if not world.run(lambda: bool(world.broker.received), 120):
        verdict.problems.append("never connected")
        return
    world.ask("r1", releases[2])
    _make_trouble(world, planned)
    # All is well again.
    world.plan.faults.clear()
    world.files.plan.clear()
    problems = verdict.problems
    world.run(lambda: _has_ended(world), 600)
    # The modem acknowledges a request before the application has it, so a reset in
    # between loses it; nothing of that can be expected to be reported.
    if "update r1: accepted" in world.said:
        world.run(lambda: _has_ended(world), SETTLE_S)
    world.run(lambda: False, 90)
    ends = final_stages(world, "r1")
    # As the cloud sees it: what was begun has one end.
    begun = any(report["id"] == "r1" for report in list(world.broker.reports))
    if len(ends) != (1 if begun else 0):
        problems.append(f"reported: {begun}, and at the end: {ends}")
    running = version_of(world, releases)
    if running == 0 or (ends == ["confirmed"]) != (running == 2):
        problems.append(f"{ends}, but version {running} is in flash")
    _second(world, releases, running, problems)
    keys = {f"key {n}": r.fw_info[AES_KEY] for n, r in releases.items()}
    problems += where_keys_are(world, keys)


def _make_trouble(world: World, planned: Sequence[Trouble]) -> None:
    for trouble in planned:
        if trouble.at_s is None:
            trouble.act(world)
    passed = 0.0
    for trouble in sorted(planned, key=lambda t: t.at_s or 0.0):
        if trouble.at_s is not None:
            world.run(lambda: False, max(0.001, trouble.at_s - passed))
            passed = trouble.at_s
            trouble.act(world)
    world.run(lambda: _has_ended(world), 1.5 * STORY_S - min(passed, STORY_S))


def _has_ended(world: World) -> bool:
    return bool(final_stages(world, "r1"))


def _second(
    world: World, releases: dict[int, Release], running: int, problems: list[str]
) -> None:
    """The device takes another update."""
    world.power_cycle()
    other = 1 if running == 2 else 2
    reported = len(world.broker.received)
    if not world.run(lambda: len(world.broker.received) > reported, 1200):
        problems.append("does not connect afterwards")
        return
    world.ask("r2", releases[other], allow_downgrade=True)
    world.run(lambda: bool(final_stages(world, "r2")), SETTLE_S)
    ends = final_stages(world, "r2")
    if ends != ["confirmed"] or version_of(world, releases) != other:
        problems.append(f"the second update ended as {ends}")
    world.run(lambda: False, 5)


# The long form


def _run(seed: int, index: int, large: bool) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        try:
            return run_case(Path(folder), seed=seed, index=index, large=large)
        except Exception as error:  # the case is what is tested
            import traceback

            what = [traceback.format_exc()]
            return Verdict(f"{seed}/{index}", what, problems=[repr(error)])


def main() -> int:
    """Runs many cases; 1 when one of them went wrong."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--large", action="store_true", help="files of three parts")
    parser.add_argument("--only", metavar="SEED/INDEX")
    args = parser.parse_args()
    cloud_release(1, factory=True)
    cloud_release(2, *(LARGE if args.large else ()))
    if args.only:
        seed, index = map(int, args.only.split("/"))
        verdict = _run(seed, index, args.large)
        print(verdict.console, *verdict.log, *verdict.what, sep="\n")
        print(verdict.ends, verdict.problems)
        return bool(verdict.problems)
    lost = 0
    counts: dict[str, int] = {}
    with ProcessPoolExecutor(args.jobs) as pool:
        indices = range(args.first, args.first + args.cases)
        jobs = [pool.submit(_run, args.seed, i, args.large) for i in indices]
        for job in jobs:
            verdict = job.result()
            end = " ".join(verdict.ends) or "not accepted"
            counts[end] = counts.get(end, 0) + 1
            if verdict.problems:
                lost += 1
                print(verdict.name, verdict.what, verdict.ends, verdict.problems)
                sys.stdout.flush()
    print(f"{args.cases} cases, seed {args.seed}: {lost} lost, {counts}")
    return lost > 0


if __name__ == "__main__":
    sys.exit(main())

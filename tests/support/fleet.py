# SPDX-License-Identifier: Apache-2.0
"""A whole rollout: one mosquitto, thousands of light devices, the real publisher.

run = run_fleet(tmp_path, devices=300, seed=1)
run.lost        # reports that the broker acknowledged and the publisher has not
run.end         # what `west ota-publish --json` printed

Three processes beside this one, each with its own memory: mosquitto, the devices
(`light_devices.py`) and `west ota-publish`. What the publisher has is read from the
log that it keeps of a rollout.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from support.light_devices import (
    SHARES,
    Fate,
    plan_fates,
    raise_file_limit,
    script,
)
from support.mosquitto import Mosquitto, running
from support.pki import Identity, Pki
from support.publishing import FileServer, package

REQUEST = "fleet-1"
SIMULATOR = Path(__file__).with_name("light_devices.py")
# The publisher's queue: with mosquitto's own 1000 a publisher that is away or slow
# loses what comes beyond, though the broker has acknowledged it to the device.
QUEUE = 1_000_000
READY_S = 600.0
MEMORY_EVERY_S = 0.1
NOTED = b'"event": "report"'
Report = tuple[str, int | None]


class FleetBroker(Mosquitto):
    """Mosquitto that logs no messages, for thousands of clients."""

    def command(self) -> Sequence[str]:
        command = super().command()
        config = Path(command[-1])
        kinds = ("error", "warning", "notice", "information")
        quiet = "\n".join(f"log_type {kind}" for kind in kinds)
        config.write_text(config.read_text().replace("log_type all", quiet))
        return command

    def memory_kb(self, name: str = "VmRSS") -> int:
        """Resident now, or `VmHWM` at most."""
        assert self._process is not None
        return memory_kb(self._process.pid, name)


def memory_kb(pid: int, name: str) -> int:
    """Of a process; rusage would count what forked it, too."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0])


@dataclass
class FleetRun:
    """What a rollout came to."""

    fates: dict[str, Fate]
    connect_s: float = 0.0
    broker_empty_kb: int = 0
    broker_connected_kb: int = 0
    broker_peak_kb: int = 0
    devices_peak_kb: int = 0
    publisher_peak_kb: int = 0
    rollout_s: float = 0.0
    exit_code: int = 0
    end: dict[str, Any] = field(default_factory=dict)
    said: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    ledger: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def published(self) -> list[str]:
        """Devices in the order in which they got the request."""
        return [
            device
            for event in self.events
            if event["event"] == "published"
            for device in event["devices"]
        ]

    @property
    def tally(self) -> dict[str, list[Report]]:
        """The reports that the publisher has noted, by device, in their order."""
        found: dict[str, list[Report]] = {device: [] for device in self.fates}
        for event in self.events:
            if event["event"] == "report":
                report = (event["stage"], event.get("percent"))
                found[event["device"]].append(report)
        return found

    @property
    def acknowledged(self) -> dict[str, list[Report]]:
        """The reports that the broker has acknowledged to each device, once each."""
        return {
            device: list(
                dict.fromkeys((stage, percent) for stage, percent in entry["acked"])
            )
            for device, entry in self.ledger.items()
        }

    @property
    def lost(self) -> list[tuple[str, Report]]:
        """Acknowledged by the broker, and not noted."""
        tally = self.tally
        return [
            (device, report)
            for device, reports in self.acknowledged.items()
            for report in reports
            if report not in tally[device]
        ]

    @property
    def reports(self) -> int:
        """All that the broker has acknowledged, repeated ones too."""
        return sum(len(entry["acked"]) for entry in self.ledger.values())

    def expected(self, device: str) -> list[Report]:
        """What its fate says, when it got the request."""
        return [report for report in script(self.fates[device]) if report is not None]


def run_fleet(
    folder: Path,
    *,
    devices: int,
    seed: int,
    shares: dict[Fate, int] = SHARES,
    options: Sequence[str] = (),
    tls: bool = False,
    kill_after: int = 0,
    broker_options: Sequence[str] = (f"max_queued_messages {QUEUE}",),
) -> FleetRun:
    """Rolls one update out; `kill_after` so many noted reports the publisher is
    killed, and started again once the devices have nothing more to say to it."""
    raise_file_limit(devices)
    run = FleetRun(plan_fates(devices, seed=seed, shares=shares))
    pki = Pki(folder / "pki") if tls else None
    broker = FleetBroker(folder / "broker", pki=pki, options=broker_options)
    with running(broker), FileServer(folder / "files") as files:
        identity = pki.operator() if pki else None
        cloud = _cloud_file(folder, broker, identity)
        package(folder / "ota", url=files.url("fw.ebin"))
        (folder / "devices.txt").write_text("\n".join(run.fates) + "\n")
        run.broker_empty_kb = broker.memory_kb()
        ledger = folder / "ledger.json"
        simulator = [
            *(sys.executable, str(SIMULATOR), "--devices", str(devices)),
            *("--port", str(broker.tls_port if pki else broker.port)),
            *("--seed", str(seed), "--ledger", str(ledger)),
            *("--shares", json.dumps(shares)),
        ]
        if pki and identity:
            files_ = (pki.ca, identity.certificate, identity.key)
            simulator += ["--tls", *map(str, files_)]
        with _simulator(simulator) as said:
            run.connect_s = said("ready")["seconds"]
            run.broker_connected_kb = broker.memory_kb()
            publisher = Publisher(folder, cloud, files.folder, options)
            if kill_after:
                publisher.start()
                publisher.kill_after(kill_after)
                while said("idle")["acked"] < kill_after:
                    pass  # of an earlier stage
            began = time.monotonic()
            publisher.start()
            run.exit_code = publisher.wait()
            run.rollout_s = time.monotonic() - began
        run.broker_peak_kb = broker.memory_kb("VmHWM")
    run.publisher_peak_kb = publisher.peak_kb
    run.said = publisher.said
    if run.said.startswith("{"):
        run.end = json.loads(run.said.splitlines()[0])
    run.events = publisher.events
    result = json.loads(ledger.read_text())
    run.devices_peak_kb = result["peak_kb"]
    run.ledger = result["devices"]
    return run


class Publisher:
    """`west ota-publish` in a process of its own."""

    def __init__(
        self, folder: Path, cloud: Path, files: Path, options: Sequence[str]
    ) -> None:
        self._command = [
            *(sys.executable, "-m", "nrfota", "publish", "--json"),
            *("--package-dir", str(folder / "ota"), "--cloud", str(cloud)),
            *("--to", f"file://{files}", "--id", REQUEST),
            *("--devices", str(folder / "devices.txt"), *options),
        ]
        self._log = folder / "ota" / f"publish_{REQUEST}.log"
        self._output = folder / "publish.txt"
        self._process: subprocess.Popen[bytes] | None = None
        self.peak_kb = 0

    def start(self) -> None:
        """Begins, or goes on."""
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=subprocess.STDOUT
            )

    def wait(self) -> int:
        """Its exit code."""
        assert self._process is not None
        while True:
            with contextlib.suppress(OSError, IndexError):  # it has ended
                peak_kb = memory_kb(self._process.pid, "VmHWM")
                self.peak_kb = max(self.peak_kb, peak_kb)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(MEMORY_EVERY_S)

    def kill_after(self, reports: int) -> None:
        """Power off, with so many reports noted."""
        assert self._process is not None
        end = time.monotonic() + READY_S
        while not self._log.exists() or self._log.read_bytes().count(NOTED) < reports:
            if time.monotonic() > end:
                raise AssertionError(f"not {reports} reports in {READY_S:.0f} s")
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(MEMORY_EVERY_S)
                raise AssertionError(f"the publisher ended with {code}: {self.said}")
        self._process.send_signal(signal.SIGKILL)
        self.wait()

    @property
    def said(self) -> str:
        return self._output.read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Whole lines of its log."""
        if not self._log.exists():
            return []
        lines = self._log.read_bytes().rpartition(b"\n")[0].splitlines()
        return [json.loads(line) for line in lines]


@contextlib.contextmanager
def _simulator(command: list[str]) -> Iterator[Callable[[str], dict[str, Any]]]:
    """A function that waits for an event; at the end all have been heard."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout
    output: IO[str] = process.stdout

    def said(event: str) -> dict[str, Any]:
        for line in output:
            found: dict[str, Any] = json.loads(line)
            if found["event"] == event:
                return found
        raise AssertionError(f"the devices ended with {process.wait()}")

    try:
        yield said
        process.stdin.close()
        output.read()
        if process.wait(READY_S):
            raise AssertionError(f"the devices ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _cloud_file(folder: Path, broker: FleetBroker, identity: Identity | None) -> Path:
    cloud = folder / "cloud.yml"
    lines = [
        "profile: mqtt",
        "host: 127.0.0.1",
        f"port: {broker.tls_port if identity else broker.port}",
        "device_id: imei",
        "group: fleet",
    ]
    if identity and broker.pki:
        lines += [
            "tls:",
            f"  ca: {broker.pki.ca}",
            "operator:",
            "  client_id: publisher",
            f"  cert: {identity.certificate}",
            f"  key: {identity.key}",
        ]
    else:
        lines += ["operator: {client_id: publisher}"]
    cloud.write_text("\n".join(lines) + "\n")
    return cloud

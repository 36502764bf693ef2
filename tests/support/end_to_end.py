# SPDX-License-Identifier: Apache-2.0
"""A fleet of one: mosquitto, nginx, the firmware of a cloud file, a publisher.

Everything is what a customer runs: commands by command line, certificates stored by
`west ota-certs`, the ARM application on the virtual board, real servers on loopback.

with Site(tmp_path, pki) as site:
    device = site.device()
    publisher = site.publish(site.package(2))
    site.follow(device, publisher)
    assert publisher.code == 0
"""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.firmware import ROOT
from support.mosquitto import Client, Mosquitto
from support.nginx import Nginx
from support.pki import Pki
from system.device import Device
from vboard.clock import NS_PER_S
from vboard.modem.faults import FaultPlan
from vboard.modem.profile import ModemProfile

IMEI = ModemProfile().imei
HOST = "broker.test"
PAD = 260_000  # bytes that make an image of three parts
PACE = 100.0  # simulated time while a broker is connected
TOOL = (sys.executable, "-m", "nrfota")

CLOUDS = {
    "mqtt": "profile: mqtt\n",
    "gcp": "profile: gcp\n",
    "aws": "profile: aws\njobs: true\n",
}
TOPICS = {
    "mqtt": ("ota/device/{}/request", "ota/device/{}/report"),
    "gcp": ("/devices/{}/config", "/devices/{}/state"),
    "aws": ("cmd/ota/{}/request", "dt/ota/{}/report"),
}


def tool(*args: str, timeout: float = 300) -> str:
    """Runs a command of the project; its standard output."""
    done = subprocess.run(
        [*TOOL, *args], capture_output=True, text=True, check=False, timeout=timeout
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cloud_text(kind: str, *, port: int) -> str:
    """A cloud file; `port` is where the operator finds the broker."""
    return (
        f"{CLOUDS[kind]}host: {HOST}\nport: 8883\ndevice_id: imei\n"
        "keepalive_s: 60\ntelemetry_s: 600\n"
        "tls: {ca: ca.pem, cert: device.pem, key: device.key.pem}\n"
        "https: {ca: ca.pem}\n"
        f"operator: {{host: localhost, port: {port}, cert: operator.pem, "
        "key: operator.key.pem}\n"
    )


def write_fleet(folder: Path, pki: Pki, kind: str, *, port: int) -> Path:
    """The cloud file and the certificates that it names."""
    folder.mkdir(parents=True, exist_ok=True)
    device, operator = pki.device(IMEI), pki.operator()
    shutil.copy(pki.ca, folder / "ca.pem")
    for name, identity in (("device", device), ("operator", operator)):
        shutil.copy(identity.certificate, folder / f"{name}.pem")
        shutil.copy(identity.key, folder / f"{name}.key.pem")
    cloud = folder / "cloud.yml"
    cloud.write_text(cloud_text(kind, port=port))
    return cloud


@functools.cache
def build(kind: str, version: int, *cmake_args: str) -> Path:
    """Build directory of a fleet's firmware, by `west ota-build --cloud`."""
    name = "-".join([kind, str(version), *(arg.lstrip("-D") for arg in cmake_args)])
    folder = ROOT / "build" / f"test-e2e-{name.replace('=', '-')}"
    args = [f"--cmake-arg={arg}" for arg in cmake_args]
    with tempfile.TemporaryDirectory() as fleet:
        cloud = write_fleet(Path(fleet), _build_pki(), kind, port=8883)
        tool(
            *("build", "-d", str(folder), "-A", str(version)),
            *("--cloud", str(cloud), *args),
        )
    return folder


@functools.cache
def _build_pki() -> Pki:
    # Firmware holds names of certificates, not their content.
    return Pki(Path(tempfile.mkdtemp(prefix="build-pki-")))


@functools.cache
def factory(kind: str, *cmake_args: str) -> tuple[Path, bytes]:
    """Version 1 as it leaves the factory: factory.hex and its ota.ebin."""
    folder, out = build(kind, 1, *cmake_args), tempfile.mkdtemp(prefix="factory-")
    tool(
        *("package", "-d", str(folder), "-A", "1", "-o", out, "--factory"),
        *("-u", "https://example.com/fw_1.ebin", "--modem-path", "E:/fw_1.ebin"),
    )
    return Path(out) / "factory.hex", (Path(out) / "ota.ebin").read_bytes()


@dataclass(frozen=True, kw_only=True)
class Package:
    """ota.ebin and ota.json of one version, for one place."""

    folder: Path
    name: str

    @property
    def ebin(self) -> bytes:
        return (self.folder / "ota.ebin").read_bytes()


class Publisher:
    """`west ota-publish --json` as a process."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._text: tuple[str, str] | None = None

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def _output(self) -> tuple[str, str]:
        if self._text is None:
            self._text = self._process.communicate(timeout=60)
        return self._text

    @property
    def code(self) -> int:
        self._output()
        return self._process.returncode

    @property
    def errors(self) -> str:
        return self._output()[1]

    @property
    def result(self) -> dict[str, Any]:
        """The JSON object that it ends with."""
        out, errors = self._output()
        assert out, errors
        return dict(json.loads(out))

    def kill(self) -> None:
        """When the test has failed."""
        if not self.ended:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()


class Site:
    """The servers, the fleet's folder, and everybody who took part."""

    def __init__(
        self,
        folder: Path,
        pki: Pki,
        *,
        kind: str = "mqtt",
        persistence: bool = False,
        routes: str = "",
    ) -> None:
        self.folder = folder
        self.pki = pki
        self.kind = kind
        self.broker = Mosquitto(folder / "broker", pki=pki, persistence=persistence)
        self.files = Nginx(folder / "files", pki=pki)
        self._routes = routes
        self._publishers: list[Publisher] = []
        self._packages = 0
        self.reports: list[dict[str, Any]] = []

    def __enter__(self) -> Site:
        with contextlib.ExitStack() as stack:
            self.broker.start()
            stack.callback(self.broker.kill)
            self.files.start()
            stack.callback(self.files.kill)
            self.cloud = write_fleet(
                self.folder / "fleet", self.pki, self.kind, port=self.broker.tls_port
            )
            self.operator = stack.enter_context(
                self.broker.client(self.pki.operator(), client_id="witness")
            )
            self.request_topic, self.report_topic = (
                topic.format(IMEI) for topic in TOPICS[self.kind]
            )
            self.operator.subscribe(self.report_topic)
            self.operator.subscribe(self.request_topic)
            stack.callback(self._end_publishers)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _end_publishers(self) -> None:
        for publisher in self._publishers:
            publisher.kill()

    # The device

    def device(
        self, *cmake_args: str, plan: FaultPlan | None = None, pace: float = PACE
    ) -> Device:
        """Version 1 with its certificates, powered, not yet connected."""
        hex_file, ebin = factory(self.kind, *cmake_args)
        modem = self.folder / "modem"
        routes = f"{HOST}:8883=127.0.0.1:{self.broker.tls_port};{self._routes}"
        self.provision(modem)
        device = Device(
            factory=hex_file,
            modem_dir=modem,
            profile=ModemProfile(routes=routes),
            plan=plan,
            pace=pace,
        )
        device.store("fw_1.ebin", ebin)
        return device

    def provision(self, modem: Path) -> None:
        """The device's certificates, as `west ota-certs` stores them."""
        sim = self.folder / "bench"
        tool(
            *("certs", "--cloud", str(self.cloud), "-r", "sim", "-d", str(sim)),
            *("--device", IMEI),
        )
        shutil.copytree(sim / "sim" / "modem", modem)

    def run(
        self, device: Device, done: Callable[[], bool], *, max_s: float = 14_400
    ) -> bool:
        """Runs the device until `done`, which is asked now and then."""
        steps, holds = 0, False

        def stop() -> bool:
            nonlocal steps, holds
            steps += 1
            if steps % 16 == 0:
                holds = done()
            return holds

        end_ns = device.board.clock.now_ns + round(max_s * NS_PER_S)
        device.board.run(until_ns=end_ns, stop=stop)
        return holds or done()

    def connect(self, device: Device) -> None:
        """Runs the device until it has subscribed."""
        assert self.run(device, lambda: "connected" in device.console, max_s=180), (
            device.console
        )

    def run_to(self, device: Device, command: str, *, nth: int = 1) -> None:
        """Runs the device until its modem has been given the nth such command."""
        seen = 0

        def heard(text: str) -> None:
            nonlocal seen
            seen += text.startswith(f">> AT+{command}")

        device.on_at = heard
        end_ns = device.board.clock.now_ns + 1_800 * NS_PER_S
        device.board.run(until_ns=end_ns, stop=lambda: seen >= nth)
        device.on_at = lambda text: None
        assert seen >= nth, device.console

    # Releases

    def package(
        self,
        version: int,
        *cmake_args: str,
        url: str = "",
        alt_url: str = "",
        name: str = "",
    ) -> Package:
        """A release by `west ota-package`; without `url` nginx serves it."""
        self._packages += 1
        name = name or f"fw_{version}_{self._packages}.ebin"
        folder = self.folder / f"package-{self._packages}"
        more = ["-a", alt_url] if alt_url else []
        tool(
            *("package", "-d", str(build(self.kind, version, *cmake_args))),
            *("-A", str(version), "-o", str(folder)),
            *("-u", url or self.files.url(name), *more),
        )
        return Package(folder=folder, name=name)

    def publish(self, package: Package, *options: str, to: str = "") -> Publisher:
        """`west ota-publish` to the device; by default into nginx's folder."""
        command = [*TOOL, "publish", "--cloud", str(self.cloud), "--json"]
        command += ["--package-dir", str(package.folder), "--device", IMEI]
        if "--no-upload" not in options:
            command += ["--to", to or f"file://{self.files.root}"]
        if "aws-job" not in options:
            command += ["--stages", "100"]
        publisher = Publisher([*command, *options])
        self._publishers.append(publisher)
        return publisher

    def follow(
        self, device: Device, publisher: Publisher, *, max_s: float = 14_400
    ) -> None:
        """Runs the device until the publisher has ended."""
        assert self.run(device, lambda: publisher.ended, max_s=max_s), (
            f"{device.console}\n{self.told()}"
        )

    def wait_for_request(self, publisher: Publisher) -> None:
        """Waits for the broker's copy of the request; the device does not run."""
        self.operator.wait_for(
            lambda messages: (
                publisher.ended or any(m.topic == self.request_topic for m in messages)
            )
        )
        assert not publisher.ended, publisher.errors

    # What was told

    def told(self, request: str = "") -> list[dict[str, Any]]:
        """The device's reports, in order; of one request, if it is named."""
        reports = [
            json.loads(message.payload)
            for message in list(self.operator.messages)
            if message.topic == self.report_topic and not message.retain
        ]
        return [report for report in reports if request in ("", report["id"])]

    def stages(self, request: str = "") -> list[str]:
        """Stages in order; repeated ones left out."""
        names: list[str] = []
        for report in self.told(request):
            if not names or names[-1] != report["stage"]:
                names.append(report["stage"])
        return names

    def by_device(self, name: str) -> int:
        """Bytes of this file that were sent to the modem, which names no agent."""
        return sum(
            line.bytes
            for line in self.files.requests()
            if line.uri.endswith(f"/{name}") and not line.agent and line.method == "GET"
        )


@contextlib.contextmanager
def client_of(site: Site) -> Iterator[Client]:
    """One more operator."""
    with site.broker.client(site.pki.operator()) as client:
        yield client

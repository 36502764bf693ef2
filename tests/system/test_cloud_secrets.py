# SPDX-License-Identifier: Apache-2.0
"""What an update by cloud leaves behind holds no key and no password.

The commands of a whole release run in a home of their own against mosquitto (TLS,
logins) and nginx; the device is the connected application on the virtual board.
"""

from __future__ import annotations

import base64
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from support.end_to_end import HOST, IMEI, PACE
from support.firmware import ROOT
from support.mosquitto import Mosquitto
from support.nginx import Nginx
from support.pki import Pki
from support.process import program
from support.witness import Trace, Witness, leaks
from system.device import Device
from vboard.clock import NS_PER_S
from vboard.cpu_memory import RAM_BASE, RAM_SIZE
from vboard.modem.profile import ModemProfile

KEYS = {
    f"{what} {version}": bytes(range(start, start + 16))
    for what, version, start in (
        ("key", 1, 0x82),
        ("iv", 1, 0xA4),
        ("key", 2, 0xC6),
        ("iv", 2, 0xE8),
    )
}
PASSWORDS = {
    "password of the fleet": b"Fleet-ohQu8eep",
    "password of the operator": b"Operator-ieN5aeto",
}
REPORT, REQUEST = f"ota/device/{IMEI}/report", f"ota/device/{IMEI}/request"
JOURNAL, JOURNAL_END, FLASH_END = 0xFC000, 0xFE000, 0x100000
LINE = 48  # bytes of a PEM line

CLOUD = """\
profile: mqtt
host: {host}
device_id: imei
keepalive_s: 60
tls: {{ca: ca.pem, cert: device.pem, key: device.key.pem}}
https: {{ca: ca.pem}}
login: {{user: fleet, password_file: fleet.password}}
operator:
  host: localhost
  port: {port}
  cert: operator.pem
  key: operator.key.pem
  user: operator
  password_file: operator.password
"""


class LoginBroker(Mosquitto):
    """A broker that wants certificates, and users with passwords."""

    def command(self) -> Sequence[str]:
        command = super().command()
        users = self.folder / "users"
        users.unlink(missing_ok=True)
        users.touch(mode=0o600)
        for user in ("fleet", "operator"):
            password = next(p for p in PASSWORDS.values() if user in p.decode().lower())
            subprocess.run(
                [program("mosquitto_passwd"), "-b", users, user, password.decode()],
                check=True,
            )
        (self.folder / "acl").write_text(
            "user operator\ntopic readwrite #\nuser fleet\ntopic readwrite #\n"
        )
        config = self.folder / "mosquitto.conf"
        config.write_text(
            config.read_text().replace(
                "use_identity_as_username true",
                f"allow_anonymous false\npassword_file {users}",
            )
        )
        return command


def private_write(path: Path, data: bytes) -> Path:
    """A file for us alone."""
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


def key_secret(pem: bytes) -> bytes:
    """A line in the middle of a PEM file, as its bytes."""
    lines = pem.split(b"\n")
    return base64.b64decode(lines[len(lines) // 2])


def is_closed(path: Path, top: Path) -> bool:
    """Whether a folder between `top` and the file lets nobody else in."""
    between = [parent for parent in path.parents if top in (parent, *parent.parents)]
    return any(not stat.S_IMODE(folder.stat().st_mode) & 0o077 for folder in between)


class Fleet:
    """One device, its cloud, and who publishes."""

    def __init__(self, folder: Path) -> None:
        self.witness = Witness(folder)
        self.home = self.witness.home
        self.pki = Pki(folder / "pki")
        self.broker = LoginBroker(folder / "broker", pki=self.pki)
        self.files = Nginx(folder / "files", pki=self.pki)
        self.secrets = dict(KEYS) | PASSWORDS
        self.allowed: list[Path] = []
        self.builds: list[Path] = []
        self.console = ""

    def prepare(self) -> None:
        """The files that the operator has."""
        fleet = self.home / "fleet"
        fleet.mkdir()
        shutil.copy(self.pki.ca, fleet / "ca.pem")
        for name, identity in (
            ("device", self.pki.device(IMEI)),
            ("operator", self.pki.operator()),
        ):
            shutil.copy(identity.certificate, fleet / f"{name}.pem")
            key = identity.key.read_bytes()
            self.allow(private_write(fleet / f"{name}.key.pem", key))
            self.secrets[f"private key of the {name}"] = key_secret(key)
        self.allow(
            private_write(
                fleet / "fleet.password", PASSWORDS["password of the fleet"] + b"\n"
            )
        )
        self.allow(
            private_write(
                fleet / "operator.password",
                PASSWORDS["password of the operator"] + b"\n",
            )
        )
        (fleet / "cloud.yml").write_text(
            CLOUD.format(host=HOST, port=self.broker.tls_port)
        )
        for name, secret in KEYS.items():
            self.allow(private_write(self.home / name.replace(" ", "_"), secret))

    def allow(self, *paths: Path) -> None:
        self.allowed += paths

    def nrfota(self, *arguments: str, code: int = 0) -> str:
        """Runs a command that ends with `code`; what it printed."""
        done = self.witness.run("nrfota", *arguments)
        text = (done.stdout + done.stderr).decode()
        assert done.returncode == code, text
        return text

    def build(self, version: int) -> Path:
        folder = ROOT / "build" / f"test-cloud-secrets-{version}"
        self.nrfota(
            *("build", "-d", str(folder), "-A", str(version)),
            *("--cloud", "fleet/cloud.yml"),
        )
        if folder not in self.builds:
            self.builds.append(folder)
            self.allow(folder / "generated/cloud_config.h")
        return folder

    def package(self, version: int, *more: str) -> None:
        self.nrfota(
            *("package", "-d", str(self.build(version)), "-A", str(version)),
            *("-o", f"v{version}", "-u", self.files.url(f"fw_{version}.ebin")),
            *(f"--key-file=key_{version}", f"--iv-file=iv_{version}", *more),
        )
        self.allow(self.home / f"v{version}/ota.json")

    def publish(self, *more: str, code: int = 0) -> str:
        return self.nrfota(
            *("publish", "--cloud", "fleet/cloud.yml", "--package-dir", "v2"),
            *("--device", IMEI, "--stages", "100", *more),
            code=code,
        )

    @property
    def to(self) -> list[str]:
        return ["--to", f"file://{self.files.root}"]

    def device(self) -> Device:
        """Version 1 with its certificates, powered."""
        self.nrfota(
            *("certs", "--cloud", "fleet/cloud.yml", "-r", "sim", "-d", "bench"),
            *("--device", IMEI),
        )
        modem = self.home / "modem"
        shutil.copytree(self.home / "bench/sim/modem", modem)
        for folder in (modem, self.home / "bench/sim/modem"):
            self.allow(*folder.rglob("*key*"))
        routes = f"{HOST}:8883=127.0.0.1:{self.broker.tls_port}"
        device = Device(
            factory=self.home / "v1/factory.hex",
            modem_dir=modem,
            profile=ModemProfile(routes=routes),
            pace=PACE,
        )
        device.store("fw_1.ebin", (self.home / "v1/ota.ebin").read_bytes())
        return device

    def follow(self, device: Device, work: Callable[[], None]) -> None:
        """Runs the device while `work` is done in a thread."""
        failures: list[BaseException] = []

        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        steps = 0

        def stop() -> bool:
            nonlocal steps
            steps += 1
            return steps % 64 == 0 and not thread.is_alive()

        end_ns = device.board.clock.now_ns + 7_200 * NS_PER_S
        device.board.run(until_ns=end_ns, stop=stop)
        thread.join(60)
        self.console += device.console
        assert not failures, (failures, device.console)

    def ask(self, request: bytes) -> None:
        """A request without `west ota-publish`, until the device's last report."""
        with self.broker.client() as client:  # plain, may do everything
            client.subscribe(f"ota/device/{IMEI}/telemetry")  # it is connected
            client.subscribe(REPORT)
            client.wait_for(bool)
            client.publish(REQUEST, request)
            client.wait_for(lambda got: any(b'"failed"' in m.payload for m in got))

    def retained(self) -> list[bytes]:
        """What the broker gives to somebody who comes now."""
        with self.broker.client() as client:
            client.subscribe("#")
            client.publish("end", b"", retain=False)
            messages = client.wait_for(lambda got: any(m.topic == "end" for m in got))
            return [message.payload for message in messages if message.retain]

    def leaks(self) -> list[str]:
        """Where a secret is that may not be there."""
        found = leaks(self._traces(), self.secrets, allowed=self.allowed)
        console = Trace("the console", self.console.encode())
        return found + leaks(iter([console]), self.secrets, allowed=[])

    def _traces(self) -> Iterator[Trace]:
        for trace in self.witness.traces(*self.builds, self.broker.folder):
            top = next((b for b in self.builds if trace.where.startswith(str(b))), None)
            if top is None or not is_closed(Path(trace.where), top):
                yield trace


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Version 1 built and packaged, version 2 packaged, the servers at work."""
    fleet = Fleet(tmp_path)
    fleet.broker.start()
    fleet.files.start()
    try:
        fleet.prepare()
        fleet.package(1, "--factory", "--modem-path=E:/fw_1.ebin")
        fleet.allow(fleet.home / "v1/factory.hex")
        fleet.package(2)
        yield fleet
    finally:
        fleet.broker.kill()
        fleet.files.kill()


def outside_journal(device: Device) -> bytes:
    """Flash without the two pages that hold keys on purpose."""
    nv = device.nv
    end = bytes(nv.read(JOURNAL_END, FLASH_END - JOURNAL_END))
    return bytes(nv.read(0, JOURNAL)) + end


def test_an_update_by_cloud_leaves_no_secret(fleet: Fleet) -> None:
    """From the build to the confirmation; then all that is left is looked at."""
    device = fleet.device()
    fleet.follow(device, lambda: print(fleet.publish(*fleet.to, "--id", "r1")))
    assert "app: confirmed version 2" in device.console
    assert fleet.leaks() == []
    assert fleet.retained() == []
    # The search had something to find.
    assert KEYS["key 2"] in bytes(device.nv.read(JOURNAL, JOURNAL_END - JOURNAL))
    assert PASSWORDS["password of the fleet"] in outside_journal(device)  # the image
    assert not (fleet.home / "v2/ota.json").exists()
    seen = [trace.where for trace in fleet.witness.traces()]
    assert any(where.startswith("deleted") and "ota.json" in where for where in seen)
    assert any(where.endswith("publish_r1.log") for where in seen)
    # In the device: the application's RAM, flash, and the modem's files.
    places = [
        Trace("RAM", device.board.ram_read(RAM_BASE, RAM_SIZE)),
        Trace("flash", outside_journal(device)),
    ]
    assert leaks(iter(places), KEYS, allowed=[]) == []


def test_cloud_failures_name_no_secret(fleet: Fleet) -> None:
    """A broker that refuses, a store that is away, files that are damaged."""
    home = fleet.home
    password = home / "fleet/operator.password"
    good_password = password.read_bytes()
    good_json = (home / "v2/ota.json").read_bytes()
    key_2 = KEYS["key 2"].hex().encode()

    # A wrong password, one that no AT command can carry, two lines, none.
    for text, code in (
        (good_password.rstrip() + b"-wrong\n", 4),
        (good_password.rstrip() + b'"\n', 1),
        (good_password * 2, 1),
        (good_password.rstrip() + b"\xff", 1),
        (b"", 1),
    ):
        password.write_bytes(text)
        fleet.publish(*fleet.to, code=code)
    password.write_bytes(good_password)
    fleet_password = home / "fleet/fleet.password"
    good_fleet = fleet_password.read_bytes()
    fleet_password.write_bytes(good_fleet.rstrip() + b"\\\n")
    build = str(fleet.builds[0])
    fleet.nrfota("build", "-d", build, "--cloud", "fleet/cloud.yml", code=1)
    fleet_password.write_bytes(good_fleet)

    # Uploads that fail; another file in the place; wrong bytes at the URL.
    fleet.publish("--to", "http://127.0.0.1:1/put", code=4)
    fleet.publish("--to", "file:///proc/no/such/folder", code=1)
    (fleet.files.root / "fw_2.ebin").write_bytes(b"another")
    fleet.publish(*fleet.to, code=3)
    fleet.publish("--no-upload", code=3)

    # ota.json: damaged in several ways.
    for old, new in (
        (key_2[:2], b"g" + key_2[1:2]),
        (key_2, key_2[:-1]),
        (b'"type"', b'"fw_info":"' + key_2 + b'","type"'),
        (b'"url":"', b'"url":"' + key_2),
        (b'"type":"', b'"type":"' + key_2),
        (b"}", b""),
        (b"{", b"[{"),
        (b"{", b'{"' + key_2 + b'":1,"' + key_2 + b'":2,'),
        (b'"fw_info":"', b'"id":"' + key_2 * 3 + b'","fw_info":"'),
    ):
        assert old in good_json
        (home / "v2/ota.json").write_bytes(good_json.replace(old, new, 1))
        done = fleet.witness.run(
            *("nrfota", "publish", "--cloud", "fleet/cloud.yml", "--package-dir"),
            *("v2", "--device", IMEI, *fleet.to),
        )
        assert done.returncode in (1, 3), done.stderr
    (home / "v2/ota.json").write_bytes(good_json)

    # Keys that are none: of another certificate, cut, in the certificate's place.
    device_key = home / "fleet/device.key.pem"
    good_key = device_key.read_bytes()
    operator_key = (home / "fleet/operator.key.pem").read_bytes()
    certs = ["certs", "--cloud", "fleet/cloud.yml", "-r", "sim", "-d", "bench"]
    for text in (operator_key, good_key[:-200], good_key[:800] + b"\xff" * 20, b""):
        device_key.write_bytes(text)
        fleet.nrfota(*certs, "--device", IMEI, code=1)
    device_key.write_bytes(good_key)
    certificate = home / "fleet/device.pem"
    good_certificate = certificate.read_bytes()
    private_write(certificate, good_key)
    certificate.chmod(0o600)
    fleet.allow(certificate)
    fleet.nrfota(*certs, "--device", IMEI, code=1)
    certificate.write_bytes(good_certificate)
    certificate.chmod(0o644)

    # A rollout that nobody answers, given up; then a device that fails.
    ends = ["--id", "r0", "--timeout", "0"]
    (fleet.files.root / "fw_2.ebin").unlink()
    fleet.publish(*fleet.to, *ends, code=1)
    fleet.publish("--no-upload", "--id", "r0", "--keep-keys", "--abort")
    device = fleet.device()
    missing = good_json.replace(b"fw_2.ebin", b"missing").replace(b"{", b'{"id":"r1",')
    fleet.follow(device, lambda: fleet.ask(missing))
    assert "app: update r1: failed, http" in device.console
    assert fleet.leaks() == []
    assert fleet.retained() == []

# SPDX-License-Identifier: Apache-2.0
"""Where `west ota-publish` runs in tests: a build, a file server, a broker.

site.package()
with answering(site.broker.port, {"dev-0": HAPPY}):
    assert site.run(*site.to, "--device", "dev-0") == 0
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nrfota import cli
from nrfota.ota_json import OtaJson
from support.mosquitto import Mosquitto
from support.pki import Identity
from support.publishing import NAME, FileServer, package

HAPPY = ["accepted", "downloading", "downloaded", "updating", "confirmed"]


def names(count: int) -> list[str]:
    return [f"dev-{number}" for number in range(count)]


@dataclass
class Site:
    """A build directory, a file server and a broker."""

    folder: Path
    files: FileServer
    broker: Mosquitto
    operator: Identity

    def package(self, *, alt: bool = False) -> OtaJson:
        url = self.files.url(f"fw/{NAME}")
        alt_url = self.files.url(f"alt/{NAME}") if alt else ""
        return package(self.build / "ota", url=url, alt_url=alt_url)[0]

    @property
    def build(self) -> Path:
        return self.folder / "build"

    @property
    def to(self) -> list[str]:
        return ["--to", f"file://{self.files.folder}/fw"]

    def cloud(self, text: str = "", *, operator: str | None = None) -> Path:
        """A cloud file of the broker's TLS listener."""
        pki = self.broker.pki
        assert pki is not None
        if operator is None:
            cert, key = self.operator.certificate, self.operator.key
            operator = f"operator: {{cert: {cert}, key: {key}}}\n"
        path = self.folder / "cloud.yml"
        path.write_text(
            f"profile: mqtt\nhost: 127.0.0.1\nport: {self.broker.tls_port}\n"
            f"device_id: imei\ntls: {{ca: {pki.ca}}}\n{operator}{text}"
        )
        return path

    def devices(self, names: list[str]) -> list[str]:
        path = self.folder / "devices.txt"
        lines = ["# the fleet", "", *(f"{name}  # a device" for name in names)]
        path.write_text("\n".join(lines))
        return ["--devices", str(path)]

    def run(self, *arguments: str, cloud: Path | None = None) -> int:
        where = ["--cloud", str(cloud or self.cloud()), "-d", str(self.build)]
        return cli.main(["publish", *where, *arguments])

# SPDX-License-Identifier: Apache-2.0
"""What a full run leaves behind holds no key, except where it has to be."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from support.firmware import build_dir
from support.witness import Trace, Witness, leaks, spellings

KEYS = {
    f"{what} {version}": bytes(range(start, start + 16))
    for what, version, start in (
        ("key", 1, 0x81),
        ("iv", 1, 0xA3),
        ("key", 2, 0xC5),
        ("iv", 2, 0xE7),
    )
}
URL = "https://example.com/fw.ebin"


class Flow:
    """The commands of a release, in a home of their own."""

    def __init__(self, folder: Path) -> None:
        self.witness = Witness(folder)
        self.home = self.witness.home
        self.allowed: list[Path] = []
        for name, secret in KEYS.items():
            path = self.home / name.replace(" ", "_")
            path.touch(mode=0o600)
            path.write_bytes(secret)
            self.allowed.append(path)

    def nrfota(self, *arguments: str, code: int = 0) -> str:
        """Runs a command that ends with `code`; what it printed."""
        done = self.witness.run("nrfota", *arguments)
        text = (done.stdout + done.stderr).decode()
        assert done.returncode == code, text
        return text

    def package(self, version: int, *more: str, code: int = 0) -> str:
        """Packages the sample application into v1 or v2."""
        keys = [f"--key-file=key_{version}", f"--iv-file=iv_{version}"]
        built = str(build_dir(app_version=version))
        out = [f"-ov{version}", f"-A{version}", "-u", URL]
        return self.nrfota("package", "-d", built, *out, *keys, *more, code=code)

    def leaks(self) -> list[str]:
        """Where a secret is that may not be there."""
        return leaks(self.witness.traces(), KEYS, allowed=self.allowed)


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    """Two versions packaged; version 1 knows its own file in the modem."""
    flow = Flow(tmp_path)
    flow.package(1, "--factory", "--modem-path=E:/fw_1.ebin")
    flow.package(2)
    made = ["v1/ota.json", "v2/ota.json", "v1/factory.hex", "sim/nv.bin"]
    flow.allowed += [flow.home / name for name in made]
    return flow


def test_the_search_finds_a_secret_in_every_spelling() -> None:
    """Otherwise the tests below would pass for nothing."""
    secret = KEYS["key 1"]
    for form, text in spellings(secret).items():
        trace = Trace("x", b"before " + text + b" behind")
        assert leaks(iter([trace]), {"key 1": secret}, allowed=[]) != [], form
    upper = Trace("x", secret.hex().upper().encode())
    assert leaks(iter([upper]), {"key 1": secret}, allowed=[])
    private = Trace("/a", secret, 0o600)
    assert leaks(iter([private]), {"key 1": secret}, allowed=[Path("/a")]) == []
    shared = Trace("/a", secret, 0o644)
    assert leaks(iter([shared]), {"key 1": secret}, allowed=[Path("/a")]) != []


def test_package_inspect_and_flash_leave_no_key(flow: Flow) -> None:
    """A whole release on the virtual board, everything said and written looked at."""
    for name in ("v1/ota.json", "v2/ota.ebin", "v1/factory.hex"):
        flow.nrfota("inspect", name, "--json")
    flow.nrfota("inspect", "v2/ota.ebin", "--ota-json", "v2/ota.json")
    update = ["--hex-file=v1/factory.hex", "--ebin=v2/ota.ebin", "--verbose"]
    text = flow.nrfota("flash", "-rsim", "-d.", *update)
    assert "version 2 running" in text
    flow.nrfota("inspect", "sim/nv.bin")
    app = build_dir(app_version=1) / "app/app.elf"
    (flow.home / "other").mkdir()
    for part in ("mbr", "bootloader"):
        (flow.home / "other" / part).symlink_to(build_dir(app_version=1) / part)
    flow.nrfota("flash", "-rsim", "-dother", f"--elf-file={app}", "-A1", "--provision")
    flow.nrfota("flash", "-rsim", "-d.", *update, "--dry-run")
    assert flow.leaks() == []
    nv = flow.home / "sim/nv.bin"
    assert KEYS["key 2"] in nv.read_bytes()  # the search had something to find
    seen = [trace.where for trace in flow.witness.traces()]
    assert any(where.startswith("process") for where in seen)
    modes = {trace.where: trace.mode for trace in flow.witness.traces()}
    assert modes["deleted factory.hex"] == 0o600
    assert stat.S_IMODE(nv.stat().st_mode) == 0o600


def spoil(path: Path, old: bytes, new: bytes) -> None:
    """Replaces bytes of a file, which keeps its mode."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def test_failures_name_no_key(flow: Flow) -> None:
    """Wrong files, bad values and tracebacks: each command fails, and says no key."""
    json_2, hex_1 = flow.home / "v2/ota.json", flow.home / "v1/factory.hex"
    good_json, good_hex = json_2.read_bytes(), hex_1.read_bytes()
    key_2 = KEYS["key 2"].hex().encode()

    # package
    (flow.home / "long").touch(mode=0o600)
    (flow.home / "long").write_bytes(KEYS["key 2"] + b"x")
    flow.allowed.append(flow.home / "long")
    flow.package(2, "--key-file=long", code=1)
    (flow.home / "v2/ota.ebin").rename(flow.home / "kept.ebin")
    (flow.home / "v2/ota.ebin").mkdir()
    flow.package(2, code=2)
    (flow.home / "v2/ota.ebin").rmdir()
    (flow.home / "kept.ebin").rename(flow.home / "v2/ota.ebin")

    # ota.json: one digit that is none, one digit less, twice, not JSON
    for old, new in (
        (key_2[:2], b"g" + key_2[1:2]),
        (key_2, key_2[:-1]),
        (b'"type"', b'"fw_info":"' + key_2 + b'","type"'),
        (b'"type":"', b'"type":"' + key_2),
        (b"}", b""),
    ):
        spoil(json_2, old, new)
        assert "nrfota flash: " in flow.nrfota(
            "flash", "-rsim", "-d.", "--ebin=v2/ota.ebin", "--arm", "--stage", code=1
        )
        flow.nrfota("inspect", "v2/ota.json", code=1)
        json_2.write_bytes(good_json)

    # factory.hex: a checksum, a cut line, another byte in the journal
    key_line = next(
        line
        for line in good_hex.splitlines()
        if KEYS["key 1"][:6].hex().upper().encode() in line
    )
    for bad in (key_line[:-2] + b"00", key_line[:-5], b"x" + key_line):
        spoil(hex_1, key_line, bad)
        flow.nrfota("flash", "-rsim", "-d.", "--hex-file=v1/factory.hex", code=1)
        flow.nrfota("inspect", "v1/factory.hex", code=1)
        hex_1.write_bytes(good_hex)

    # A file of another key, and a report that cannot be written
    flow.nrfota("inspect", "v2/ota.ebin", "--ota-json", "v1/ota.json", code=3)
    os.truncate(flow.home / "v2/ota.ebin", 200)
    flow.nrfota("inspect", "v2/ota.ebin", "--ota-json", "v2/ota.json", code=3)
    flow.nrfota(
        "flash", "-rsim", "-d.", "--ebin=v2/ota.ebin", "--arm", "--stage", code=3
    )
    assert flow.leaks() == []


def test_campaign_leaves_no_key(tmp_path: Path) -> None:
    """`ota-test`: keys come from the seed; reports, names and files hold none."""
    from nrfota.build import BuildRequest
    from nrfota.campaign import STORIES, Maker
    from nrfota.campaign_build import build_firmware

    build = build_dir()
    layout = Path(__file__).parents[2] / "templates/layout.yml"
    request = BuildRequest(build_dir=build, board="nrf52840dk_sim7600e", layout=layout)
    story = Maker(build_firmware(request, image_size=12288), seed=5).make("update")
    assert "update" in STORIES
    secrets = {f"key {at}": secret for at, secret in enumerate(story.secrets)}
    assert secrets
    witness = Witness(tmp_path)
    options = ["--scenario", "update", "--cuts=2", "--seed=5", "--image-size=12288"]
    done = witness.run(
        "nrfota", "test", "-d", str(build), *options, "-j1", "--json=report.json"
    )
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads((witness.home / "report.json").read_text())
    assert report[0]["cases"] == 2
    bad = witness.run("nrfota", "test", "-d", str(build), "--cuts=update[cut=#1:never]")
    assert bad.returncode in (1, 2)
    # Below the build directory are images and their ELF files, never a package.
    assert leaks(witness.traces(build / "ota-test"), secrets, allowed=[]) == []

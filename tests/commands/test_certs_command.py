# SPDX-License-Identifier: Apache-2.0
"""`west ota-certs`: options, files, exit codes; on the virtual modem."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nrfota import DEFAULT_BOARD, cli
from nrfota.board import default_board_path
from support.certificates import certificate_pem, rsa_key, write_pair
from support.firmware import ROOT

IMEI = "867648040000015"  # of the virtual modem
FLEET = (
    "profile: mqtt\nhost: broker.example.com\ndevice_id: imei\n"
    "tls: {ca: ca.pem, cert: 'own/{id}.pem', key: 'own/{id}.key'}\n"
)
OURS = ["ca.pem", "client.pem", "client_key.pem"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a cloud file and the certificates of one device."""
    key = rsa_key()
    (tmp_path / "cloud.yml").write_text(FLEET)
    (tmp_path / "ca.pem").write_bytes(certificate_pem(key))
    write_pair(tmp_path / "own", IMEI, key)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def certs(*arguments: str) -> int:
    return cli.main(["certs", "-r", "sim", *arguments])


def store(folder: Path) -> dict[str, bytes]:
    """What is in the virtual modem."""
    places = (folder / "build/sim/modem/mssl_cert").glob("*")
    return {place.name: place.read_bytes() for place in places}


def own(folder: Path) -> dict[str, bytes]:
    """What should be in it."""
    paths = ("ca.pem", f"own/{IMEI}.pem", f"own/{IMEI}.key")
    return {
        name: (folder / path).read_bytes()
        for name, path in zip(OURS, paths, strict=True)
    }


def test_the_modem_says_whose_certificates_it_gets(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing to type: {id} is the IMEI."""
    assert certs("--cloud", "cloud.yml") == 0
    assert store(folder) == own(folder)
    sizes = [len(data) for data in own(folder).values()]
    out = capsys.readouterr()
    assert out.out.splitlines() == [
        f"stored ca.pem: {sizes[0]} bytes of ca.pem",
        f"stored client.pem: {sizes[1]} bytes of own/{IMEI}.pem",
        f"stored client_key.pem: {sizes[2]} bytes of own/{IMEI}.key",
    ]
    assert out.err == ""


def test_again_keeps_what_is_there_and_force_replaces_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It cannot be compared, so it is said."""
    assert certs("--cloud", "cloud.yml") == 0
    before = store(folder)
    write_pair(folder / "own", IMEI, rsa_key())
    capsys.readouterr()
    assert certs("--cloud", "cloud.yml") == 0
    assert store(folder) == before
    assert capsys.readouterr().out.splitlines()[2] == (
        "kept client_key.pem: one is in the modem, which does not give it back to be "
        "compared; --force replaces it"
    )
    assert certs("--cloud", "cloud.yml", "--force", "--json") == 0
    assert store(folder) == own(folder)
    values = json.loads(capsys.readouterr().out)
    assert values["device"] == IMEI
    assert [action["action"] for action in values["actions"]] == ["replaced"] * 3
    assert [action["name"] for action in values["actions"]] == OURS
    assert values["notices"] == []


def test_another_devices_certificates_are_not_stored(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wrong modem on the bench."""
    other = "867648040000999"
    write_pair(folder / "own", other, rsa_key())
    assert certs("--cloud", "cloud.yml", "--device", other) == 3
    assert capsys.readouterr().err == (
        f"nrfota certs: expected the modem of device {other}, got one with IMEI "
        f"{IMEI}; nothing was stored\n"
    )
    assert store(folder) == {}


def test_a_dry_run_touches_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files are looked at, the modem is not."""
    asked = ("--cloud", "cloud.yml", "--device", IMEI, "-n")
    assert certs(*asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "dry run: nothing was touched"
    assert [line.split(":")[0] for line in lines[:3]] == [
        f"would store {name}" for name in OURS
    ]
    assert certs(*asked, "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["dry_run"], values["device"]) == (True, IMEI)
    assert [file["name"] for file in values["files"]] == OURS
    assert not (folder / "build").exists()


def test_names_are_listed_and_deleted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One by name, or all that this command stores; others stay."""
    assert certs("--cloud", "cloud.yml") == 0
    (folder / "build/sim/modem/mssl_cert/other.pem").write_bytes(b"x")
    capsys.readouterr()
    assert certs("--list") == 0
    assert capsys.readouterr().out.splitlines() == [*OURS, "other.pem"]
    assert certs("--list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"names": [*OURS, "other.pem"]}
    assert certs("--delete", "ca.pem") == 0
    assert capsys.readouterr().out == "deleted ca.pem\n"
    assert certs("--delete", "ca.pem") == 1
    assert "expected a certificate ca.pem in the modem, found none" in (
        capsys.readouterr().err
    )
    assert certs("--delete", "-n") == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "would delete ca.pem, if it is there"
    )
    assert certs("--delete", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"deleted": OURS[1:]}
    assert list(store(folder)) == ["other.pem"]


def test_notices_go_to_standard_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that --json stays one object."""
    place = folder / "own" / f"{IMEI}.key"
    place.chmod(0o644)
    assert certs("--cloud", "cloud.yml", "--json") == 0
    out = capsys.readouterr()
    notice = f"own/{IMEI}.key can be read by everybody (mode 0644): chmod 600 it"
    assert json.loads(out.out)["notices"] == [notice]
    assert out.err == f"note: {notice}\n"


TEXT_ID = FLEET.replace("imei", "{text: dev-1}")
BAD: dict[str, tuple[str, tuple[str, ...], str]] = {
    "no_cloud_file": (
        FLEET,
        (),
        "expected --cloud, the fleet's cloud file; samples are in templates/cloud",
    ),
    "missing_cloud_file": (
        FLEET,
        ("--cloud", "no.yml"),
        "'no.yml' does not exist; copy one of ",
    ),
    "missing_certificate": (
        FLEET.replace("ca.pem", "no.pem"),
        ("--cloud", "cloud.yml"),
        "'no.pem' does not exist; copy the certificate there that cloud.yml names as "
        "tls.ca",
    ),
    "missing_key": (
        FLEET,
        ("--cloud", "cloud.yml", "--device", "x"),
        "'own/x.pem' does not exist; copy the certificate there",
    ),
    "chip_without_device": (
        FLEET.replace("imei", "chip"),
        ("--cloud", "cloud.yml"),
        "expected --device, the id of the device whose files cloud.yml names with {id}",
    ),
    "dry_run_without_device": (
        FLEET,
        ("--cloud", "cloud.yml", "-n"),
        "expected --device, the id of the device whose files",
    ),
    "device_of_another": (
        TEXT_ID,
        ("--cloud", "cloud.yml", "--device", "dev-2"),
        "expected --device dev-1, the only device that cloud.yml is for, got dev-2",
    ),
    "bad_device": (
        FLEET,
        ("--cloud", "cloud.yml", "--device", "../x"),
        "--device: expected 1 to 64 of A-Z a-z 0-9 _ - ., got '../x'",
    ),
    "nothing_to_store": (
        "profile: mqtt\nhost: h\ndevice_id: imei\n",
        ("--cloud", "cloud.yml"),
        "cloud.yml names no certificates: nothing to store",
    ),
    "bad_name": (FLEET, ("--delete", "../x.pem"), "expected a name of at most 128"),
    "bad_pace": (
        FLEET,
        ("--cloud", "cloud.yml", "--pace", "x"),
        "expected a pace from safe, fast, got 'x'",
    ),
    "no_port": (
        FLEET,
        ("--cloud", "cloud.yml", "-r", "nrfjprog"),
        "expected --port, the serial port that is wired to the modem",
    ),
}


@pytest.mark.parametrize(("text", "arguments", "message"), BAD.values(), ids=BAD)
def test_what_cannot_work_is_one_sentence(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    """Before the modem is touched."""
    (folder / "cloud.yml").write_text(text)
    assert certs(*arguments) in (1, 2)
    assert capsys.readouterr().err.startswith(f"nrfota certs: {message}")
    assert store(folder) == {}


def test_over_a_serial_port_it_is_the_same(folder: Path) -> None:
    """The virtual modem on a pseudo-terminal; the board is a file."""
    shutil.copy(default_board_path(DEFAULT_BOARD), folder / "board.yml")
    modem = subprocess.Popen(
        [sys.executable, "-m", "vboard", "modem", "--storage", folder / "storage"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert modem.stdout is not None
        port = modem.stdout.readline().split()[-1]
        command = [sys.executable, "-m", "nrfota", "certs", "--cloud", "cloud.yml"]
        done = subprocess.run(
            [*command, "--port", port, "--pace", "fast", "-b", "board.yml"],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        modem.terminate()
        modem.communicate()
    assert done.returncode == 0, done.stderr
    assert "stored client_key.pem" in done.stdout
    places = (folder / "storage/mssl_cert").glob("*")
    assert {place.name: place.read_bytes() for place in places} == own(folder)
    assert "PRIVATE" not in done.stdout + done.stderr


def test_through_west_it_is_the_same(folder: Path) -> None:
    """As a user runs it; west runs in its workspace."""
    done = subprocess.run(
        [
            Path(sys.executable).with_name("west"),
            *("ota-certs", "-n", "--device", IMEI, "--cloud", folder / "cloud.yml"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("dry run: nothing was touched\n")

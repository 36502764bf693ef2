# SPDX-License-Identifier: Apache-2.0
"""`nrfota.cloud.config`: cloud_config.h, compiled and asked for its values."""

from __future__ import annotations

import argparse
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from nrfota import build as build_module
from nrfota.build import BuildRequest, build, configure_command
from nrfota.cli import execute, load
from nrfota.cloud.config import c_string, render_config, write_config
from nrfota.cloud.profile import CloudProfile, load_cloud, parse_cloud
from nrfota.errors import BuildError, FormatError, UsageError
from nrfota.render import default_templates

TEXTS = (
    *("PROFILE", "HOST", "DEVICE_ID", "CLIENT_ID", "TOPIC_REQUEST", "TOPIC_GROUP"),
    *("TOPIC_REPORT", "TOPIC_TELEMETRY", "CA_FILE", "CERT_FILE", "KEY_FILE"),
    *("HTTPS_CA_FILE", "APN", "USER", "PASSWORD"),
)
NUMBERS = (
    *("PORT", "TLS", "ID_IMEI", "ID_CHIP", "ID_TEXT", "ID_SOURCE", "JOBS"),
    *("VERIFY_DATES", "KEEPALIVE_S", "TELEMETRY_S"),
)
# Every character that a user or password may have, and a trigraph.
HOSTILE = "".join(chr(code) for code in range(32, 127) if chr(code) not in '"\\')
HOSTILE += "??/??=%s/**///${x}{{ x }}"
HEAD = "profile: mqtt\nhost: broker.example.com\ndevice_id: imei\n"


def compiled(header: Path, folder: Path) -> dict[str, str]:
    """What a C program sees of the header."""
    lines = [f'puts("{name}"); puts(CLOUD_{name});' for name in TEXTS]
    lines += [f'printf("{name}\\n%u\\n", (unsigned)CLOUD_{name});' for name in NUMBERS]
    source = folder / "show.c"
    source.write_text(
        f'#include "{header}"\n#include <stdio.h>\n'
        "#if CLOUD_ID_SOURCE > CLOUD_ID_TEXT\n#error\n#endif\n"
        "int main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n"
    )
    program = folder / "show"
    compiler = shutil.which("clang") or shutil.which("gcc")
    assert compiler, "scripts/setup.sh --tests installs clang"
    subprocess.run(
        [compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", source, "-o", program],
        check=True,
    )
    out = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    words = out.split("\n")
    return dict(zip(words[0:-1:2], words[1::2], strict=True))


def hostile(folder: Path) -> CloudProfile:
    """Valid, and as bad for a header as it can be."""
    (folder / "pw").write_text(HOSTILE)
    cloud = parse_cloud(
        HEAD + "login: {user: u, password_file: pw}\n"
        "topics: {request: 'a ??/??=//*/{id}/%s', report: \"{id}/'??'\"}\n",
        path=folder / "cloud.yml",
    )
    assert cloud.login is not None
    return replace(cloud, login=replace(cloud.login, user=HOSTILE))


def test_a_small_file_gives_every_macro(tmp_path: Path) -> None:
    """Nothing is left out: firmware needs no #ifdef."""
    path = write_config(parse_cloud(HEAD), tmp_path)
    assert compiled(path, tmp_path) == {
        "PROFILE": "mqtt",
        "HOST": "broker.example.com",
        "PORT": "1883",
        "TLS": "0",
        "ID_IMEI": "0",
        "ID_CHIP": "1",
        "ID_TEXT": "2",
        "ID_SOURCE": "0",
        "DEVICE_ID": "",
        "CLIENT_ID": "{id}",
        "TOPIC_REQUEST": "ota/device/{id}/request",
        "TOPIC_GROUP": "",
        "TOPIC_REPORT": "ota/device/{id}/report",
        "TOPIC_TELEMETRY": "ota/device/{id}/telemetry",
        "JOBS": "0",
        "CA_FILE": "",
        "CERT_FILE": "",
        "KEY_FILE": "",
        "HTTPS_CA_FILE": "",
        "VERIFY_DATES": "0",
        "APN": "",
        "USER": "",
        "PASSWORD": "",
        "KEEPALIVE_S": "600",
        "TELEMETRY_S": "3600",
    }
    assert stat.S_IMODE(path.stat().st_mode) & 0o044


def test_a_full_file_arrives_whole(tmp_path: Path) -> None:
    """Group, jobs, TLS, https, dates, numbers."""
    cloud = parse_cloud(
        "profile: aws\nhost: x-ats.iot.eu-central-1.amazonaws.com\nport: 443\n"
        "device_id: {text: dev-1}\ngroup: all\napn: iot.1nce.net\nkeepalive_s: 1200\n"
        "telemetry_s: 60\njobs: true\nhttps: {ca: w.pem}\n"
        "tls: {ca: a, cert: '{id}.pem', key: '{id}.key', verify_dates: true}\n"
    )
    seen = compiled(write_config(cloud, tmp_path), tmp_path)
    expected = {
        "PROFILE": "aws",
        "HOST": "x-ats.iot.eu-central-1.amazonaws.com",
        "PORT": "443",
        "TLS": "1",
        "ID_SOURCE": "2",
        "DEVICE_ID": "dev-1",
        "TOPIC_REQUEST": "cmd/ota/{id}/request",
        "TOPIC_GROUP": "cmd/ota/group/all/request",
        "TOPIC_REPORT": "dt/ota/{id}/report",
        "TOPIC_TELEMETRY": "dt/ota/{id}/telemetry",
        "JOBS": "1",
        "CA_FILE": "ca.pem",
        "CERT_FILE": "client.pem",
        "KEY_FILE": "client_key.pem",
        "HTTPS_CA_FILE": "web_ca.pem",
        "VERIFY_DATES": "1",
        "APN": "iot.1nce.net",
        "KEEPALIVE_S": "1200",
        "TELEMETRY_S": "60",
    }
    assert {key: seen[key] for key in expected} == expected


def test_hostile_values_arrive_byte_by_byte(tmp_path: Path) -> None:
    """Quotes, trigraphs, comments and format marks are only text."""
    cloud = hostile(tmp_path)
    seen = compiled(write_config(cloud, tmp_path), tmp_path)
    assert (seen["USER"], seen["PASSWORD"]) == (HOSTILE, HOSTILE)
    assert seen["TOPIC_REQUEST"] == cloud.topics.request
    assert seen["TOPIC_REPORT"] == cloud.topics.report


@pytest.mark.parametrize("text", ["a\nb", "a\0", "ä", "\x7f", "\u2028"])
def test_what_no_literal_can_hold_is_refused(text: str) -> None:
    """Should a check before have missed it."""
    with pytest.raises(FormatError, match="expected printable ASCII for a C string"):
        c_string(text)


def test_quotes_and_backslashes_are_escaped(tmp_path: Path) -> None:
    """Even though no member may have one today."""
    assert c_string('a"b\\c?') == '"a\\"b\\\\c\\?"'


def test_with_a_password_nobody_else_can_read_it(tmp_path: Path) -> None:
    """Also when an older header was open; without one the mode is the usual."""
    path = write_config(hostile(tmp_path), tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    write_config(hostile(tmp_path), tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_unchanged_header_is_not_touched(tmp_path: Path) -> None:
    """Or everything would be built again."""
    for cloud in (parse_cloud(HEAD), hostile(tmp_path)):
        before = write_config(cloud, tmp_path).stat()
        after = write_config(cloud, tmp_path).stat()
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_broken_template_is_named(tmp_path: Path) -> None:
    """With the reason."""
    (tmp_path / "cloud_config.h.j2").write_text("{{ nothing }}")
    with pytest.raises(BuildError, match=r"template 'cloud_config.h.j2': 'nothing'"):
        render_config(parse_cloud(HEAD), templates=tmp_path)


# The build


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests need no cross compiler."""
    monkeypatch.setattr(build_module, "find_tools", lambda: None)


def test_cmake_hears_which_application_it_is(tmp_path: Path) -> None:
    """Always said, because CMake remembers."""
    alone = configure_command(BuildRequest(build_dir=tmp_path), tmp_path)
    fleet = configure_command(
        BuildRequest(build_dir=tmp_path, cloud=Path("c.yml")), tmp_path
    )
    assert "-DAPP_CLOUD=OFF" in alone
    assert "-DAPP_CLOUD=ON" in fleet


def test_a_build_renders_the_header_and_one_without_removes_it(
    tmp_path: Path, no_tools: None
) -> None:
    """A stale one could be included."""
    (tmp_path / "cloud.yml").write_text(HEAD)
    header = tmp_path / "build" / "generated" / "cloud_config.h"
    for cloud in (tmp_path / "cloud.yml", None):
        request = BuildRequest(build_dir=tmp_path / "build", cloud=cloud)
        with pytest.raises(BuildError, match="CMake could not configure"):
            build(request, run=lambda command: 1)
        assert header.is_file() == (cloud is not None)
    # One that a product wrote itself, for --cmake-arg=-DAPP_CLOUD=ON.
    header.write_text("#define CLOUD_TLS 0\n")
    with pytest.raises(BuildError):
        build(BuildRequest(build_dir=tmp_path / "build"), run=lambda command: 1)
    assert header.is_file()


@pytest.mark.parametrize("name", ["aws", "gcp", "mqtt"])
def test_a_missing_certificate_stops_a_build_before_it_begins(
    tmp_path: Path, no_tools: None, name: str
) -> None:
    """The sample as it is shipped: what is missing is said, nothing is written."""
    path = default_templates() / "cloud" / f"{name}.yml"
    request = BuildRequest(build_dir=tmp_path / "build", cloud=path)
    with pytest.raises(
        UsageError, match=r"certs/ca.pem' does not exist; copy the cert"
    ):
        build(request, run=lambda command: pytest.fail("a tool was run"))
    assert not (tmp_path / "build").exists()


def test_a_missing_cloud_file_names_the_samples(tmp_path: Path) -> None:
    """What to copy from where."""
    with pytest.raises(UsageError) as caught:
        load_cloud(tmp_path / "cloud.yml")
    assert str(caught.value) == (
        f"'{tmp_path}/cloud.yml' does not exist; copy one of "
        f"{default_templates()}/cloud/aws.yml, gcp.yml or mqtt.yml there"
    )


def test_notices_are_told(tmp_path: Path, no_tools: None) -> None:
    """And the build goes on."""
    (tmp_path / "cloud.yml").write_text(HEAD + "login: {user: u, password_file: pw}\n")
    (tmp_path / "pw").write_text("x")
    (tmp_path / "pw").chmod(0o644)
    notes: list[str] = []
    request = BuildRequest(build_dir=tmp_path / "build", cloud=tmp_path / "cloud.yml")
    with pytest.raises(BuildError):
        build(request, run=lambda command: 1, on_note=notes.append)
    assert notes == [
        f"{tmp_path}/pw can be read by everybody (mode 0644): chmod 600 it"
    ]
    # The password is going to be in the application's objects.
    assert (tmp_path / "build/app").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("given", "expected"),
    [([], "config.yml"), (["--cloud", "c.yml"], "c.yml"), (["--no-cloud"], None)],
    ids=["west_config", "option", "no_cloud"],
)
def test_the_option_wins_over_west_config(
    given: list[str], expected: str | None
) -> None:
    """And --no-cloud over both."""
    parser = argparse.ArgumentParser()
    load("build").add_arguments(parser, {"cloud": "config.yml"})
    assert parser.parse_args(given).cloud == (Path(expected) if expected else None)


def test_the_command_says_what_is_missing(
    tmp_path: Path, no_tools: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, with exit code 2."""
    command = load("build")
    parser = argparse.ArgumentParser()
    command.add_arguments(parser, {})
    args = parser.parse_args(["--cloud", str(tmp_path / "cloud.yml")])
    assert execute(command, args, prog="west ota-build") == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.startswith(f"west ota-build: '{tmp_path}/cloud.yml' does not exist")

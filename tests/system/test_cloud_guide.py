# SPDX-License-Identifier: Apache-2.0
"""`templates/cloud/README.md`: what it tells to type and to copy works.

Its certificates are made by its own commands, its broker is started with its own
configuration, and its AWS policies are held against the topics of SPEC.md 10.
"""

from __future__ import annotations

import datetime
import fnmatch
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nrfota import DEFAULT_BOARD, at, cli
from nrfota.cloud.files import (
    CA_NAME,
    CERT_NAME,
    KEY_NAME,
    check_device_files,
    check_operator_files,
)
from nrfota.cloud.profile import load_cloud
from nrfota.cloud.topics import default_topics
from nrfota.render import default_templates
from nrfota.runners import RunnerOptions, create

GUIDE = default_templates() / "cloud" / "README.md"
DEVICE = "867648040000015"
OTHER = "867648040000999"
THING = "${iot:Connection.Thing.ThingName}"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def blocks(kind: str, section: str) -> list[str]:
    """The fenced blocks of one kind under a heading."""
    text = GUIDE.read_text().split(f"\n## {section}", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [body for language, body in found if language == kind]


# Certificates and broker


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cloud.yml and what the guide's commands make for two devices."""
    folder = tmp_path_factory.mktemp("fleet")
    shutil.copy(GUIDE.parent / "mqtt.yml", folder / "cloud.yml")
    (script,) = blocks("sh", "A broker of your own")
    script = script.replace("broker.example.com", "localhost")
    script += f"issue {OTHER} {OTHER}\n"
    subprocess.run(
        ["sh", "-eu", "-c", script], cwd=folder, check=True, capture_output=True
    )
    return folder


def test_the_commands_make_what_the_sample_names(fleet: Path) -> None:
    """Every file checked as a build, a modem and a publisher check it."""
    cloud = load_cloud(fleet / "cloud.yml")
    now = datetime.datetime.now(datetime.UTC)
    checked = check_device_files(cloud, device=DEVICE, now=now)
    assert [file.role for file in checked.files] == ["tls.ca", "tls.cert", "tls.key"]
    operator = check_operator_files(cloud, now=now)
    assert len(operator.files) == 3
    assert checked.notices + operator.notices == ()


class Client:
    """An MQTT 3.1.1 client of a few lines, with a certificate or without."""

    def __init__(
        self, port: int, fleet: Path, name: str | None, client_id: str
    ) -> None:
        tls = ssl.create_default_context(cafile=str(fleet / "certs/ca.pem"))
        tls.maximum_version = ssl.TLSVersion.TLSv1_2  # as the modem
        if name is not None:
            tls.load_cert_chain(
                fleet / f"certs/{name}.pem", fleet / f"certs/{name}.key"
            )
        raw = socket.create_connection(("localhost", port), timeout=20)
        self.socket = tls.wrap_socket(raw, server_hostname="localhost")
        self._send(0x10, b"\0\4MQTT\4\2\0\x3c" + _text(client_id))
        assert self._read() == (0x20, b"\0\0")

    def subscribe(self, *filters: str) -> None:
        body = b"".join(_text(one) + b"\1" for one in filters)
        self._send(0x82, b"\0\1" + body)
        assert self._read()[0] == 0x90

    def publish(self, topic: str, payload: bytes) -> None:
        """With QoS 1; a message that comes before its receipt would be an error."""
        self._send(0x32, _text(topic) + b"\0\2" + payload)
        assert self._read() == (0x40, b"\0\2")

    def message(self) -> tuple[str, bytes]:
        """The next message."""
        kind, body = self._read()
        assert kind >> 4 == 3, hex(kind)
        size = int.from_bytes(body[:2], "big")
        return body[2 : 2 + size].decode(), body[2 + size + (2 if kind & 6 else 0) :]

    def _send(self, kind: int, body: bytes) -> None:
        assert len(body) < 128
        self.socket.sendall(bytes([kind, len(body)]) + body)

    def _read(self) -> tuple[int, bytes]:
        kind, size = self._exactly(2)
        assert size < 128
        return kind, self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            more = self.socket.recv(size - len(got))
            if not more:
                raise ConnectionError("the broker closed the connection")
            got += more
        return got


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


@pytest.fixture(params=["mqtt", "gcp"])
def broker(
    request: pytest.FixtureRequest, fleet: Path, tmp_path: Path
) -> Iterator[tuple[str, int]]:
    """Profile and port of a mosquitto with the guide's configuration."""
    assert MOSQUITTO, "scripts/setup.sh --tests installs mosquitto"
    config, acl = blocks("", "A broker of your own")
    if request.param == "gcp":
        (acl,) = blocks("", "A stand-in for Google")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shutil.copytree(fleet / "certs", tmp_path / "certs")
    (tmp_path / "ota.acl").write_text(acl)
    (tmp_path / "ota.acl").chmod(0o600)
    config = config.replace("listener 8883\n", f"listener {port} 127.0.0.1\n")
    config = config.replace("/etc/mosquitto", str(tmp_path))
    if os.getuid() == 0:  # else it would change to a user that cannot read them
        config += "user root\n"
    (tmp_path / "ota.conf").write_text(config)
    process = subprocess.Popen(
        [MOSQUITTO, "-v", "-c", tmp_path / "ota.conf"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if line.rstrip().endswith("running"):
            break
    else:
        pytest.fail(said)
    assert "Error" not in said, said
    # What it says from now on must not fill the pipe.
    drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
    yield request.param, port
    process.terminate()
    process.wait()
    drain.wait()


def test_a_device_hears_and_speaks_for_itself_only(
    broker: tuple[str, int], fleet: Path
) -> None:
    """Requests, reports, telemetry, groups; for two devices and who publishes."""
    profile, port = broker
    topics = default_topics(profile)
    operator = Client(port, fleet, "operator", "publisher")
    operator.subscribe(topics.report_filter(), topics.telemetry.replace("{id}", "+"))
    device = Client(port, fleet, DEVICE, DEVICE)
    device.subscribe("#")
    # What it may not say is not passed on; what it may say comes first.
    device.publish(topics.report_for(OTHER), b"not mine")
    device.publish(topics.telemetry_for(OTHER), b"not mine")
    device.publish(topics.request_for(OTHER), b"not a device's")
    device.publish(topics.report_for(DEVICE), b"report")
    device.publish(topics.telemetry_for(DEVICE), b"telemetry")
    assert operator.message() == (topics.report_for(DEVICE), b"report")
    assert operator.message() == (topics.telemetry_for(DEVICE), b"telemetry")
    # Nor does it hear what is for another one, whatever it subscribes to.
    operator.publish(topics.request_for(OTHER), b"for another")
    expected = []
    if group := topics.group_request("all"):
        operator.publish(group, b"for all")
        expected.append((group, b"for all"))
    operator.publish(topics.request_for(DEVICE), b"for me")
    expected.append((topics.request_for(DEVICE), b"for me"))
    assert [device.message() for _ in expected] == expected


def test_a_client_id_is_its_certificates_name(
    broker: tuple[str, int], fleet: Path
) -> None:
    """Nobody can take another device's place: the claimed id does not count."""
    profile, port = broker
    topics = default_topics(profile)
    victim = Client(port, fleet, DEVICE, DEVICE)
    victim.subscribe(topics.request_for(DEVICE))
    Client(port, fleet, OTHER, DEVICE)
    operator = Client(port, fleet, "operator", "publisher")
    operator.publish(topics.request_for(DEVICE), b"still here")
    assert victim.message() == (topics.request_for(DEVICE), b"still here")


def test_without_a_certificate_nobody_comes_in(
    broker: tuple[str, int], fleet: Path
) -> None:
    """TLS alone is not enough."""
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Client(broker[1], fleet, None, DEVICE)


def test_a_modem_connects_with_what_the_command_stored(
    broker: tuple[str, int], fleet: Path, tmp_path: Path
) -> None:
    """west ota-certs, then TLS with server and client certificate."""
    profile, port = broker
    build = tmp_path / "build"
    asked = ["certs", "-r", "sim", "-d", str(build), "--cloud"]
    assert cli.main([*asked, str(fleet / "cloud.yml")]) == 0
    topic = default_topics(profile).report_for(DEVICE)
    operator = Client(port, fleet, "operator", "publisher")
    operator.subscribe(topic)
    options = RunnerOptions(sim_dir=build / "sim", board=DEFAULT_BOARD)
    link = create("sim", options).modem_link()
    assert link is not None
    modem = at.Client(link)
    modem.sync()
    modem.run(result("AT+CMQTTSTART"))
    modem.run(at.commands.simple(f'AT+CMQTTACCQ=0,"{DEVICE}",1'))
    for key, value in (
        ("sslversion", "3"),
        ("authmode", "2"),
        ("cacert", f'"{CA_NAME}"'),
        ("clientcert", f'"{CERT_NAME}"'),
        ("clientkey", f'"{KEY_NAME}"'),
    ):
        modem.run(at.commands.simple(f'AT+CSSLCFG="{key}",0,{value}'))
    modem.run(at.commands.simple("AT+CMQTTSSLCFG=0,0"))
    connect = f'AT+CMQTTCONNECT=0,"tcp://localhost:{port}",60,1'
    assert modem.run(result(connect)) == "0,0"
    modem.run(payload(f"AT+CMQTTTOPIC=0,{len(topic)}", topic.encode()))
    modem.run(payload("AT+CMQTTPAYLOAD=0,2", b"{}"))
    assert modem.run(result("AT+CMQTTPUB=0,1,60")) == "0,0"
    assert operator.message() == (topic, b"{}")
    link.close()


def result(text: str) -> at.Command[str]:
    """A command whose result comes in a line of its own."""
    name = "+" + text.removeprefix("AT+").split("=")[0] + ":"

    def parse(reply: at.Reply) -> str:
        return reply.lines[-1].removeprefix(name).strip()

    return at.Command(
        text=text, parse=parse, prefixes=(name,), result=name, timeout_s=120
    )


def payload(text: str, data: bytes) -> at.Command[None]:
    """A command that prompts for data."""
    return at.Command(text=text, parse=lambda reply: None, payload=data, timeout_s=30)


# AWS policies


def allowed(policy: dict[str, Any], action: str, resource: str, thing: str) -> bool:
    """Whether a statement of the policy allows it, by IAM's rules for `*`."""
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        resources = statement["Resource"]
        for pattern in [resources] if isinstance(resources, str) else resources:
            head, _, name = pattern.partition("arn:aws:iot:REGION:ACCOUNT:")
            assert head == ""
            name = name.replace(THING, thing).replace("[", "[[]")
            if statement["Action"] == action and fnmatch.fnmatchcase(resource, name):
                return True
    return False


def policies() -> list[dict[str, Any]]:
    """The device's and the operator's."""
    return [json.loads(block) for block in blocks("json", "AWS IoT Core")]


def device_needs(device: str) -> dict[str, list[str]]:
    """What SPEC.md 10 has a device do, by action."""
    topics = default_topics("aws")
    jobs = f"$aws/things/{device}/jobs"
    heard = [
        topics.request_for(device),
        f"{jobs}/notify-next",
        f"{jobs}/$next/get/accepted",
    ]
    return {
        "iot:Connect": [f"client/{device}"],
        "iot:Subscribe": [f"topicfilter/{topic}" for topic in heard],
        "iot:Receive": [f"topic/{topic}" for topic in heard],
        "iot:Publish": [
            f"topic/{topics.report_for(device)}",
            f"topic/{topics.telemetry_for(device)}",
            f"topic/{jobs}/$next/get",
            f"topic/{jobs}/job-1/update",
        ],
    }


def test_the_device_policy_allows_what_a_device_does_and_nothing_of_others() -> None:
    """Each topic of the profile and of Jobs."""
    policy, _ = policies()
    for action, resources in device_needs(DEVICE).items():
        for resource in resources:
            assert allowed(policy, action, resource, DEVICE), (action, resource)
            assert not allowed(policy, action, resource, OTHER), (action, resource)
    group = default_topics("aws").group_request("all")
    assert allowed(policy, "iot:Subscribe", f"topicfilter/{group}", DEVICE)
    assert allowed(policy, "iot:Receive", f"topic/{group}", DEVICE)
    assert not allowed(policy, "iot:Publish", f"topic/{group}", DEVICE)
    for wide in ("topicfilter/#", "topicfilter/cmd/ota/+/request", "topic/x"):
        for action in ("iot:Subscribe", "iot:Publish", "iot:Receive"):
            assert not allowed(policy, action, wide, DEVICE)


def test_the_policies_are_as_small_as_aws_takes_them() -> None:
    """2048 characters without white space, in the region with the longest name."""
    for policy in policies():
        text = json.dumps(policy, separators=(",", ":"))
        text = text.replace("REGION", "ap-northeast-1").replace("ACCOUNT", "1" * 12)
        assert len(text) <= 2048


def test_the_operators_policy_allows_to_publish_and_to_follow() -> None:
    """And no report is sent in a device's name."""
    _, policy = policies()
    topics = default_topics("aws")
    group = topics.group_request("all")
    for action, resource in (
        ("iot:Connect", "client/publisher-fw7-20300101-1a2b3c"),
        ("iot:Publish", f"topic/{topics.request_for(DEVICE)}"),
        ("iot:Publish", f"topic/{group}"),
        ("iot:Subscribe", f"topicfilter/{topics.report_filter()}"),
        ("iot:Receive", f"topic/{topics.report_for(DEVICE)}"),
    ):
        assert allowed(policy, action, resource, ""), (action, resource)
    assert not allowed(policy, "iot:Publish", f"topic/{topics.report_for(DEVICE)}", "")
    assert not allowed(policy, "iot:Connect", f"client/{DEVICE}", "")

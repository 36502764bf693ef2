# SPDX-License-Identifier: Apache-2.0
"""The connected application on the virtual board: request, download, update, report."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cloud import (
    GROUP,
    REQUEST,
    TELEMETRY,
    Cloud,
    cloud_release,
    make_request,
)
from support.firmware import build_dir
from system.device import REQUEST_ADDRESS, Device, Release, package
from vboard.modem.faults import OverrideReply, Reboot, SplitEvery, Urc
from vboard.modem.power_key import connect_pwrkey, parse_pin

# A quarter of a megabyte: three parts.
LARGE = ("-DAPP_PAD_BYTES=260000",)
PART = 131072
WHOLE_WAY = ["accepted", "downloading", "downloaded", "updating", "confirmed"]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    cloud = Cloud(monkeypatch)
    yield cloud
    cloud.close()


@pytest.fixture
def device(cloud: Cloud, tmp_path: Path) -> Device:
    """Version 1, connected."""
    device = cloud.device(tmp_path, cloud_release(1, factory=True))
    assert cloud.run(device, lambda: bool(cloud.broker.received), 60)
    return device


def test_update_by_cloud_is_confirmed_and_reported(
    cloud: Cloud, device: Device
) -> None:
    """From the request to the confirmation, every stage; telemetry after connects."""
    new = cloud_release(2)
    url = cloud.serve("fw.ebin", new.ebin)
    cloud.broker.publish(REQUEST, make_request(new, url, id="r1"))
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"))
    assert cloud.broker.stages("r1") == WHOLE_WAY
    assert "app: version 2 running (reason trial)" in device.console
    assert "app: confirmed version 2" in device.console
    telemetry = [text for topic, text in cloud.broker.received if topic == TELEMETRY]
    expected = b'{"type":"telemetry","device":"bench-7","version":%d,'
    assert telemetry[0] == expected % 1 + b'"temperature_c":25.00}'
    assert telemetry[-1].startswith(expected % 2)
    device.power_cycle()
    connects = cloud.broker.connects
    assert cloud.run(device, lambda: cloud.broker.connects > connects, 60)
    assert "app: version 2 running (reason normal)" in device.console
    assert cloud.broker.stages("r1") == WHOLE_WAY


def ask(cloud: Cloud, release: Release, request: str, url: str, **more: Any) -> None:
    """Publishes a request to the device."""
    message = make_request(release, url, id=request, **more)
    cloud.broker.publish(REQUEST, message)


def last(cloud: Cloud, request: str) -> dict[str, Any]:
    """The last report about a request."""
    return [report for report in cloud.broker.reports if report["id"] == request][-1]


def idle(cloud: Cloud, device: Device, seconds: float = 20) -> None:
    """Lets the device go on for a while."""
    cloud.run(device, lambda: False, seconds)


def test_request_in_several_blocks(cloud: Cloud, device: Device) -> None:
    """The modem hands over 1500 bytes at a time; this has nearly 2048."""
    new = cloud_release(2)
    url = cloud.serve("fw.ebin", new.ebin) + "?signature=" + "x" * 400
    message = make_request(new, url, id="r1")
    message = message[:-1] + b',"note":"' + b"n" * (2036 - len(message)) + b'"}'
    assert 1500 < len(message) <= 2048
    cloud.broker.publish(REQUEST, message)
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"))


def test_what_is_wrong_with_a_request_is_told(cloud: Cloud, device: Device) -> None:
    """Malformed, what runs, older ones, other places: a reason, nothing else."""
    old = cloud_release(1)
    url = cloud.serve("fw.ebin", old.ebin)
    before = bytes(device.nv.read(0x1000, 0xEF000))
    older = Release(ebin=b"", fw_info=b"\0" * 4 + cloud_release(2).fw_info[4:])
    other = Release(ebin=b"", fw_info=old.fw_info[:4] + b"\0\x20" + old.fw_info[6:])
    messages = [
        (REQUEST, make_request(old, url, id="same")),
        (REQUEST, make_request(older, url, id="older")),
        (REQUEST, make_request(other, url, id="place")),
        (REQUEST, b"what?"),
        (REQUEST, b'{"type":"update_fw","id":"half"}'),
        (GROUP, make_request(old, url, id="group")),
    ]
    for count, (topic, message) in enumerate(messages, 1):
        cloud.broker.publish(topic, message)
        assert cloud.run(device, lambda n=count: len(cloud.broker.reports) == n)
    idle(cloud, device)
    got = {report["id"]: report for report in cloud.broker.reports}
    assert {report["stage"] for report in got.values()} == {"refused"}
    reasons = {name: report["reason"] for name, report in got.items()}
    assert reasons == {
        "same": "same",
        "older": "downgrade",
        "place": "range",
        "": "request",
        "half": "request",
        "group": "same",
    }
    assert got["older"]["error"] == -30 and got["older"]["target"] == 0
    assert cloud.files.log == []
    assert bytes(device.nv.read(0x1000, 0xEF000)) == before
    assert device.board.resets == 1


def test_older_version_with_permission(cloud: Cloud, tmp_path: Path) -> None:
    """From version 2 back to version 1, by the flag of the boot request."""
    device = cloud.device(tmp_path, cloud_release(2, factory=True))
    old = cloud_release(1)
    ask(cloud, old, "r1", cloud.serve("fw.ebin", old.ebin), allow_downgrade=True)
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"))
    assert last(cloud, "r1")["version"] == 1


def test_twice_the_same_and_another_meanwhile(cloud: Cloud, device: Device) -> None:
    """QoS 1 delivers twice: one update. Another request during it: busy."""
    new = cloud_release(2)
    url = cloud.serve("fw.ebin", new.ebin)

    def meanwhile(path: str) -> None:
        cloud.files.on_request = lambda path: None
        ask(cloud, new, "r1", url)
        ask(cloud, new, "r2", url)

    cloud.files.on_request = meanwhile
    ask(cloud, new, "r1", url)
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"))
    assert cloud.broker.stages("r1") == WHOLE_WAY
    assert last(cloud, "r2")["reason"] == "busy"
    assert len(cloud.files.log) == 1


def test_truncated_file_leads_to_the_other_url(cloud: Cloud, device: Device) -> None:
    """Length is checked before anything else happens."""
    new = cloud_release(2)
    bad = cloud.serve("bad.ebin", new.ebin[:-16])
    good = cloud.serve("good.ebin", new.ebin)
    cloud.broker.publish(REQUEST, make_request(new, bad, good, id="r1"))
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"))
    assert [path for path, _, _ in cloud.files.log] == ["/bad.ebin", "/good.ebin"]


def test_wrong_bytes_lead_to_failed(cloud: Cloud, device: Device) -> None:
    """The right length, another content: asked for twice, then reported."""
    new = cloud_release(2)
    bad = cloud.serve("bad.ebin", new.ebin[:-16] + bytes(16))
    ask(cloud, new, "r1", bad)
    assert cloud.run(device, lambda: "failed" in cloud.broker.stages("r1"))
    assert last(cloud, "r1")["reason"] == "cipher_hash"
    assert len(cloud.files.log) == 2
    assert sorted((device.modem_dir / "E").glob("fw_2*")) == []


def fetched(cloud: Cloud) -> list[int]:
    """First bytes of the parts that were asked for, in order."""
    return [first for _, first, _ in cloud.files.log]


def begin_large(cloud: Cloud, device: Device) -> Release:
    """Asks for a file of three parts; returns when the second was asked for."""
    new = cloud_release(2, *LARGE)
    assert 2 * PART < len(new.ebin) < 3 * PART
    ask(cloud, new, "r1", cloud.serve("fw.ebin", new.ebin))
    assert cloud.run(device, lambda: len(cloud.files.log) == 2)
    return new


def test_large_file_in_parts(cloud: Cloud, device: Device) -> None:
    """Three ranges, progress at each quarter at least, and it runs."""
    begin_large(cloud, device)
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"), 1200)
    assert fetched(cloud) == [0, PART, 2 * PART]
    percents = [r["percent"] for r in cloud.broker.reports if "percent" in r]
    assert percents == sorted(percents) and percents[0] == 0 and len(percents) == 3


def test_broker_lost_in_mid_download_and_back(cloud: Cloud, device: Device) -> None:
    """The download goes on; what could not be told is told later, in order."""
    begin_large(cloud, device)
    port = cloud.broker.port
    cloud.broker.stop()
    assert cloud.run(device, lambda: "app: broker: broker" in device.console, 600)
    cloud.broker.start(port)
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"), 1200)
    assert fetched(cloud) == [0, PART, 2 * PART]
    assert cloud.broker.stages("r1") == WHOLE_WAY


def test_modem_reboot_in_mid_download(cloud: Cloud, device: Device) -> None:
    """The part that was under way is fetched again, and no other."""
    begin_large(cloud, device)
    device.modem.reboot()
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"), 1200)
    assert fetched(cloud) == [0, PART, PART, 2 * PART]
    assert cloud.broker.stages("r1") == WHOLE_WAY


def test_network_lost_in_mid_download_and_back(cloud: Cloud, device: Device) -> None:
    """Nothing is given up while there is no network; no part comes twice for it."""
    begin_large(cloud, device)
    profile = device.modem.profile
    device.modem.profile = dataclasses.replace(profile, registered=2)
    cloud.broker.drop()
    idle(cloud, device, 900)
    device.modem.profile = profile
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"), 1200)
    assert sorted(set(fetched(cloud))) == [0, PART, 2 * PART]
    assert fetched(cloud).count(0) == 1
    assert cloud.broker.stages("r1") == WHOLE_WAY


def test_modem_that_stutters(cloud: Cloud, device: Device) -> None:
    """Everything in pieces of three bytes, lines at bad moments: one clean update."""
    new = cloud_release(2)
    faults = [
        device.modem.faults.add(SplitEvery(size=3, gap_us=300)),
        device.modem.faults.add(Urc(text="+CREG: 1", count=3, times=0)),
        device.modem.faults.add(Urc(text="+CGEV: NW DETACH", where="before", times=0)),
    ]
    ask(cloud, new, "r1", cloud.serve("fw.ebin", new.ebin))
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"))
    assert cloud.broker.stages("r1") == WHOLE_WAY
    assert len(cloud.files.log) == 1
    assert all(fault.fired for fault in faults[1:])


COMMANDS = ("HTTPACTION", "HTTPREADFILE", "CMQTTPUB", "CMQTTSUB", "CFTRANRX")


@pytest.mark.parametrize("command", [*COMMANDS, "CFTRANTX", "FSATTRI", "FSMEM"])
def test_modem_restarts_at_a_command(
    cloud: Cloud, device: Device, command: str
) -> None:
    """Whatever it was doing: the same update, one way through the stages."""
    new = cloud_release(2)
    fault = device.modem.faults.add(Reboot(command=command, nth=2))
    if command in ("CMQTTSUB", "HTTPACTION", "HTTPREADFILE", "FSMEM"):
        fault.nth = 1
    if command == "CMQTTSUB":
        cloud.broker.drop()
    ask(cloud, new, "r1", cloud.serve("fw.ebin", new.ebin))
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"))
    assert fault.fired == 1
    assert cloud.broker.stages("r1") == WHOLE_WAY


@pytest.mark.parametrize("command", [*COMMANDS, "CFTRANTX", "FSDEL", "FSCD", "FSMEM"])
def test_modem_refuses_a_command_once(
    cloud: Cloud, device: Device, command: str
) -> None:
    """ERROR where it should not be: tried again, and nobody has to know."""
    new = cloud_release(2)
    fault = device.modem.faults.add(OverrideReply(command=command))
    if command == "CMQTTSUB":
        cloud.broker.drop()
    ask(cloud, new, "r1", cloud.serve("fw.ebin", new.ebin))
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"))
    assert fault.fired == 1
    assert cloud.broker.stages("r1") == WHOLE_WAY


def test_modem_that_went_off_is_started_by_its_key(
    cloud: Cloud, device: Device
) -> None:
    """The last resort: nothing answers at any rate, so the key is pressed."""
    connect_pwrkey(device.board.block("GPIO"), device.modem, parse_pin("1.03"))
    device.modem.shut_down()
    assert cloud.run(device, lambda: "power key" in device.console, 300)
    connects = cloud.broker.connects
    assert cloud.run(device, lambda: cloud.broker.connects > connects, 120)
    assert device.board.resets == 1


def test_power_cut_in_mid_download_and_the_request_again(
    cloud: Cloud, device: Device
) -> None:
    """Parts that were complete are in the modem and stay there."""
    new = begin_large(cloud, device)
    device.power_cycle()
    ask(cloud, new, "r1", f"{cloud.files.base}/fw.ebin")
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"), 1200)
    assert fetched(cloud) == [0, PART, PART, 2 * PART]
    assert "failed" not in cloud.broker.stages("r1")


def test_power_cut_in_mid_download_and_no_request(cloud: Cloud, device: Device) -> None:
    """Nothing is lost silently: it was interrupted."""
    begin_large(cloud, device)
    device.power_cycle()
    assert cloud.run(device, lambda: "failed" in cloud.broker.stages("r1"), 600)
    assert last(cloud, "r1")["reason"] == "interrupted"


def test_version_that_breaks_is_rolled_back_and_reported(
    cloud: Cloud, device: Device
) -> None:
    """It connects, breaks before it confirms, three times; the old one says so."""
    new = cloud_release(2, "-DAPP_FAULT=lockup")
    ask(cloud, new, "r1", cloud.serve("fw.ebin", new.ebin))
    assert cloud.run(device, lambda: "rolled_back" in cloud.broker.stages("r1"), 900)
    report = last(cloud, "r1")
    assert (report["version"], report["target"]) == (1, 2)
    assert report["reason"] == "unconfirmed"
    idle(cloud, device, 5)
    assert not (device.modem_dir / "E" / "ota_state.txt").exists()


def test_last_report_waits_for_the_broker_over_a_power_cut(
    cloud: Cloud, device: Device
) -> None:
    """The update fails while the broker is away, then the power does."""
    new = cloud_release(2)
    cloud.files.on_request = lambda path: cloud.broker.stop()
    ask(cloud, new, "r1", cloud.files.base + "/missing.ebin")
    assert cloud.run(device, lambda: "app: update r1: failed" in device.console)
    idle(cloud, device, 5)
    assert "failed" not in cloud.broker.stages("r1")
    device.power_cycle()
    idle(cloud, device, 60)
    cloud.broker.start(cloud.broker.port)
    assert cloud.run(device, lambda: "failed" in cloud.broker.stages("r1"), 900)
    assert last(cloud, "r1")["reason"] == "http"
    idle(cloud, device, 5)
    device.power_cycle()
    connects = cloud.broker.connects
    assert cloud.run(device, lambda: cloud.broker.connects > connects, 60)
    idle(cloud, device)
    assert cloud.broker.stages("r1").count("failed") == 1


def test_no_key_is_left_in_ram_after_the_reset(cloud: Cloud, device: Device) -> None:
    """Neither as bytes nor as the digits that came from the broker."""
    new = cloud_release(2)
    key = new.fw_info[16:32]
    found: list[int] = []

    def look(kind: object) -> None:
        ram = device.board.ram_read(0x2000_0000, 0x4_0000)
        at = [ram.find(key), ram.find(key.hex().encode())]
        found.extend(place for place in at if place >= 0)

    device.board.on_reset.append(look)
    ask(cloud, new, "r1", cloud.serve("fw.ebin", new.ebin))
    assert cloud.run(device, lambda: "(reason trial)" in device.console)
    # The boot request is where it has to be.
    assert found == [REQUEST_ADDRESS - 0x2000_0000 + 12 + 16]
    look("trial")
    assert len(found) == 1


def test_bootloader_update_is_confirmed(cloud: Cloud, device: Device) -> None:
    """Staged, copied by the boot record; the application knows it by its hash."""
    args = ("-DBOOTLOADER_VERSION=101",)
    elf = build_dir(app_version=1, cmake_args=args) / "bootloader" / "bootloader.elf"
    update = package(elf, 101)
    ask(cloud, update, "r1", cloud.serve("bl.ebin", update.ebin))
    assert cloud.run(device, lambda: "confirmed" in cloud.broker.stages("r1"), 900)
    assert (last(cloud, "r1")["version"], last(cloud, "r1")["target"]) == (1, 101)
    assert "app: bootloader 101" in device.console


def test_temperature_is_the_chips(cloud: Cloud, device: Device) -> None:
    """In steps of a quarter of a degree, below zero, too; after a reconnect."""
    device.board.block("TEMP").degrees = -12.25
    cloud.broker.drop()
    seen = len(cloud.broker.received)
    assert cloud.run(device, lambda: len(cloud.broker.received) > seen, 120)
    assert json.loads(cloud.broker.received[-1][1])["temperature_c"] == -12.25


@pytest.mark.parametrize("source", ["imei", "chip"])
def test_device_id_of_the_modem_or_the_chip(
    cloud: Cloud, tmp_path: Path, source: str
) -> None:
    """What the cloud file says; topics are made of it."""
    release = cloud_release(1, factory=True, device_id=source)
    device = cloud.device(tmp_path, release)
    words = [device.board.bus.read(0x1000_0060 + offset) for offset in (4, 0)]
    chip = "".join(f"{word:08x}" for word in words)
    expected = {"imei": device.modem.profile.imei, "chip": chip}[source]
    assert cloud.run(device, lambda: bool(cloud.broker.received), 60)
    assert f"app: device {expected}\r\n" in device.console
    assert cloud.broker.received[0][0] == f"ota/device/{expected}/telemetry"


def test_watchdog_is_fed_while_nothing_happens(cloud: Cloud, device: Device) -> None:
    """Twenty minutes, with a broker that comes and goes: no reset."""
    port = cloud.broker.port
    for _ in range(2):
        cloud.broker.stop()
        idle(cloud, device, 300)
        cloud.broker.start(port)
        idle(cloud, device, 300)
    assert device.board.resets == 1


def test_the_build_needs_a_cloud_file(tmp_path: Path) -> None:
    """One sentence says what is missing and which command makes it."""
    command = [sys.executable, "-m", "nrfota", "build", f"-d{tmp_path}"]
    command += ["--cmake-arg=-DAPP_CLOUD=ON"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "generated/cloud_config.h is missing: build with" in " ".join(
        done.stderr.replace("\n", " ").split()
    )

# SPDX-License-Identifier: Apache-2.0
"""From `west ota-publish` to the device's confirmation, and back: real servers.

mosquitto with client certificates, nginx, and the connected application on the
virtual board, whose modem really connects to them.
"""

from __future__ import annotations

import hashlib

import pytest
from support.aws_iot import AwsIot
from support.clouds import google as google_storage
from support.clouds import moto
from support.end_to_end import IMEI, PAD, Site
from support.pki import Pki
from vboard.clock import NS_PER_S
from vboard.modem import FaultPlan
from vboard.modem import faults as fault

PART = 131_072
WHOLE_WAY = ["accepted", "downloading", "downloaded", "updating", "confirmed"]
LARGE = f"-DAPP_PAD_BYTES={PAD}"


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def site(tmp_path, pki):
    with Site(tmp_path, pki) as site:
        yield site


def test_a_published_update_is_confirmed_and_the_publisher_knows(site):
    device = site.device()
    site.connect(device)
    package = site.package(2)
    publisher = site.publish(package)
    site.follow(device, publisher)
    assert publisher.code == 0, publisher.errors
    request = publisher.result["id"]
    assert site.stages(request) == WHOLE_WAY
    last = site.told(request)[-1]
    assert (last["device"], last["version"], last["target"]) == (IMEI, 2, 2)
    assert "app: version 2 running (reason trial)" in device.console
    # The key is gone from the publisher's folder, and the file was fetched once to
    # be checked and once by the device.
    assert not (package.folder / "ota.json").exists()
    ebin = (site.files.root / package.name).read_bytes()
    assert hashlib.sha256(ebin).digest() == hashlib.sha256(package.ebin).digest()
    device.power_cycle()
    assert device.run_until("app: version 2 running (reason normal)")


# Files that are not right


def test_a_truncated_file_on_url_leads_to_alt_url(site):
    """The file is damaged after the publisher has seen it whole."""
    device = site.device()
    site.connect(device)
    good = site.files.url("good.ebin")
    package = site.package(2, name="bad.ebin", alt_url=good)
    (site.files.root / "good.ebin").write_bytes(package.ebin)
    publisher = site.publish(package)
    site.wait_for_request(publisher)
    (site.files.root / "bad.ebin").write_bytes(package.ebin[:-1000])
    site.follow(device, publisher)
    assert publisher.code == 0, publisher.errors
    assert site.stages() == WHOLE_WAY
    assert site.by_device("good.ebin") == len(package.ebin)


def test_a_publisher_sees_that_one_address_is_wrong(site):
    package = site.package(2, name="good.ebin", alt_url=site.files.url("bad.ebin"))
    (site.files.root / "bad.ebin").write_bytes(package.ebin[:-1])
    publisher = site.publish(package)
    assert publisher.code == 3
    assert "bad.ebin" in publisher.errors
    assert site.told() == []


def test_a_file_that_is_wrong_everywhere_fails_and_stops_the_rollout(site):
    """Right length, one other bit: only the hash tells."""
    device = site.device()
    site.connect(device)
    package = site.package(2, name="fw.ebin")
    publisher = site.publish(package, "--min-sample", "1")
    site.wait_for_request(publisher)
    data = bytearray(package.ebin)
    data[len(data) // 2] ^= 1
    (site.files.root / "fw.ebin").write_bytes(data)
    site.follow(device, publisher)
    assert publisher.code == 1
    assert publisher.result["state"] == "stopped"
    last = site.told()[-1]
    assert (last["stage"], last["version"]) == ("failed", 1)
    assert last["reason"] == "cipher_hash"


# Servers


@pytest.mark.parametrize("keeps", [True, False])
def test_a_broker_killed_in_mid_download_is_found_again(tmp_path, pki, keeps):
    with Site(tmp_path, pki, persistence=keeps) as site:
        device = site.device()
        site.connect(device)
        publisher = site.publish(site.package(2, LARGE))
        site.run_to(device, "HTTPACTION", nth=2)
        if keeps:
            site.broker.save()
        site.broker.kill()
        connects = device.console.count("connected")
        site.run(device, lambda: False, max_s=20)  # it goes on without
        site.broker.start()
        site.follow(device, publisher)
        assert device.console.count("connected") > connects
        assert publisher.code == 0, publisher.errors
        assert site.stages()[-1] == "confirmed"


def test_https_with_the_authority_in_the_modem(site):
    device = site.device()
    site.connect(device)
    name = "fw_2.ebin"
    package = site.package(2, name=name, url=site.files.url(name, tls=True))
    publisher = site.publish(package, "--web-ca", str(site.pki.ca))
    site.follow(device, publisher)
    assert publisher.code == 0, publisher.errors
    assert {line.scheme for line in site.files.requests()} == {"https"}
    assert site.by_device(name) == len(package.ebin)


def test_a_server_without_ranges_is_good_enough(site):
    device = site.device()
    site.connect(device)
    name = "fw_2.ebin"
    package = site.package(2, LARGE, name=name, url=site.files.url(name, "noranges"))
    publisher = site.publish(package)
    site.follow(device, publisher)
    assert publisher.code == 0, publisher.errors
    assert {line.status for line in site.files.requests()} == {200}
    # One more reply than was needed: the second part's, which was the whole file.
    assert site.by_device(name) <= 3 * len(package.ebin)


# The network and the power


@pytest.mark.parametrize("style", ["nonet", "connlost"])
def test_a_network_lost_for_minutes_costs_one_part_of_the_file(site, style):
    lost = fault.NetworkLost(
        command="HTTPACTION", nth=2, after_ms=300, ms=180_000, mqtt=style
    )
    device = site.device(plan=FaultPlan(lost))
    site.connect(device)
    package = site.package(2, LARGE)
    publisher = site.publish(package)
    assert site.run(device, lambda: lost.fired == 1)
    begin_ns = device.board.clock.now_ns
    site.follow(device, publisher)
    assert device.board.clock.now_ns - begin_ns > 180 * NS_PER_S
    assert publisher.code == 0, publisher.errors
    # The part that the network swallowed was sent twice, and nothing else.
    assert site.by_device(package.name) == len(package.ebin) + PART


def test_a_modem_that_reboots_in_mid_transfer_is_brought_up_again(site):
    reboot = fault.RebootLater(command="HTTPACTION", nth=2, after_ms=300)
    device = site.device(plan=FaultPlan(reboot))
    site.connect(device)
    package = site.package(2, LARGE)
    publisher = site.publish(package)
    site.follow(device, publisher)
    assert reboot.fired == 1
    assert publisher.code == 0, publisher.errors
    assert site.stages() == WHOLE_WAY
    assert site.by_device(package.name) == len(package.ebin) + PART


def test_a_request_that_loses_a_byte_on_the_uart_is_told_and_sent_again(site):
    """The modem has acknowledged it: the broker is out of it."""
    lost = fault.DropByte(command="CMQTTRXPAYLOAD", offset=100)
    device = site.device(plan=FaultPlan(lost))
    site.connect(device)
    publisher = site.publish(site.package(2), "--retry-after", "0.01")
    site.follow(device, publisher)
    assert publisher.code == 0, publisher.errors
    assert lost.fired == 1
    assert site.stages() == ["refused", *WHOLE_WAY]


@pytest.mark.parametrize("place", ["download", "update"])
def test_a_power_cut_is_survived(site, place):
    device = site.device()
    site.connect(device)
    package = site.package(2, LARGE)
    publisher = site.publish(package, "--retry-after", "0.01")
    if place == "download":
        site.run_to(device, "HTTPACTION", nth=2)
    else:
        assert device.run_until("boot: page", max_s=600)
    device.power_cycle()
    site.follow(device, publisher)
    # A request that was lost in mid-download had been acknowledged: the device says
    # so, and gets it again.
    reasons = [report["reason"] for report in site.told() if "reason" in report]
    assert reasons == (["interrupted"] if place == "download" else [])
    assert publisher.code == 0, publisher.errors
    assert site.stages()[-1] == "confirmed"
    # What was complete in the modem was not fetched again.
    assert site.by_device(package.name) == len(package.ebin)


# Versions


def test_a_version_that_fails_its_trial_rolls_back_and_stops_the_rollout(site):
    device = site.device()
    site.connect(device)
    publisher = site.publish(site.package(2, "-DAPP_FAULT=lockup"), "--min-sample", "1")
    site.follow(device, publisher)
    assert publisher.code == 1
    assert publisher.result["state"] == "stopped"
    assert site.stages() == [*WHOLE_WAY[:-1], "rolled_back"]
    last = site.told()[-1]
    assert (last["version"], last["target"], last["reason"]) == (1, 2, "unconfirmed")
    assert "app: version 1 running (reason rolled back)" in device.console


def test_the_same_update_published_again_is_refused_as_running(site):
    device = site.device()
    site.connect(device)
    package = site.package(2)
    first = site.publish(package, "--keep-keys", "--id", "first")
    site.follow(device, first)
    assert first.code == 0, first.errors
    second = site.publish(package, "--id", "second")
    site.follow(device, second)
    assert site.stages("second") == ["refused"]
    assert site.told("second")[-1]["reason"] == "same"
    assert second.code == 0, second.errors  # what was wanted runs


def test_an_older_version_needs_leave(site):
    device = site.device()
    site.connect(device)
    publisher = site.publish(site.package(2))
    site.follow(device, publisher)
    package = site.package(1)
    site.follow(device, site.publish(package, "--min-sample", "1", "--id", "no"))
    assert site.told("no")[-1]["reason"] == "downgrade"
    allowed = site.publish(package, "--allow-downgrade", "--id", "yes")
    site.follow(device, allowed)
    assert allowed.code == 0, allowed.errors
    assert site.told("yes")[-1]["version"] == 1


# Clouds


def test_google_topics_and_cloud_storage(tmp_path, pki):
    """The request is retained, as Google kept it, and taken back at the end."""
    import google.cloud.storage

    with google_storage() as address, Site(tmp_path, pki, kind="gcp") as site:
        google.cloud.storage.Client().create_bucket("fleet")
        device = site.device()
        package = site.package(2, url=f"{address}/fleet/fw/fw_2.ebin")
        publisher = site.publish(package, to="gs://fleet/fw")
        site.follow(device, publisher)
        assert publisher.code == 0, publisher.errors
        assert site.stages() == WHOLE_WAY, site.told()
        with site.broker.client(site.pki.operator()) as late:
            late.subscribe(site.request_topic)
            late.publish(site.request_topic, b"end")
            (message,) = late.wait_for(bool)
        assert message.payload == b"end"


def test_aws_topics_data_plane_and_a_presigned_address(tmp_path, pki):
    import boto3

    with moto(), Site(tmp_path, pki, kind="aws") as site:
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="fleet")
        device = site.device()
        wanted = {"Bucket": "fleet", "Key": "fw/fw_2.ebin"}
        url = s3.generate_presigned_url("get_object", wanted, ExpiresIn=604_800)
        package = site.package(2, url=url)
        with site.broker.client(site.pki.operator()) as client:
            aws = AwsIot(client, thing=IMEI)
            site.connect(device)
            publisher = site.publish(package, "--via", "aws-data", to="s3://fleet/fw")
            assert site.run(device, lambda: aws.step() or publisher.ended)
        assert publisher.code == 0, publisher.errors
        assert site.stages() == WHOLE_WAY
        assert aws.updates == []  # it was no job


@pytest.mark.parametrize(
    "args, end, stages",
    [
        ((), "SUCCEEDED", WHOLE_WAY),
        (("-DAPP_FAULT=lockup",), "FAILED", [*WHOLE_WAY[:-1], "rolled_back"]),
    ],
)
def test_an_aws_job(tmp_path, pki, args, end, stages):
    with moto(), Site(tmp_path, pki, kind="aws") as site:
        device = site.device()
        package = site.package(2, *args)
        with site.broker.client(site.pki.operator()) as client:
            aws = AwsIot(client, thing=IMEI)
            publisher = site.publish(package, "--via", "aws-job", "--id", "job-1")
            assert site.run(device, lambda: aws.step() or is_final(aws))
        assert site.stages() == stages
        told = [body["statusDetails"]["stage"] for _, body in aws.updates]
        assert [
            stage for i, stage in enumerate(told) if stage not in told[:i]
        ] == stages
        statuses = [body["status"] for _, body in aws.updates]
        assert set(statuses[:-1]) == {"IN_PROGRESS"} and statuses[-1] == end
        assert {job for job, _ in aws.updates} == {"job-1"}
        assert publisher.code == (0 if end == "SUCCEEDED" else 1), publisher.errors


def is_final(aws):
    """True when the Jobs service has the device's last word."""
    return bool(aws.updates) and aws.updates[-1][1]["status"] != "IN_PROGRESS"

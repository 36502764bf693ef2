# SPDX-License-Identifier: Apache-2.0
"""`west ota-publish` with S3, AWS IoT and Cloud Storage, each by its stand-in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nrfota import cli
from nrfota.cloud import aws_job
from nrfota.cloud.aws_job import JobRate, parse_job_rate
from nrfota.errors import UsageError
from support.clouds import ACCOUNT, REGION, google, moto, reset
from support.mosquitto import Mosquitto, running
from support.pki import Pki
from support.publishing import KEY, NAME, answering, package, report

HAPPY = ["accepted", "downloading", "downloaded", "updating", "confirmed"]
JOB_DEVICES = ["dev-0", "dev-1", "dev-2"]


@dataclass
class Aws:
    """A moto server with a bucket, and a package whose URL is presigned."""

    folder: Path
    cloud: Path

    @property
    def build(self) -> Path:
        return self.folder / "build"

    def run(self, *arguments: str) -> int:
        return cli.main(
            ["publish", "--cloud", str(self.cloud), "-d", str(self.build), *arguments]
        )

    @property
    def published(self) -> list[tuple[str, bytes]]:
        """What AWS IoT's data plane got."""
        from moto.iotdata.models import iotdata_backends

        found: list[tuple[str, Any]] = iotdata_backends[ACCOUNT][
            REGION
        ].published_payloads
        return [
            (topic, data.encode() if isinstance(data, str) else data)
            for topic, data in found
        ]

    @property
    def iot(self) -> Any:
        from moto.iot.models import iot_backends

        return iot_backends[ACCOUNT][REGION]

    def set_status(self, device: str, status: str, **details: str) -> None:
        """What a device says to AWS IoT Jobs."""
        execution = self.iot.job_executions["job-7", device]
        execution.status = status
        execution.status_details_map = details


AWS_CLOUD = """\
profile: aws
host: example-ats.iot.{region}.amazonaws.com
device_id: imei
jobs: true
tls: {{ca: ca.pem, cert: "{{id}}.pem", key: "{{id}}.key"}}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto() as address:
        yield address


@pytest.fixture
def aws(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aws:
    import boto3

    monkeypatch.setattr(aws_job, "POLL_S", 0.0)
    cloud = tmp_path / "cloud.yml"
    cloud.write_text(AWS_CLOUD.format(region=REGION))
    reset(server)
    s3 = boto3.session.Session().client("s3")
    s3.create_bucket(Bucket="bucket")
    url = s3.generate_presigned_url(
        "get_object", Params={"Bucket": "bucket", "Key": f"fw/{NAME}"}
    )
    package(tmp_path / "build/ota", url=url)
    iot = boto3.session.Session().client("iot")
    for device in JOB_DEVICES:
        iot.create_thing(thingName=device)
    return Aws(tmp_path, cloud)


def test_s3_and_the_data_plane(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """No certificate of an operator: AWS's API publishes."""
    arguments = ["--to", "s3://bucket/fw", "--device", "dev-0", "--device", "dev-1"]
    code = aws.run(*arguments, "--no-follow", "--stages", "100", "--id", "data-7")
    assert code == 0
    assert sorted(topic for topic, _ in aws.published) == [
        "cmd/ota/dev-0/request",
        "cmd/ota/dev-1/request",
    ]
    assert {json.loads(payload)["id"] for _, payload in aws.published} == {"data-7"}
    out = capsys.readouterr().out
    assert "==> uploading to s3://bucket/fw/fw_7.ebin" in out
    assert re.search(r"presigned until \d{4}-\d\d-\d\d \d\d:\d\d UTC", out)
    assert "Signature" not in out
    assert aws.run(*arguments, "--no-follow", "--stages", "100", "--id", "data-7") == 0
    assert len(aws.published) == 2
    state = (aws.build / "ota/publish_data-7.json").read_text()
    assert "Signature" not in state


def test_the_data_plane_can_be_followed_over_mqtt(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    pki = Pki(aws.folder / "pki")
    operator = pki.operator()
    with running(Mosquitto(aws.folder / "broker", pki=pki)) as broker:
        reach = (
            f"operator: {{host: 127.0.0.1, port: {broker.tls_port}, ca: {pki.ca}, "
            f"cert: {operator.certificate}, key: {operator.key}}}\n"
        )
        aws.cloud.write_text(AWS_CLOUD.format(region=REGION) + reach)
        arguments = ["--to", "s3://bucket/fw", "--device", "dev-0", "--id", "data-7"]
        arguments += ["--via", "aws-data"]
        assert aws.run(*arguments, "--no-follow") == 0
        assert [topic for topic, _ in aws.published] == ["cmd/ota/dev-0/request"]
        with broker.client() as device:
            device.publish(
                "dt/ota/dev-0/report", report("dev-0", "data-7", "confirmed")
            )
        assert aws.run(*arguments) == 0
    assert "1 confirmed" in capsys.readouterr().out
    assert len(aws.published) == 1


def test_the_data_plane_cannot_be_followed_without_a_certificate(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert aws.run("--to", "s3://bucket/fw", "--device", "dev-0") == 2
    assert "--via aws-data: reports come over MQTT, which needs operator.cert" in (
        capsys.readouterr().err
    )


def test_a_dry_run_names_the_command_that_tells_the_cost(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    """And that command takes it."""
    arguments = ["--to", "s3://bucket/fw", "--device", "dev-0", "--no-follow"]
    assert aws.run(*arguments, "--stages", "100", "-n") == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("        west ota-cost --profile aws --devices 1 ")
    assert cli.main(line.removeprefix("        west ota-").split()) == 0
    assert aws.published == []


def job(aws: Aws, *arguments: str, devices: list[str] = JOB_DEVICES) -> int:
    targets = [word for device in devices for word in ("--device", device)]
    return aws.run(
        *("--to", "s3://bucket/fw", "--via", "aws-job", "--id", "job-7"),
        *(*targets, *arguments),
    )


def test_a_job_goes_out_with_rate_threshold_and_timeout(aws: Aws) -> None:
    code = job(
        aws,
        *("--no-follow", "--rate", "50", "--rate-growth", "5,1.5,20"),
        *("--job-timeout", "90", "--stop-at", "4%", "--min-sample", "25"),
    )
    assert code == 0
    made = aws.iot.jobs["job-7"]
    assert made.job_executions_rollout_config == {
        "maximumPerMinute": 50,
        "exponentialRate": {
            "baseRatePerMinute": 5,
            "incrementFactor": 1.5,
            "rateIncreaseCriteria": {"numberOfSucceededThings": 20},
        },
    }
    assert made.abort_config["criteriaList"] == [
        {
            "failureType": "ALL",
            "action": "CANCEL",
            "thresholdPercentage": 4.0,
            "minNumberOfExecutedThings": 25,
        }
    ]
    assert made.timeout_config == {"inProgressTimeoutInMinutes": 90}
    assert made.target_selection == "SNAPSHOT"
    assert [arn.rpartition("/")[2] for arn in made.targets] == JOB_DEVICES
    document = json.loads(made.document)
    assert (document["type"], document["id"]) == ("update_fw", "job-7")


def test_a_job_is_followed_to_its_end_and_deleted_with_the_key(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job(aws, "--no-follow") == 0
    aws.set_status("dev-0", "SUCCEEDED", stage="confirmed")
    aws.set_status("dev-1", "IN_PROGRESS", stage="downloading")
    assert job(aws, "--timeout", "0") == 1
    assert "1 of 3 devices settled: 1 published, 1 accepted, 1 confirmed" in (
        capsys.readouterr().out
    )
    aws.set_status("dev-1", "FAILED", stage="rolled_back", reason="unconfirmed")
    aws.set_status("dev-2", "REJECTED", stage="refused", reason="downgrade")
    assert job(aws, "--stop-at", "100", "--json") == 0
    end = json.loads(capsys.readouterr().out)
    assert end["failures"] == {"rolled_back: unconfirmed": 1, "refused: downgrade": 1}
    assert end["keys"] == "destroyed"
    assert aws.iot.jobs == {}
    assert not (aws.build / "ota/ota.json").exists()


@pytest.mark.parametrize(
    ("status", "reason", "failure"),
    [
        ("TIMED_OUT", "", "failed: timed_out"),
        ("REMOVED", "", "failed: removed"),
        ("FAILED", "\x1b[31m", "failed: unknown"),
    ],
)
def test_a_job_that_fails_at_a_device_is_told(
    aws: Aws,
    capsys: pytest.CaptureFixture[str],
    status: str,
    reason: str,
    failure: str,
) -> None:
    assert job(aws, "--no-follow", devices=["dev-0"]) == 0
    capsys.readouterr()
    aws.set_status("dev-0", status, **({"reason": reason} if reason else {}))
    assert job(aws, "--stop-at", "100", "--json", devices=["dev-0"]) == 0
    assert json.loads(capsys.readouterr().out)["failures"] == {failure: 1}


def test_a_job_that_aws_cancels_is_a_stop(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job(aws, "--no-follow") == 0
    aws.iot.jobs["job-7"].status = "CANCELED"
    aws.iot.jobs["job-7"].comment = "threshold"
    assert job(aws) == 1
    assert "stopped: the job is cancelled: threshold" in capsys.readouterr().err
    assert (aws.build / "ota/ota.json").exists()


def test_a_stop_of_ours_cancels_the_job(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job(aws, "--no-follow") == 0
    aws.set_status("dev-0", "FAILED", reason="http")
    assert job(aws) == 1
    assert aws.iot.jobs["job-7"].status == "CANCELED"
    assert "1 of 3 devices failed" in aws.iot.jobs["job-7"].comment
    assert job(aws, "--abort") == 0
    assert aws.iot.jobs == {}


def test_a_group_is_one_target_of_a_job(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    import boto3

    made = (
        boto3.session.Session().client("iot").create_thing_group(thingGroupName="all")
    )
    arguments = ["--to", "s3://bucket/fw", "--via", "aws-job", "--id", "job-7"]
    assert aws.run(*arguments, "--group", "all", "--no-follow") == 0
    found = aws.iot.jobs["job-7"]
    assert found.targets == [made["thingGroupArn"]]
    found.status = "COMPLETED"
    aws.set_status("all", "SUCCEEDED")
    assert aws.run(*arguments, "--group", "all") == 0
    assert "1 of 1 devices settled: 1 confirmed" in capsys.readouterr().out


def test_a_job_that_is_there_with_other_content_is_refused(
    aws: Aws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS answers a second CreateJob of an id with an error, moto does not."""
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

    real = BaseClient._make_api_call

    def call(client: Any, operation: str, members: Any) -> Any:
        if operation == "CreateJob" and "job-7" in aws.iot.jobs:
            error = {"Error": {"Code": "ResourceAlreadyExistsException"}}
            raise ClientError(error, operation)
        return real(client, operation, members)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    assert job(aws, "--no-follow") == 0
    for path in (aws.build / "ota").glob("publish_*"):
        path.unlink()  # as if the run had been ended before it noted the job
    assert job(aws, "--no-follow") == 0
    aws.iot.jobs["job-7"].document = "{}"
    for path in (aws.build / "ota").glob("publish_*"):
        path.unlink()
    capsys.readouterr()
    assert job(aws, "--no-follow") == 1
    assert "AWS has another job job-7; give this rollout another --id" in (
        capsys.readouterr().err
    )


def test_a_thing_that_aws_does_not_know_is_told(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job(aws, "--no-follow", devices=["dev-9"]) == 1
    assert "AWS refused creating job job-7 (ResourceNotFoundException: " in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "1001"], "--rate: a job takes at most 1000, got 1001"),
        (["--rate-growth", "5,1,20"], "--rate-growth: expected BASE 1..1000"),
        (["--job-timeout", "10081"], "--job-timeout: a job takes at most 10080"),
        (["--soak", "5"], "AWS does the rollout; use --rate"),
    ],
    ids=["rate", "growth", "timeout", "soak"],
)
def test_what_a_job_cannot_do_is_exit_2(
    aws: Aws,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert job(aws, *arguments) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


def test_a_job_takes_a_hundred_devices(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job(aws, devices=[f"dev-{number}" for number in range(101)]) == 2
    assert "a job takes at most 100 targets, got 101" in capsys.readouterr().err


def test_a_job_needs_devices_that_listen(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.cloud.write_text(AWS_CLOUD.format(region=REGION).replace("jobs: true\n", ""))
    assert job(aws) == 2
    assert "expected 'jobs: true' in" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "1,2", "a,b,c", "0,2,5", "5,1.05,20", "5,6,20", "5,2,0", "1001,2,5"]
)
def test_a_bad_growth_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="--rate-growth: expected BASE"):
        parse_job_rate(None, text)


def test_a_job_without_rate_is_left_to_aws() -> None:
    assert JobRate().config() == {}


def test_cloud_storage_and_a_plain_broker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import google.cloud.storage

    cloud = tmp_path / "cloud.yml"
    with google_storage() as address, running(Mosquitto(tmp_path / "broker")) as broker:
        google.cloud.storage.Client().create_bucket("bucket")
        package(tmp_path / "build/ota", url=f"{address}/bucket/fw/{NAME}")
        cloud.write_text(
            f"profile: mqtt\nhost: 127.0.0.1\nport: {broker.port}\ndevice_id: imei\n"
        )
        arguments = ["publish", "--cloud", str(cloud), "-d", str(tmp_path / "build")]
        arguments += ["--to", "gs://bucket/fw", "--device", "dev-0"]
        with answering(broker.port, {"dev-0": HAPPY}) as got:
            assert cli.main(arguments) == 0
    assert "==> uploading to gs://bucket/fw/fw_7.ebin" in capsys.readouterr().out
    assert KEY.hex() in got[0][1].decode()


google_storage = google

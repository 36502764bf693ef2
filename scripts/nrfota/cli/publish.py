# SPDX-License-Identifier: Apache-2.0
"""`west ota-publish`: uploads an update, publishes it in stages, follows the fleet."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nrfota.cli import Config
from nrfota.cli.options import add_build_dir, add_cloud

if TYPE_CHECKING:
    from nrfota.cloud.link import Reports, Sender
    from nrfota.cloud.profile import CloudProfile
    from nrfota.cloud.publish import Options, Ports
    from nrfota.cloud.publish_plan import Plan, Via, Wish
    from nrfota.cloud.rollout import Policy

HELP = "upload an update, publish it in stages, follow the fleet"
DESCRIPTION = (
    "Uploads ota.ebin, fetches it back from every URL in ota.json as a device would, "
    "then publishes ota.json to the devices, stage by stage, and follows their "
    "reports. Stops when too many fail. Started again with the same arguments it goes "
    "on where it was. At the end ota.json, which holds the key, is destroyed. "
    "Credentials for AWS and Google come from their usual places, for HTTP from "
    "~/.netrc. Exit codes: 0 done, 1 stopped or not finished, 2 usage, 3 wrong bytes, "
    "4 broker or store out of reach."
)


def add_arguments(parser: argparse.ArgumentParser, config: Config) -> None:
    """Adds the options."""
    what = parser.add_argument_group("what")
    add_build_dir(what, config, purpose="take ota/ota.ebin and ota/ota.json from here")
    what.add_argument(
        "--package-dir",
        metavar="DIR",
        type=Path,
        help="folder with ota.ebin and ota.json (BUILD_DIR/ota)",
    )
    what.add_argument(
        "--id", default="", help="the request's id (fwVERSION-DATE-RANDOM)"
    )
    what.add_argument(
        "--allow-downgrade",
        action="store_true",
        help="devices that run a newer version take it, too",
    )
    _add_files(parser)
    _add_targets(parser, config)
    _add_rollout(parser)
    run_ = parser.add_argument_group("run")
    run_.add_argument(
        "--no-follow",
        action="store_true",
        help="end after publishing; a later run follows",
    )
    run_.add_argument(
        "--timeout",
        metavar="MINUTES",
        type=_minutes,
        help="end this run after so long, whatever is left",
    )
    run_.add_argument(
        "--republish",
        action="store_true",
        help="publish again to devices that were reached and have not succeeded",
    )
    run_.add_argument(
        "--abort",
        action="store_true",
        help="end the rollout: clear what is retained, destroy the key",
    )
    run_.add_argument(
        "--keep-keys", action="store_true", help="leave ota.json where it is at the end"
    )
    run_.add_argument(
        "-n", "--dry-run", action="store_true", help="check and show, do nothing"
    )
    run_.add_argument(
        "--json", action="store_true", help="print a JSON object at the end"
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument_group("file")
    source = files.add_mutually_exclusive_group()
    source.add_argument(
        "--to",
        metavar="PLACE",
        action="append",
        default=[],
        help=(
            "where to upload: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, file:///FOLDER "
            "or http(s)://HOST/PATH (PUT); a second one is for alt_url"
        ),
    )
    source.add_argument(
        "--no-upload", action="store_true", help="the file is there already"
    )
    files.add_argument(
        "--force", action="store_true", help="overwrite another file of that name"
    )
    files.add_argument(
        "--web-ca",
        metavar="PEM",
        type=Path,
        help="who signed the file servers' certificates (the system's authorities)",
    )
    files.add_argument(
        "--allow-one-url",
        action="store_true",
        help="go on when one of url and alt_url gives the right bytes",
    )


def _add_targets(parser: argparse.ArgumentParser, config: Config) -> None:
    targets = parser.add_argument_group("targets")
    add_cloud(targets, config, purpose="broker, topics and certificates of this fleet")
    targets.add_argument(
        "-i",
        "--device",
        metavar="ID",
        action="append",
        default=[],
        help="a device; may be repeated",
    )
    targets.add_argument(
        "--devices", metavar="FILE", type=Path, help="one device a line, # comments"
    )
    targets.add_argument(
        "--group",
        default="",
        help="one message to a whole group, no stages; listed devices are followed",
    )
    targets.add_argument(
        "--via",
        choices=("mqtt", "aws-data", "aws-job"),
        help=(
            "the broker, AWS IoT's API, or an AWS IoT job (what the cloud file can do)"
        ),
    )


def _add_rollout(parser: argparse.ArgumentParser) -> None:
    rollout = parser.add_argument_group("rollout")
    rollout.add_argument(
        "--stages", metavar="PERCENT,...", help="shares of the devices (1,5,25,100)"
    )
    rollout.add_argument(
        "--stop-at",
        metavar="PERCENT",
        default="2%",
        help="stop when more than this share of the published devices failed (2%%)",
    )
    rollout.add_argument(
        "--min-sample",
        metavar="N",
        type=_count,
        default=10,
        help="fewer published devices count as this many for --stop-at (%(default)s)",
    )
    rollout.add_argument(
        "--soak",
        metavar="MINUTES",
        type=_minutes,
        help="the next stage begins after so long though some devices are still at it",
    )
    rollout.add_argument(
        "--silent-after",
        metavar="MINUTES",
        type=_minutes,
        help=(
            "a device without a word for so long is given up: failed when it had "
            "answered before, else not counted (60; a job: never)"
        ),
    )
    rollout.add_argument(
        "--rate",
        metavar="PER_MINUTE",
        type=_count,
        help="publish to at most so many devices a minute (a job: maximumPerMinute)",
    )
    rollout.add_argument(
        "--rate-growth",
        metavar="BASE,FACTOR,SUCCEEDED",
        help=(
            "a job's exponential rate: begin with BASE a minute, times FACTOR after "
            "each SUCCEEDED devices"
        ),
    )
    rollout.add_argument(
        "--job-timeout",
        metavar="MINUTES",
        type=_count,
        help="a job gives a device up that is in progress for so long",
    )


def run(args: argparse.Namespace) -> int:
    """Publishes, or shows what would be done."""
    from nrfota.cli.publish_view import PublishView, end_lines, end_members, plan_lines
    from nrfota.cloud.profile import load_cloud
    from nrfota.cloud.publish import Publication
    from nrfota.cloud.publish_plan import ended_before, make_plan, new_id

    _check(args)
    cloud = load_cloud(args.cloud)
    via = _via(args, cloud)
    wish = _wish(args, via)
    ended = ended_before(wish.folder, id=args.id)
    if ended is not None:
        if args.json:
            import json

            print(json.dumps({"id": ended.id, "state": ended.end, "keys": ended.keys}))
        else:
            print(f"{ended.id} is {ended.end} already; its key is destroyed")
        return 0
    plan = make_plan(
        wish, cloud=cloud, fresh_id=lambda version: new_id(version, now=time.time())
    )
    options = _options(args)
    _check_following(args, plan, cloud)
    if args.dry_run:
        for line in plan_lines(plan, cloud=cloud, upload=options.upload):
            print(line)
        return 0
    with PublishView(quiet=args.json) as view:
        view.note(f"request {plan.id}, version {plan.identity.version}")
        end = Publication(
            plan, options=options, ports=_ports(args, plan, cloud), view=view
        ).run()
    if args.json:
        import json

        print(json.dumps(end_members(end)))
    else:
        for line in end_lines(end):
            print(line)
    if end.exit_code:
        print(f"west ota-publish: {_advice(end.state, end.reason)}", file=sys.stderr)
    return end.exit_code


def _advice(state: str, reason: str) -> str:
    again = "started again with the same arguments it goes on"
    return {
        "stopped": (
            f"stopped: {reason}; nothing more is published. To go on, start it again "
            "with a higher --stop-at; to give up, with --abort"
        ),
        "incomplete": f"not finished: {reason}; {again}, --abort ends it",
        "timeout": f"timeout: {reason}; {again}",
    }[state]


def _check(args: argparse.Namespace) -> None:
    from nrfota.errors import UsageError

    if args.cloud is None:
        raise UsageError("expected --cloud: broker, topics and certificates")
    if not (args.to or args.no_upload or args.abort):
        raise UsageError("expected --to, or --no-upload when the file is there already")
    if args.group and args.stages:
        raise UsageError("--stages: a group gets one message, without stages")
    if args.abort and args.republish:
        raise UsageError("expected --abort or --republish, got both")
    if args.via != "aws-job":
        for name in ("rate_growth", "job_timeout"):
            if getattr(args, name) is not None:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} is for --via aws-job alone")
    elif args.stages or args.soak is not None:
        raise UsageError(
            "--via aws-job: AWS does the rollout; use --rate, not --stages"
        )


def _check_following(args: argparse.Namespace, plan: Plan, cloud: CloudProfile) -> None:
    """What cannot end, or cannot be followed, is refused before it begins."""
    from nrfota.cloud.publish_plan import Via
    from nrfota.cloud.rollout import stage_counts
    from nrfota.errors import UsageError

    if args.no_follow and not plan.group and plan.via is not Via.AWS_JOB:
        stages = len(stage_counts(len(plan.devices), plan.policy.stages))
        if stages > 1 or args.rate:
            raise UsageError(
                f"--no-follow: {stages} stages cannot be decided unfollowed; add "
                "--stages 100 without --rate"
            )
    if args.no_follow or args.abort or args.dry_run:
        return
    if plan.via is Via.AWS_JOB:
        return
    if not plan.devices and args.timeout is None:
        raise UsageError(
            f"--group {plan.group}: nobody knows when the last device has answered; "
            "add --timeout, --devices or --no-follow"
        )
    if plan.via is Via.AWS_DATA and cloud.operator.cert is None:
        raise UsageError(
            f"--via aws-data: reports come over MQTT, which needs operator.cert and "
            f"operator.key in {cloud.path}; or add --no-follow"
        )


def _via(args: argparse.Namespace, cloud: CloudProfile) -> Via:
    """As asked, else what the operator can use."""
    from nrfota.cloud.publish_plan import Via

    if args.via:
        return Via(args.via)
    if cloud.profile != "aws" or cloud.operator.cert is not None:
        return Via.MQTT
    return Via.AWS_DATA


def _wish(args: argparse.Namespace, via: Via) -> Wish:
    from nrfota.cloud.publish_plan import Wish, read_devices

    listed = read_devices(args.devices) if args.devices else []
    return Wish(
        folder=args.package_dir or args.build_dir / "ota",
        places=args.to,
        devices=[*args.device, *listed],
        group=args.group,
        via=via,
        id=args.id,
        allow_downgrade=args.allow_downgrade,
        policy=_policy(args, one_stage=bool(args.group) or args.via == "aws-job"),
    )


def _policy(args: argparse.Namespace, *, one_stage: bool) -> Policy:
    from nrfota.cloud.rollout import (
        DEFAULT_STAGES,
        MINUTE_S,
        Policy,
        parse_percent,
        parse_stages,
    )

    stages = parse_stages(args.stages) if args.stages else DEFAULT_STAGES
    silent = args.silent_after
    if silent is None:
        silent = float("inf") if args.via == "aws-job" else 60 * MINUTE_S
    return Policy(
        stages=stages[-1:] if one_stage else stages,
        stop_at=parse_percent(args.stop_at, what="--stop-at"),
        min_sample=args.min_sample,
        soak_s=args.soak,
        silent_after_s=silent,
        per_minute=None if one_stage else args.rate,
    )


def _options(args: argparse.Namespace) -> Options:
    from nrfota.cloud.publish import Options

    return Options(
        upload=not args.no_upload,
        force=args.force,
        allow_one_url=args.allow_one_url,
        follow=not args.no_follow,
        timeout_s=args.timeout,
        republish=args.republish,
        keep_keys=args.keep_keys,
        abort=args.abort,
    )


def _ports(args: argparse.Namespace, plan: Plan, cloud: CloudProfile) -> Ports:
    from nrfota.cloud.fetch import check_url, web_context
    from nrfota.cloud.publish import Ports
    from nrfota.cloud.stores import open_store

    context = web_context(args.web_ca)
    return Ports(
        open_store=lambda place: open_store(place, web_ca=args.web_ca),
        check=lambda url, want: check_url(url, want=want, context=context),
        open_link=lambda: _open_link(args, plan, cloud),
        now=time.time,
    )


def _open_link(
    args: argparse.Namespace, plan: Plan, cloud: CloudProfile
) -> tuple[Sender, Reports]:
    from nrfota.cloud.publish_plan import Via

    if plan.via is Via.AWS_JOB:
        from nrfota.cloud.aws_job import AwsJob, parse_job_rate

        rate = parse_job_rate(args.rate, args.rate_growth)
        job = AwsJob(plan, host=cloud.host, rate=rate, timeout_minutes=args.job_timeout)
        return job, job
    from nrfota.cloud.link import Deaf

    if plan.via is Via.AWS_DATA and cloud.operator.cert is None:
        from nrfota.cloud.aws_data import AwsData

        return AwsData(cloud.host), Deaf()
    from nrfota.cloud.mqtt_link import MqttLink

    link = MqttLink(
        cloud.operator,
        client_id=f"{cloud.operator.client_id}-{plan.id}",
        report_filter=plan.topics.report_filter(),
    )
    if plan.via is Via.MQTT:
        return link, link
    from nrfota.cloud.aws_data import AwsData

    return AwsData(cloud.host), link


def _minutes(text: str) -> float:
    """Minutes to seconds."""
    value = float(text) * 60
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"expected minutes, got '{text}'")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1_000_000_000:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got '{text}'")
    return value

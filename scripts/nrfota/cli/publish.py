# SPDX-License-Identifier: Apache-2.0
"""`west ota-publish`: uploads an update, publishes it in stages, follows the fleet."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from nrfota.cli.publish_options import add_arguments

if TYPE_CHECKING:
    from nrfota.cloud.link import Reports, Sender
    from nrfota.cloud.profile import CloudProfile
    from nrfota.cloud.publish_parts import Options, Ports
    from nrfota.cloud.publish_plan import Plan, Via, Wish
    from nrfota.cloud.rollout import Policy

__all__ = ["DESCRIPTION", "HELP", "add_arguments", "run"]

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


def run(args: argparse.Namespace) -> int:
    """Publishes, or shows what would be done."""
    from nrfota.cli.publish_view import PublishView, end_lines, end_members, plan_lines
    from nrfota.cloud.profile import load_cloud
    from nrfota.cloud.publish import Publication
    from nrfota.cloud.publish_plan import ended_before, make_plan, new_id
    from nrfota.cloud.publish_state import choosing
    from nrfota.errors import OtaError

    _check(args)
    cloud = load_cloud(args.cloud)
    via = _via(args, cloud)
    wish = _wish(args, via)
    ended = ended_before(wish.folder, id=args.id)
    if ended is not None:
        if args.json:
            import json

            print(json.dumps({"id": ended.id, "state": ended.end, "keys": "destroyed"}))
        else:
            print(f"{ended.id} is {ended.end} already, and its ota.json is gone")
        return 0
    options = _options(args)
    with PublishView(quiet=args.json) as view:
        with choosing(wish.folder):
            plan = make_plan(
                wish,
                cloud=cloud,
                fresh_id=lambda version: new_id(version, now=time.time()),
            )
            _check_following(args, plan, cloud)
            notices = _operator_notices(plan, cloud)
            if args.dry_run:
                for line in plan_lines(plan, cloud=cloud, upload=options.upload):
                    print(line)
                return 0
            publication = Publication(
                plan, options=options, ports=_ports(args, plan, cloud), view=view
            )
            publication.begin()
        view.note(f"request {plan.id}, version {plan.identity.version}")
        for notice in notices:
            view.note(notice)
        end = publication.run()
    if args.json:
        import json

        print(json.dumps(end_members(end)))
    else:
        for line in end_lines(end):
            print(line)
    if end.exit_code:
        raise OtaError(_advice(end.state, end.reason))
    return 0


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
    for name in ("stages", "soak", "rate", "retries", "retry_after"):
        if args.group and args.via != "aws-job" and getattr(args, name) is not None:
            option = name.replace("_", "-")
            raise UsageError(f"--{option}: a group gets one message, without stages")
    if args.no_upload and args.force:
        raise UsageError("--force: there is nothing to overwrite with --no-upload")
    if args.no_follow and args.timeout is not None:
        raise UsageError("--timeout: there is nothing to wait for with --no-follow")
    if args.via == "aws-job" and args.republish:
        raise UsageError("--republish: a job is not repeated; begin one with --id")
    for name in ("republish", "dry_run"):
        if args.abort and getattr(args, name):
            option = name.replace("_", "-")
            raise UsageError(f"expected --abort or --{option}, got both")
    if args.via != "aws-job":
        for name in ("rate_growth", "job_timeout"):
            if getattr(args, name) is not None:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} is for --via aws-job alone")
        return
    if args.stages or args.soak is not None:
        raise UsageError(
            "--via aws-job: AWS does the rollout; use --rate, not --stages"
        )
    if args.retries is not None or args.retry_after is not None:
        raise UsageError(
            "--via aws-job: AWS keeps the job for a device that lost it; "
            "--retries is for the other ways"
        )
    from nrfota.cloud.aws_job import check_job_timeout, parse_job_rate

    parse_job_rate(args.rate, args.rate_growth)
    check_job_timeout(args.job_timeout)


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


def _operator_notices(plan: Plan, cloud: CloudProfile) -> tuple[str, ...]:
    """Looks at the operator's certificates, if they are going to be used."""
    from datetime import UTC, datetime

    from nrfota.cloud.files import check_operator_files
    from nrfota.cloud.publish_plan import Via

    if plan.via is not Via.MQTT and cloud.operator.cert is None:
        return ()
    return check_operator_files(cloud, now=datetime.now(UTC)).notices


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

    given = args.stages is not None
    stages = parse_stages(args.stages) if given else DEFAULT_STAGES
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
        retries=0 if one_stage else 3 if args.retries is None else args.retries,
        retry_after_s=MINUTE_S if args.retry_after is None else args.retry_after,
    )


def _options(args: argparse.Namespace) -> Options:
    from nrfota.cloud.publish_parts import Options

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
    from nrfota.cloud.publish_parts import Ports, steady_clock
    from nrfota.cloud.stores import open_store

    context = web_context(args.web_ca)
    return Ports(
        open_store=lambda place: open_store(place, web_ca=args.web_ca),
        check=lambda url, want: check_url(url, want=want, context=context),
        open_link=lambda: _open_link(args, plan, cloud),
        now=steady_clock(),
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
    from nrfota.cloud.mqtt_link import AWS_PER_SECOND, MqttLink

    link = MqttLink(
        cloud.operator,
        client_id=f"{cloud.operator.client_id}-{plan.id}",
        report_filter=plan.topics.report_filter(),
        per_second=AWS_PER_SECOND if cloud.profile == "aws" else None,
    )
    if plan.via is Via.MQTT:
        return link, link
    from nrfota.cloud.aws_data import AwsData

    return AwsData(cloud.host), link

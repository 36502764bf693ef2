# SPDX-License-Identifier: Apache-2.0
"""The options of `west ota-publish`."""

from __future__ import annotations

import argparse
from pathlib import Path

from nrfota.cli import Config
from nrfota.cli.options import add_build_dir, add_cloud


def _minutes(text: str) -> float:
    """Minutes to seconds."""
    try:
        value = float(text) * 60
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"expected minutes, got '{text}'")
    return value


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= 1_000_000_000:
        raise argparse.ArgumentTypeError(f"expected 1 to 1000000000, got '{text}'")
    return value


def _retries(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"expected 0 to 100, got '{text}'")
    return value


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
        "--retries",
        metavar="N",
        type=_retries,
        help=(
            "publish up to N times again to a device that lost the request, by a "
            "reset for example (3; a group, a job: never)"
        ),
    )
    rollout.add_argument(
        "--retry-after",
        metavar="MINUTES",
        type=_minutes,
        help="after so long (1)",
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

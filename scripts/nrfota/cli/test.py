# SPDX-License-Identifier: Apache-2.0
"""`west ota-test`: power cuts and modem faults on the virtual board."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nrfota.cli import Config
from nrfota.cli.options import add_board, add_build_dir

if TYPE_CHECKING:
    from nrfota.runners.campaign import Report

HELP = "cut the power at every flash operation of an update"
DESCRIPTION = (
    "Runs each scenario once on the virtual board, with the machine code that ships, "
    "then again from every cut: before, half-way through and after each flash "
    "operation. Each case must end with the new or the old application, verified, "
    "within bounds. A lost case has a name that runs it alone: --cuts 'NAME'."
)


def add_arguments(parser: argparse.ArgumentParser, config: Config) -> None:
    """Adds the options."""
    layout = config.get("layout")
    add = parser.add_argument
    purpose = "where west ota-build put boot record and bootloader"
    add_build_dir(parser, config, purpose=purpose)
    add_board(parser, config)
    add(
        "--layout",
        metavar="YML",
        type=Path,
        default=Path(layout) if layout else None,
        help="memory layout (the project's templates/layout.yml)",
    )
    add(
        "--scenario",
        metavar="NAME",
        nargs="+",
        default=[],
        help="only these (all; with every cut all but rollback-parts)",
    )
    add(
        "--cuts",
        metavar="none|every|N|ID",
        default="every",
        help="no cut, all of them, N of them chosen by the seed, or one case by name",
    )
    add(
        "--depth",
        type=int,
        choices=(1, 2),
        default=1,
        help="2: pairs, the second cut in the recovery from the first (%(default)s)",
    )
    add(
        "--faults",
        metavar="NAME",
        nargs="+",
        default=["none"],
        help="modem faults: none, all, or names; without cuts and with each chosen cut",
    )
    add("--seed", type=int, default=1, help="seed of everything random (%(default)s)")
    add(
        "--image-size",
        metavar="BYTES",
        type=int,
        default=16384,
        help="size of the application images (%(default)s)",
    )
    add("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    add("--report", metavar="FILE.html", type=Path, help="write pictures as HTML")
    add("--json", metavar="FILE", help="write the verdicts as JSON ('-': stdout)")


def run(args: argparse.Namespace) -> int:
    """Runs the campaign; 1 when a case was lost."""
    from nrfota.build import BuildRequest
    from nrfota.campaign import LONG_STORIES, STORIES, Maker
    from nrfota.campaign_build import build_firmware
    from nrfota.cli.test_view import View
    from nrfota.outputs import Output, write_outputs
    from nrfota.runners.campaign import (
        Options,
        fault_names,
        run_campaign,
    )

    seed, named = _check(args)
    faults = fault_names(args.faults)
    names = (
        named
        or args.scenario
        or [
            name for name in STORIES if args.cuts != "every" or name not in LONG_STORIES
        ]
    )
    Maker.check(names)
    firmware = build_firmware(
        BuildRequest(build_dir=args.build_dir, board=args.board, layout=args.layout),
        image_size=args.image_size,
    )
    maker = Maker(firmware, seed=seed)
    stories = [maker.make(name) for name in names]
    with View(quiet=args.json == "-") as view:
        reports = run_campaign(
            stories,
            Options(
                cuts=args.cuts,
                depth=args.depth,
                faults=faults,
                seed=seed,
                jobs=args.jobs,
            ),
            progress=view.progress,
        )
    view.table(reports, image_size=args.image_size)
    if args.json:
        _write_json(args.json, reports)
    if args.report:
        from nrfota.campaign_report import to_html

        text = to_html([report.chapter() for report in reports])
        write_outputs([Output(args.report, text.encode())])
    return 1 if any(report.lost or not report.complete for report in reports) else 0


def _check(args: argparse.Namespace) -> tuple[int, list[str]]:
    """The seed and, with a case's name, its scenario; UsageError before any work."""
    from nrfota.errors import UsageError
    from nrfota.runners.campaign import case_of

    if args.jobs < 1:
        raise UsageError(f"jobs: expected at least 1 process, got {args.jobs}")
    if args.seed < 0:
        raise UsageError(f"seed: expected a number from 0, got {args.seed}")
    if "[" not in args.cuts:
        number = int(args.cuts) if args.cuts.isascii() and args.cuts.isdigit() else 0
        if args.cuts not in ("none", "every") and number < 1:
            raise UsageError(
                "cuts: expected none, every, a number from 1 or a case's name, got "
                f"'{args.cuts}'"
            )
        if args.depth == 2 and args.cuts == "none":
            raise UsageError("--depth 2: expected cuts to make pairs of, got none")
        return args.seed, []
    scenario, seed = case_of(args.cuts)
    if args.depth == 2 or args.faults != ["none"]:
        raise UsageError(
            "a case's name says all of it: expected no --depth and no --faults with it"
        )
    if args.scenario not in ([], [scenario]):
        raise UsageError(
            f"the case is of the scenario '{scenario}', got --scenario "
            f"{' '.join(args.scenario)}"
        )
    return seed, [scenario]


def _write_json(target: str, reports: list[Report]) -> None:
    import json

    from nrfota.outputs import Output, write_outputs

    text = json.dumps([report.as_json() for report in reports], indent=2) + "\n"
    if target == "-":
        print(text, end="")
    else:
        write_outputs([Output(Path(target), text.encode())])

# SPDX-License-Identifier: Apache-2.0
"""What all single cuts of every scenario cost, in processor time of all processes.

    .venv/bin/python tests/bench/bench_campaign.py [-d BUILD] [--pairs]

With --pairs: all pairs of cuts of the scenario `update` on images of two pages.
The last line is what DESIGN.md quotes. Minutes.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from pathlib import Path

from nrfota.build import BuildRequest
from nrfota.campaign import LONG_STORIES, STORIES, Maker
from nrfota.campaign_build import IMAGE_SIZE, build_firmware
from nrfota.runners.campaign import Options, run_campaign


def cpu_s() -> float:
    """Processor time of this process and the workers that have ended."""
    used = (
        resource.getrusage(who)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return sum(item.ru_utime + item.ru_stime for item in used)


def main() -> int:
    """1 when a case was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-d", "--build-dir", type=Path, default=Path("build"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pairs", action="store_true")
    args = parser.parse_args()
    names = [name for name in STORIES if name not in LONG_STORIES]
    size = 8192 if args.pairs else IMAGE_SIZE
    firmware = build_firmware(BuildRequest(build_dir=args.build_dir), image_size=size)
    maker = Maker(firmware, seed=args.seed)
    stories = [maker.make(name) for name in (["update"] if args.pairs else names)]
    used, since = cpu_s(), time.monotonic()
    reports = run_campaign(
        stories,
        Options(seed=args.seed, depth=2 if args.pairs else 1),
        progress=lambda done, total, lost: None,
    )
    used, seconds = cpu_s() - used, time.monotonic() - since
    cases = lost = runs = 0
    for report in reports:
        data = report.as_json()
        print(
            f"{report.scenario:18} {data['cases']:8} cases {report.runs:6} runs "
            f"{data['lost']:4} lost {report.cpu_s:7.1f} s"
        )
        cases, runs = cases + data["cases"], runs + report.runs
        lost += data["lost"]
    print(
        f"{cases} cases in {runs} runs, {lost} lost: {used:.0f} s of processor time "
        f"({seconds:.0f} s on {os.cpu_count()} busy or free cores)"
    )
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""How long `west ota-publish` thinks: decisions, tables and replay of large fleets.

    .venv/bin/python tests/bench/bench_publish.py [DEVICES]

No broker: what a run computes itself. The whole way is measured by the fleet's load
test.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from nrfota.cloud.publish_state import StateFiles, published_event, replay, report_event
from nrfota.cloud.report import Report, Stage
from nrfota.cloud.rollout import Policy, Rollout

STAGES = ("accepted", "downloading", "downloaded", "updating", "confirmed")


def timed(what: str, function: Callable[[], object], *, times: int = 1) -> None:
    begin = time.perf_counter()
    for _ in range(times):
        function()
    print(f"{what:42}{(time.perf_counter() - begin) / times * 1000:10.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("devices", type=int, nargs="?", default=50_000)
    count = parser.parse_args().devices
    devices = [f"3568{number:011}" for number in range(count)]
    policy = Policy(stages=(Fraction(100),))
    rollout = Rollout("bench", devices, policy=policy)
    print(f"{count} devices")
    timed("order", lambda: Rollout("bench", devices, policy=policy))
    rollout.published(devices, at=0.0)
    timed("next step", lambda: rollout.next(1.0), times=5)
    timed("counts of a table", lambda: rollout.summary(1.0), times=5)
    with tempfile.TemporaryDirectory() as folder:
        files = StateFiles(Path(folder), "bench")
        files.open()
        files.append([published_event(devices, at=0.0)])
        for stage in STAGES:
            reports = [Report(name, "bench", Stage(stage), 1, 7) for name in devices]
            files.append([report_event(report, at=1.0) for report in reports])
        batch = [report_event(report, at=1.0) for report in reports[:20]]
        timed("note 20 reports (fsync)", lambda: files.append(batch), times=50)
        fresh = Rollout("bench", devices, policy=policy)
        timed(
            "replay of the log",
            lambda: replay(files.events(), fresh, id="bench", now=1e12),
        )
        print(f"{'log':42}{files.log_path.stat().st_size / 1e6:10.1f} MB")
        files.close()


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""A staged rollout to thousands of light devices on one mosquitto.

    python tests/bench/bench_fleet.py [--devices 5000] [--seed 1] [--kill 0] [--tls]

`west ota-publish` rolls one update out in stages of 1, 5, 25 and 100 %; mosquitto,
the devices and the publisher are processes of their own on loopback. A seeded plan
says which devices refuse, fail, roll back, vanish, stay silent, report twice or lose
their connection with a report on its way. Every report that the broker acknowledged
to a device must be among those that the publisher noted, device by device; 1 when
one is lost (what comes after the publisher has given up counts as lost, too).

Devices say all they have to say at once: rates are those of this machine, not of a
fleet. Connections are plain unless --tls is given. --kill N ends the publisher with N
reports noted and starts it again when the devices have said all. --look N measures
what the publisher does twice a second with N devices.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nrfota.cloud.report import Report, Stage
from nrfota.cloud.rollout import Policy, Rollout
from support.fleet import QUEUE, REQUEST, FleetRun, memory_kb, run_fleet

MINUTE_S = 60


def show(run: FleetRun) -> None:
    """Prints what was measured."""
    devices = len(run.fates)

    def line(name: str, text: str) -> None:
        print(f"{name:12} {text}", flush=True)

    def memory(name: str, peak_kb: int, base_kb: int) -> None:
        each = (peak_kb - base_kb) * 1024 / devices
        line(name, f"{peak_kb / 1024:7.1f} MB at most, {each:6.0f} bytes a device")

    line("devices", f"{devices}: {_counts(Counter(run.fates.values()))}")
    line("connected", f"in {run.connect_s:.1f} s: {devices / run.connect_s:.0f}/s")
    spans = stage_spans(run)
    for number, (count, reports, seconds) in enumerate(spans, 1):
        rate = f", {reports / seconds:.0f}/s" if seconds else ""
        line(
            f"stage {number}",
            f"{count:6} devices, {reports:7} reports in {seconds:6.1f} s{rate}",
        )
    line("rollout", f"{run.rollout_s:.1f} s, start and waiting for silence included")
    connected = run.broker_connected_kb - run.broker_empty_kb
    each = connected * 1024 / devices
    line(
        "mosquitto",
        f"{run.broker_connected_kb / 1024:7.1f} MB connected, {each:6.0f} bytes a "
        f"device over {run.broker_empty_kb / 1024:.1f} MB",
    )
    memory("mosquitto", run.broker_peak_kb, run.broker_empty_kb)
    memory("publisher", run.publisher_peak_kb, 0)
    memory("simulator", run.devices_peak_kb, 0)
    noted = sum(len(reports) for reports in run.tally.values())
    repeated = run.end.get("ignored", {}).get("repeated", 0)
    line("reports", f"{run.reports} acknowledged, {noted} noted, {repeated} repeated")
    line("outcome", f"{run.end.get('state', run.said)}: {run.end.get('reason', '')}")
    line("lost", f"{len(run.lost)}")
    for device, report in run.lost[:10]:
        line("", f"{device} {report}")


def stage_spans(run: FleetRun) -> list[tuple[int, int, float]]:
    """Devices, reports and seconds of each stage, from request to last report."""
    sizes = [stage["total"] for stage in run.end.get("rollout", [])]
    order = list(dict.fromkeys(run.published))
    stage_of: dict[str, int] = {}
    for stage, size in enumerate(sizes):
        begin = sum(sizes[:stage])
        stage_of |= dict.fromkeys(order[begin : begin + size], stage)
    began: dict[int, float] = {}
    ended: dict[int, float] = {}
    reports: Counter[int] = Counter()
    for event in run.events:
        if event["event"] == "published":
            began.setdefault(stage_of[event["devices"][0]], event["at"])
        elif event["event"] == "report":
            stage = stage_of[event["device"]]
            reports[stage] += 1
            ended[stage] = event["at"]
    return [
        (size, reports[stage], ended.get(stage, 0) - began.get(stage, 0))
        for stage, size in enumerate(sizes)
        if stage in began
    ]


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def look(devices: int) -> None:
    """Processor time of one decision over all devices, and the memory for them."""
    names = [f"dev-{number:07}" for number in range(devices)]
    rollout = Rollout(REQUEST, names, policy=Policy())
    rollout.published(rollout.order, at=1.0)
    for name in names:
        rollout.note(Report(name, REQUEST, Stage.ACCEPTED, 1, 2), at=2.0)
    began = time.process_time()
    rollout.next(3.0)
    seconds = time.process_time() - began
    peak_kb = memory_kb(os.getpid(), "VmRSS")
    print(f"{devices} devices: {seconds:.3f} s a look, {peak_kb / 1024:.0f} MB")


def main() -> int:
    """Runs it; 1 when a report was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--devices", type=int, default=5000)
    add("--seed", type=int, default=1)
    add("--tls", action="store_true", help="TLS with client certificates")
    add("--kill", type=int, default=0, metavar="REPORTS", help="kill the publisher")
    add(
        "--silent-after",
        type=float,
        metavar="SECONDS",
        help="longer than a device waits for its turn here (1 s for 200 devices, or "
        "for 40 with TLS; 10 s at least)",
    )
    add(
        "--queue",
        type=int,
        default=QUEUE,
        metavar="N",
        help="mosquitto's max_queued_messages (%(default)s; its own default is 1000)",
    )
    add("--look", type=int, metavar="N", help="only the publisher's look at N devices")
    args = parser.parse_args()
    if args.look:
        look(args.look)
        return 0
    turn_s = args.devices / (40 if args.tls else 200)
    silent_s = args.silent_after or max(10.0, turn_s)
    with tempfile.TemporaryDirectory() as folder:
        run = run_fleet(
            Path(folder),
            devices=args.devices,
            seed=args.seed,
            tls=args.tls,
            kill_after=args.kill,
            options=[
                *("--silent-after", str(silent_s / MINUTE_S)),
                *("--stop-at", "10"),
            ],
            broker_options=[f"max_queued_messages {args.queue}"],
        )
    print(f"seed {args.seed}")
    show(run)
    return 1 if run.lost else 0


if __name__ == "__main__":
    raise SystemExit(main())

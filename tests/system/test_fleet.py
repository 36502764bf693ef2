# SPDX-License-Identifier: Apache-2.0
"""A fleet: hundreds of light devices, a real broker, the real publisher.

`tests/bench/bench_fleet.py` does the same with thousands.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from support.firmware import ROOT
from support.fleet import FleetRun, run_fleet
from support.light_devices import SHARES, Fate, plan_fates, raise_file_limit

DEVICES = 300
SEED = 1
# Nobody is silent here, so no device that is merely slow can be taken for it.
TALKING = SHARES | {Fate.VANISH: 0, Fate.SILENT: 0}
FINAL = {"confirmed", "rolled_back", "refused", "failed"}
STAGES = (3, 15, 75, 300)  # 1, 5, 25 and 100 % of 300


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FleetRun:
    """One rollout that most tests look at."""
    return run_fleet(
        tmp_path_factory.mktemp("fleet"),
        devices=DEVICES,
        seed=SEED,
        shares=TALKING,
        options=["--stop-at", "10"],
    )


def test_no_report_is_lost(run: FleetRun) -> None:
    """Device by device: what the broker acknowledged is what the publisher noted."""
    assert run.tally == run.acknowledged
    assert run.lost == []


def test_every_device_reports_what_its_fate_says(run: FleetRun) -> None:
    """The simulator keeps SPEC.md 11; it would lose nothing if it said nothing."""
    wrong = {
        device: reports
        for device, reports in run.acknowledged.items()
        if reports != run.expected(device)
    }
    assert wrong == {}
    assert run.reports > 8 * DEVICES


def test_repeated_reports_are_noted_once(run: FleetRun) -> None:
    """Devices that report twice, and those that send again after a lost connection."""
    twice = [device for device, fate in run.fates.items() if fate is Fate.TWICE]
    assert len(twice) == 15
    noted = sum(len(run.tally[device]) for device in twice)
    acked = sum(len(run.ledger[device]["acked"]) for device in twice)
    assert acked == 2 * noted
    assert run.end["ignored"]["repeated"] > 0


def test_the_end_counts_each_fate(run: FleetRun) -> None:
    """What `--json` says, against the plan."""
    fates = Counter(run.fates.values())
    assert (run.exit_code, run.end["state"]) == (0, "complete")
    assert run.end["devices"]["succeeded"] == DEVICES - 3
    assert run.end["failures"] == {
        "refused: downgrade": fates[Fate.REFUSE],
        "failed: http": fates[Fate.FAIL],
        "rolled_back: unconfirmed": fates[Fate.ROLL_BACK],
    }


def test_a_stage_begins_when_the_one_before_is_settled(run: FleetRun) -> None:
    """Read from the order of the log: 1, 5, 25, 100 %."""
    published: list[str] = []
    settled: set[str] = set()
    for event in run.events:
        if event["event"] == "published":
            published += event["devices"]
            before = max((n for n in STAGES if n < len(published)), default=0)
            assert set(published[:before]) <= settled
        elif event["stage"] in FINAL:
            settled.add(event["device"])
    assert sorted(published) == sorted(run.fates)
    assert [stage["total"] for stage in run.end["rollout"]] == [3, 12, 60, 225]


def test_each_device_is_asked_once(run: FleetRun) -> None:
    """And resets once when it updates."""
    assert {entry["requests"] for entry in run.ledger.values()} == {1}
    updated = [name for name, fate in run.fates.items() if fate is Fate.CONFIRM]
    assert {run.ledger[name]["connects"] for name in updated} == {2}
    assert {run.ledger[name]["version"] for name in updated} == {7}


@pytest.mark.slow
def test_a_publisher_that_is_killed_loses_no_report(tmp_path: Path) -> None:
    """Its session stays with the broker, its log on the disk."""
    run = run_fleet(
        tmp_path,
        devices=DEVICES,
        seed=SEED,
        shares=TALKING,
        options=["--stop-at", "10"],
        kill_after=1000,
    )
    assert run.tally == run.acknowledged
    assert (run.exit_code, run.end["state"]) == (0, "complete")
    assert sorted(set(run.published)) == sorted(run.fates)


@pytest.mark.slow
def test_a_broker_with_a_short_queue_loses_reports_and_this_is_seen(
    tmp_path: Path,
) -> None:
    """Why mosquitto needs `max_queued_messages 0`, and that losses are found at all."""
    run = run_fleet(
        tmp_path,
        devices=DEVICES,
        seed=SEED,
        shares=TALKING,
        options=["--stages", "100", "--stop-at", "100", "--silent-after", "0.1"],
        broker_options=["max_queued_messages 1", "max_inflight_messages 1"],
    )
    assert run.lost
    assert run.exit_code == 1


def test_a_bad_version_stops_at_the_first_stage(tmp_path: Path) -> None:
    """Nine of ten devices roll back: 297 of 300 never hear of the update."""
    run = run_fleet(
        tmp_path,
        devices=DEVICES,
        seed=SEED,
        shares={Fate.ROLL_BACK: 900},
        options=["--min-sample", "1"],
    )
    assert (run.exit_code, run.end["state"]) == (1, "stopped")
    asked = [name for name, entry in run.ledger.items() if entry["requests"]]
    assert sorted(asked) == sorted(run.published)
    assert len(asked) == 3
    assert run.lost == []


@pytest.mark.slow
def test_silent_devices_hold_nothing_up_for_ever(tmp_path: Path) -> None:
    """They are told at the end, and nobody else is taken for one of them."""
    run = run_fleet(
        tmp_path,
        devices=100,
        seed=SEED,
        shares={Fate.VANISH: 20, Fate.SILENT: 30},
        options=["--stop-at", "10", "--silent-after", "0.2", "--stages", "10,100"],
    )
    assert (run.exit_code, run.end["state"]) == (1, "incomplete")
    assert run.end["reason"] == "5 devices are silent"
    assert run.end["failures"] == {"silent after accepted": 2}
    assert run.end["devices"]["unheard"] == 3
    assert run.tally == run.acknowledged


def test_a_seed_makes_the_same_plan() -> None:
    """And every fate is there."""
    assert plan_fates(1000, seed=7) == plan_fates(1000, seed=7)
    assert plan_fates(1000, seed=7) != plan_fates(1000, seed=8)
    assert set(plan_fates(1000, seed=7).values()) == set(Fate)


def test_too_few_open_files_are_told() -> None:
    """Before anything is started."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("no limit here")
    message = f"but only {hard} are allowed: raise 'ulimit -Hn'"
    with pytest.raises(SystemExit, match=re.escape(message)):
        raise_file_limit(hard)


@pytest.mark.slow
def test_the_bench_runs() -> None:
    """With TLS and few devices; its numbers are for documents."""
    program = ROOT / "tests/bench/bench_fleet.py"
    said = subprocess.run(
        [
            *(sys.executable, str(program), "--devices", "40", "--tls"),
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert re.search(r"^lost +0$", said.stdout, re.M)
    assert re.search(r"^stage 4 +30 devices, +\d+ reports", said.stdout, re.M)

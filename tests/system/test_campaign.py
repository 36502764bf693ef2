# SPDX-License-Identifier: Apache-2.0
"""Power cuts and modem faults on the machine code that ships: none is lost."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from nrfota import cli
from nrfota.campaign import STORIES, Maker
from nrfota.campaign_parts import Story
from nrfota.runners.campaign import (
    Options,
    Report,
    fault_names,
    run_campaign,
    scenario_of,
)
from support.firmware import build_dir
from support.mutants import firmware
from vboard.campaign.case import Case, CutAt, parse_case
from vboard.campaign.faults import FAULTS, parse_faults
from vboard.campaign.judge import Judge
from vboard.campaign.plan import choose_cases, group_cases
from vboard.campaign.record import record
from vboard.campaign.rig import Rig
from vboard.nv_cut import CutPoint

SMALL = 8192
SEED = 3


def story(name: str) -> Story:
    return Maker(firmware(SMALL), seed=SEED).make(name)


def campaign(*names: str, **options: object) -> list[Report]:
    return run_campaign(
        [story(name) for name in names],
        replace(Options(seed=SEED), **options),  # type: ignore[arg-type]
        progress=lambda done, total, lost: None,
    )


def lost(report: Report) -> list[str]:
    return [f"{result.id}: {result.lost}" for result in report.lost]


@pytest.mark.slow
def test_no_cut_of_a_small_update_is_lost() -> None:
    """Every flash operation, before, half-way and after, modem kept or lost."""
    (report,) = campaign("update", cuts="every")
    assert lost(report) == []
    assert len(report.results) == 6 * report.operations
    assert {"old", "new"} == {result.outcome for result in report.results}


@pytest.mark.slow
def test_no_sampled_cut_of_any_scenario_is_lost() -> None:
    """A seeded sample of each scenario."""
    reports = campaign(*STORIES, cuts="10")
    assert [line for report in reports for line in lost(report)] == []
    for report in reports:
        quiet = report.scenario in ("same-refused", "bad-request")
        assert report.complete
        assert (report.operations == 0) == quiet


@pytest.mark.slow
def test_every_modem_fault_happens_and_costs_nothing() -> None:
    """Passing faults end with the update, lasting ones with the old version."""
    (report,) = campaign("update", cuts="none", faults=fault_names(["all"]))
    assert lost(report) == []
    assert len(report.results) >= len(FAULTS)
    assert [result.id for result in report.results if not result.fired] == []
    ends = {result.id: result.outcome for result in report.results}
    for name in ("missing-file", "no-drive"):
        text = FAULTS[name].text
        assert ends[Case(scenario="update", faults=text, seed=SEED).id] == "old"


@pytest.mark.slow
def test_no_sampled_cut_with_a_modem_fault_is_lost() -> None:
    """Cuts and faults together."""
    (report,) = campaign("update", cuts="24", faults=fault_names(["all"]))
    assert lost(report) == []
    assert any(result.fired for result in report.results if "cut=" in result.id)


@pytest.mark.slow
def test_no_sampled_pair_of_cuts_is_lost() -> None:
    """The second cut comes in the recovery from the first."""
    (report,) = campaign("update", cuts="40", depth=2)
    assert lost(report) == []
    assert 20 <= sum(result.count for result in report.results) <= 40
    assert all("+" in result.id for result in report.results)


@pytest.mark.slow
def test_interrupted_campaign_tells_what_was_judged() -> None:
    """Ctrl-C after hours loses nothing."""

    def progress(done: int, total: int, lost: int) -> None:
        if done:
            raise KeyboardInterrupt

    (report,) = run_campaign(
        [story("truncated")], Options(cuts="40", seed=SEED), progress=progress
    )
    assert 0 < len(report.results) < 40
    assert report.as_json()["complete"] is False


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """A judge of the small update."""
    rig = Rig(scenario_of(story("update")), tmp_path_factory.mktemp("modem"))
    return Judge(rig, record(rig, seed=SEED))


def cases_of(judge: Judge) -> list[Case]:
    return choose_cases(judge.recording, cuts="every", seed=SEED)


def test_case_runs_the_same_alone_and_after_others(
    judge: Judge, tmp_path: Path
) -> None:
    """Its name is all that is needed to see it again, on any board."""
    every = cases_of(judge)
    case = every[len(every) // 2]
    for other in every[7:2000:400]:
        judge.judge(other)
    again = judge.judge(parse_case(case.id))
    rig = Rig(judge.recording.scenario, tmp_path / "modem")
    fresh = Judge(rig, record(rig, seed=SEED)).judge(case)
    rig.close()
    assert again == fresh


def test_pair_runs_the_same_by_its_name(judge: Judge) -> None:
    """Also when the recovery has to be found again."""
    first = cases_of(judge)[60]
    operations = judge.operations_from(judge.start_of(first), first)
    last = operations[-1]
    second = CutAt(operation=last.number, kind=last.kind, when=CutPoint.TORN)
    pair = replace(first, cuts=(*first.cuts, second))
    once = judge.judge(pair)
    judge.judge(cases_of(judge)[0])
    assert once == judge.judge(parse_case(pair.id))
    assert once.lost == ""


def test_run_that_becomes_another_ends_as_it_does_alone(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cuts inside of a journal page: its erase makes all of them the same."""
    journal = judge.recording.scenario.region("journal").start // 4096
    cases = [
        case
        for case in cases_of(judge)
        if (operation := judge.recording.operation(case.cuts[0].operation))
        and journal <= operation.page <= journal + 1
    ][4:60:6]
    together = [judge.judge(case) for case in cases]
    assert 0 < len(judge._judged) < len(cases)
    monkeypatch.setattr(judge, "_watch", lambda start, case: None)
    assert [judge.judge(case) for case in cases] == together


def test_run_that_differs_in_ram_becomes_no_other(judge: Judge) -> None:
    """One byte that the application could read is enough."""
    journal = judge.recording.scenario.region("journal").start // 4096
    case = next(
        case
        for case in cases_of(judge)[30:]
        if (operation := judge.recording.operation(case.cuts[0].operation))
        and journal <= operation.page <= journal + 1
    )
    met: list[object] = []
    for byte in (b"\0", b"\0", b"\1"):
        judge.rig.power_on(
            judge.start_of(case), faults=parse_faults(""), seed=case.seed
        )
        judge.rig.board.ram_write(0x2003_F000, byte)
        operation = judge.recording.operation(case.cuts[0].operation)
        assert operation is not None
        judge.rig.watch_erase(operation.page, met.append)
        judge.rig.run_to_application(settle_ms=0)
    assert len(met) == 3
    assert met[0] == met[1] != met[2]


def test_hidden_page_stands_for_each_of_its_cuts(judge: Judge) -> None:
    """Cuts that were put together give the same result when each is run."""
    groups = group_cases(judge.recording, cases_of(judge))
    first_page = judge.recording.scenario.region("application").start // 4096
    group = max(
        (group for group in groups if group.hidden == first_page),
        key=lambda group: len(group.cases),
    )
    result = judge.judge(group.first, hidden=group.hidden)
    for part in group.parts[:: len(group.parts) // 4]:
        alone = judge.judge(part.first)
        assert judge.like(part.first, group.first, result) == alone


def test_unknown_operation_is_refused(judge: Judge) -> None:
    """A name from another version of the firmware may not fit any more."""
    from vboard.campaign.case import CaseError

    with pytest.raises(CaseError, match="there is no erase with number 99999"):
        judge.judge(parse_case(f"update[cut=erase#99999:torn,modem=lost,seed={SEED}]"))


class Links(HTMLParser):
    """Every address that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            value or "" for name, value in attrs if name in ("href", "src", "srcset")
        ]


@pytest.mark.slow
def test_command_writes_json_and_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One scenario from the command line; the report opens without a network."""
    page, verdicts = tmp_path / "report.html", tmp_path / "verdicts.json"
    firmware(SMALL)
    arguments = ["--image-size", str(SMALL), "--scenario", "truncated", "--cuts", "5"]
    arguments += ["--json", str(verdicts), "--report", str(page), "-d"]
    assert cli.main(["test", *arguments, str(build_dir())]) == 0
    assert re.search(r"truncated +\d+ +5 ", capsys.readouterr().out)
    (entry,) = json.loads(verdicts.read_text())
    assert (entry["scenario"], entry["cases"], entry["lost"]) == ("truncated", 5, 0)
    assert {"seed", "fired", "lost_ids"} <= entry.keys()
    assert entry["cpu_s"] > 0
    links = Links()
    links.feed(page.read_text())
    assert [link for link in links.found if not link.startswith("#")] == []
    chromium = shutil.which("chromium")
    assert chromium is not None, "scripts/setup.sh --tests installs it"
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-sync",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            f"--user-data-dir={tmp_path}/profile",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("<svg") == 3
    assert "none lost" in done.stdout


CASE = "truncated[uncut,modem=kept,seed=9]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scenario", "nothing"], "scenario: expected one of update, "),
        (["--cuts", "some"], "cuts: expected none, every, a number from 1 or"),
        (["--cuts", "0"], "a number from 1 or a case's name, got '0'"),
        (["--cuts", "none", "--depth", "2"], "expected cuts to make pairs of"),
        (["--cuts", CASE, "--depth", "2"], "a case's name says all of it"),
        (["--cuts", CASE, "--faults", "all"], "a case's name says all of it"),
        (["--cuts", CASE, "--scenario", "update"], "of the scenario 'truncated'"),
        (["--cuts", "x[uncut,modem=kept,seed=1]"], "scenario: expected one of"),
        (["--jobs", "0"], "jobs: expected at least 1 process, got 0"),
        (["--seed", "-1"], "seed: expected a number from 0, got -1"),
        (["--cuts", "update[cut=x]"], "case: expected SCENARIO"),
        (["--faults", "bad-luck"], "fault: expected none, all, or some of late-file"),
        (["--image-size", "5000"], "image size: expected a multiple of 4096"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_option_is_one_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was expected and what came."""
    firmware(SMALL)
    base = ["test", "--image-size", str(SMALL), "-d", str(build_dir())]
    assert cli.main([*base, *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_name_of_a_case_brings_its_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The keys and the torn bits are those of the campaign that printed it."""
    firmware(SMALL)
    base = ["test", "--image-size", str(SMALL), "-d", str(build_dir())]
    verdicts = tmp_path / "verdicts.json"
    assert cli.main([*base, "--cuts", CASE, "--json", str(verdicts)]) == 0
    (entry,) = json.loads(verdicts.read_text())
    assert (entry["scenario"], entry["seed"], entry["cases"]) == ("truncated", 9, 1)


def test_build_directory_without_a_build_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence says how to get one."""
    assert cli.main(["test", "-d", str(tmp_path)]) == 2
    assert "west ota-build -d" in capsys.readouterr().err

# SPDX-License-Identifier: Apache-2.0
"""Hands stories to the judge of the virtual board and collects its verdicts.

Rule 1: with `runners/sim.py` the only module that imports `vboard`.
"""

from __future__ import annotations

import importlib.util
import os
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nrfota.campaign_parts import Story
from nrfota.campaign_report import Chapter, Verdict
from nrfota.errors import NoDeviceError, OtaError, UsageError

if TYPE_CHECKING:
    from vboard.campaign.case import Case
    from vboard.campaign.judge import Result
    from vboard.campaign.plan import Group
    from vboard.campaign.pool import Ran, Work
    from vboard.campaign.record import Recording
    from vboard.campaign.scenario import Scenario


PAGE = 4096


@dataclass(frozen=True)
class Options:
    """What to try. `cuts`: none, every, a number, or a case's name.

    `stop_at`: so many lost cases are enough (0: never).
    """

    cuts: str = "every"
    depth: int = 1
    faults: tuple[str, ...] = ()
    seed: int = 1
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    stop_at: int = 0


@dataclass
class Report:
    """One scenario's verdicts."""

    scenario: str
    seed: int
    operations: int = 0
    runs: int = 0
    cpu_s: float = 0.0  # processor time of all processes
    complete: bool = True  # not interrupted
    results: list[Result] = field(default_factory=list)
    recording: Recording | None = None

    @property
    def lost(self) -> list[Result]:
        """The cases that were lost, in the order of their names."""
        return sorted((r for r in self.results if r.lost), key=lambda r: r.id)

    def chapter(self) -> Chapter:
        """For the HTML report."""
        wear: dict[int, int] = {}
        for result in self.results:
            for page, erases in result.wear.items():
                wear[page * PAGE] = max(erases, wear.get(page * PAGE, 0))
        return Chapter(
            name=self.scenario,
            seed=self.seed,
            operations=self.operations,
            runs=self.runs,
            fired=sum(result.fired for result in self.results),
            verdicts=tuple(
                Verdict(
                    id=result.id,
                    operation=_operation(result.id),
                    outcome=result.outcome,
                    lost=result.lost,
                    recovery_ms=result.recovery_ns // 1_000_000,
                )
                for result in self.results
            ),
            wear=wear,
        )

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        lost = self.lost
        outcomes: dict[str, int] = {}
        for result in self.results:
            key = result.outcome or "none"
            outcomes[key] = outcomes.get(key, 0) + result.count
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "operations": self.operations,
            "cases": sum(result.count for result in self.results),
            "runs": self.runs,
            "complete": self.complete,
            "cpu_s": round(self.cpu_s, 1),
            "fired": sum(result.fired for result in self.results),
            "outcomes": outcomes,
            "recovery_ms_max": max(
                (result.recovery_ns // 1_000_000 for result in self.results), default=0
            ),
            "lost": len(lost),
            "lost_ids": [result.id for result in lost],
            "lost_reasons": {result.id: result.lost for result in lost},
        }


def _operation(name: str) -> int:
    """Number of the first cut operation in a case's name, 0 without one."""
    match = re.search(r"#(\d+):", name)
    return int(match[1]) if match else 0


Progress = Callable[[int, int, int], None]  # done, total, lost


def scenario_of(story: Story) -> Scenario:
    """The story in the judge's terms."""
    _need_vboard()
    from vboard.campaign.scenario import (
        Bounds,
        Image,
        Protected,
        Region,
        Scenario,
        Secret,
    )

    layout = story.layout
    app, bootloader = layout.flash_region("app"), layout.flash_region("bootloader")
    apps = {
        label: Image.of(
            f"app {label}".strip(), app.start, item.plain, console=item.console
        )
        for label, item in story.programs.items()
    }
    bootloaders = {
        label: Image.of(f"bootloader {label}".strip(), bootloader.start, data)
        for label, data in story.bootloaders.items()
    }
    regions = [
        Region(
            name="application",
            start=app.start,
            size=app.size,
            images=tuple(apps.values()),
        ),
        # The longer image first: the shorter may be its beginning.
        Region(
            name="bootloader",
            start=bootloader.start,
            size=bootloader.size,
            images=tuple(sorted(bootloaders.values(), key=lambda image: -image.size)),
        ),
    ]
    regions += [
        Region(name=region.name, start=region.start, size=region.size)
        for region in layout.flash_regions
        if region.name not in ("mbr", "app", "bootloader")
    ]
    outcomes = {
        app_label or bootloader_label: frozenset((image.name, loader.name))
        for app_label, image in apps.items()
        for bootloader_label, loader in bootloaders.items()
    }
    return Scenario(
        name=story.name,
        flash=tuple((item.address, bytes(item.data)) for item in story.flash),
        files=story.files,
        request_address=layout.ram_region("boot_request").start,
        request=story.request,
        regions=tuple(regions),
        app_region="application",
        outcomes=outcomes,
        uncut=story.uncut,
        allowed=story.outcomes,
        allowed_after=story.after,
        secrets=tuple(
            Secret(name="the key of the update", data=key, kept_with=labels)
            for key, labels in story.secrets.items()
        ),
        bounds=Bounds(settle_ms=story.settle_ms),
        trial_cycles=story.trial_cycles,
        protected=tuple(
            Protected(
                name=region.name,
                start=region.start,
                size=region.size,
                perm=region.protect.perm,
            )
            for region in layout.flash_regions
            if region.protect.perm
        ),
        console_uart=story.wiring.console.uart,
        modem_uart=story.wiring.modem.uart,
        modem_key=story.wiring.modem.pwrkey,
        modem_key_high=story.wiring.modem.pwrkey_active_high,
    )


def run_campaign(
    stories: Sequence[Story], options: Options, *, progress: Progress
) -> list[Report]:
    """Runs everything. An uncut run that goes wrong is a lost case, too.

    OtaError when a case or a fault makes no sense. Ctrl-C ends it with what there is.
    """
    _need_vboard()
    from vboard.campaign.case import Case
    from vboard.campaign.judge import Result
    from vboard.campaign.plan import group_cases
    from vboard.campaign.pool import Work, run_all
    from vboard.campaign.record import RecordError
    from vboard.errors import VboardError

    reports: list[Report] = []
    work: list[Work | None] = []
    try:
        for story in stories:
            report = Report(scenario=story.name, seed=options.seed)
            reports.append(report)
            since = time.process_time()
            try:
                recording = _record(story, seed=options.seed)
            except RecordError as error:
                # Nothing to cut: what happens without a cut is wrong already.
                name = Case(scenario=story.name, seed=options.seed).id
                report.results.append(Result(id=name, lost=str(error)))
                report.runs = 1
                work.append(None)
                continue
            report.recording = recording
            report.operations = len(recording.operations)
            groups = group_cases(recording, _cases(recording, options))
            work.append(Work(recording, tuple(groups)))
            report.cpu_s += time.process_time() - since
        used = [index for index, item in enumerate(work) if item is not None]
        todo = [item for item in work if item is not None]
        total = sum(len(group.cases) for item in todo for group in item.groups)
        done = lost = 0
        verdicts = run_all(todo, jobs=options.jobs)
        if options.depth == 2:
            verdicts, total = _pairs(todo, options)
        progress(0, total, 0)
        for ran in verdicts:
            report = reports[used[ran.index]]
            report.cpu_s += ran.cpu_s
            report.results += ran.results
            report.runs += bool(ran.results)
            done += len(ran.results) if options.depth == 1 else 1
            lost += sum(bool(result.lost) for result in ran.results)
            progress(done, total, lost)
            if options.stop_at and lost >= options.stop_at:
                break
    except VboardError as error:
        raise OtaError(str(error)) from error
    except KeyboardInterrupt:  # what was judged is worth having
        for report in reports:
            report.complete = False
    return reports


def _pairs(work: Sequence[Work], options: Options) -> tuple[Iterator[Ran], int]:
    """Verdicts on pairs of cuts, and how many first cuts there are.

    A number of cuts is the number of pairs: ten second cuts for each first one.
    """
    from vboard.campaign.pool import run_pairs

    sample = 10 if options.cuts.isdigit() else 0
    todo = []
    for item in work:
        firsts = [
            part.first
            for group in item.groups
            for part in _first_cuts(group, item.recording)
            if part.first.cuts
        ]
        if sample:
            wanted = max(1, int(options.cuts) // sample)
            rng = random.Random(f"{options.seed}:{item.recording.scenario.name}:pairs")
            firsts = rng.sample(firsts, min(wanted, len(firsts)))
        todo.append((item.recording, firsts))
    total = sum(len(firsts) for _, firsts in todo)
    return run_pairs(todo, jobs=options.jobs, sample=sample), total


def _first_cuts(group: Group, recording: Recording) -> Sequence[Group]:
    """One for all cuts inside of a page of an image; every other on its own.

    The recovery erases that page before it reads it, which single cuts show.
    """
    programmed = {
        page
        for region in recording.scenario.regions
        if region.name in ("application", "staging")
        for page in range(region.start // PAGE, (region.start + region.size) // PAGE)
    }
    if group.hidden is None or group.hidden in programmed:
        return (group,)
    return group.parts


def _record(story: Story, *, seed: int) -> Recording:
    """The story's uncut run; RecordError when it does not end as it must."""
    from vboard.campaign.pool import modem_folder
    from vboard.campaign.record import record
    from vboard.campaign.rig import Rig

    folder = modem_folder()
    rig = Rig(scenario_of(story), folder)
    try:
        return record(rig, seed=seed)
    finally:
        rig.close()
        shutil.rmtree(folder, ignore_errors=True)


def _cases(recording: Recording, options: Options) -> list[Case]:
    """The cases of one scenario; with faults also the uncut run with each of them."""
    from vboard.campaign.plan import choose_cases, fault_cases, with_faults

    cuts = "every" if options.depth == 2 and options.cuts.isdigit() else options.cuts
    cases = choose_cases(recording, cuts=cuts, seed=options.seed)
    if not options.faults or "[" in options.cuts:
        return cases
    uncut = fault_cases(recording, options.faults, seed=options.seed)
    return uncut + with_faults([case for case in cases if case.cuts], uncut)


def fault_names(chosen: Sequence[str]) -> tuple[str, ...]:
    """The names behind `none`, `all` or a choice; UsageError for an unknown one."""
    _need_vboard()
    from vboard.campaign.faults import FAULTS

    if list(chosen) in ([], ["none"]):
        return ()
    if list(chosen) == ["all"]:
        return tuple(FAULTS)
    for name in chosen:
        if name not in FAULTS:
            raise UsageError(
                f"fault: expected none, all, or some of {', '.join(FAULTS)}; "
                f"got '{name}'"
            )
    return tuple(chosen)


def case_of(case_id: str) -> tuple[str, int]:
    """Scenario and seed of a case; UsageError for what is not a name."""
    _need_vboard()
    from vboard.campaign.case import CaseError, parse_case

    try:
        case = parse_case(case_id)
    except CaseError as error:
        raise UsageError(str(error)) from None
    return case.scenario, case.seed


def _need_vboard() -> None:
    for package in ("vboard", "unicorn"):
        if importlib.util.find_spec(package) is None:
            raise NoDeviceError(
                f"the virtual board needs the package '{package}'; "
                "install it with: pip install nrfota[sim]"
            )

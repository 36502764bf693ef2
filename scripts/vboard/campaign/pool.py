# SPDX-License-Identifier: Apache-2.0
"""Runs groups of cases on all cores.

Rule 1: workers are forked after the recordings exist, so that nothing but names and
        verdicts travels between processes.
Rule 2: each worker makes one board per scenario and keeps it.
"""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from vboard.campaign.case import Case
from vboard.campaign.judge import Judge, Result
from vboard.campaign.pairs import Pairs
from vboard.campaign.plan import Group, merge_modems
from vboard.campaign.record import Recording
from vboard.campaign.rig import HiddenPageTouched, Rig


@dataclass(frozen=True)
class Work:
    """A recording and what is to be run of it."""

    recording: Recording
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Ran:
    """One run: index into the work, verdicts, processor time.

    Few or no results: its cases are not one run after all, and the others follow.
    """

    index: int
    results: list[Result]
    cpu_s: float


class _Here:
    """What this process works on; workers inherit it by fork."""

    work: tuple[Work, ...] = ()
    tasks: Sequence[tuple[int, Group]] = ()
    judges: ClassVar[dict[int, Judge]] = {}
    pairs: ClassVar[dict[int, Pairs]] = {}
    base: Path | None = None
    sample = 0


def modem_folder() -> Path:
    """A new folder for a modem's files, in memory where the host has such a place."""
    shared = Path("/dev/shm")
    base = _Here.base or (shared if shared.is_dir() else None)
    return Path(tempfile.mkdtemp(prefix="vboard-", dir=base))


def judge_group(judge: Judge, group: Group) -> tuple[list[Result], tuple[Group, ...]]:
    """Runs the first case; every other gets its own verdict on the same run.

    When they are not the same run, because what is hidden from it matters, the second
    item is what is still to be run.
    """
    try:
        result = judge.judge(group.first, hidden=group.hidden)
    except HiddenPageTouched:
        return [], group.parts
    cases, left = group.cases, group.parts[:0]
    if (group.no_modem and result.modem_touched) or (
        group.hidden is not None and judge.rig.is_hidden
    ):
        # What differs is there at the end, or was used: true for the first part alone.
        cases, left = group.parts[0].cases, group.parts[1:]
    return [judge.like(case, group.first, result) for case in cases], left


def run_all(work: Sequence[Work], *, jobs: int, chunk: int = 4) -> Iterator[Ran]:
    """Verdicts as they come.

    First what needs a page hidden, then what may not need the modem, then the rest.
    """
    base = modem_folder()
    groups = [
        (index, group) for index, item in enumerate(work) for group in item.groups
    ]
    rest = [item for item in groups if item[1].hidden is None]
    try:
        tasks = [item for item in groups if item[1].hidden is not None]
        for stage in range(3):
            split: list[_Task] = []
            _Here.work, _Here.tasks = tuple(work), tasks
            done = _map(len(tasks), jobs, chunk, base, _run)
            for number, results, left, cpu_s in done:
                index, group = tasks[number]
                # The last parts: workers have their own copies of the groups.
                rest_of = group.parts[len(group.parts) - left :] if left else ()
                split += [(index, part) for part in rest_of]
                yield Ran(index, results, cpu_s)
            tasks = split
            if stage == 0:
                tasks = _without_modem(rest + split, len(work))
    finally:
        _end(base)


def _end(base: Path) -> None:
    for judge in _Here.judges.values():
        judge.rig.close()
    _Here.judges.clear()
    _Here.pairs.clear()
    _Here.base = None
    shutil.rmtree(base, ignore_errors=True)


def _without_modem(tasks: Sequence[_Task], count: int) -> list[_Task]:
    return [
        (index, group)
        for index in range(count)
        for group in merge_modems(group for at, group in tasks if at == index)
    ]


def run_pairs(
    work: Sequence[tuple[Recording, Sequence[Case]]], *, jobs: int, sample: int = 0
) -> Iterator[Ran]:
    """Verdicts on pairs of cuts: each first case with every second cut.

    With `sample`, so many second cuts of each.
    """
    base = modem_folder()
    _Here.work = tuple(Work(recording, ()) for recording, _ in work)
    _Here.tasks = [
        (index, Group((case,)))
        for index, (_, cases) in enumerate(work)
        for case in cases
    ]
    _Here.sample = sample
    try:
        count = len(_Here.tasks)
        for number, results, _, cpu_s in _map(count, jobs, 1, base, _run_pairs):
            yield Ran(_Here.tasks[number][0], results, cpu_s)
    finally:
        _end(base)


_Task = tuple[int, Group]  # index into the work, what to run
# Number of the task, verdicts, how many of its last parts are to be run, seconds.
_Done = tuple[int, list[Result], int, float]


def _map(
    count: int,
    jobs: int,
    chunk: int,
    base: Path,
    run: Callable[[int], _Done],
) -> Iterator[_Done]:
    if jobs == 1 or count < 2:
        _begin(base)
        yield from map(run, range(count))
        return
    context = multiprocessing.get_context("fork")
    with context.Pool(min(jobs, count), _begin_worker, (base,)) as pool:
        yield from pool.imap_unordered(run, range(count), chunksize=chunk)


def _begin_worker(base: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    _begin(base)


def _begin(base: Path) -> None:
    """Folders of this process go where the parent removes them."""
    _Here.base = base


def _judge(index: int) -> Judge:
    if index not in _Here.judges:
        recording = _Here.work[index].recording
        rig = Rig(recording.scenario, modem_folder())
        _Here.judges[index] = Judge(rig, recording)
    return _Here.judges[index]


def _run(number: int) -> _Done:
    since = time.process_time()
    index, group = _Here.tasks[number]
    results, left = judge_group(_judge(index), group)
    return number, results, len(left), time.process_time() - since


def _run_pairs(number: int) -> _Done:
    since = time.process_time()
    index, group = _Here.tasks[number]
    if index not in _Here.pairs:
        _Here.pairs[index] = Pairs(_judge(index))
    results = _Here.pairs[index].after(group.first, sample=_Here.sample)
    return number, results, 0, time.process_time() - since

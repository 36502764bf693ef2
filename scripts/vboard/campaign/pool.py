# SPDX-License-Identifier: Apache-2.0
"""Runs groups of cases on all cores.

Rule 1: workers are forked after the recordings exist, so that nothing but names and
        verdicts travels between processes.
Rule 2: each worker makes one board per scenario and keeps it.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from vboard.campaign.judge import Judge, Result
from vboard.campaign.plan import Group
from vboard.campaign.record import Recording
from vboard.campaign.rig import HiddenPageTouched, Rig


@dataclass(frozen=True)
class Work:
    """A recording and what is to be run of it."""

    recording: Recording
    groups: tuple[Group, ...]


class _Here:
    """What this process works on; workers inherit it by fork."""

    work: tuple[Work, ...] = ()
    judges: ClassVar[dict[int, Judge]] = {}
    base: Path | None = None


def modem_folder() -> Path:
    """A new folder for a modem's files, in memory where the host has such a place."""
    shared = Path("/dev/shm")
    base = _Here.base or (shared if shared.is_dir() else None)
    return Path(tempfile.mkdtemp(prefix="vboard-", dir=base))


def judge_group(judge: Judge, group: Group) -> list[Result] | None:
    """Runs the first case; every other gets its own verdict on the same run.

    None when they are not the same run, because the hidden page matters.
    """
    try:
        result = judge.judge(group.first, hidden=group.hidden)
    except HiddenPageTouched:
        return None
    return [judge.like(case, group.first, result) for case in group.cases]


def run_all(
    work: Sequence[Work], *, jobs: int, chunk: int = 4
) -> Iterator[tuple[int, list[Result]]]:
    """Verdicts as they come: index into `work`, results of one run."""
    _Here.work = tuple(work)
    base = modem_folder()
    tasks: list[_Task] = [
        (index, number, None)
        for index, item in enumerate(work)
        for number in range(len(item.groups))
    ]
    # Long ones first: a hidden page that matters becomes many runs.
    tasks.sort(key=lambda task: work[task[0]].groups[task[1]].hidden is None)
    try:
        while tasks:
            split: list[_Task] = []
            for (index, number, _), results in _map(tasks, jobs, chunk, base):
                if results is None:
                    parts = len(work[index].groups[number].parts)
                    split += [(index, number, part) for part in range(parts)]
                else:
                    yield index, results
            tasks = split
    finally:
        for judge in _Here.judges.values():
            judge.rig.close()
        _Here.judges.clear()
        _Here.base = None
        shutil.rmtree(base, ignore_errors=True)


# Index into the work, number of the group, number of its part (None: all of it).
_Task = tuple[int, int, int | None]


def _map(
    tasks: Sequence[_Task], jobs: int, chunk: int, base: Path
) -> Iterator[tuple[_Task, list[Result] | None]]:
    if jobs == 1 or len(tasks) == 1:
        _begin(base)
        yield from map(_run, tasks)
        return
    context = multiprocessing.get_context("fork")
    with context.Pool(min(jobs, len(tasks)), _begin, (base,)) as pool:
        yield from pool.imap_unordered(_run, tasks, chunksize=chunk)


def _begin(base: Path) -> None:
    """Folders of this process go where the parent removes them."""
    _Here.base = base


def _run(task: _Task) -> tuple[_Task, list[Result] | None]:
    index, number, part = task
    work = _Here.work[index]
    if index not in _Here.judges:
        rig = Rig(work.recording.scenario, modem_folder())
        _Here.judges[index] = Judge(rig, work.recording)
    group = work.groups[number]
    if part is not None:
        group = group.parts[part]
    return task, judge_group(_Here.judges[index], group)

# SPDX-License-Identifier: Apache-2.0
"""Which cases a recording gives, and which of them are the same.

Rule 1: a cut *after* an operation and one *before* the next leave the same flash:
        cases with equal flash, equal modem state and equal files are one run.
Rule 2: every case keeps its own name and its own verdict; only the run is shared.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vboard.campaign.case import Case, CaseError, CutAt, parse_case
from vboard.campaign.power import Operation, StateKey, state_after_cut
from vboard.campaign.record import Recording
from vboard.nv import NvMemory
from vboard.nv_cut import CutPoint

MODEM_STATES = ("kept", "lost")


@dataclass(frozen=True)
class Group:
    """Cases that are one run; the first stands for all."""

    cases: tuple[Case, ...]

    @property
    def first(self) -> Case:
        """The case that is run."""
        return self.cases[0]


def every_cut(
    operations: Iterable[Operation], *, first: tuple[CutAt, ...] = ()
) -> Iterator[tuple[CutAt, ...]]:
    """Three cuts of each operation, behind the cuts in `first`."""
    for operation in operations:
        for when in CutPoint:
            yield (
                *first,
                CutAt(operation=operation.number, kind=operation.kind, when=when),
            )


def choose_cases(
    recording: Recording, *, cuts: str, seed: int, modem: Sequence[str] = MODEM_STATES
) -> list[Case]:
    """Cases for `cuts`: "none", "every", a number (seeded sample), or one name."""
    name = recording.scenario.name
    if cuts == "none":
        return [Case(scenario=name, seed=seed)]
    if "[" in cuts:
        case = parse_case(cuts)
        if case.scenario != name:
            raise CaseError(f"case {cuts}: expected scenario '{name}'")
        return [case]
    cases = [
        Case(scenario=name, cuts=cut, modem=state, seed=seed)
        for cut in every_cut(recording.operations)
        for state in modem
    ]
    if cuts == "every":
        return cases
    if not cuts.isdigit() or int(cuts) < 1:
        raise CaseError(
            f"cuts: expected none, every, a number from 1 or a case's name, "
            f"got {cuts!r}"
        )
    chosen = random.Random(f"{seed}:{name}:cuts").sample(
        range(len(cases)), min(int(cuts), len(cases))
    )
    return [cases[index] for index in sorted(chosen)]


def group_cases(recording: Recording, cases: Sequence[Case]) -> list[Group]:
    """Puts cases with equal starting states together."""
    keys, scratch = StateKey(), NvMemory()
    groups: dict[object, list[Case]] = {}
    for case in cases:
        groups.setdefault(_key(recording, case, keys, scratch), []).append(case)
    return [Group(tuple(members)) for members in groups.values()]


def _key(recording: Recording, case: Case, keys: StateKey, scratch: NvMemory) -> object:
    operation = (
        recording.operation(case.cuts[0].operation) if len(case.cuts) == 1 else None
    )
    if operation is None:
        return case
    state = state_after_cut(scratch, operation, case.cuts[0].when, case.seed)
    files = tuple(sorted((path, id(data)) for path, data in operation.files.items()))
    moment = operation.modem if case.modem == "kept" else None
    return keys.of(state), moment, files, case.faults

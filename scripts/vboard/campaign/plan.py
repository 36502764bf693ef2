# SPDX-License-Identifier: Apache-2.0
"""Which cases a recording gives, and which of them are the same.

Rule 1: a cut *after* an operation and one *before* the next leave the same flash:
        cases with equal flash, equal modem state and equal files are one run.
Rule 2: cases that differ in one page only are one run if that run erases the page
        before anything reads, executes or writes it. The page is hidden in that run,
        and the first access to it makes all of them runs of their own.
Rule 3: cases that differ in what the modem does are one run if that run has no use for
        the modem: it neither speaks to it nor presses its key.
Rule 4: a run ends early when the page that was cut is erased and everything else is
        as it was at that moment of a run that was judged: CPU, RAM, time, and every
        access to a register so far.
Rule 5: the last boot of a case is made once for each content of flash, if it changes
        nothing there and has no use for the modem.
Rule 6: every case keeps its own name and its own verdict; only the run is shared.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from vboard.campaign.case import Case, CaseError, CutAt, parse_case
from vboard.campaign.faults import fault_text, is_passing
from vboard.campaign.power import Operation, StateKey, state_after_cut
from vboard.campaign.record import Recording
from vboard.nv import NvMemory
from vboard.nv_cut import CutPoint

MODEM_STATES = ("kept", "lost")


# So many runs must be saved at least before a page is hidden.
_WORTH_HIDING = 4


@dataclass(frozen=True)
class Group:
    """Cases that are one run; the first stands for all.

    `key`: their state, the modem apart. With `hidden`, they are equal but for that
    page; with `no_modem`, but for the modem. `parts` are the groups to run when that
    matters after all.
    """

    cases: tuple[Case, ...]
    key: object = None
    hidden: int | None = None
    no_modem: bool = False
    parts: tuple[Group, ...] = ()

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


def fault_cases(
    recording: Recording, names: Sequence[str], *, seed: int, variants: int = 2
) -> list[Case]:
    """Uncut cases with these modem faults, each at `variants` places."""
    texts: dict[str, None] = {}
    for name in names:
        for variant in range(variants):
            text = fault_text(
                name, commands=recording.commands, seed=seed * 1000 + variant
            )
            if text is not None:
                texts[text] = None
    scenario = recording.scenario.name
    return [Case(scenario=scenario, faults=text, seed=seed) for text in texts]


def with_faults(cases: Sequence[Case], faults: Sequence[Case]) -> list[Case]:
    """Each cut with one of the passing faults, in turn.

    A lasting one may begin after the old version is gone; then nothing can help.
    """
    texts = [fault.faults for fault in faults if is_passing(fault.faults)]
    return [
        replace(case, faults=texts[index % len(texts)])
        for index, case in enumerate(cases)
        if texts
    ]


def group_cases(recording: Recording, cases: Sequence[Case]) -> list[Group]:
    """Puts cases with equal, or equal but for one page, starting states together."""
    keys = _Keys(recording)
    equal: dict[object, list[Case]] = {}
    for case in cases:
        equal.setdefault(keys.of(case), []).append(case)
    alike: dict[object, list[Group]] = {}
    for members in equal.values():
        group = Group(tuple(members), key=keys.but_modem(members[0]))
        alike.setdefault(keys.but_page(members[0]), []).append(group)
    groups: list[Group] = []
    for parts in alike.values():
        if len(parts) < _WORTH_HIDING:
            groups += parts
        else:
            hidden = keys.page(parts[0].first)
            groups.append(Group(_all(parts), hidden=hidden, parts=tuple(parts)))
    return groups


def merge_modems(groups: Iterable[Group]) -> list[Group]:
    """Puts groups together that differ in the modem only."""
    alike: dict[object, list[Group]] = {}
    for group in groups:
        alike.setdefault(group.key, []).append(group)
    return [
        parts[0]
        if len(parts) == 1
        else Group(_all(parts), no_modem=True, parts=tuple(parts))
        for parts in alike.values()
    ]


def _all(parts: Iterable[Group]) -> tuple[Case, ...]:
    return tuple(case for part in parts for case in part.cases)


class _Keys:
    """Keys of the states that cases start from."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._states = StateKey()
        self._scratch = NvMemory()
        self._known: dict[tuple[CutAt, int], tuple[object, object]] = {}

    def of(self, case: Case) -> object:
        """Equal for cases that are the same run."""
        return self._key(case, 0)

    def but_modem(self, case: Case) -> object:
        """Equal for cases that are the same run when the modem does not matter."""
        return self._key(case, 0, with_modem=False)

    def but_page(self, case: Case) -> object:
        """Equal for cases that are the same but for the page that was cut."""
        page = self.page(case)
        return case if page is None else (page, self._key(case, 1))

    def page(self, case: Case) -> int | None:
        """The page that the cut operation changes."""
        operation = self._operation(case)
        return None if operation is None else operation.page

    def _operation(self, case: Case) -> Operation | None:
        if len(case.cuts) != 1:
            return None
        return self._recording.operation(case.cuts[0].operation)

    def _key(self, case: Case, which: int, *, with_modem: bool = True) -> object:
        operation = self._operation(case)
        if operation is None:
            return case
        known = self._known.get((case.cuts[0], case.seed))
        if known is None:
            when = case.cuts[0].when
            state = state_after_cut(self._scratch, operation, when, case.seed)
            known = (
                self._states.of(state),
                self._states.but_page(state, operation.page),
            )
            self._known[case.cuts[0], case.seed] = known
        moment = operation.modem if with_modem and case.modem == "kept" else None
        files = tuple(
            sorted((name, id(data)) for name, data in operation.files.items())
        )
        return known[which], moment, files, case.faults, case.seed

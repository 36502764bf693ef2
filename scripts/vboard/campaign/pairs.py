# SPDX-License-Identifier: Apache-2.0
"""Pairs of cuts: one in the run, one in the recovery from it.

Rule 1: a recovery is recorded like the run, and its operations are cut like the run's.
Rule 2: a second state that this process has judged already is not run again, whatever
        the first cut was; with equal flash, modem and files the same follows.
Rule 3: a page that is erased before anything looks at it does not matter (see `plan`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vboard.campaign.case import Case
from vboard.campaign.judge import Judge, Result
from vboard.campaign.plan import every_cut
from vboard.campaign.power import Operation, StateKey, state_after_cut
from vboard.campaign.rig import HiddenPageTouched

_WORTH_HIDING = 4


@dataclass
class Pairs:
    """Judges pairs of one scenario; remembers what it has judged."""

    judge: Judge
    keys: StateKey = field(default_factory=StateKey)
    known: dict[object, Result] = field(default_factory=dict)

    def after(self, first: Case, *, sample: int = 0) -> list[Result]:
        """Verdicts on `first` with every second cut, or a seeded `sample` of them."""
        judge = self.judge
        operations = judge.operations_from(judge.start_of(first), first)
        cases = [
            replace(first, cuts=cuts)
            for cuts in every_cut(operations, first=first.cuts)
        ]
        if sample and sample < len(cases):
            rng = random.Random(f"{first.id}:pairs")
            cases = [cases[i] for i in sorted(rng.sample(range(len(cases)), sample))]
        by_number = {operation.number: operation for operation in operations}
        alike: dict[object, dict[object, list[Case]]] = {}
        for case in cases:
            operation = by_number[case.cuts[-1].operation]
            whole, part = self._keys(case, operation)
            alike.setdefault(part, {}).setdefault(whole, []).append(case)
        results: list[Result] = []
        for states in alike.values():
            some = next(iter(states.values()))[0]
            page = by_number[some.cuts[-1].operation].page
            results += self._judge_alike(states, page)
        return results

    def _keys(self, case: Case, operation: Operation) -> tuple[object, object]:
        cut = case.cuts[-1]
        state = state_after_cut(self.judge.scratch, operation, cut.when, case.seed)
        moment = operation.modem if case.modem == "kept" else None
        files = tuple(sorted((path, hash(d)) for path, d in operation.files.items()))
        rest = (moment, files, case.faults, case.seed, self.judge.allowed(case))
        page = operation.page
        return (self.keys.of(state), rest), (
            page,
            self.keys.but_page(state, page),
            rest,
        )

    def _judge_alike(self, states: dict[object, list[Case]], page: int) -> list[Result]:
        """States that differ in one page only."""
        cases = [case for members in states.values() for case in members]
        if len(states) >= _WORTH_HIDING:
            try:
                result = self.judge.judge(cases[0], hidden=page)
                return [self._counted(result, cases)]
            except HiddenPageTouched:
                pass
        results = []
        for key, members in states.items():
            known = self.known.get(key)
            if known is None:
                known = self.known[key] = self.judge.judge(members[0])
            results.append(self._counted(known, members))
        return results

    @staticmethod
    def _counted(result: Result, cases: Sequence[Case]) -> Result:
        return replace(result, id=cases[0].id, count=len(cases))

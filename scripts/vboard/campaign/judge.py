# SPDX-License-Identifier: Apache-2.0
"""Runs one case and says what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vboard.campaign.case import Case, CaseError
from vboard.campaign.faults import is_passing, parse_faults
from vboard.campaign.power import Operation, Start, StateKey, state_after_cut
from vboard.campaign.record import Recorder, Recording, begin, finish
from vboard.campaign.rig import Rig
from vboard.nv import NvMemory
from vboard.nv_cut import CutPoint, OperationKind

AFTER = CutPoint.AFTER


@dataclass(frozen=True, kw_only=True)
class Result:
    """The verdict on one case: `lost` says why, or is empty."""

    id: str
    outcome: str = ""
    lost: str = ""
    fault: str = ""  # what went wrong whatever the case may end with
    recovery_ns: int = 0  # power-on to a running application
    resets: int = 0
    wear: Mapping[int, int] = field(default_factory=dict)  # page: erases in the case
    fired: int = 0
    modem_touched: bool = True
    count: int = 1  # cases that this stands for, when they are not listed one by one


class _Met(Exception):
    """A run has become one that was judged already."""

    def __init__(self, case: Case, result: Result) -> None:
        super().__init__(case.id)
        self.case, self.result = case, result


class Judge:
    """Judges cases of one recorded scenario on one rig."""

    def __init__(self, rig: Rig, recording: Recording) -> None:
        self.rig = rig
        self.recording = recording
        self.scratch = NvMemory()
        self._keys = StateKey()
        # Where runs met others: what they were then, and how they ended.
        self._judged: dict[object, tuple[Case, Result]] = {}
        self._meeting: object = None
        self._page_of_cut: int | None = None
        self._recovery: tuple[Case, tuple[Operation, ...]] | None = None

    def start_of(self, case: Case) -> Start:
        """Where the case starts: the factory, or after its (last) cut."""
        start = self.recording.start
        operations = self.recording.operations
        self._page_of_cut = None
        for index, cut in enumerate(case.cuts):
            if index:
                operations = self.operations_from(start, case)
            operation = _find(operations, cut.operation)
            if operation is None or operation.kind is not cut.kind:
                raise CaseError(
                    f"case {case.id}: there is no {cut.kind.value} with number "
                    f"{cut.operation} in this run"
                )
            self._page_of_cut = operation.page
            start = Start(
                nv=state_after_cut(self.scratch, operation, cut.when, case.seed),
                modem=operation.modem if case.modem == "kept" else None,
                files=operation.files,
            )
        return start

    def operations_from(self, start: Start, case: Case) -> tuple[Operation, ...]:
        """The operations of the recovery from `case`'s first cut, at `start`."""
        first = replace(case, cuts=case.cuts[:1])
        if self._recovery is None or self._recovery[0] != first:
            with Recorder(self.rig) as recorder:
                self._run(start, first, whole=True)
            self._recovery = (first, tuple(recorder.operations))
        return self._recovery[1]

    def judge(self, case: Case, *, hidden: int | None = None) -> Result:
        """Runs the case; HiddenPageTouched when page `hidden` matters."""
        start = self.start_of(case)
        rig = self.rig
        self._meeting = None
        try:
            label, fired, recovery_ns = self._run(start, case, hidden=hidden)
        except _Met as met:
            return self.like(case, met.case, met.result)
        before = self.recording.start.nv.wear
        wear = {
            page: now - then
            for page, (now, then) in enumerate(zip(rig.nv.wear, before, strict=True))
            if now != then
        }
        result = Result(
            id=case.id,
            outcome=label,
            fault=rig.seen.fault or rig.secret_in_flash(label),
            recovery_ns=recovery_ns,
            resets=rig.resets,
            wear=wear,
            fired=fired,
            modem_touched=rig.modem_touched,
        )
        result = replace(result, lost=self.verdict(case, result))
        if self._meeting is not None:
            self._judged[self._meeting] = case, result
        return result

    def _watch(self, start: Start, case: Case) -> None:
        """Lets the run end where it has become one that was judged.

        That may be when the page that was cut is erased: from then on nothing tells
        the two apart if everything else is the same.
        """
        page = self._page_of_cut
        if page is None or case.faults:
            return
        rest = (
            (page, self._keys.but_page(start.nv, page)),
            (start.modem, tuple(sorted(start.files.items())), case.seed),
        )

        def check(state: object) -> None:
            self._meeting = rest, state
            known = self._judged.get(self._meeting)
            if known is not None:
                raise _Met(*known)

        self.rig.watch_erase(page, check)

    def verdict(self, case: Case, result: Result) -> str:
        """Why the case is lost, or ""; `result` may be that of an equal case."""
        if result.fault:
            return result.fault
        if case.faults and not case.cuts and not result.fired:
            return "the modem fault never happened"
        if result.outcome not in self.allowed(case):
            return f"ends with '{result.outcome}', which is not allowed after this cut"
        budget = self.recording.scenario.bounds.page_wear
        for page, erases in result.wear.items():
            if erases > budget:
                return f"page 0x{page << 12:05x} was erased {erases} times"
        return ""

    def _run(
        self,
        start: Start,
        case: Case,
        *,
        hidden: int | None = None,
        whole: bool = False,
    ) -> tuple[str, int, int]:
        """Outcome, how often a fault happened, and the time that recovery took.

        A `whole` run does not end where it becomes another.
        """
        rig = self.rig
        faults = parse_faults(case.faults or rig.scenario.faults)
        if case.cuts:
            rig.power_on(start, faults=faults, seed=case.seed)
            rig.hide(hidden)
            if hidden is None and not whole:
                self._watch(start, case)
        else:
            begin(rig, start, faults=faults, seed=case.seed)
        label = finish(rig)
        fired = sum(fault.fired for fault in faults.plan.faults)
        if faults.knobs and rig.modem_touched:
            fired += faults.knobs
        return label, fired, rig.recovery_ns

    def wear_at(self, case: Case) -> tuple[int, ...]:
        """Erases of each page when the (single) cut came."""
        operation = _find(self.recording.operations, case.cuts[0].operation)
        assert operation is not None
        wear = list(operation.before.wear)
        if operation.kind is OperationKind.ERASE_PAGE and case.cuts[0].when is AFTER:
            wear[operation.page] += 1
        return tuple(wear)

    def like(self, case: Case, first: Case, result: Result) -> Result:
        """The result of `case`, which is the same run as `first`."""
        if case is first:
            return result
        wear = dict(result.wear)
        if len(case.cuts) == 1:
            pairs = zip(self.wear_at(case), self.wear_at(first), strict=True)
            for page, (mine, others) in enumerate(pairs):
                if mine != others:
                    wear[page] = wear.get(page, 0) + mine - others
        equal = replace(result, id=case.id, wear=wear)
        return replace(equal, lost=self.verdict(case, equal))

    def allowed(self, case: Case) -> frozenset[str]:
        """Labels that the case may end with."""
        scenario, changed = self.recording.scenario, self.recording.changed_from
        if not case.cuts:
            uncut = frozenset((scenario.uncut,))
            return uncut if is_passing(case.faults) else uncut | scenario.allowed
        cut = case.cuts[0]
        gone = changed is not None and (
            cut.operation > changed
            or (cut.operation == changed and cut.when.value != "before")
        )
        return scenario.allowed_after if gone else scenario.allowed


def _find(operations: tuple[Operation, ...], number: int) -> Operation | None:
    first = operations[0].number if operations else 1
    if first <= number < first + len(operations):
        return operations[number - first]
    return None

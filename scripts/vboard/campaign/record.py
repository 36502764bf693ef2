# SPDX-License-Identifier: Apache-2.0
"""Runs a scenario once without a cut and keeps the state before every operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vboard.campaign.faults import ModemFaults, parse_faults
from vboard.campaign.power import ModemMoment, Operation, Start, rewind
from vboard.campaign.rig import Rig
from vboard.campaign.scenario import Scenario
from vboard.errors import VboardError
from vboard.modem.faults import FaultPlan
from vboard.nv import NvMemory, NvSnapshot, OperationKind

_REQUEST_AFTER_MS = 100  # how long the old application runs before it asks


class RecordError(VboardError):
    """The uncut run of a scenario does not do what the scenario says."""


@dataclass(frozen=True)
class Recording:
    """The uncut run. `changed_from`: first operation on the application region."""

    scenario: Scenario
    start: Start
    operations: tuple[Operation, ...] = field(repr=False)
    final: NvSnapshot = field(repr=False)
    commands: Mapping[str, int]
    duration_ns: int

    @property
    def changed_from(self) -> int | None:
        """Number of the first operation that changes the application region."""
        region = self.scenario.region(self.scenario.app_region)
        for operation in self.operations:
            if region.start <= operation.address < region.start + region.size:
                return operation.number
        return None

    def operation(self, number: int) -> Operation | None:
        """The operation of this number."""
        first = self.operations[0].number if self.operations else 1
        index = number - first
        if 0 <= index < len(self.operations):
            return self.operations[index]
        return None


class Recorder:
    """Collects operations of a rig while it is in use (a context manager)."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.operations: list[Operation] = []

    def __enter__(self) -> Recorder:
        self.rig.on_operation = self._note
        return self

    def __exit__(self, *_: object) -> None:
        self.rig.on_operation = None

    def _note(self, number: int, kind: OperationKind, address: int, value: int) -> None:
        rig = self.rig
        self.operations.append(
            Operation(
                number=number,
                kind=kind,
                address=address,
                value=value,
                before=rewind(rig.nv.snapshot(), number),
                modem=rig.moment(),
                files=rig.files(),
                at_ns=rig.board.clock.now_ns - rig.started_ns,
            )
        )


def factory(scenario: Scenario, *, seed: int) -> Start:
    """Flash as it leaves the factory, the modem on for long."""
    nv = NvMemory(seed=seed)
    for address, data in scenario.flash:
        nv.preload(address, data)
    return Start(nv=nv.snapshot(), modem=ModemMoment(), files=dict(scenario.files))


def begin(rig: Rig, start: Start, *, faults: ModemFaults, seed: int) -> None:
    """From the factory to the soft reset that follows the request."""
    scenario = rig.scenario
    rig.power_on(start, faults=replace(faults, plan=FaultPlan()), seed=seed)
    if faults.plan.faults:
        rig.limit_s = 4 * scenario.bounds.time_s
    rig.run_to_application(settle_ms=_REQUEST_AFTER_MS)
    if rig.seen.fault:
        raise RecordError(f"{scenario.name}: the factory image: {rig.seen.fault}")
    rig.use_faults(faults.plan)
    rig.board.ram_write(scenario.request_address, scenario.request)
    rig.seen.resets = rig.resets = rig.recovery_ns = 0
    rig.started_ns = rig.board.clock.now_ns
    rig.board.soft_reset()


def finish(rig: Rig) -> str:
    """Until an application has settled, twice; gives the outcome's label or ""."""
    scenario, bounds = rig.scenario, rig.scenario.bounds
    for cycle in range(scenario.trial_cycles):
        rig.run_to_application(settle_ms=100 * (cycle + 1))
        if rig.seen.fault:
            return ""
        rig.power_cycle()
    rig.run_to_application(settle_ms=bounds.settle_ms)
    if rig.seen.fault:
        return ""
    ran = rig.boot_again(settle_ms=bounds.settle_ms)
    if rig.seen.fault:
        return ""
    labels = [label for label, names in scenario.outcomes.items() if names == ran]
    if not labels:
        rig.seen.fault = f"what runs in the end is {', '.join(sorted(ran))}"
        return ""
    return labels[0]


def record(rig: Rig, *, seed: int) -> Recording:
    """The uncut run from the factory image; RecordError when it fails."""
    scenario = rig.scenario
    start = factory(scenario, seed=seed)
    with Recorder(rig) as recorder:
        begin(rig, start, faults=parse_faults(scenario.faults), seed=seed)
        rig.commands.clear()
        since_ns = rig.board.clock.now_ns
        label = finish(rig)
    if rig.seen.fault or label != scenario.uncut:
        raise RecordError(
            f"{scenario.name}: expected the uncut run to end with "
            f"'{scenario.uncut}', got {rig.seen.fault or repr(label)}"
        )
    return Recording(
        scenario=scenario,
        start=start,
        operations=tuple(recorder.operations),
        final=rig.nv.snapshot(),
        commands=dict(rig.commands),
        duration_ns=rig.board.clock.now_ns - since_ns,
    )

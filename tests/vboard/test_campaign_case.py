# SPDX-License-Identifier: Apache-2.0
"""Names of cases, fault texts and keys of flash states."""

from __future__ import annotations

import pytest
from vboard.campaign.case import Case, CaseError, CutAt, parse_case
from vboard.campaign.faults import FAULTS, fault_text, is_passing, parse_faults
from vboard.campaign.power import ModemMoment as Moment
from vboard.campaign.power import Operation, StateKey, state_after_cut
from vboard.nv import CutPoint, NvMemory, OperationKind

CUT = CutAt(operation=12, kind=OperationKind.WRITE, when=CutPoint.TORN)
SECOND = CutAt(operation=20, kind=OperationKind.ERASE_PAGE, when=CutPoint.AFTER)


@pytest.mark.parametrize(
    ("case", "name"),
    [
        (Case(scenario="update"), "update[uncut,modem=kept,seed=1]"),
        (
            Case(scenario="wrong-key", cuts=(CUT,), modem="lost", seed=7),
            "wrong-key[cut=write#12:torn,modem=lost,seed=7]",
        ),
        (
            Case(scenario="update", cuts=(CUT, SECOND), faults="splitevery:size=7"),
            "update[cut=write#12:torn+erase#20:after,fault={splitevery:size=7},"
            "modem=kept,seed=1]",
        ),
    ],
    ids=["uncut", "one cut", "pair with a fault"],
)
def test_name_says_everything(case: Case, name: str) -> None:
    """A case and its name are the same thing."""
    assert name == case.id
    assert case == parse_case(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("update", "expected SCENARIO"),
        ("update[cut=write#12:torn,seed=1]", "expected SCENARIO"),
        ("update[cut=write#0:torn,modem=kept,seed=1]", "expected a cut as KIND#N"),
        ("update[cut=touch#1:torn,modem=kept,seed=1]", "expected a cut as KIND#N"),
    ],
    ids=["no bracket", "no modem", "operation 0", "unknown kind"],
)
def test_bad_name_is_refused(name: str, message: str) -> None:
    """With what a name looks like."""
    with pytest.raises(CaseError, match=message):
        parse_case(name)


@pytest.mark.parametrize("name", FAULTS)
def test_named_fault_is_understood(name: str) -> None:
    """Its text fits the fault plan, and it is recognised as what it is."""
    text = fault_text(name, commands={"CFTRANTX": 5, "FSCD": 2}, seed=4)
    assert text is not None
    faults = parse_faults(text)
    assert faults.plan.faults or faults.knobs
    assert FAULTS[name].passing == is_passing(text)


def test_fault_of_reading_needs_a_run_that_reads() -> None:
    """Otherwise it could never happen."""
    assert fault_text("stalled", commands={"FSATTRI": 1}, seed=1) is None
    assert fault_text("late-file", commands={}, seed=1) is None


def test_unknown_fault_promises_nothing() -> None:
    """A text that is none of ours may cost the update."""
    assert not is_passing("dead:ms=900000")
    assert is_passing("")


def operation(nv: NvMemory, address: int, value: int) -> Operation:
    return Operation(
        number=nv.operations + 1,
        kind=OperationKind.WRITE,
        address=address,
        value=value,
        before=nv.snapshot(),
        modem=Moment(),
        files={},
    )


def test_state_after_one_operation_is_that_before_the_next() -> None:
    """So only one of the two has to be run."""
    nv, scratch, keys = NvMemory(), NvMemory(), StateKey()
    one = operation(nv, 0x1000, 0x12345678)
    nv.program_word(0x1000, 0x12345678)
    two = operation(nv, 0x1004, 0)
    after = keys.of(state_after_cut(scratch, one, CutPoint.AFTER, 1))
    before = keys.of(state_after_cut(scratch, two, CutPoint.BEFORE, 1))
    torn = keys.of(state_after_cut(scratch, one, CutPoint.TORN, 1))
    assert after == before
    assert torn not in (after, keys.of(one.before))


def test_key_but_for_a_page_ignores_that_page_alone() -> None:
    """States that differ elsewhere stay different."""
    nv, keys = NvMemory(), StateKey()
    blank = keys.but_page(nv.snapshot(), 1)
    nv.program_word(0x1000, 0)
    assert blank == keys.but_page(nv.snapshot(), 1)
    nv.program_word(0x2000, 0)
    assert blank != keys.but_page(nv.snapshot(), 1)


def test_wear_is_no_part_of_a_key() -> None:
    """Firmware cannot see it."""
    nv, keys = NvMemory(), StateKey()
    before = keys.of(nv.snapshot())
    nv.erase_page(0x3000)
    assert before == keys.of(nv.snapshot())

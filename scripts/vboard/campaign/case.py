# SPDX-License-Identifier: Apache-2.0
"""One case and its name, which is all that is needed to run it again.

    update[uncut,modem=kept,seed=7]
    update[cut=write#120:torn,modem=kept,seed=7]
    update[cut=erase#9:after+write#14:before,modem=lost,seed=7]
    update[uncut,fault={stall:command=CFTRANTX,nth=2,ms=5000},modem=kept,seed=7]

A cut names an operation by kind and number (counted since the factory image was
written) and the point: before, torn, after. After a `+` follows a second cut, in the
recovery from the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vboard.errors import VboardError
from vboard.nv_cut import CutPoint, OperationKind


class CaseError(VboardError):
    """A case's name is not understood, or does not fit the scenario."""


@dataclass(frozen=True)
class CutAt:
    """A cut: which operation, and where in it."""

    operation: int
    kind: OperationKind
    when: CutPoint

    def __str__(self) -> str:
        return f"{self.kind.value}#{self.operation}:{self.when.value}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A scenario, up to two cuts, modem faults, what became of the modem, a seed."""

    scenario: str
    cuts: tuple[CutAt, ...] = ()
    faults: str = ""
    modem: str = "kept"  # kept: stays on through the cut; lost: reboots
    seed: int = 1

    @property
    def id(self) -> str:
        """The name."""
        cut = "uncut"
        if self.cuts:
            cut = "cut=" + "+".join(map(str, self.cuts))
        fault = f",fault={{{self.faults}}}" if self.faults else ""
        return f"{self.scenario}[{cut}{fault},modem={self.modem},seed={self.seed}]"


_ID = re.compile(
    r"(?P<scenario>[\w-]+)\[(?:uncut|cut=(?P<cuts>[^,\]{}]+))"
    r"(?:,fault=\{(?P<faults>[^{}]*)\})?"
    r",modem=(?P<modem>kept|lost),seed=(?P<seed>\d+)\]\Z"
)
_CUT = re.compile(r"(?P<kind>[\w-]+)#(?P<number>\d+):(?P<when>before|torn|after)\Z")


def parse_case(text: str) -> Case:
    """The case that `text` names; CaseError when it is not a name."""
    match = _ID.match(text.strip())
    if match is None:
        raise CaseError(
            "case: expected SCENARIO[cut=KIND#N:before|torn|after,modem=kept|lost,"
            f"seed=N] or SCENARIO[uncut,...], got {text!r}"
        )
    cuts = match["cuts"].split("+") if match["cuts"] else []
    return Case(
        scenario=match["scenario"],
        cuts=tuple(_parse_cut(cut) for cut in cuts),
        faults=match["faults"] or "",
        modem=match["modem"],
        seed=int(match["seed"]),
    )


def _parse_cut(text: str) -> CutAt:
    match = _CUT.match(text)
    kinds = [kind.value for kind in OperationKind]
    if match is None or match["kind"] not in kinds or int(match["number"]) < 1:
        raise CaseError(
            f"case: expected a cut as KIND#N:before|torn|after with KIND one of "
            f"{', '.join(kinds)}, got {text!r}"
        )
    return CutAt(
        operation=int(match["number"]),
        kind=OperationKind(match["kind"]),
        when=CutPoint(match["when"]),
    )

# SPDX-License-Identifier: Apache-2.0
"""What a power cut leaves behind: flash, the modem's files, what the modem does."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vboard.errors import PowerCut
from vboard.nv import Cut, CutPoint, NvMemory, NvSnapshot, OperationKind

# A brown-out: too short for anything but the chip to notice.
OFF_MS = 5
# How far a torn operation got, and whether its bits stay unstable.
_TORN = ((0.5, False), (0.5, True), (1.0, True), (0.05, True), (0.9, False))


@dataclass(frozen=True)
class ModemMoment:
    """What a modem that keeps its supply is doing: baud, echo, running command."""

    baud: int = 115_200
    echo: bool = True
    command: str = ""
    since_ms: int = 0


@dataclass(frozen=True)
class Operation:
    """One flash operation of a run, with the state just before it."""

    number: int
    kind: OperationKind
    address: int
    value: int
    before: NvSnapshot = field(repr=False)
    modem: ModemMoment
    files: Mapping[str, bytes] = field(repr=False)
    at_ns: int = 0

    @property
    def page(self) -> int:
        """Index of the page that it changes (256: UICR)."""
        return min(self.address >> 12, 256)


@dataclass(frozen=True)
class Start:
    """Where a case starts: power comes, and this is what there is."""

    nv: NvSnapshot = field(repr=False)
    modem: ModemMoment | None  # None: it comes up together with the chip
    files: Mapping[str, bytes] = field(repr=False)


def cut_plan(number: int, when: CutPoint, seed: int) -> Cut:
    """The cut with its seeded degree of tearing."""
    if when is not CutPoint.TORN:
        return Cut(number, when)
    rng = random.Random(f"{seed}:{number}:torn")
    done, unstable = rng.choice(_TORN)
    return Cut(number, when, seed=seed, done=done, unstable=unstable)


def state_after_cut(
    nv: NvMemory, operation: Operation, when: CutPoint, seed: int
) -> NvSnapshot:
    """Flash after `operation` was cut. `nv` is scratch memory."""
    nv.restore(operation.before)
    if when is CutPoint.BEFORE:
        return operation.before
    nv.cut = cut_plan(operation.number, when, seed)
    with contextlib.suppress(PowerCut):
        _perform(nv, operation)
    nv.cut = None
    return nv.snapshot()


def _perform(nv: NvMemory, operation: Operation) -> None:
    match operation.kind:
        case OperationKind.WRITE:
            nv.program_word(operation.address, operation.value)
        case OperationKind.ERASE_PAGE:
            nv.erase_page(operation.address)
        case OperationKind.ERASE_PARTIAL:
            nv.erase_page_partial(operation.address, operation.value)
        case OperationKind.ERASE_ALL:
            nv.erase_all()
        case OperationKind.ERASE_UICR:
            nv.erase_uicr()


class StateKey:
    """Keys of flash states; a page is hashed once however often it comes."""

    def __init__(self) -> None:
        self._pages: dict[int, tuple[bytes, bytes, int]] = {}

    def of(self, state: NvSnapshot, *, without: int | None = None) -> object:
        """Equal for states that firmware cannot tell apart; page `without` is left out.

        Wear and the operation number are not part of it. The power-ups count only
        where there are unstable bits, which take their values from the count.
        """
        total, known, pages, writes = 0, self._pages, state.pages, state.writes
        for index, page in enumerate(pages):
            if index == without:
                continue
            entry = known.get(id(page) ^ id(writes[index]) ^ index)
            if entry is None or entry[0] is not page or entry[1] is not writes[index]:
                digest = hashlib.sha256(b"%d:" % index + page + writes[index])
                number = int.from_bytes(digest.digest(), "little")
                entry = (page, writes[index], number)
                known[id(page) ^ id(writes[index]) ^ index] = entry
            total ^= entry[2]
        unstable = tuple(item for item in state.unstable if item[0] != without)
        return total, unstable, state.power_ups if unstable else 0, state.partial_ms


def rewind(state: NvSnapshot, number: int) -> NvSnapshot:
    """`state` before operation `number` began."""
    return replace(state, operations=number - 1)

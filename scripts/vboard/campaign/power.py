# SPDX-License-Identifier: Apache-2.0
"""What a power cut leaves behind: flash, the modem's files, what the modem does."""

from __future__ import annotations

import contextlib
import hashlib
import operator
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
    """Keys of flash states: equal for states that firmware cannot tell apart.

    Wear and the operation number are not part of them. The power-ups count only where
    there are unstable bits, which take their values from the count. Only pages that
    differ from the state before are looked at, so neighbours should follow each other.
    """

    def __init__(self) -> None:
        self._pages: dict[tuple[int, int, int], tuple[bytes, bytes, int]] = {}
        self._last: NvSnapshot | None = None
        self._parts: list[int] = []
        self._total = 0

    def of(self, state: NvSnapshot) -> object:
        """The key of the whole state."""
        self._look(state)
        return self._key(state, self._total, None)

    def but_page(self, state: NvSnapshot, page: int) -> object:
        """The key of everything but `page`."""
        self._look(state)
        return self._key(state, self._total ^ self._parts[page], page)

    @staticmethod
    def _key(state: NvSnapshot, total: int, without: int | None) -> object:
        unstable = tuple(item for item in state.unstable if item[0] != without)
        return total, unstable, state.power_ups if unstable else 0, state.partial_ms

    def _look(self, state: NvSnapshot) -> None:
        last, self._last = self._last, state
        if last is state:
            return
        if last is None:
            self._parts = [0] * len(state.pages)
            changed = list(range(len(state.pages)))
        else:
            same = map(operator.is_, state.pages, last.pages)
            also = map(operator.is_, state.writes, last.writes)
            changed = [
                index
                for index, equal in enumerate(map(operator.and_, same, also))
                if not equal
            ]
        for index in changed:
            part = self._page(index, state.pages[index], state.writes[index])
            self._total ^= self._parts[index] ^ part
            self._parts[index] = part

    def _page(self, index: int, page: bytes, writes: bytes) -> int:
        key = (index, id(page), id(writes))
        known = self._pages.get(key)
        if known is not None:
            return known[2]
        digest = hashlib.sha256(b"%d:" % index + page + writes).digest()
        number = int.from_bytes(digest, "little")
        self._pages[key] = (page, writes, number)  # keeps them, and so their ids
        return number


def rewind(state: NvSnapshot, number: int) -> NvSnapshot:
    """`state` before operation `number` began."""
    return replace(state, operations=number - 1)

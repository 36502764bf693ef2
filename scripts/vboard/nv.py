# SPDX-License-Identifier: Apache-2.0
"""Non-volatile memory of one nRF52840: flash, UICR, FICR. It outlives the machine.

Rule 1: every change by the guest is a numbered operation (1, 2, 3 ...; the number
        survives machines). An operation can be cut *before* it starts, *torn*
        half-way, or *after* it completed; the cut raises `PowerCut`.
Rule 2: flash is NOR: a write gives old AND new, an erase gives all ones. A word
        takes at most two writes per erase (PS, NVMC, nWRITE).
Rule 3: a torn write has done a seeded random part of its 1-to-0 bits, a torn erase
        a seeded random part of its 0-to-1 bits. Bits caught half-way may be
        *unstable*: they take a new random value at each power-up until the page is
        erased again (between two power-ups they read the same).
Rule 4: `flash` and `uicr` are never replaced or resized, only changed in place and
        only by this class, which reports every change through `on_change`.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import cast

from vboard import nv_file
from vboard.errors import GuestError, LoadError, PowerCut
from vboard.nv_cut import Cut, CutPoint, OperationKind, random_bits, random_bytes
from vboard.nv_file import NvSnapshot
from vboard.peripherals.ficr import ficr_contents

PAGE_SIZE = 4096
FLASH_SIZE = 0x10_0000
PAGE_COUNT = FLASH_SIZE // PAGE_SIZE
FICR_BASE = 0x1000_0000
UICR_BASE = 0x1000_1000
UICR_SIZE = PAGE_SIZE
MAX_WRITES = 2  # nWRITE: writes of one word between two erases
ERASE_PAGE_MS = 85  # tERASEPAGE; the sum that partial erase slices must reach
UICR_PAGE = PAGE_COUNT  # page index of the UICR in page-wise state

__all__ = ["Cut", "CutPoint", "NvMemory", "NvSnapshot", "OperationKind"]

_WORD = struct.Struct("<L")
_unpack_word, _pack_word = _WORD.unpack_from, _WORD.pack_into
_BLANK = b"\xff" * PAGE_SIZE
_UNWRITTEN = bytes(PAGE_SIZE // 4)


class NvMemory:
    """Flash, UICR and FICR of one chip, with numbered, cuttable operations.

    `seed` gives the device id and every random choice. `strict` turns a third
    write to a word into a `GuestError`.
    """

    def __init__(self, *, seed: int = 0, strict: bool = True) -> None:
        self.seed = seed
        self.strict = strict
        self.flash = bytearray(b"\xff" * FLASH_SIZE)
        self.uicr = bytearray(_BLANK)
        self.ficr = ficr_contents(seed=seed)
        self.operations = 0
        self.cut: Cut | None = None
        self.on_operation: Callable[[int, OperationKind, int, int], None] | None = None
        self.on_change: Callable[[int, int], None] | None = None
        # For a changed word (address, new content) instead of `on_change`, if set.
        self.on_word: Callable[[int, int], None] | None = None
        self.wear = [0] * (PAGE_COUNT + 1)
        self._writes = [bytearray(_UNWRITTEN) for _ in range(PAGE_COUNT + 1)]
        self._unstable: dict[int, bytes] = {}
        self._partial_ms: dict[int, int] = {}
        self._power_ups = 0
        # What the last operation replaced: page, offset, bytes, write counts.
        self._undo: list[tuple[int, int, bytes, bytes]] = []
        # Immutable copies of pages and write counts; None = changed since.
        self._saved: list[tuple[bytes, bytes] | None] = [None] * (PAGE_COUNT + 1)

    # Reading

    def read(self, address: int, size: int) -> bytes:
        """Bytes of flash, UICR or FICR; ValueError outside of them."""
        memory, offset = self._locate(address, size)
        return bytes(memory[offset : offset + size])

    def writes_of(self, address: int) -> int:
        """How often the word at `address` was written since its last erase."""
        page, offset = self._page_of(address)
        return self._writes[page][offset // 4]

    @property
    def unstable_pages(self) -> tuple[int, ...]:
        """Indexes of pages with unstable bits."""
        return tuple(sorted(self._unstable))

    # Operations

    def program_word(self, address: int, value: int) -> None:
        """Writes one aligned word of flash or UICR: old AND `value`."""
        if address & 3:
            raise GuestError(f"flash takes aligned words, not 0x{address:08x}")
        memory, start = self.flash, address
        if 0 <= address < FLASH_SIZE:
            page, offset = address >> 12, address & 0xFFF
        else:
            page, offset = self._page_of(address)
            memory, start = self.uicr, offset
        writes, index = self._writes[page], offset >> 2
        count = writes[index]
        if count >= MAX_WRITES and self.strict:
            raise GuestError(
                f"word 0x{address:08x} written more than {MAX_WRITES} times since its "
                "page was erased",
                block="NVMC",
            )
        cut = None
        if self.cut is None and self.on_operation is None:
            self.operations += 1
        else:
            cut = self._begin(OperationKind.WRITE, address, value)
        (old,) = _unpack_word(memory, start)
        new = old & value
        if cut and cut.when is CutPoint.TORN:
            rng = random.Random(f"{self.seed}:{cut.seed}:{cut.operation}")
            changing = old & ~value
            new = old & ~(changing & random_bits(rng, cut.done, 4))
            if cut.unstable:
                self._add_unstable(page, offset, _WORD.pack(changing))
        elif self._unstable:
            self._settle(page, offset, ~value & 0xFFFF_FFFF)
        if count < 255:
            writes[index] = count + 1
        self._undo = [(page, offset, _WORD.pack(old), b"")]
        _pack_word(memory, start, new)
        self._saved[page] = None
        if self.on_word is not None:
            self.on_word(address, new)
        elif self.on_change is not None:
            self.on_change(address, 4)
        if cut is not None:
            self._end(cut)

    def erase_page(self, address: int) -> None:
        """Erases the flash page that `address` lies in."""
        page = self._flash_page(address)
        cut = self._begin(OperationKind.ERASE_PAGE, page * PAGE_SIZE, 0)
        self._erase(page, cut)
        self._end(cut)

    def erase_page_partial(self, address: int, duration_ms: int) -> None:
        """One slice of an erase; the page is erased when the slices add up to 85 ms."""
        page = self._flash_page(address)
        number = self.operations + 1
        cut = self._begin(OperationKind.ERASE_PARTIAL, page * PAGE_SIZE, duration_ms)
        total = self._partial_ms.get(page, 0) + duration_ms
        if total >= ERASE_PAGE_MS:
            self._erase(page, cut)
        else:
            self._partial_ms[page] = total
            done = duration_ms / ERASE_PAGE_MS
            rng = random.Random(f"{self.seed}:{number}:slice")
            self._raise_bits(page, random_bytes(rng, done, PAGE_SIZE))
        self._end(cut)

    def erase_all(self) -> None:
        """Erases flash and UICR."""
        cut = self._begin(OperationKind.ERASE_ALL, 0, 0)
        for page in range(PAGE_COUNT + 1):
            self._erase(page, cut)
        self._end(cut)

    def erase_uicr(self) -> None:
        """Erases the UICR."""
        cut = self._begin(OperationKind.ERASE_UICR, UICR_BASE, 0)
        self._erase(UICR_PAGE, cut)
        self._end(cut)

    def tear_last(self, done: float) -> None:
        """The last operation only got to the share `done` (0..1) of its bits.

        For a reset that comes while the chip is still at it.
        """
        undo, self._undo = self._undo, []
        for page, offset, old, writes in undo:
            rng = random.Random(f"{self.seed}:{self.operations}:{page}:tear")
            memory, start, address = self._page_memory(page)
            start, address = start + offset, address + offset
            before = int.from_bytes(old, "little")
            changed = before ^ int.from_bytes(
                memory[start : start + len(old)], "little"
            )
            got = before ^ (changed & random_bits(rng, done, len(old)))
            memory[start : start + len(old)] = got.to_bytes(len(old), "little")
            if len(old) == PAGE_SIZE:
                self._writes[page][:] = writes
                self.wear[page] -= 1
            self._changed(page, address, len(old))

    # Outside the chip's life

    def preload(self, address: int, data: bytes) -> None:
        """What a programmer leaves: no operation, one write per non-blank word."""
        end = address + len(data)
        in_flash = address >= 0 and end <= FLASH_SIZE
        in_uicr = address >= UICR_BASE and end <= UICR_BASE + UICR_SIZE
        if not in_flash and not in_uicr:
            raise LoadError(
                f"expected data inside flash (0..0x{FLASH_SIZE:x}) or UICR "
                f"(0x{UICR_BASE:08x}..0x{UICR_BASE + UICR_SIZE:08x}), got "
                f"0x{address:08x}..0x{end:08x}"
            )
        self._undo = []
        while data:
            page, offset = self._page_of(address)
            part = data[: PAGE_SIZE - offset]
            memory, start = self._locate(address, len(part))
            memory[start : start + len(part)] = part
            for word in range(offset & ~3, offset + len(part), 4):
                at = start - offset + word
                blank = memory[at : at + 4] == b"\xff\xff\xff\xff"
                self._writes[page][word // 4] = 0 if blank else 1
            if page in self._unstable:
                mask = bytearray(self._unstable[page])
                mask[offset : offset + len(part)] = bytes(len(part))
                self._set_unstable(page, bytes(mask))
            self._partial_ms.pop(page, None)
            self._changed(page, address, len(part))
            address, data = address + len(part), data[len(part) :]

    def power_up(self) -> None:
        """The supply comes (back): unstable bits take new random values."""
        self._power_ups += 1
        self._partial_ms.clear()
        for page, mask in sorted(self._unstable.items()):
            rng = random.Random(f"{self.seed}:{self._power_ups}:{page}:unstable")
            noise = rng.getrandbits(PAGE_SIZE * 8)
            self._mix(page, int.from_bytes(mask, "little"), noise)

    def snapshot(self) -> NvSnapshot:
        """The state now; pages that did not change since the last one are shared."""
        saved = self._saved
        for page in [index for index, entry in enumerate(saved) if entry is None]:
            memory, start, _ = self._page_memory(page)
            saved[page] = (
                bytes(memory[start : start + PAGE_SIZE]),
                bytes(self._writes[page]),
            )
        pages, writes = zip(*cast("list[tuple[bytes, bytes]]", saved), strict=True)
        return NvSnapshot(
            pages=pages,
            writes=writes,
            ficr=self.ficr,
            wear=tuple(self.wear),
            unstable=tuple(sorted(self._unstable.items())),
            partial_ms=tuple(sorted(self._partial_ms.items())),
            operations=self.operations,
            seed=self.seed,
            power_ups=self._power_ups,
        )

    def restore(self, state: NvSnapshot) -> None:
        """Goes back to `state`, operation number included."""
        for page, (entry, now) in enumerate(
            zip(zip(state.pages, state.writes, strict=True), self._saved, strict=True)
        ):
            if now is not None and now[0] is entry[0] and now[1] is entry[1]:
                continue
            memory, start, address = self._page_memory(page)
            memory[start : start + PAGE_SIZE] = entry[0]
            self._writes[page][:] = entry[1]
            self._changed(page, address, PAGE_SIZE)
            self._saved[page] = entry
        self._undo = []
        self.ficr = state.ficr
        self.wear = list(state.wear)
        self._unstable = dict(state.unstable)
        self._partial_ms = dict(state.partial_ms)
        self.operations = state.operations
        self.seed = state.seed
        self._power_ups = state.power_ups

    def hash(self) -> str:
        """`snapshot().hash()`: equal states, equal hash."""
        return self.snapshot().hash()

    def save(self, path: Path) -> None:
        """Writes the state to `path` (format: `vboard.nv_file`), all or nothing."""
        nv_file.save(path, self.snapshot())

    @classmethod
    def open(cls, path: Path, *, strict: bool = True) -> NvMemory:
        """The memory that `save` wrote; LoadError when the file is not one."""
        state = nv_file.load(path)
        nv = cls(seed=state.seed, strict=strict)
        nv.restore(state)
        return nv

    # Inside

    def _begin(self, kind: OperationKind, address: int, value: int) -> Cut | None:
        self.operations += 1
        self._undo = []
        if self.on_operation is not None:
            self.on_operation(self.operations, kind, address, value)
        cut = self.cut
        if cut is None or cut.operation != self.operations:
            return None
        self.cut = None
        if cut.when is CutPoint.BEFORE:
            self.operations -= 1  # it never happened
            raise PowerCut(cut.operation, CutPoint.BEFORE.value)
        return cut

    def _end(self, cut: Cut | None) -> None:
        if cut is not None:
            raise PowerCut(cut.operation, CutPoint(cut.when).value)

    def _erase(self, page: int, cut: Cut | None) -> None:
        memory, start, address = self._page_memory(page)
        if cut and cut.when is CutPoint.TORN:
            old = bytes(memory[start : start + PAGE_SIZE])
            rng = random.Random(f"{self.seed}:{cut.seed}:{cut.operation}:{page}")
            self._raise_bits(page, random_bytes(rng, cut.done, PAGE_SIZE))
            if cut.unstable:
                self._add_unstable(page, 0, bytes(byte ^ 0xFF for byte in old))
            return
        self._undo.append(
            (
                page,
                0,
                bytes(memory[start : start + PAGE_SIZE]),
                bytes(self._writes[page]),
            )
        )
        memory[start : start + PAGE_SIZE] = _BLANK
        self._writes[page][:] = _UNWRITTEN
        self._unstable.pop(page, None)
        self._partial_ms.pop(page, None)
        self.wear[page] += 1
        self._changed(page, address, PAGE_SIZE)

    def _raise_bits(self, page: int, bits: bytes) -> None:
        self._mix(page, int.from_bytes(bits, "little"), -1)

    def _mix(self, page: int, flags: int, value: int) -> None:
        """Sets the bits in `flags` of a whole page to those of `value`."""
        memory, start, address = self._page_memory(page)
        old = int.from_bytes(memory[start : start + PAGE_SIZE], "little")
        new = (old & ~flags) | (value & flags)
        memory[start : start + PAGE_SIZE] = new.to_bytes(PAGE_SIZE, "little")
        self._changed(page, address, PAGE_SIZE)

    def _add_unstable(self, page: int, offset: int, mask: bytes) -> None:
        flags = int.from_bytes(self._unstable.get(page, b""), "little")
        flags |= int.from_bytes(mask, "little") << (8 * offset)
        self._set_unstable(page, flags.to_bytes(PAGE_SIZE, "little"))

    def _settle(self, page: int, offset: int, bits: int) -> None:
        """A completed write fixes the bits that it programmed."""
        if page not in self._unstable:
            return
        flags = int.from_bytes(self._unstable[page], "little")
        flags &= ~(bits << (8 * offset))
        self._set_unstable(page, flags.to_bytes(PAGE_SIZE, "little"))

    def _set_unstable(self, page: int, mask: bytes) -> None:
        if any(mask):
            self._unstable[page] = mask
        else:
            self._unstable.pop(page, None)

    def _changed(self, page: int, address: int, size: int) -> None:
        self._saved[page] = None
        if self.on_change is not None:
            self.on_change(address, size)

    def _page_memory(self, page: int) -> tuple[bytearray, int, int]:
        if page == UICR_PAGE:
            return self.uicr, 0, UICR_BASE
        return self.flash, page * PAGE_SIZE, page * PAGE_SIZE

    def _page_of(self, address: int) -> tuple[int, int]:
        if 0 <= address < FLASH_SIZE:
            return address >> 12, address & 0xFFF
        if UICR_BASE <= address < UICR_BASE + UICR_SIZE:
            return UICR_PAGE, address - UICR_BASE
        raise ValueError(f"expected a flash address, got 0x{address:08x}")

    def _flash_page(self, address: int) -> int:
        if not 0 <= address < FLASH_SIZE:
            raise ValueError(f"expected a flash address, got 0x{address:08x}")
        return address // PAGE_SIZE

    def _locate(self, address: int, size: int) -> tuple[bytearray, int]:
        if address >= 0 and address + size <= FLASH_SIZE:
            return self.flash, address
        if address >= UICR_BASE and address + size <= UICR_BASE + UICR_SIZE:
            return self.uicr, address - UICR_BASE
        if address >= FICR_BASE and address + size <= FICR_BASE + PAGE_SIZE:
            return bytearray(self.ficr), address - FICR_BASE
        raise ValueError(f"0x{address:08x}+{size} is not flash, UICR or FICR")

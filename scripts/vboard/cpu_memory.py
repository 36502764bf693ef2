# SPDX-License-Identifier: Apache-2.0
"""The memory that the CPU reads without asking anybody: flash, FICR, UICR, RAM.

Plain bytes in the host's memory; the engine maps them, DMA and the board copy into
and out of them.
"""

from __future__ import annotations

import mmap
import struct

FLASH_BASE, FLASH_SIZE = 0x0000_0000, 0x0010_0000
RAM_BASE, RAM_SIZE = 0x2000_0000, 0x0004_0000
RAM_CODE_ALIAS = 0x0080_0000
FICR_BASE, UICR_BASE = 0x1000_0000, 0x1000_1000
ROM_TABLE_BASE = 0xF000_0000
PAGE = 0x1000
_BLANK_WORD = 0xFFFF_FFFF
_WORD = struct.Struct("<L")


class Memory:
    """The regions of one chip. RAM shows up twice (code bus alias)."""

    def __init__(self) -> None:
        self.flash = mmap.mmap(-1, FLASH_SIZE)
        self.info = mmap.mmap(-1, 2 * PAGE)  # FICR, UICR
        self.ram = mmap.mmap(-1, RAM_SIZE)
        self.rom = mmap.mmap(-1, PAGE)
        self._readable = (
            (RAM_BASE, self.ram),
            (FLASH_BASE, self.flash),
            (FICR_BASE, self.info),
            (RAM_CODE_ALIAS, self.ram),
        )

    def read(self, address: int, size: int) -> bytes | None:
        """Bytes as the CPU sees them; None where there is no such memory."""
        for base, memory in self._readable:
            if base <= address and address + size <= base + len(memory):
                return memory[address - base : address - base + size]
        return None

    def load(self, address: int, data: bytes) -> bool:
        """Puts non-volatile content in place; True when it was blank before."""
        base, memory = FLASH_BASE, self.flash
        if address >= FICR_BASE:
            base, memory = FICR_BASE, self.info
        start, end = address - base, address - base + len(data)
        blank = memory[start:end].count(0xFF) == len(data)
        memory[start:end] = data
        return blank

    def load_word(self, address: int, value: int) -> bool:
        """`load` for one word."""
        memory, start = self.flash, address
        if address >= FICR_BASE:
            memory, start = self.info, address - FICR_BASE
        (old,) = _WORD.unpack_from(memory, start)
        _WORD.pack_into(memory, start, value)
        return bool(old == _BLANK_WORD)

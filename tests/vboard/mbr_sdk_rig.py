# SPDX-License-Identifier: Apache-2.0
"""Boot records on a board with C programs made as Nordic's SDK makes them.

rig = SdkRig({BOOTLOADER: image("sdk_bootloader", base=BOOTLOADER, identity=1)})
rig.ask(0, SOURCE, 64)       # the bootloader calls the boot record with this
rig.box().result
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from mbr_rig import BLANK, BOOT_WORDS, UICR_NRFFW, mbr_segments, words
from vboard import Board, NvMemory
from vboard.clock import NS_PER_MS

BOX = 0x2003_0000
BOX_FORMAT = struct.Struct("<6I 4I 6I 40I")
MAGIC, DONE = 0xB0C5_B0C5, 0x600D_600D
THREAD_MSP, THREAD_PSP, HANDLER = 0, 1, 2


@dataclass(frozen=True)
class Box:
    """What the program left (struct box of sdk.h)."""

    done: bool
    boots: int
    who: int
    result: int
    lr: int
    msp: int
    control: int
    primask: int
    ipsr: int
    vtor: int
    values: tuple[int, ...]


class SdkRig:
    """A board with a boot record (the project's unless given) and images."""

    def __init__(
        self,
        images: Mapping[int, bytes],
        *,
        boot_words: tuple[int, int] | None = None,
        uicr: tuple[int, int] = (BLANK, BLANK),
        mbr: bytes | None = None,
    ) -> None:
        self.nv = NvMemory(seed=5)
        for address, data in [(0, mbr)] if mbr is not None else mbr_segments():
            self.nv.preload(address, data)
        for address, data in images.items():
            self.nv.preload(address, data)
        if boot_words is not None:
            self.nv.preload(BOOT_WORDS, words(*boot_words))
        self.nv.preload(UICR_NRFFW, words(*uicr))
        self.board = Board(self.nv, seed=5, faults="guest")
        self.clear()

    def clear(self) -> None:
        """Empties the box."""
        self.board.ram_write(BOX, bytes(BOX_FORMAT.size))

    def ask(self, *command: int, context: int = THREAD_MSP) -> None:
        """The next program to start calls the boot record with this command."""
        self.clear()
        padded = (*command, 0, 0, 0)[:4]
        self.board.ram_write(BOX, words(MAGIC, context, *padded))

    def run(self, ms: int = 3000) -> Box:
        """Until a program is through; its box. AssertionError when none is."""
        end_ns = self.board.clock.now_ns + ms * NS_PER_MS
        self.board.run(end_ns, stop=lambda: self.box().done)
        box = self.box()
        assert box.done, f"pc 0x{self.board.cpu.get('pc'):08x}, {box}"
        return box

    def box(self) -> Box:
        """What is in the box now."""
        raw = BOX_FORMAT.unpack(self.board.ram_read(BOX, BOX_FORMAT.size))
        return Box(raw[6] == DONE, *raw[7:16], tuple(raw[16:]))

    def power_cycle(self) -> None:
        """Off and on, with an empty box."""
        self.board.power_cycle()
        self.clear()

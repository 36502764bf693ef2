# SPDX-License-Identifier: Apache-2.0
"""The boot record on a board, with programs in assembly that know nothing of it.

A program logs words to RAM (`log rX`) and ends with `done`.
"""

from __future__ import annotations

import functools
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.firmware import built
from vboard import Board, NvMemory
from vboard.loader import read_file

APP = 0x1000
BOOTLOADER = 0xF6000
PARAMS = 0xFE000
BOOT_WORDS = 0xFF8
UICR_NRFFW = 0x1000_1014
STACK = 0x2000_8000
RAM = 0x2000_0000
LOG = 0x2000_0100
DONE = 0xD0D0_D0D0
BLANK = 0xFFFF_FFFF

MACROS = """
.syntax unified
.cpu cortex-m4
.thumb
.equ LOG, 0x20000100
.macro log reg
    push {r6, r7}
    ldr r7, =LOG - 4
    ldr r6, [r7]
    str \\reg, [r6], #4
    str r6, [r7]
    pop {r6, r7}
.endm
.macro open_log
    ldr r6, =LOG
    ldr r7, =LOG - 4
    str r6, [r7]
    movs r6, #0
    str r6, [r7, #-4]
.endm
.macro done
    ldr r7, =0xD0D0D0D0
    ldr r6, =LOG - 8
    str r7, [r6]
999: wfi
    b 999b
.endm
// The boot record's service: request words in flash; logs the result.
.macro ask label
    ldr r0, =\\label
    svc #0x18
    log r0
.endm
.macro poke address, value
    ldr r6, =\\address
    ldr r7, =\\value
    str r7, [r6]
.endm
"""


def assemble(
    folder: Path,
    source: str,
    *,
    base: int,
    handlers: Mapping[int, str] | None = None,
    stack: int = STACK,
) -> bytes:
    """The bytes of a program linked at `base`; it starts at the label `reset`."""
    handlers = handlers or {}
    vectors = [f".word {stack:#x}", ".word reset"]
    vectors += [f".word {handlers.get(n, 'unexpected')}" for n in range(2, 64)]
    labels = {"reset", "unexpected", *handlers.values()}
    text = [MACROS, ".text", *vectors]
    text += [f".type {label}, %function" for label in sorted(labels)]
    text += ["unexpected: b unexpected", source, ".ltorg", ""]
    path = folder / f"program_{base:x}.s"
    path.write_text("\n".join(text))
    elf, binary = path.with_suffix(".elf"), path.with_suffix(".bin")
    for command in (
        [
            "arm-none-eabi-gcc",
            "-nostdlib",
            f"-Wl,-Ttext={base:#x},-ereset",
            "-mcpu=cortex-m4",
            "-mthumb",
            str(path),
            "-o",
            str(elf),
        ],
        ["arm-none-eabi-objcopy", "-O", "binary", str(elf), str(binary)],
    ):
        tool = subprocess.run(command, capture_output=True, text=True, check=False)
        assert tool.returncode == 0, tool.stderr
    return binary.read_bytes()


@functools.cache
def mbr_segments() -> tuple[tuple[int, bytes], ...]:
    """What the boot record's ELF puts into flash."""
    return tuple(read_file(built("mbr")))


def words(*values: int) -> bytes:
    """Little-endian words."""
    return struct.pack(f"<{len(values)}I", *values)


class Rig:
    """A board with the boot record and programs."""

    def __init__(
        self,
        programs: Mapping[int, bytes],
        *,
        boot_words: tuple[int, int] | None = None,
        uicr: tuple[int, int] = (BLANK, BLANK),
    ) -> None:
        self.nv = NvMemory(seed=3)
        for address, data in mbr_segments():
            self.nv.preload(address, data)
        for address, data in programs.items():
            self.nv.preload(address, data)
        if boot_words is not None:
            self.nv.preload(BOOT_WORDS, words(*boot_words))
        self.nv.preload(UICR_NRFFW, words(*uicr))
        self.board = Board(self.nv, seed=3, faults="guest")
        self.board.ram_write(LOG - 8, bytes(8))

    def run(self, ms: float = 3000) -> list[int]:
        """Runs until `done`; the logged words. AssertionError when it never comes."""
        end = self.board.clock.now_ns + int(ms * 1_000_000)
        self.board.run(end, stop=self.is_done)
        assert self.is_done(), f"pc 0x{self.board.cpu.get('pc'):08x}, log {self.log()}"
        return self.log()

    def is_done(self) -> bool:
        """The program came to `done`."""
        return struct.unpack("<I", self.board.ram_read(LOG - 8, 4))[0] == DONE

    def log(self) -> list[int]:
        """The words logged so far."""
        end = struct.unpack("<I", self.board.ram_read(LOG - 4, 4))[0]
        if not LOG <= end < LOG + 0x1000:
            return []
        count = (end - LOG) // 4
        return list(struct.unpack(f"<{count}I", self.board.ram_read(LOG, 4 * count)))

    def forget_log(self) -> None:
        """The next `done` will be a new one."""
        self.board.ram_write(LOG - 8, bytes(8))

    def power_cycle(self) -> None:
        """Off and on."""
        self.board.power_cycle()
        self.forget_log()

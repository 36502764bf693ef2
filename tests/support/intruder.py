# SPDX-License-Identifier: Apache-2.0
"""Small applications in assembly, packaged as a product's application is.

    hex_file = application(folder, "reset: b reset", base=0x1000)

`attacks` makes a program that tries accesses one after the other and counts, per
access, how often a BusFault answered it.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from intelhex import IntelHex

STACK = 0x2000_8000
RESULTS = 0x2000_9000  # one word per attack, then DONE
DONE = 0xD0D0_D0D0
READ_ONLY, WRITE, ERASE = 0, 1, 2  # NVMC.CONFIG: Ren, Wen, Een

_HEAD = """
.syntax unified
.cpu cortex-m4
.thumb
.text
"""
_START = """
reset:
    ldr r0, =0xE000ED24         // SHCSR: BUSFAULTENA
    ldr r1, =1 << 17
    str r1, [r0]
    ldr r5, =RESULTS
"""
_ATTACK = """
    ldr r6, =0x4001E400         // NVMC.READY; CONFIG is 0x104 behind it
    movs r7, #{config}
    str r7, [r6, #0x104]
    movs r7, #0
    ldr r4, =4 * {index}
    str r7, [r5, r4]
    ldr r0, =0x{address:08x}
    ldr r1, =0x{value:08x}
    {access}
1:  ldr r7, [r6]
    cmp r7, #0
    beq 1b
    b 2f
    .ltorg
2:
"""
_END = """
    ldr r6, =0x4001E504
    movs r7, #0
    str r7, [r6]
    ldr r4, =4 * {index}
    ldr r7, =0xD0D0D0D0
    str r7, [r5, r4]
    b .
bus_fault:
    ldr r2, [sp, #24]
    adds r2, #4                 // behind the access, which is a wide instruction
    str r2, [sp, #24]
    ldr r2, [r5, r4]
    adds r2, #1
    str r2, [r5, r4]
    bx lr
"""


@dataclass(frozen=True)
class Attack:
    """One access of the application: a word, with this NVMC mode."""

    name: str
    address: int
    value: int = 0
    config: int = READ_ONLY
    load: bool = False


def attacks(wanted: Sequence[Attack]) -> str:
    """The program's source."""
    parts = [f".equ RESULTS, {RESULTS:#x}", _START]
    for index, attack in enumerate(wanted):
        parts.append(
            _ATTACK.format(
                index=index,
                config=attack.config,
                address=attack.address,
                value=attack.value,
                access="ldr.w r1, [r0]" if attack.load else "str.w r1, [r0]",
            )
        )
    return "".join([*parts, _END.format(index=len(wanted))])


def results(ram: bytes, count: int) -> list[int] | None:
    """BusFaults per attack from the words at `RESULTS`; None before the end."""
    *counts, end = struct.unpack(f"<{count + 1}I", ram)
    return counts if end == DONE else None


def application(folder: Path, source: str, *, base: int = 0x1000) -> Path:
    """A HEX file: vector table (`reset`, `bus_fault` if there is one) and program."""
    vectors = [f".word {STACK:#x}", ".word reset"]
    has_handler = "bus_fault:" in source
    vectors += [
        ".word bus_fault" if has_handler and number == 5 else ".word unexpected"
        for number in range(2, 64)
    ]
    labels = ["reset", "unexpected", *(["bus_fault"] if has_handler else [])]
    text = [_HEAD, *vectors, *(f".type {label}, %function" for label in labels)]
    text += ["unexpected: b unexpected", source, ".ltorg", ""]
    path = folder / "intruder.s"
    path.write_text("\n".join(text))
    elf, binary = path.with_suffix(".elf"), path.with_suffix(".bin")
    link = ["arm-none-eabi-gcc", "-nostdlib", f"-Wl,-Ttext={base:#x},-ereset"]
    for command in (
        [*link, "-mcpu=cortex-m4", "-mthumb", str(path), "-o", str(elf)],
        ["arm-none-eabi-objcopy", "-O", "binary", str(elf), str(binary)],
    ):
        tool = subprocess.run(command, capture_output=True, text=True, check=False)
        assert tool.returncode == 0, tool.stderr
    image = IntelHex()
    image.frombytes(binary.read_bytes(), offset=base)
    hex_file = path.with_suffix(".hex")
    image.write_hex_file(str(hex_file))
    return hex_file

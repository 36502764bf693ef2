# SPDX-License-Identifier: Apache-2.0
"""Builds small Cortex-M4 programs with arm-none-eabi-gcc, for tests of the board.

    elf = assemble(tmp_path, "reset: movs r0, #1\\n b .", handlers={15: "tick"})
    elf = compile_c(tmp_path, [Path("main.c")])

The vector table is at 0; the stack starts at the end of RAM; every exception that
`handlers` does not name goes to `unexpected`, an endless loop.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

STACK_TOP = 0x2004_0000
_CPU = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")

_LINKER_SCRIPT = """
MEMORY {
    FLASH (rx) : ORIGIN = 0x0, LENGTH = 1M
    RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 256K
}
SECTIONS {
    .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(4); } > FLASH
    .ARM.exidx : { *(.ARM.exidx*) } > FLASH
    .init : { KEEP(*(.init_array*)) KEEP(*(.init)) KEEP(*(.fini)) } > FLASH
    __data_load = LOADADDR(.data);
    .data : { __data_start = .; *(.data*) *(.ramfunc*) . = ALIGN(4); __data_end = .; }
        > RAM AT > FLASH
    .bss (NOLOAD) : { __bss_start = .; *(.bss*) *(COMMON) . = ALIGN(4); __bss_end = .; }
        > RAM
    end = .;
    __stack_top = ORIGIN(RAM) + LENGTH(RAM);
}
"""


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{command[0]} failed:\n{done.stderr}")


def assemble(
    folder: Path,
    source: str,
    *,
    handlers: Mapping[int, str] | None = None,
    name: str = "program",
) -> Path:
    """An ELF file from Thumb assembly; execution starts at the label `reset`."""
    handlers = handlers or {}
    words = [f"    .word {STACK_TOP:#x}", "    .word reset"]
    for number in range(2, 64):
        words.append(f"    .word {handlers.get(number, 'unexpected')}")
    labels = {"reset", "unexpected", *handlers.values()}
    text = "\n".join(
        (
            ".syntax unified",
            ".cpu cortex-m4",
            ".fpu fpv4-sp-d16",
            ".thumb",
            '.section .vectors, "a"',
            *words,
            ".text",
            *(f".global {label}\n.type {label}, %function" for label in sorted(labels)),
            "unexpected: b unexpected",
            source,
            "",
        )
    )
    path = folder / f"{name}.s"
    path.write_text(text)
    return _link(folder, name, [path], ())


def compile_c(
    folder: Path,
    sources: Sequence[Path],
    *,
    name: str = "program",
    flags: Sequence[str] = ("-O2",),
) -> Path:
    """An ELF file from C sources; they bring their own vector table and start-up."""
    return _link(folder, name, sources, flags)


def _link(
    folder: Path, name: str, sources: Sequence[Path], flags: Sequence[str]
) -> Path:
    script = folder / f"{name}.ld"
    script.write_text(_LINKER_SCRIPT)
    elf = folder / f"{name}.elf"
    _run(
        [
            "arm-none-eabi-gcc",
            *_CPU,
            *flags,
            "-ffunction-sections",
            "-fdata-sections",
            "-nostartfiles",
            "--specs=nano.specs",
            "--specs=nosys.specs",
            "-Wl,--no-warn-rwx-segments",
            f"-Wl,-T,{script}",
            *sources,
            "-o",
            elf,
        ]
    )
    return elf

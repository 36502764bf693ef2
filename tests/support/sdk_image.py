# SPDX-License-Identifier: Apache-2.0
"""Builds the programs of tests/vboard/programs/mbr: boot record, bootloader and
application in the manner of a vendor's SDK.

code = image("sdk_bootloader", base=0xF6000, identity=1)
"""

from __future__ import annotations

import functools
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "vboard" / "programs" / "mbr"
CPU = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")


@functools.cache
def image(
    name: str, *, base: int, identity: int = 0, defines: tuple[str, ...] = ()
) -> bytes:
    """The bytes of a program of programs/mbr, linked at `base`."""
    sources = [SOURCES / f"{name}.c"]
    if name.startswith("sdk_"):
        sources.append(SOURCES / "sdk_startup.c")
    with tempfile.TemporaryDirectory() as folder:
        elf, binary = Path(folder) / "x.elf", Path(folder) / "x.bin"
        command = ["arm-none-eabi-gcc", *CPU, "-O2", "-ffp-contract=off"]
        command += ["-ffreestanding", "-nostartfiles", "--specs=nano.specs"]
        command += ["--param=min-pagesize=0"]
        command += ["-Wall", "-Wextra", "-Werror", f"-DIDENTITY={identity}u"]
        command += [f"-D{define}" for define in defines]
        command += [f"-Wl,--defsym=BASE={base:#x}", f"-Wl,-T,{SOURCES / 'image.ld'}"]
        command += [*map(str, sources), "-o", str(elf)]
        _run(command)
        _run(["arm-none-eabi-objcopy", "-O", "binary", str(elf), str(binary)])
        return binary.read_bytes()


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

# SPDX-License-Identifier: Apache-2.0
"""The chip drivers in a bare program on the virtual board, doing jobs for a test."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from support.asm import compile_c
from support.firmware import ROOT, build_dir
from vboard import Board, NvMemory, load_files

BENCH = Path(__file__).parent / "drivers"
CHIP = ROOT / "bootloader/lib/nrf52840"
PORTS = ROOT / "bootloader/ports/nrf52840"
COMMON = ("startup.c", "small_string.c")
JOB = struct.Struct("<5I16s16s32siI")
BUFFER = 0x2002_0000


@dataclass(frozen=True)
class Result:
    """What a job left."""

    result: int
    iv: bytes
    digest: bytes


def build_bench(
    folder: Path, bench: str, sources: list[Path], *, flags: Sequence[str] = ()
) -> Path:
    """The ELF of a program of `drivers/` with the drivers it needs."""
    includes = (CHIP, PORTS, BENCH, ROOT / "bootloader/src")
    includes += (ROOT / "bootloader/include", build_dir() / "generated")
    common = [BENCH / "bench.c", *(CHIP / name for name in COMMON)]
    return compile_c(
        folder,
        [BENCH / bench, *common, *sources],
        flags=["-Os", "-ffreestanding", *(f"-I{path}" for path in includes), *flags],
    )


class DriverRig:
    """Such a program on a board, waiting for jobs."""

    def __init__(self, elf: Path) -> None:
        with elf.open("rb") as stream:
            symbols = ELFFile(stream).get_section_by_name(".symtab")
            self.job = symbols.get_symbol_by_name("job")[0]["st_value"]
        self.nv = NvMemory(seed=5)
        load_files(self.nv, [elf])
        self.board = Board(self.nv, seed=5)
        self.board.run(self.board.clock.now_ns + 20_000_000)

    def start(
        self,
        operation: int,
        *,
        source: int = 0,
        destination: int = 0,
        size: int = 0,
        step: int = 0,
        key: bytes = bytes(16),
        iv: bytes = bytes(16),
    ) -> None:
        """Hands a job over; the program takes it with the next event."""
        data = JOB.pack(
            operation, source, destination, size, step, key, iv, bytes(32), 0, 0
        )
        self.board.ram_write(self.job, data)
        self.board.core.exceptions.event = True

    def finish(self, *, ms: int = 5000) -> Result:
        """Runs until the job is done."""
        end = self.board.clock.now_ns + ms * 1_000_000
        self.board.run(end, stop=self.is_done)
        assert self.is_done(), f"job not done, pc 0x{self.board.cpu.get('pc'):08x}"
        data = JOB.unpack(self.board.ram_read(self.job, JOB.size))
        return Result(result=data[8], iv=data[6], digest=data[7])

    def is_done(self) -> bool:
        """The program finished its job."""
        return self.board.ram_read(self.job + JOB.size - 4, 1) == b"\1"

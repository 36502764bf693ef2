# SPDX-License-Identifier: Apache-2.0
"""How long `west ota-package` takes beside `west --version`.

    .venv/bin/python tests/bench/bench_package.py [--runs N]

Packs a linked-like ELF of 950 KB; both commands run in turn, so that what else
the machine does hits both. Prints the median times, the time allowed (1.5 times
`west --version` plus 60 ms) and the largest resident memory (80 MB allowed).
Exits with 1 when a limit is passed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.elf_builder import Elf, Section  # noqa: E402

SIZE = 950 * 1024
ALLOWED_FACTOR, ALLOWED_EXTRA_S = 1.5, 0.060
ALLOWED_MEMORY_KB = 80 * 1024
WEST = str(Path(sys.executable).with_name("west"))


def measure(*command: str) -> tuple[float, int]:
    """(seconds, largest resident memory in KB) of one run."""
    start = time.perf_counter()
    pid = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return seconds, usage.ru_maxrss


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="runs of each command")
    runs = parser.parse_args().runs
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        elf = Path(folder) / "app.elf"
        text = os.urandom(SIZE - 4096)
        sections = (
            Section(".text", 0x1000, len(text), data=text),
            Section(".data", 0x1000 + len(text), 4096, vma=0x20000008),
        )
        elf.write_bytes(Elf(sections).build())
        package = (WEST, "ota-package", "--elf-file", str(elf), "-A", "1")
        package += ("-u", "https://example.com/ota.ebin", "-o", folder)
        measure(*package)  # fills caches
        pairs = [(measure(WEST, "--version"), measure(*package)) for _ in range(runs)]
    version_s = statistics.median(version[0] for version, _ in pairs)
    package_s = statistics.median(packed[0] for _, packed in pairs)
    memory_kb = max(packed[1] for _, packed in pairs)
    allowed_s = ALLOWED_FACTOR * version_s + ALLOWED_EXTRA_S
    print(f"ELF of {SIZE // 1024} KB, median of {runs} runs")
    print(f"west --version    {version_s * 1000:6.0f} ms")
    allowed = f"{allowed_s * 1000:.0f} allowed"
    print(f"west ota-package  {package_s * 1000:6.0f} ms  ({allowed})")
    print(f"memory            {memory_kb / 1024:6.1f} MB  (80 allowed)")
    return int(package_s > allowed_s or memory_kb > ALLOWED_MEMORY_KB)


if __name__ == "__main__":
    raise SystemExit(main())

# SPDX-License-Identifier: Apache-2.0
"""What the update client costs a product: flash, RAM, stack.

    .venv/bin/python tests/bench/bench_client.py

Links the client with all that it calls, and nothing else, for a Cortex-M4 (-Os) and
prints the bytes of code and constants with the C library's share, the bytes of each
struct that the product owns, and the largest stack frames.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LISTS = f"""\
cmake_minimum_required(VERSION 3.20)
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
project(cost C)
add_executable(cost main.c)
set(chip -mcpu=cortex-m4 -mthumb)
target_compile_options(cost PRIVATE ${{chip}} -Os -ffunction-sections
    -fdata-sections -fstack-usage)
target_link_options(cost PRIVATE ${{chip}} --specs=nano.specs -nostartfiles
    -Wl,--gc-sections -Wl,-e,start)
include("{ROOT}/cmake/ota.cmake")
ota_update_client(cost)
"""
MAIN = """\
#include "update_client.h"
struct update_client client;
struct sim7600_mqtt mqtt;
struct sim7600 modem;
struct at at;
void start(const struct update_client_config *config);
void start(const struct update_client_config *config)
{
    at_init(&at, 0, 0, 0, 0);
    sim7600_init(&modem, &at, 115200, 0);
    sim7600_mqtt_init(&mqtt, &modem);
    update_client_init(&client, config);
    for (;;) {
        update_client_step(&client);
    }
}
"""


def run(*command: str, cwd: Path) -> str:
    """A tool's output; stops with what it said when it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def main() -> int:
    """Builds and prints."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "CMakeLists.txt").write_text(LISTS)
        (folder / "main.c").write_text(MAIN)
        run("cmake", "-S", ".", "-B", "b", "-G", "Ninja", cwd=folder)
        run("cmake", "--build", "b", cwd=folder)
        size = run("arm-none-eabi-size", "b/cost", cwd=folder).splitlines()[1]
        print(f"flash: {int(size.split()[0]) + int(size.split()[1])} bytes")
        symbols = run("arm-none-eabi-nm", "-S", "b/cost", cwd=folder)
        total = 0
        for found in re.finditer(r"^\w+ (\w+) [BbDd] (\w+)$", symbols, re.M):
            total += int(found[1], 16)
            print(f"RAM: {int(found[1], 16):6} bytes {found[2]}")
        print(f"RAM: {total:6} bytes together")
        frames = [
            (int(line.split("\t")[1]), line.split("\t")[0].split(":")[-1])
            for path in (folder / "b").rglob("*.su")
            for line in path.read_text().splitlines()
        ]
        for frame, function in sorted(frames, reverse=True)[:3]:
            print(f"stack: {frame:4} bytes in {function}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""How much of what the line allows staging uses, against the emulated modem.

    python tests/bench/bench_stage.py [--size 65536] [--baud 115200] [--rounds 1]

`python -m vboard modem` sits on a pseudo-terminal paced at the baud rate; this is
wall time. Allowed: with RTS/CTS the baud rate itself; without, the pacing rule of
256 bytes on the wire and then 50 ms (or 10 ms) of silence. At least 95 % is the aim.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nrfota.serial_link import SerialLink
from nrfota.stage import BLOCK, GAPS_S, StageOptions, stage

AIM = 0.95
PROFILES: dict[str, StageOptions] = {
    "safe pace": StageOptions(pace="safe"),
    "fast pace": StageOptions(pace="fast"),
    "RTS/CTS": StageOptions(flow_control=True),
}


def allowed_s(options: StageOptions, *, size: int, baud: int) -> float:
    """Least seconds that an upload can take under this profile's rule."""
    wire_s = size * 10 / baud
    if options.flow_control:
        return wire_s
    return wire_s + -(-size // BLOCK) * GAPS_S[options.pace][0]


def measure(port: Path, options: StageOptions, *, data: bytes, baud: int) -> None:
    """Stages once and prints the line."""
    with SerialLink(str(port), baud=baud) as link:
        staged = stage(data, link, name="bench.ebin", options=options)
    allowed = allowed_s(options, size=len(data), baud=baud)
    read_allowed = len(data) * 10 / baud
    share = allowed / staged.upload_s
    name = next(name for name, value in PROFILES.items() if value == options)
    print(
        f"{name:10} {baud:7} baud  upload {staged.upload_s:7.2f} s "
        f"({len(data) / staged.upload_s / 1000:6.2f} kB/s), allowed {allowed:7.2f} s: "
        f"{100 * share:5.1f} %{'' if share >= AIM else '  BELOW THE AIM'}   "
        f"read back {100 * read_allowed / staged.verify_s:5.1f} % of the baud rate",
        flush=True,
    )


def main() -> int:
    """Runs every profile at one baud rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=65536, help="bytes to stage")
    parser.add_argument("--baud", type=int, default=115200, help="pace of the port")
    parser.add_argument("--rounds", type=int, default=1, help="measurements of each")
    args = parser.parse_args()
    data = random.Random(1).randbytes(args.size)
    with tempfile.TemporaryDirectory() as folder:
        port = Path(folder) / "modem"
        modem = subprocess.Popen(
            [
                *(sys.executable, "-m", "vboard", "modem"),
                *("--storage", str(Path(folder) / "storage"), "--link", str(port)),
                *("--pace", str(args.baud)),
            ],
            stdout=subprocess.DEVNULL,
        )
        try:
            while not port.exists() and modem.poll() is None:
                time.sleep(0.05)
            for _ in range(args.rounds):
                for options in PROFILES.values():
                    measure(port, options, data=data, baud=args.baud)
        finally:
            modem.terminate()
            modem.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

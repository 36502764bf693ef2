# SPDX-License-Identifier: Apache-2.0
"""How much of what the line allows staging uses, against the emulated modem.

    python tests/bench/bench_stage.py [--baud 115200] [--seconds 6] [--rounds 1]

`python -m vboard modem` sits on a pseudo-terminal paced at the baud rate; this is
wall time. Allowed: with RTS/CTS the baud rate itself; without, the pacing rule of
256 bytes on the wire and then 50 ms (or 10 ms) of silence, at most 8 kB/s. The file
is as large as the line allows in `--seconds`. Reading back may use what the modem's
own block headers leave of the baud rate. At least 95 % is the aim.
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
from nrfota.stage import BLOCK, StageOptions, paced, stage

AIM = 0.95
LONG_S = 2.0
# CFTRANTX puts a line before each block of 512 bytes, and an empty one after it.
READ_BACK_SHARE = 512 / (512 + len("\r\n+CFTRANTX: DATA,512\r\n" + "\r\n"))
PROFILES: dict[str, StageOptions] = {
    "safe pace": StageOptions(pace="safe"),
    "fast pace": StageOptions(pace="fast"),
    "RTS/CTS": StageOptions(flow_control=True),
}


def allowed_rate(options: StageOptions, *, baud: int) -> float:
    """Most bytes per second that an upload can do under this profile's rule."""
    if options.flow_control:
        return baud / 10
    return BLOCK / (BLOCK * 10 / baud + paced(options.pace, baud=baud).gap_s)


def measure(port: Path, name: str, *, seconds: float, baud: int) -> bool:
    """Stages once and prints the line; whether it reached the aim."""
    options = PROFILES[name]
    rate = allowed_rate(options, baud=baud)
    data = random.Random(1).randbytes(int(seconds * rate))
    with SerialLink(str(port), baud=baud) as link:
        staged = stage(data, link, name="bench.ebin", options=options)
    upload = len(data) / staged.upload_s / rate
    read_back = len(data) / staged.verify_s * 10 / baud / READ_BACK_SHARE
    # One command's latency is no matter of the line.
    judged = [upload, read_back] if staged.verify_s > LONG_S else [upload]
    good = staged.attempts == 1 and min(judged) >= AIM
    print(
        f"{name:10} {baud:7} baud  {len(data):7} bytes  "
        f"upload {staged.upload_s:6.2f} s, {len(data) / staged.upload_s / 1000:6.2f} "
        f"of {rate / 1000:6.2f} kB/s: {100 * upload:5.1f} %  "
        f"read back {100 * read_back:5.1f} %"
        f"{'' if staged.attempts == 1 else f'  {staged.attempts} ATTEMPTS'}"
        f"{'' if good else '  BELOW THE AIM'}",
        flush=True,
    )
    return good


def main() -> int:
    """Runs every profile at one baud rate; 1 when one stays below the aim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each upload")
    parser.add_argument("--baud", type=int, default=115200, help="pace of the port")
    parser.add_argument("--rounds", type=int, default=1, help="measurements of each")
    args = parser.parse_args()
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
            results = [
                measure(port, name, seconds=args.seconds, baud=args.baud)
                for _ in range(args.rounds)
                for name in PROFILES
            ]
        finally:
            modem.terminate()
            modem.wait()
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())

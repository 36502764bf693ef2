# SPDX-License-Identifier: Apache-2.0
"""`python -m vboard modem`: a SIM7600E on a pseudo-terminal."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import time
from pathlib import Path

from vboard.clock import Clock
from vboard.errors import VboardError
from vboard.modem.background import spawn
from vboard.modem.faults import FaultPlan
from vboard.modem.profile import ModemProfile, load_profile
from vboard.modem.pty_port import Link, PtyPort
from vboard.modem.sim7600 import Sim7600
from vboard.modem.storage import Storage

_EPILOG = """\
A fault plan is KIND:key=value,key=value;KIND:... with the kinds and keys of
vboard/modem/faults.py, for example "stall:command=CFTRANTX,nth=7,ms=5000".
A profile is a JSON file of knobs or knob=value,knob=value, with the knobs of
vboard/modem/profile.py, for example "has_E=false,overwrite=error".
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python -m vboard modem",
        description="A SIM7600E on a pseudo-terminal, until SIGINT or SIGTERM.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add(
        "--storage",
        metavar="DIR",
        type=Path,
        required=True,
        help="drives and certificates",
    )
    add("--profile", metavar="FILE|KNOBS", default="", help="what this modem is like")
    add("--faults", metavar="PLAN", default="", help="what goes wrong, and when")
    add("--pace", metavar="BAUD", type=int, help="pace both directions at this rate")
    add(
        "--strict-baud",
        action="store_true",
        help="with --pace: noise when the client's rate is not the modem's",
    )
    add("--link", metavar="PATH", type=Path, help="symbolic link to the terminal")
    add("--seed", metavar="N", type=int, default=0, help="seed of the latencies")
    add("--boot", action="store_true", help="start with a power-on, not ready")
    add("--trace", action="store_true", help="print commands and replies to stderr")
    return result


def main(argv: list[str]) -> int:
    """Runs the modem; exit status 0 after a signal, 2 for a bad argument."""
    args = parser().parse_args(argv)
    try:
        profile = load_profile(args.profile) if args.profile else ModemProfile()
        if args.pace is not None:
            if args.pace not in profile.rates:
                raise VboardError(
                    f"--pace: expected a rate of the modem "
                    f"({', '.join(map(str, profile.rates))}), got {args.pace}"
                )
            profile = dataclasses.replace(profile, baud=args.pace)
        profile = dataclasses.replace(profile, network_time=int(time.time()))
        if args.strict_baud and args.pace is None:
            raise VboardError("--strict-baud: expected --pace BAUD with it")
        faults = FaultPlan.parse(args.faults)
        storage = _storage(args.storage)
    except VboardError as error:
        print(f"vboard modem: {error}", file=sys.stderr)
        return 2
    clock = Clock()
    modem = Sim7600(
        clock,
        storage,
        profile=profile,
        faults=faults,
        seed=args.seed,
        trace=_trace if args.trace else None,
    )
    return _serve(modem, clock, args)


def _storage(folder: Path) -> Storage:
    try:
        return Storage(folder)
    except OSError as error:
        raise VboardError(
            f"--storage: expected a folder that can be made, got '{folder}' "
            f"({error.strerror})"
        ) from None


def _serve(modem: Sim7600, clock: Clock, args: argparse.Namespace) -> int:
    port = PtyPort(
        modem,
        clock,
        paced=args.pace is not None,
        strict_baud=args.strict_baud,
    )
    link = None
    try:
        if args.link is not None:
            link = Link(args.link, port.path)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: port.stop())
        if args.boot:
            modem.power_on()
        else:
            modem.start_ready()
        if args.pace is not None:
            modem.port.baud = args.pace
        print(f"modem on {port.path}", flush=True)
        modem.spawn = spawn
        port.run()
    except OSError as error:
        print(f"vboard modem: {error}", file=sys.stderr)
        return 2
    finally:
        if link is not None:
            link.remove()
        port.close()
    for fault in modem.faults.faults:
        print(f"fault {type(fault).__name__} fired {fault.fired}", file=sys.stderr)
    return 0


def _trace(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

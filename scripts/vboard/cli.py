# SPDX-License-Identifier: Apache-2.0
"""The command line of `python -m vboard run` (and of `west ota-sim`)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vboard.errors import VboardError

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


def _uart(text: str) -> tuple[int, str]:
    number, separator, target = text.partition("=")
    if number not in {"0", "1"} or not separator or not target:
        raise argparse.ArgumentTypeError(
            f"expected N=TARGET with N 0 or 1 and TARGET '-', 'pty' or a file, "
            f"got {text!r}"
        )
    return int(number), target


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a run to `parser`."""
    add = parser.add_argument
    add(
        "--load",
        metavar="FILE",
        type=Path,
        action="append",
        required=True,
        help="ELF or Intel HEX file for flash and UICR; may be given several times",
    )
    add(
        "--uart",
        metavar="N=TARGET",
        type=_uart,
        action="append",
        default=[],
        help="show UART N (0 or 1) on '-' (standard output), in a file, or on a "
        "pseudo-terminal ('pty')",
    )
    add("--rtt", metavar="TARGET", help="show SEGGER RTT on '-' or in a file")
    add("--modem", metavar="DIR", type=Path, help="a SIM7600E with this storage")
    add(
        "--modem-uart",
        metavar="N",
        type=int,
        choices=(0, 1),
        default=1,
        help="UART of the modem (default 1)",
    )
    add(
        "--modem-pwrkey",
        metavar="PORT.PIN",
        help="pin that presses the modem's PWRKEY while it is high, like 1.03",
    )
    add(
        "--modem-profile",
        metavar="FILE|KNOBS",
        default="",
        help="what this modem is like, as in: python -m vboard modem --help",
    )
    add(
        "--modem-faults",
        metavar="PLAN",
        default="",
        help="what goes wrong in the modem, and when (the same)",
    )
    add(
        "--until",
        metavar="TEXT",
        help="end with status 0 when TEXT appears in a shown output (in any output "
        "when none is shown)",
    )
    add(
        "--max-time",
        metavar="S",
        type=float,
        default=60.0,
        help="simulated seconds to run at most (default 60; inf: until Ctrl-C)",
    )
    add(
        "--pace",
        metavar="K",
        type=float,
        help="simulated time runs at most K times as fast as real time; 1 for servers "
        "and people that the firmware talks to (a pseudo-terminal implies 1)",
    )
    add(
        "--trace",
        choices=("regs", "at", "flash"),
        action="append",
        default=[],
        help="print register accesses, modem traffic, flash operations",
    )
    add("--seed", metavar="N", type=int, default=0, help="seed of every random choice")
    add(
        "--faults",
        choices=("strict", "guest"),
        default="strict",
        help="what a bus error does: end the run (strict) or raise the exception that "
        "the chip raises (guest)",
    )
    add(
        "--allow",
        metavar="BLOCK",
        action="append",
        default=[],
        help="let firmware use a block that is not modelled, like NFCT: it reads as 0 "
        "and ignores stores; may be given several times",
    )


def run_from_args(args: argparse.Namespace) -> int:
    """Runs what the options say: 0 found, 1 not found or broken rule, 2 usage."""
    try:
        from vboard.run import RunOptions, run
    except ImportError as error:
        print(
            f"vboard: {error.name} is missing; install the 'sim' extra of nrfota",
            file=sys.stderr,
        )
        return EXIT_FAILED
    try:
        options = RunOptions(
            load=tuple(args.load),
            uarts=dict(args.uart),
            rtt=args.rtt,
            modem=args.modem,
            modem_uart=args.modem_uart,
            modem_pwrkey=args.modem_pwrkey,
            modem_profile=args.modem_profile,
            modem_faults=args.modem_faults,
            until=args.until,
            max_time_s=args.max_time,
            trace=frozenset(args.trace),
            seed=args.seed,
            faults=args.faults,
            allow=tuple(args.allow),
            pace=args.pace,
        )
        return run(options)
    except VboardError as error:
        print(f"vboard: {error}", file=sys.stderr)
        return EXIT_USAGE


def main(argv: list[str]) -> int:
    """`run` and its options."""
    parser = argparse.ArgumentParser(
        prog="python -m vboard run",
        description="Runs nRF52840 firmware on the virtual board.",
    )
    add_run_arguments(parser)
    return run_from_args(parser.parse_args(argv))

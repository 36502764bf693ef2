# SPDX-License-Identifier: Apache-2.0
"""`west ota-sim`: runs any nRF52840 firmware on the virtual board."""

from __future__ import annotations

import argparse

from nrfota.cli import Config

HELP = "run nRF52840 firmware on the virtual board"
DESCRIPTION = (
    "Runs any nRF52840 hex or ELF on the virtual board: CPU, peripherals and, "
    "with --modem, a SIM7600E on a UART."
)


def add_arguments(parser: argparse.ArgumentParser, config: Config) -> None:
    """Adds the virtual board's own options."""
    from vboard.cli import add_run_arguments

    add_run_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Hands the options to the virtual board."""
    from vboard.cli import run_from_args

    return run_from_args(args)

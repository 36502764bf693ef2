# SPDX-License-Identifier: Apache-2.0
"""Options of the commands that talk to a modem over a serial port."""

from __future__ import annotations

import argparse
from argparse import _ActionsContainer
from typing import TYPE_CHECKING

from nrfota.cli import Config

if TYPE_CHECKING:
    from nrfota.at import Link


def add_modem_port(parser: _ActionsContainer, config: Config) -> None:
    """`--port`, `--flow-control` and `--pace`."""
    parser.add_argument(
        "--port",
        metavar="TTY",
        default=config.get("port"),
        help="serial port that is wired to the modem",
    )
    parser.add_argument(
        "--flow-control", action="store_true", help="RTS and CTS are wired"
    )
    parser.add_argument(
        "--pace",
        default="safe",
        help="without RTS/CTS: safe (50 ms per 256 bytes) or fast (10 ms at first)",
    )


def modem_port(args: argparse.Namespace) -> Link:
    """The serial port that is wired to the modem."""
    from nrfota.board import load_board
    from nrfota.build import board_path
    from nrfota.errors import UsageError
    from nrfota.serial_link import SerialLink

    if not args.port:
        raise UsageError(
            "expected --port, the serial port that is wired to the modem, "
            "like /dev/ttyUSB0"
        )
    board = load_board(board_path(args.board))
    return SerialLink(args.port, baud=board.modem.baud)

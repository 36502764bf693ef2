# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share: one name, one default, one place."""

from __future__ import annotations

from argparse import _ActionsContainer
from pathlib import Path

from nrfota import DEFAULT_BOARD
from nrfota.cli import Config


def add_build_dir(
    parser: _ActionsContainer, config: Config, *, purpose: str = "build directory"
) -> None:
    """`-d/--build-dir`; `purpose` is what the command does with it."""
    parser.add_argument(
        "-d",
        "--build-dir",
        metavar="DIR",
        type=Path,
        default=Path(config.get("build-dir", "build")),
        help=f"{purpose} (%(default)s)",
    )


def add_board(parser: _ActionsContainer, config: Config) -> None:
    """`-b/--board`."""
    parser.add_argument(
        "-b",
        "--board",
        default=config.get("board", DEFAULT_BOARD),
        help="a name in templates/boards or a .yml file (%(default)s)",
    )


def add_cloud(parser: _ActionsContainer, config: Config, *, purpose: str) -> None:
    """`--cloud`; `purpose` is what the command does with the fleet's cloud file."""
    given = config.get("cloud")
    parser.add_argument(
        "--cloud",
        metavar="YML",
        type=Path,
        default=Path(given) if given else None,
        help=f"{purpose}; samples are in templates/cloud",
    )

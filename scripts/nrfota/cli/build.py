# SPDX-License-Identifier: Apache-2.0
"""`west ota-build`: boot record, bootloader and application."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nrfota.cli import Config
from nrfota.cli.options import add_board, add_build_dir, add_cloud

HELP = "build boot record, bootloader and sample application"
DESCRIPTION = (
    "Renders linker fragments and headers from the memory layout, builds the three "
    "images with CMake, Ninja and arm-none-eabi-gcc, prints what each takes of flash, "
    "RAM and stack, and fails when one is over its limit."
)


def add_arguments(parser: argparse.ArgumentParser, config: Config) -> None:
    """Adds the options."""
    add_build_dir(parser, config, purpose="where everything goes")
    add_board(parser, config)
    parser.add_argument(
        "-A",
        "--app-version",
        metavar="N",
        help="version that the application reports, 0 to 4294967295 (1)",
    )
    layout = config.get("layout")
    parser.add_argument(
        "--layout",
        metavar="YML",
        type=Path,
        default=Path(layout) if layout else None,
        help="memory layout (the project's templates/layout.yml)",
    )
    cloud = parser.add_mutually_exclusive_group()
    add_cloud(cloud, config, purpose="build the application of this fleet")
    cloud.add_argument(
        "--no-cloud",
        dest="cloud",
        action="store_const",
        const=None,
        help="build the standalone sample, whatever west config says",
    )
    parser.add_argument(
        "--cmake-arg",
        metavar="ARG",
        action="append",
        default=[],
        help="an argument for CMake, for example --cmake-arg=-DAPP_CONFIRM=OFF",
    )
    parser.add_argument(
        "--stack", action="store_true", help="print the stack frame of every function"
    )
    parser.add_argument(
        "--map", action="store_true", help="print the memory map as well"
    )


def run(args: argparse.Namespace) -> int:
    """Builds and prints the table."""
    from nrfota import size
    from nrfota.build import BuildRequest, build

    result = build(
        BuildRequest(
            build_dir=args.build_dir,
            board=args.board,
            layout=args.layout,
            app_version=_version(args.app_version),
            cloud=args.cloud,
            cmake_args=tuple(args.cmake_arg),
        ),
        on_note=lambda text: print(f"note: {text}", file=sys.stderr),
    )
    print("\n".join(size.table(result.images, result.layout)))
    if args.stack:
        for image in result.images:
            print("\n".join(size.stack_lines(image)))
    if args.map:
        print(result.memory_map.read_text(), end="")
    return 0


def _version(text: str | None) -> int | None:
    from nrfota.errors import UsageError

    if text is None:
        return None
    if not text.isdecimal():
        raise UsageError(f"expected a version from 0 to 4294967295, got '{text}'")
    return int(text)

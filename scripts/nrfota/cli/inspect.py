# SPDX-License-Identifier: Apache-2.0
"""`west ota-inspect`: shows and verifies any file of an update."""

from __future__ import annotations

import argparse
from pathlib import Path

from nrfota.cli import Config

HELP = "show and verify a file of an update"
DESCRIPTION = (
    "Shows ota.ebin, ota.json, fw_info as hex digits, factory.hex, a HEX or ELF file "
    "or a flash dump (also the virtual board's nv.bin), and verifies what can be "
    "verified. Exit code 3 when something "
    "does not verify."
)
NOT_VERIFIED = 3


def add_arguments(parser: argparse.ArgumentParser, config: Config) -> None:
    """Adds the options."""
    layout = config.get("layout")
    parser.add_argument("file", metavar="FILE", type=Path, help="the file")
    parser.add_argument(
        "--ota-json",
        metavar="FILE",
        type=Path,
        help="the ota.json that belongs to FILE: decrypts and compares",
    )
    parser.add_argument(
        "--layout",
        metavar="YML",
        type=Path,
        default=Path(layout) if layout else None,
        help="memory layout (the project's templates/layout.yml)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    parser.add_argument(
        "--show-secrets", action="store_true", help="show AES keys and IVs"
    )


def run(args: argparse.Namespace) -> int:
    """Prints the report; returns 3 when a check failed."""
    from nrfota.inspect import Context, inspect
    from nrfota.layout import default_layout_path, load_layout
    from nrfota.ota_json import OtaJson
    from nrfota.outputs import read_input

    layout = load_layout(args.layout or default_layout_path())
    trusted = OtaJson.unpack(read_input(args.ota_json)) if args.ota_json else None
    context = Context(
        layout=layout,
        trusted=trusted,
        secrets=args.show_secrets,
        source=str(args.file),
    )
    report = inspect(read_input(args.file), context=context)
    if args.json:
        import json

        print(json.dumps(report.as_json(), indent=2))
    else:
        from nrfota.inspect_text import to_text

        print(to_text(report), end="")
    return 0 if report.ok else NOT_VERIFIED

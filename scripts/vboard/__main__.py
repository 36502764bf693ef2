# SPDX-License-Identifier: Apache-2.0
"""`python -m vboard run ...` and `python -m vboard modem ...`."""

from __future__ import annotations

import sys

USAGE = """\
usage: python -m vboard run ...     run nRF52840 firmware on the virtual board
       python -m vboard modem ...   a SIM7600E on a pseudo-terminal
"""


def main(argv: list[str]) -> int:
    """Dispatches to the command; its modules are loaded only then."""
    command, arguments = (argv[0], argv[1:]) if argv else ("", [])
    if command == "run":
        from vboard.cli import main as run

        return run(arguments)
    if command == "modem":
        from vboard.modem.cli import main as modem

        return modem(arguments)
    if command in {"-h", "--help"}:
        print(USAGE, end="")
        return 0
    print(USAGE, end="", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

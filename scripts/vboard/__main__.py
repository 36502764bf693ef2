# SPDX-License-Identifier: Apache-2.0
"""`python -m vboard <tool> …`: the tools of the virtual board."""

from __future__ import annotations

import sys


def main(argv: list[str]) -> int:
    """Runs a tool; exit status 2 when there is none of that name."""
    if argv[:1] == ["modem"]:
        from vboard.modem import cli

        return cli.main(argv[1:])
    print("usage: python -m vboard modem --storage DIR …", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

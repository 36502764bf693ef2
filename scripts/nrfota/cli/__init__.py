# SPDX-License-Identifier: Apache-2.0
"""The commands: parse, call one library function, print.

Rule 1: one module per command, `nrfota.cli.<name>`, with

    HELP         one line
    DESCRIPTION  the paragraph of `--help`
    add_arguments(parser, config)   adds options; `config` maps the keys of the
                                    `[ota]` section of `west config` to text
    run(args) -> int                does it and returns the exit code

Rule 2: modules import nothing heavy at their top; `run` imports what it needs.
Rule 3: expected failures are raised as `OtaError`; `execute` prints the sentence
        on stderr and turns it into the exit code. Only commands print.
Rule 4: a default comes from the command line, else `west config`, else the build
        directory, else a constant; key material is never an argument's value.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping
from typing import Protocol, cast

# Command name -> module. `west ota-NAME` and `python -m nrfota NAME` share it.
COMMANDS: dict[str, str] = {
    "build": "nrfota.cli.build",
    "package": "nrfota.cli.package",
    "inspect": "nrfota.cli.inspect",
    "flash": "nrfota.cli.flash",
    "test": "nrfota.cli.test",
    "sim": "nrfota.cli.sim",
}

Config = Mapping[str, str]


class Command(Protocol):
    """What a command module offers."""

    HELP: str
    DESCRIPTION: str

    def add_arguments(self, parser: argparse.ArgumentParser, config: Config) -> None:
        """Adds the command's options."""

    def run(self, args: argparse.Namespace) -> int:
        """Runs the command; returns the exit code."""


def load(name: str) -> Command:
    """The command module called `name`."""
    return cast(Command, importlib.import_module(COMMANDS[name]))


def execute(command: Command, args: argparse.Namespace, *, prog: str) -> int:
    """Runs a command and maps expected failures to exit codes."""
    from nrfota.errors import OtaError

    try:
        return command.run(args)
    except OtaError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        print(
            f"{prog}: Python package '{error.name}' is missing; "
            "install the project with: pip install 'nrfota[sim]'",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        return 130


def main(argv: list[str] | None = None) -> int:
    """Entry of `python -m nrfota`."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m nrfota COMMAND [options]\n\ncommands:")
        for name in COMMANDS:
            print(f"  {name:10} {load(name).HELP}")
        return 0 if arguments else 2
    name = arguments[0].removeprefix("ota-")
    prog = f"nrfota {name}"
    if name not in COMMANDS:
        known = ", ".join(COMMANDS)
        print(f"nrfota: unknown command '{name}', expected one of {known}")
        return 2
    command = load(name)
    parser = argparse.ArgumentParser(prog=prog, description=command.DESCRIPTION)
    command.add_arguments(parser, {})
    return execute(command, parser.parse_args(arguments[1:]), prog=prog)

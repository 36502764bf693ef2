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
        on stderr and turns it into the exit code. Only commands print. A reader
        that goes away (`... | head`) ends a command quietly.
Rule 4: a default comes from the command line, else `west config`, else the build
        directory, else a constant; key material is never an argument's value.
"""

from __future__ import annotations

import argparse
import importlib
import os
import select
import sys
from collections.abc import Mapping
from typing import Protocol, cast

# Command name -> module. `west ota-NAME` and `python -m nrfota NAME` share it.
COMMANDS: dict[str, str] = {
    "build": "nrfota.cli.build",
    "package": "nrfota.cli.package",
    "inspect": "nrfota.cli.inspect",
    "flash": "nrfota.cli.flash",
    "certs": "nrfota.cli.certs",
    "test": "nrfota.cli.test",
    "sim": "nrfota.cli.sim",
    "publish": "nrfota.cli.publish",
    "cost": "nrfota.cli.cost",
}

# What the extra `cloud` brings; all others come with `sim`.
CLOUD_PACKAGES = ("paho", "boto", "google")

# As a shell reports a program that SIGPIPE ended.
READER_GONE = 128 + 13

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
        code = command.run(args)
        sys.stdout.flush()
        return code
    except OtaError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        extra = "cloud" if str(error.name).startswith(CLOUD_PACKAGES) else "sim"
        print(
            f"{prog}: Python package '{error.name}' is missing; "
            f"install the project with: pip install 'nrfota[{extra}]'",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _reader_gone():
            return READER_GONE
        print(f"{prog}: {_sentence(error)}", file=sys.stderr)
        return 1
    except UnicodeDecodeError as error:
        print(
            f"{prog}: expected {error.encoding} text, got byte "
            f"0x{error.object[error.start]:02x} at offset {error.start}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        return 130


def _reader_gone() -> bool:
    """Whether nobody reads standard output any more; what is left is dropped then."""
    try:
        output = sys.stdout.fileno()
        poll = select.poll()
    except (OSError, AttributeError):  # captured, or a system without poll
        return False
    poll.register(output, select.POLLOUT)
    if not any(events & select.POLLERR for _, events in poll.poll(0)):
        return False
    # Else the interpreter complains when it flushes at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


def _sentence(error: OSError) -> str:
    """What the system refused, and for which file."""
    names = [str(name) for name in (error.filename, error.filename2) if name]
    said = error.strerror or str(error)
    return f"cannot use '{names[-1]}': {said}" if names else f"failed: {said}"


def main(argv: list[str] | None = None) -> int:
    """Entry of `python -m nrfota`."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        out = sys.stdout if arguments else sys.stderr
        print("usage: python -m nrfota COMMAND [options]\n\ncommands:", file=out)
        for name in COMMANDS:
            print(f"  {name:10} {load(name).HELP}", file=out)
        return 0 if arguments else 2
    name = arguments[0].removeprefix("ota-")
    prog = f"nrfota {name}"
    if name not in COMMANDS:
        known = ", ".join(COMMANDS)
        print(
            f"nrfota: unknown command '{name}', expected one of {known}",
            file=sys.stderr,
        )
        return 2
    command = load(name)
    parser = argparse.ArgumentParser(prog=prog, description=command.DESCRIPTION)
    command.add_arguments(parser, {})
    return execute(command, parser.parse_args(arguments[1:]), prog=prog)

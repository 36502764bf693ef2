# SPDX-License-Identifier: Apache-2.0
"""The West commands: each is a name; the work is in `nrfota.cli.<name>`.

West loads this file once per command and does not put it into `sys.modules`, so
it stays stateless and defines no exceptions or dataclasses.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from west.commands import WestCommand
from west.configuration import Configuration

try:
    from nrfota import cli
except ModuleNotFoundError:  # west runs outside the environment of setup.sh
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    from nrfota import cli


class _OtaCommand(WestCommand):
    """`west ota-NAME`."""

    command = ""

    def __init__(self) -> None:
        super().__init__(f"ota-{self.command}", "", "")

    def do_add_parser(self, parser_adder: Any) -> argparse.ArgumentParser:
        module = cli.load(self.command)
        self.description = module.DESCRIPTION
        parser: argparse.ArgumentParser = parser_adder.add_parser(
            self.name, help=module.HELP, description=module.DESCRIPTION
        )
        # `self.config` exists only in `run`; defaults are needed here.
        config = {
            key.removeprefix("ota."): str(value)
            for key, value in Configuration().items()
            if key.startswith("ota.")
        }
        module.add_arguments(parser, config)
        return parser

    def do_run(self, args: argparse.Namespace, unknown: list[str]) -> None:
        module = cli.load(self.command)
        code = cli.execute(module, args, prog=f"west {self.name}")
        if code:
            raise SystemExit(code)


class OtaBuild(_OtaCommand):
    """`west ota-build`."""

    command = "build"


class OtaPackage(_OtaCommand):
    """`west ota-package`."""

    command = "package"


class OtaInspect(_OtaCommand):
    """`west ota-inspect`."""

    command = "inspect"


class OtaFlash(_OtaCommand):
    """`west ota-flash`."""

    command = "flash"


class OtaCerts(_OtaCommand):
    """`west ota-certs`."""

    command = "certs"


class OtaTest(_OtaCommand):
    """`west ota-test`."""

    command = "test"


class OtaPublish(_OtaCommand):
    """`west ota-publish`."""

    command = "publish"


class OtaSim(_OtaCommand):
    """`west ota-sim`."""

    command = "sim"


class OtaCost(_OtaCommand):
    """`west ota-cost`."""

    command = "cost"

# SPDX-License-Identifier: Apache-2.0
"""Runners: the tools that reach a board, behind one interface.

    runner = create("nrfjprog", options)
    runner.check()
    runner.provision(Path("factory.hex"), erase=Erase.TOUCHED)

The names are those of `west flash -r`; `nrfutil-dfu` is PyPI's nrfutil, for boards
that have nothing but Nordic's factory bootloader.
"""

from __future__ import annotations

import importlib
from typing import cast

from nrfota.errors import UsageError
from nrfota.runners.base import Capability, Erase, Runner, RunnerOptions

# Runner name -> module and class; a runner is imported when it is asked for.
RUNNERS: dict[str, tuple[str, str]] = {
    "pyocd": ("nrfota.runners.pyocd", "PyocdRunner"),
    "nrfutil": ("nrfota.runners.nrfutil", "NrfutilRunner"),
    "nrfutil-dfu": ("nrfota.runners.nrfutil_dfu", "NrfutilDfuRunner"),
    "nrfjprog": ("nrfota.runners.nrfjprog", "NrfjprogRunner"),
    "openocd": ("nrfota.runners.openocd", "OpenocdRunner"),
    "sim": ("nrfota.runners.sim", "SimRunner"),
}


def create(name: str, options: RunnerOptions) -> Runner:
    """The runner called `name`; `UsageError` when there is none."""
    if name not in RUNNERS:
        raise UsageError(f"expected a runner from {', '.join(RUNNERS)}, got '{name}'")
    module, kind = RUNNERS[name]
    return cast(Runner, getattr(importlib.import_module(module), kind)(options))


__all__ = ["RUNNERS", "Capability", "Erase", "Runner", "RunnerOptions", "create"]

# SPDX-License-Identifier: Apache-2.0
"""A virtual board: nRF52840 with a SIM7600E, on simulated time.

The public names are loaded when they are first used, so that `import vboard` needs
no Unicorn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vboard.board import Board
    from vboard.clock import Clock
    from vboard.cpu_stop import RunEnd
    from vboard.errors import GuestError, LoadError, PowerCut, VboardError
    from vboard.fabric import ResetKind
    from vboard.loader import load_files
    from vboard.nv import Cut, NvMemory
    from vboard.wire import Burst, Wire

_WHERE = {
    "Board": "board",
    "Burst": "wire",
    "Clock": "clock",
    "Cut": "nv",
    "GuestError": "errors",
    "LoadError": "errors",
    "NvMemory": "nv",
    "PowerCut": "errors",
    "ResetKind": "fabric",
    "RunEnd": "cpu_stop",
    "VboardError": "errors",
    "Wire": "wire",
    "load_files": "loader",
}

__all__ = [
    "Board",
    "Burst",
    "Clock",
    "Cut",
    "GuestError",
    "LoadError",
    "NvMemory",
    "PowerCut",
    "ResetKind",
    "RunEnd",
    "VboardError",
    "Wire",
    "load_files",
]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'vboard' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vboard.{_WHERE[name]}"), name)

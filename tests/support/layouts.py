# SPDX-License-Identifier: Apache-2.0
"""The shipped layout and board, and copies of them with one thing changed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from nrfota.board import Board, load_board
from nrfota.layout import Layout, load_layout

ROOT = Path(__file__).resolve().parents[2]
LAYOUT = ROOT / "templates" / "layout.yml"
BOARD = ROOT / "templates" / "boards" / "nrf52840dk_sim7600e.yml"


def layout() -> Layout:
    """The shipped layout."""
    return load_layout(LAYOUT)


def board() -> Board:
    """The shipped board."""
    return load_board(BOARD)


def changed(path: Path, changes: dict[str, Any]) -> str:
    """The YAML of `path` with values at dotted places replaced.

    The value `...` deletes a key.
    """
    top = copy.deepcopy(yaml.safe_load(path.read_text()))
    for place, value in changes.items():
        *parents, last = place.split(".")
        node = top
        for name in parents:
            node = node[name]
        if value is ...:
            del node[last]
        else:
            node[last] = value
    return str(yaml.safe_dump(top, sort_keys=False))

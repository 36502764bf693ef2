# SPDX-License-Identifier: Apache-2.0
"""What the command chapters have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vboard.modem.at import Handler

if TYPE_CHECKING:
    from vboard.modem.sim7600 import Sim7600


class Chapter:
    """A group of commands with their state."""

    def __init__(self, modem: Sim7600) -> None:
        self.modem = modem
        self.reset()

    def commands(self) -> dict[str, Handler]:
        """Command name (without `+`) to method."""
        raise NotImplementedError

    def reset(self) -> None:
        """Start-up values; called at every boot and power-down."""

# SPDX-License-Identifier: Apache-2.0
"""What the AT client needs of a serial link."""

from __future__ import annotations

from typing import Protocol


class Link(Protocol):
    """A serial connection with a clock of its own.

    A real port runs on the host's monotonic clock, an emulated modem on simulated
    time; nothing above this line knows which.
    """

    @property
    def name(self) -> str:
        """Device path, for messages."""

    @property
    def baud(self) -> int:
        """Present baud rate."""

    def now(self) -> float:
        """Monotonic time in seconds."""

    def write(self, data: bytes) -> None:
        """Queues `data`; raises `LinkError` when the port is gone or blocked."""

    def drain(self) -> float:
        """Returns after the last stop bit of what was written has left: when it did."""

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, at once when there is something.

        Returns b"" when nothing came within `timeout_s` seconds (0 polls).
        Raises `LinkError` when the port is gone.
        """

    def set_baud(self, baud: int) -> None:
        """Changes the host's baud rate."""

    def set_flow_control(self, enabled: bool) -> None:
        """Turns RTS/CTS on or off at the host's end."""

    def close(self) -> None:
        """Gives the port back; harmless when called again."""

# SPDX-License-Identifier: Apache-2.0
"""What a rollout talks through: one port to send requests, one to hear reports.

`Sender` says for each message that the other side has it; `Reports` gives a message
again, after a new start, until it was acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Message:
    """A request, or an empty payload to clear a retained one."""

    topic: str
    payload: bytes = field(repr=False)
    retain: bool = False


@dataclass(frozen=True)
class Arrival:
    """A message that came; `token` is what acknowledges it."""

    topic: str
    payload: bytes
    token: int = 0


class Sender(Protocol):
    """Publishes; all raise OtaError."""

    def send(
        self, messages: Sequence[Message], *, delivered: Callable[[int], None]
    ) -> None:
        """Sends all; calls `delivered` with the index of each one that arrived."""

    def stop(self, reason: str) -> None:
        """Withdraws what the other side would still give to devices by itself."""

    def clean(self) -> None:
        """Takes away what the other side keeps with the key in it."""

    def close(self, *, forget: bool) -> None:
        """`forget`: nothing is expected any more."""


class Reports(Protocol):
    """Hears."""

    @property
    def connected(self) -> bool:
        """Whether reports can arrive now."""

    @property
    def ended(self) -> str:
        """Why the other side ended the rollout by itself; empty while it has not."""

    @property
    def finished(self) -> bool:
        """Whether the other side knows that no more reports come."""

    def open(self) -> None:
        """Subscribes; raises UnreachableError."""

    def receive(self, timeout_s: float) -> list[Arrival]:
        """What has come; waits at most this long when nothing has."""

    def acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        """These are safe here."""

    def close(self, *, forget: bool) -> None:
        """`forget`: the broker need not keep reports for later."""


class Deaf:
    """`Reports` of who only publishes."""

    connected = True
    ended = ""
    finished = False

    def open(self) -> None:
        """Nothing."""

    def receive(self, timeout_s: float) -> list[Arrival]:
        """Nothing."""
        return []

    def acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        """Nothing."""

    def close(self, *, forget: bool) -> None:
        """Nothing."""

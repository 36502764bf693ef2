# SPDX-License-Identifier: Apache-2.0
"""A run of bytes at an address: what image files are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from nrfota.errors import FormatError


@dataclass(frozen=True)
class Segment:
    """Bytes at `address`; `origin` says where they come from, for messages."""

    address: int
    data: bytes | memoryview = field(repr=False)
    origin: str

    @property
    def end(self) -> int:
        """First address behind the segment."""
        return self.address + len(self.data)

    def __str__(self) -> str:
        return f"{self.origin} (0x{self.address:08x}..0x{self.end:08x})"


def in_order(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Sorted by address; raises FormatError when two of them overlap."""
    ordered = tuple(sorted(segments, key=lambda segment: segment.address))
    for first, second in pairwise(ordered):
        if second.address < first.end:
            raise FormatError(f"{first} and {second} overlap")
    return ordered


def flatten(segments: Iterable[Segment], *, start: int) -> bytes:
    """One run of bytes from `start`; gaps are 0xFF.

    The segments are in order, do not overlap and none begins before `start`.
    """
    parts: list[bytes | memoryview] = []
    at = start
    for segment in segments:
        if segment.address > at:
            parts.append(b"\xff" * (segment.address - at))
        parts.append(segment.data)
        at = segment.end
    return b"".join(parts)

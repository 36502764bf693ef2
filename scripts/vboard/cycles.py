# SPDX-License-Identifier: Apache-2.0
"""The CPU's time: cycles of its 64 MHz clock, 15.625 ns each, in whole numbers."""

from __future__ import annotations


def cycles_at(at_ns: int) -> int:
    """The first cycle that begins at or after `at_ns`."""
    return -(-at_ns * 8 // 125)


def ns_at(cycles: int) -> int:
    """When cycle number `cycles` begins."""
    return cycles * 125 // 8

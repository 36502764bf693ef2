# SPDX-License-Identifier: Apache-2.0
"""Where Unicorn counts instructions: exact time inside of callbacks.

Unicorn counts for the `count` argument of `emu_start`, but has no call that tells
the number. The two words are found by an experiment and not by a fixed offset.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Any

from vboard.cpu_memory import RAM_BASE
from vboard.errors import VboardError

_ENDLESS = 0xFFFF_FFFF


def find_counters(uc: Any) -> tuple[ctypes.c_uint64, ctypes.c_uint64]:
    """Finds Unicorn's instruction counter and limit in its engine object.

    Runs three instructions and a wait under an odd limit, then looks for the two
    neighbouring words with these values. Fails loudly when Unicorn changed.
    """
    limit, start = 0x0123_4567, RAM_BASE
    code = struct.pack("<4H", 0xBF00, 0xBF00, 0xBF00, 0xBF30)
    uc.mem_write(start, code)
    uc.emu_start(start | 1, _ENDLESS, 0, limit)
    uc.mem_write(start, bytes(len(code)))
    uc.ctl_remove_cache(start, start + len(code))
    handle = uc._uch.value
    size = _allocated_size(handle)
    words = (ctypes.c_uint64 * (size // 8)).from_address(handle)
    places = [
        index
        for index in range(len(words) - 1)
        if words[index] == 4 and words[index + 1] == limit
    ]
    if len(places) != 1:
        raise VboardError(
            "this Unicorn build keeps its instruction counter somewhere unexpected; "
            "the version that it works with is 2.1.4"
        )
    address = handle + 8 * places[0]
    return (
        ctypes.c_uint64.from_address(address),
        ctypes.c_uint64.from_address(address + 8),
    )


def _allocated_size(handle: int) -> int:
    """Bytes that may be read at `handle` (the allocator knows on Linux)."""
    try:
        usable = ctypes.CDLL(None).malloc_usable_size
    except (AttributeError, OSError):
        return 4096
    usable.restype, usable.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
    return int(usable(handle))

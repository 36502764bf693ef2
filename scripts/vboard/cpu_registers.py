# SPDX-License-Identifier: Apache-2.0
"""Groups of CPU registers that are read or written in one call of the engine."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any


class RegisterSet:
    """A fixed group of registers that is read or written in one call."""

    def __init__(self, library: Any, engine: Any, ids: Sequence[int]) -> None:
        size = len(ids)
        self._values = (ctypes.c_uint64 * size)()
        base, step = ctypes.addressof(self._values), ctypes.sizeof(ctypes.c_uint64)
        places = (base + index * step for index in range(size))
        self._call = (
            engine,
            (ctypes.c_int * size)(*ids),
            (ctypes.c_void_p * size)(*places),
            size,
        )
        self._read = library.uc_reg_read_batch
        self._write = library.uc_reg_write_batch

    def read(self) -> list[int]:
        """Values, in the order in which the group names them."""
        self._read(*self._call)
        return [value & 0xFFFF_FFFF for value in self._values]

    def first(self) -> int:
        """The value of the first register, for groups of one."""
        self._read(*self._call)
        value: int = self._values[0]
        return value & 0xFFFF_FFFF

    def write(self, *values: int) -> None:
        """Writes `values`, one after the other in the same order."""
        self._values[:] = list(values)
        self._write(*self._call)

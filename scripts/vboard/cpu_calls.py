# SPDX-License-Identifier: Apache-2.0
"""The engine's calls into Python for register accesses and stores to flash.

An update makes half a million of them, so they are bound to the engine's library
directly: its Python binding puts three more function calls around each.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Protocol

from vboard.errors import VboardError

_HANDLE, _DATA = ctypes.c_void_p, ctypes.c_void_p
_READ = ctypes.CFUNCTYPE(
    ctypes.c_uint64, _HANDLE, ctypes.c_uint64, ctypes.c_uint, _DATA
)
_WRITE = ctypes.CFUNCTYPE(
    None, _HANDLE, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint64, _DATA
)
_STORE = ctypes.CFUNCTYPE(
    *(ctypes.c_bool, _HANDLE, ctypes.c_int, ctypes.c_uint64, ctypes.c_int),
    *(ctypes.c_int64, _DATA),
)

_EVERYWHERE = 1, 0  # a hook from 1 to 0 has no bounds


class Owner(Protocol):
    """Who gets the calls; `fail` takes whatever they raise and does not raise."""

    on_read: Callable[[int, int], int]
    on_write: Callable[[int, int, int], None]
    on_store: Callable[[int, int, int], None]

    def fail(self, error: BaseException) -> None:
        """A call raised this."""


class AccessCalls:
    """Keeps the function pointers alive that the engine holds."""

    def __init__(self, library: Any, engine: Any, owner: Owner) -> None:
        self._library, self._engine, self._owner = library, engine, owner
        self._alive: list[Any] = []

    def map_registers(self, base: int, size: int) -> None:
        """Loads from and stores to this window become `on_read` and `on_write`."""
        owner = self._owner

        def read(engine: int, offset: int, size: int, data: int | None) -> int:
            try:
                return owner.on_read(base + offset, size)
            except BaseException as error:
                owner.fail(error)
                return 0

        def write(
            engine: int, offset: int, size: int, value: int, data: int | None
        ) -> None:
            try:
                owner.on_write(base + offset, size, value)
            except BaseException as error:
                owner.fail(error)

        calls = _READ(read), _WRITE(write)
        self._alive.extend(calls)
        self._check(
            self._library.uc_mmio_map(
                self._engine, base, size, calls[0], None, calls[1], None
            )
        )

    def hook_stores(self, hook_type: int) -> None:
        """Stores to write-protected memory become `on_store`."""
        owner = self._owner

        def store(  # noqa: PLR0917 (the engine passes them)
            engine: int, access: int, address: int, size: int, value: int, data: int
        ) -> bool:
            try:
                owner.on_store(address, size, value & ((1 << 8 * size) - 1))
            except BaseException as error:
                owner.fail(error)
            return True

        call = _STORE(store)
        self._alive.append(call)
        self._check(
            self._library.uc_hook_add(
                self._engine,
                ctypes.byref(ctypes.c_size_t()),
                hook_type,
                call,
                None,
                *_EVERYWHERE,
            )
        )

    @staticmethod
    def _check(status: int) -> None:
        if status:
            raise VboardError(f"engine error {status} while setting up its callbacks")

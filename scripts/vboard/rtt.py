# SPDX-License-Identifier: Apache-2.0
"""SEGGER RTT: text that firmware leaves in RAM for a debug probe.

The control block begins with the 16-byte id "SEGGER RTT", then the number of up and
down buffers, then one descriptor of six words per buffer: name, buffer, size, write
offset, read offset, flags. This reader empties up-buffer 0 as a probe does: it reads
RAM in the background and moves the read offset.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from vboard.clock import NS_PER_MS, Clock

IDENTIFIER = b"SEGGER RTT\0\0\0\0\0\0"
POLL_NS = 1 * NS_PER_MS
_DESCRIPTOR = 0x18  # of up-buffer 0
_MAX_BUFFERS = 32
_SEARCH_EVERY = 16  # polls


class RttReader:
    """Polls every millisecond of simulated time; `on_data` gets the bytes."""

    def __init__(
        self,
        clock: Clock,
        *,
        ram_base: int,
        ram_size: int,
        read: Callable[[int, int], bytes],
        write: Callable[[int, bytes], None],
        on_data: Callable[[bytes], None],
    ) -> None:
        self._clock = clock
        self._base, self._size = ram_base, ram_size
        self._read, self._write = read, write
        self._on_data = on_data
        self._blocks: list[int] = []
        self._polls = 0
        clock.call_after_ns(POLL_NS, self._poll)

    def forget(self) -> None:
        """After a reset: the block may be elsewhere."""
        self._blocks.clear()
        self._polls = 0

    def _poll(self) -> None:
        self.drain()
        self._clock.call_after_ns(POLL_NS, self._poll)

    def drain(self) -> None:
        """Reads what is there now."""
        if self._polls % _SEARCH_EVERY == 0:
            self._blocks = self._search()
        self._polls += 1
        for block in self._blocks:
            self._drain(block)

    def _search(self) -> list[int]:
        ram = self._read(self._base, self._size)
        found, at = [], ram.find(IDENTIFIER)
        while at >= 0:
            if at % 4 == 0:
                found.append(self._base + at)
            at = ram.find(IDENTIFIER, at + 1)
        return found

    def _in_ram(self, address: int, size: int) -> bool:
        end = self._base + self._size
        return self._base <= address and size >= 0 and address + size <= end

    def _drain(self, block: int) -> None:
        if not self._in_ram(block, _DESCRIPTOR + 24):
            return
        head = self._read(block, _DESCRIPTOR + 24)
        if head[:16] != IDENTIFIER:
            self._polls = 0  # gone: look again
            return
        ups, downs = struct.unpack_from("<2I", head, 16)
        if not 1 <= ups <= _MAX_BUFFERS or downs > _MAX_BUFFERS:
            return
        _, buffer, size, write_at, read_at, _ = struct.unpack_from(
            "<6I", head, _DESCRIPTOR
        )
        if not self._in_ram(buffer, size) or write_at >= size or read_at >= size:
            return
        if write_at == read_at:
            return
        if write_at > read_at:
            data = self._read(buffer + read_at, write_at - read_at)
        else:
            data = self._read(buffer + read_at, size - read_at)
            data += self._read(buffer, write_at)
        self._write(block + _DESCRIPTOR + 16, write_at.to_bytes(4, "little"))
        self._on_data(data)

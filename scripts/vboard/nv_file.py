# SPDX-License-Identifier: Apache-2.0
"""Snapshots of non-volatile memory, and the file that keeps one between commands.

| offset | size | content |
|---|---|---|
| 0 | 8 | "VBOARDNV" |
| 8 | 4 | format version, 1 (little-endian, as all numbers here) |
| 12 | 4 | length n of the header |
| 16 | n | header: JSON with seed, operations, power_ups, wear (257), partial_ms and |
|    |   | unstable (page indexes); page 256 is the UICR |
| 16 + n | 257 x 4096 | pages: flash, then UICR |
| | 257 x 1024 | writes of each word since its erase, one byte per word |
| | 4096 | FICR |
| | k x 4096 | masks of unstable bits, one per page in `unstable` |
| end - 4 | 4 | CRC-32 of everything before |
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vboard.errors import LoadError

MAGIC = b"VBOARDNV"
VERSION = 1
_PAGE = 4096
_PAGES = 257
_WORDS = _PAGE // 4


@dataclass(frozen=True)
class NvSnapshot:
    """The whole state at one instant; unchanged pages are shared between snapshots."""

    pages: tuple[bytes, ...]
    writes: tuple[bytes, ...]
    ficr: bytes
    wear: tuple[int, ...]
    unstable: tuple[tuple[int, bytes], ...]
    partial_ms: tuple[tuple[int, int], ...]
    operations: int
    seed: int
    power_ups: int

    def hash(self) -> str:
        """Equal for two states that firmware cannot tell apart (wear is left out)."""
        digest = hashlib.sha256()
        for page, writes in zip(self.pages, self.writes, strict=True):
            digest.update(page)
            digest.update(writes)
        for index, mask in self.unstable:
            digest.update(b"%d:" % index + mask)
        digest.update(repr(self.partial_ms).encode())
        return digest.hexdigest()


def save(path: Path, state: NvSnapshot) -> None:
    """Writes `state` to `path` by way of a temporary file in the same folder."""
    header = json.dumps(
        {
            "seed": state.seed,
            "operations": state.operations,
            "power_ups": state.power_ups,
            "wear": list(state.wear),
            "partial_ms": [list(item) for item in state.partial_ms],
            "unstable": [index for index, _ in state.unstable],
        }
    ).encode()
    body = b"".join(
        (
            MAGIC,
            struct.pack("<LL", VERSION, len(header)),
            header,
            *state.pages,
            *state.writes,
            state.ficr,
            *(mask for _, mask in state.unstable),
        )
    )
    handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body + struct.pack("<L", zlib.crc32(body)))
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def load(path: Path) -> NvSnapshot:
    """What `save` wrote; LoadError says what is wrong with the file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LoadError(f"cannot read {path}: {error.strerror}") from error
    if not data.startswith(MAGIC):
        raise LoadError(f"expected a non-volatile memory file ('VBOARDNV'): {path}")
    if len(data) < 20:
        raise LoadError(f"expected at least 20 bytes, got {len(data)}: {path}")
    version, length = struct.unpack_from("<LL", data, 8)
    if version != VERSION:
        raise LoadError(f"expected format {VERSION}, got {version}: {path}")
    if zlib.crc32(data[:-4]) != struct.unpack("<L", data[-4:])[0]:
        raise LoadError(f"checksum does not match, the file is damaged: {path}")
    header: dict[str, Any] = json.loads(data[16 : 16 + length])
    expected = 16 + length + _PAGES * (_PAGE + _WORDS) + _PAGE + 4
    expected += len(header["unstable"]) * _PAGE
    if len(data) != expected:
        raise LoadError(f"expected {expected} bytes, got {len(data)}: {path}")
    at = 16 + length

    def take(count: int, size: int) -> tuple[bytes, ...]:
        nonlocal at
        parts = tuple(data[at + i * size : at + (i + 1) * size] for i in range(count))
        at += count * size
        return parts

    pages = take(_PAGES, _PAGE)
    writes = take(_PAGES, _WORDS)
    (ficr,) = take(1, _PAGE)
    masks = take(len(header["unstable"]), _PAGE)
    return NvSnapshot(
        pages=pages,
        writes=writes,
        ficr=ficr,
        wear=tuple(header["wear"]),
        unstable=tuple(zip(header["unstable"], masks, strict=True)),
        partial_ms=tuple((page, ms) for page, ms in header["partial_ms"]),
        operations=header["operations"],
        seed=header["seed"],
        power_ups=header["power_ups"],
    )

# SPDX-License-Identifier: Apache-2.0
"""Flash and UICR out of the file in which the virtual board keeps its memory.

The layout is described in `scripts/vboard/nv_file.py`; this reads it on its own,
and takes nothing but the contents of flash and UICR.

    segments = read_board_memory(path.read_bytes(), layout=layout, source="nv.bin")
"""

from __future__ import annotations

import struct
import zlib

from nrfota.errors import FormatError
from nrfota.layout import Layout
from nrfota.segment import Segment

MAGIC = b"VBOARDNV"
VERSION = 1
HEAD = struct.Struct("<8sII")  # magic, version, length of the header behind it
CRC = struct.Struct("<I")


def read_board_memory(
    data: bytes, *, layout: Layout, source: str
) -> tuple[Segment, ...]:
    """Flash, and UICR from its first to its last word; raises FormatError."""
    if len(data) < HEAD.size:
        raise FormatError(f"{source}: ends before its pages: {len(data)} bytes")
    _, version, header = HEAD.unpack_from(data)
    if version != VERSION:
        raise FormatError(
            f"{source}: expected version {VERSION} of the virtual board's memory file, "
            f"got {version}"
        )
    start = HEAD.size + header
    flash_end = start + layout.flash.size
    end = flash_end + layout.uicr.size
    if len(data) < end + CRC.size:
        raise FormatError(
            f"{source}: ends before its pages: expected more than {end} bytes, got "
            f"{len(data)}"
        )
    (expected,) = CRC.unpack_from(data, len(data) - CRC.size)
    got = zlib.crc32(data[: -CRC.size])
    if got != expected:
        raise FormatError(
            f"{source}: expected CRC-32 {expected:08x} of the virtual board's memory "
            f"file, got {got:08x}"
        )
    flash = Segment(layout.flash.base, data[start:flash_end], "flash")
    words = data[flash_end:end]
    if not words.strip(b"\xff"):
        return (flash,)
    return flash, Segment(layout.uicr.base, words, "UICR")

# SPDX-License-Identifier: Apache-2.0
"""The boot request: what tells the bootloader to update (SPEC.md, section 4).

It is written to RAM by the application, or here by a debug probe; a soft reset later
the bootloader finds it. It holds the key: it is never printed.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from nrfota.errors import FormatError, UsageError
from nrfota.fw_info import FwInfo
from nrfota.journal import PATH_SIZE, check_path

MAGIC = 0x5241544F  # "OTAR"
FORMAT = 1
COMMAND_UPDATE = 1
SIZE = 196
ALLOW_DOWNGRADE = 1  # flags, bit 0
_HEAD = struct.Struct(
    "<I"  # magic
    "H"  # format
    "H"  # size
    "I"  # command
)


def check_downgrade(update: FwInfo, *, running: FwInfo) -> None:
    """As the bootloader's ACCEPT step, without leave to go to an older version.

    Raises `UsageError`. An update of the bootloader has no version to compare with.
    """
    if update.fp_base == running.fp_base and update.version < running.version:
        raise UsageError(
            f"the device runs version {running.version} and the update is version "
            f"{update.version}: to go to an older version, use --allow-downgrade or "
            '"allow_downgrade": true in ota.json'
        )


@dataclass(frozen=True)
class BootRequest:
    """An update from `path`, a file in the modem like `E:/fw_2.ebin`."""

    fw_info: FwInfo = field(repr=False)
    path: str
    allow_downgrade: bool = False

    def pack(self) -> bytes:
        """The 196 bytes; raises `UsageError` for a path that does not fit."""
        check_path(self.path)
        body = (
            _HEAD.pack(MAGIC, FORMAT, SIZE, COMMAND_UPDATE)
            + self.fw_info.pack()
            + struct.pack("<I", ALLOW_DOWNGRADE if self.allow_downgrade else 0)
            + self.path.encode("ascii").ljust(PATH_SIZE, b"\0")
        )
        return body + struct.pack("<I", zlib.crc32(body))

    @classmethod
    def unpack(cls, data: bytes) -> BootRequest:
        """Checks and takes apart what `pack` made."""
        if len(data) != SIZE:
            raise FormatError(f"boot request: expected {SIZE} bytes, got {len(data)}")
        magic, layout, size, command = _HEAD.unpack_from(data)
        (flags,) = struct.unpack_from("<I", data, 124)
        for name, got, expected in (
            ("magic", magic, MAGIC),
            ("format", layout, FORMAT),
            ("size", size, SIZE),
            ("command", command, COMMAND_UPDATE),
            ("flags", flags, flags & ALLOW_DOWNGRADE),
            ("crc", struct.unpack_from("<I", data, 192)[0], zlib.crc32(data[:192])),
        ):
            if got != expected:
                raise FormatError(
                    f"boot request: expected {name} 0x{expected:08x}, got 0x{got:08x}"
                )
        text, _, rest = data[128:192].partition(b"\0")
        if rest.strip(b"\0") or len(text) == PATH_SIZE:
            raise FormatError("boot request: expected a path ended and padded with NUL")
        path = text.decode("latin-1")
        try:
            check_path(path)
        except UsageError as error:
            raise FormatError(f"boot request: {error}") from None
        return cls(FwInfo.unpack(data[12:124]), path, bool(flags & ALLOW_DOWNGRADE))

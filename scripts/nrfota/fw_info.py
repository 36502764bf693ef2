# SPDX-License-Identifier: Apache-2.0
"""fw_info: the 112 bytes that say what an update is (SPEC.md 1).

Rule 1: a `FwInfo` that exists is consistent; `unpack` refuses everything else.
Rule 2: key and IV are never shown by repr; `public()` has them zero.

    info = FwInfo.from_hex(digits)
    info.pack().hex() == digits
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field, replace

from nrfota.errors import FormatError

BLOCK = 16  # AES block, bytes
KEY_SIZE = 16
HASH_SIZE = 32
HEX_DIGITS = re.compile(r"[0-9A-Fa-f]*\Z")
ZERO_KEY = bytes(KEY_SIZE)


def cipher_size(plain_size: int) -> int:
    """Size of the PKCS#7-padded cipher text of `plain_size` bytes."""
    return (plain_size // BLOCK + 1) * BLOCK


@dataclass(frozen=True)
class FwInfo:
    """One image: where it goes, how large it is, how to decrypt and verify it."""

    version: int
    fp_base: int
    pbin_size: int
    ebin_size: int
    aes_key: bytes = field(repr=False)
    aes_iv: bytes = field(repr=False)
    pbin_hash: bytes
    ebin_hash: bytes

    SIZE = 112
    FORMAT = struct.Struct(
        "<I"  # version
        "I"  # fp_base
        "I"  # pbin_size
        "I"  # ebin_size
        "16s"  # aes_key
        "16s"  # aes_iv
        "32s"  # pbin_hash
        "32s"  # ebin_hash
    )

    def __post_init__(self) -> None:
        for name in ("version", "fp_base", "pbin_size", "ebin_size"):
            value = getattr(self, name)
            if not 0 <= value < 1 << 32:
                raise FormatError(f"fw_info: expected {name} 0..2^32-1, got {value}")
        for name, size in (
            ("aes_key", KEY_SIZE),
            ("aes_iv", KEY_SIZE),
            ("pbin_hash", HASH_SIZE),
            ("ebin_hash", HASH_SIZE),
        ):
            got = len(getattr(self, name))
            if got != size:
                raise FormatError(
                    f"fw_info: expected {name} of {size} bytes, got {got}"
                )
        if self.pbin_size < 1:
            raise FormatError("fw_info: expected pbin_size of at least 1, got 0")
        if self.ebin_size != cipher_size(self.pbin_size):
            raise FormatError(
                f"fw_info: expected ebin_size {cipher_size(self.pbin_size)} for "
                f"pbin_size {self.pbin_size}, got {self.ebin_size}"
            )
        if self.fp_base + self.pbin_size > 1 << 32:
            raise FormatError(
                f"fw_info: fp_base 0x{self.fp_base:08x} plus pbin_size "
                f"{self.pbin_size} reaches beyond 4 GiB"
            )

    def pack(self) -> bytes:
        """The 112 bytes, key included."""
        return self.FORMAT.pack(
            self.version,
            self.fp_base,
            self.pbin_size,
            self.ebin_size,
            self.aes_key,
            self.aes_iv,
            self.pbin_hash,
            self.ebin_hash,
        )

    @classmethod
    def unpack(cls, data: bytes) -> FwInfo:
        """Checks 112 bytes; raises FormatError."""
        if len(data) != cls.SIZE:
            raise FormatError(f"fw_info: expected {cls.SIZE} bytes, got {len(data)}")
        return cls(*cls.FORMAT.unpack(data))

    @classmethod
    def from_hex(cls, text: str) -> FwInfo:
        """Checks 224 hex digits; raises FormatError."""
        if len(text) != 2 * cls.SIZE or not HEX_DIGITS.match(text):
            raise FormatError(
                f"fw_info: expected {2 * cls.SIZE} hex digits, got {len(text)} "
                f"characters{'' if HEX_DIGITS.match(text) else ', not all hex digits'}"
            )
        return cls.unpack(bytes.fromhex(text))

    @property
    def is_public(self) -> bool:
        """Whether key and IV are all zero, as in the header of a .ebin."""
        return self.aes_key == ZERO_KEY and self.aes_iv == ZERO_KEY

    def public(self) -> FwInfo:
        """The same without key and IV."""
        return replace(self, aes_key=ZERO_KEY, aes_iv=ZERO_KEY)

# SPDX-License-Identifier: Apache-2.0
"""The HASH engine: SHA-1, SHA-224, SHA-256 from any state (CC_HASH)."""

from __future__ import annotations

import enum

from vboard.errors import GuestError
from vboard.peripherals.cryptocell.regs import Register as R
from vboard.peripherals.cryptocell.sha import BLOCK, sha1_blocks, sha256_blocks

HW_FLAGS = 0x1_2001
PAD_FORCE = 1 << 2


class HashMode(enum.IntEnum):
    """HASH_CONTROL."""

    SHA1 = 0x1
    SHA256 = 0x2
    SHA224 = 0xA


class HashEngine:
    """State is HASH_H and HASH_CUR_LEN, plus a part of a block between transfers.

    Writing HASH_H drops that part. CUR_LEN counts every byte that was fed; padding
    takes its length field from it.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Reset values."""
        self.h = [0] * 8
        self.length = 0
        self.control = 0
        self.pad = 1
        self.pad_auto = 0
        self.pad_force = 0
        self.endianness = 1
        self._part = b""

    def read(self, register: R, index: int) -> int:
        """Value of a CC_HASH register."""
        match register:
            case R.HASH_H:
                return self.h[index]
            case R.HASH_CONTROL:
                return self.control
            case R.HASH_PAD:
                return self.pad
            case R.HASH_PAD_FORCE:
                return self.pad_force
            case R.HASH_CUR_LEN_0:
                return self.length & 0xFFFF_FFFF
            case R.HASH_CUR_LEN_1:
                return self.length >> 32
            case R.HASH_HW_FLAGS:
                return HW_FLAGS
            case R.HASH_ENDIANNESS:
                return self.endianness
            case _:
                return 0

    def write(self, register: R, index: int, value: int) -> None:
        """A store to a CC_HASH register."""
        match register:
            case R.HASH_H:
                self.h[index] = value
                self._part = b""
            case R.HASH_CONTROL:
                self.control = value & 0xF
            case R.HASH_PAD:
                self.pad = value & 1
            case R.HASH_PAD_AUTO:
                self.pad_auto = value & 1
            case R.HASH_PAD_FORCE:
                self.pad_force = value & PAD_FORCE
                if self.pad_force and self.pad:
                    self._finish()
            case R.HASH_CUR_LEN_0:
                self.length = self.length >> 32 << 32 | value
            case R.HASH_CUR_LEN_1:
                self.length = value << 32 | self.length & 0xFFFF_FFFF
            case R.HASH_SW_RESET:
                self.reset()
            case R.HASH_ENDIANNESS:
                self.endianness = value & 1
            case _:
                pass  # HASH_INIT_STATE: HASH_H is loaded by writing it

    def feed(self, data: bytes) -> None:
        """One transfer into the engine; pads at its end when HASH_PAD_AUTO is set."""
        self.length += len(data)
        data = self._part + data
        whole = len(data) - len(data) % BLOCK
        self._part = data[whole:]
        if whole:
            self._compress(data[:whole])
        if self.pad_auto and self.pad:
            self._finish()

    def _finish(self) -> None:
        tail = self._part + b"\x80"
        tail += bytes(-(len(tail) + 8) % BLOCK)
        tail += (self.length * 8 & (1 << 64) - 1).to_bytes(8, "big")
        self._part = b""
        self._compress(tail)

    def _compress(self, blocks: bytes) -> None:
        if not self.endianness:
            raise _fault(R.HASH_ENDIANNESS, "little-endian data is not modelled")
        match self.control:
            case HashMode.SHA1:
                self.h[:5] = sha1_blocks(self.h, blocks)
            case HashMode.SHA256 | HashMode.SHA224:
                self.h[:] = sha256_blocks(self.h, blocks)
            case _:
                raise _fault(
                    R.HASH_CONTROL,
                    "expected SHA-1 (1), SHA-256 (2) or SHA-224 (0xA), "
                    f"got 0x{self.control:x}",
                )


def _fault(register: R, message: str) -> GuestError:
    return GuestError(message, block="CC_HASH", register=register.name)

# SPDX-License-Identifier: Apache-2.0
"""The AES engine: AES-128 in ECB, CBC, CTR, CBC-MAC and CMAC (CC_AES).

IV and CTR registers chain from transfer to transfer. AES_REMAINING_BYTES counts
down; in CMAC the block that takes it to zero is the last one (SP 800-38B: K1 for
a whole block, padding and K2 for a part of one).
"""

from __future__ import annotations

import enum
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from vboard.errors import GuestError
from vboard.peripherals.cryptocell.regs import Register as R

BLOCK = 16
HW_FLAGS = 0x108
DECRYPT = 1 << 0
KEY_SIZE_SHIFT, XOR_KEY, DIRECT = 12, 1 << 29, 1 << 31
_KNOWN = DECRYPT | 7 << 2 | 3 << KEY_SIZE_SHIFT | XOR_KEY | DIRECT


class AesMode(enum.IntEnum):
    """AES_CONTROL.MODE_KEY0."""

    ECB = 0
    CBC = 1
    CTR = 2
    CBC_MAC = 3
    CMAC = 7


class AesEngine:
    """Key, IV, counter and control; `process` takes one transfer."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Reset values."""
        self.key = [0] * 8
        self.iv = [0] * 4
        self.ctr = [0] * 4
        self.remaining = 0
        self.control = 0
        self.no_increment = 0

    def read(self, register: R, index: int) -> int:
        """Value of a CC_AES register."""
        match register:
            case R.AES_IV_0:
                return self.iv[index]
            case R.AES_CTR:
                return self.ctr[index]
            case R.AES_REMAINING_BYTES:
                return self.remaining
            case R.AES_CONTROL:
                return self.control
            case R.AES_HW_FLAGS:
                return HW_FLAGS
            case R.AES_CTR_NO_INCREMENT:
                return self.no_increment
            case _:
                return 0

    def write(self, register: R, index: int, value: int) -> None:
        """A store to a CC_AES register (AES_SK is the core's)."""
        match register:
            case R.AES_KEY_0:
                self.key[index] = value
            case R.AES_IV_0:
                self.iv[index] = value
            case R.AES_CTR:
                self.ctr[index] = value
            case R.AES_REMAINING_BYTES:
                self.remaining = value
            case R.AES_CONTROL:
                self.control = value
            case R.AES_CTR_NO_INCREMENT:
                self.no_increment = value & 1
            case R.AES_SW_RESET:
                self.reset()
            case R.AES_CMAC_SIZE0_KICK:
                if value & 1:
                    self._cmac_last(b"")
            case _:
                pass  # AES_CMAC_INIT: sub-keys are derived when they are needed

    @property
    def mode(self) -> AesMode:
        """The mode; GuestError for what the engine does not have."""
        if self.control & ~_KNOWN:
            raise _fault(f"AES_CONTROL 0x{self.control:08x}: tunnelling is not there")
        if self.control & (XOR_KEY | DIRECT):
            raise _fault("XOR key and direct access are not modelled")
        if self.control >> KEY_SIZE_SHIFT & 3:
            raise _fault("expected a 128-bit key (NK_KEY0=0), the only size here")
        number = self.control >> 2 & 7
        try:
            return AesMode(number)
        except ValueError:
            raise _fault(
                f"expected ECB (0), CBC (1), CTR (2), CBC-MAC (3) or CMAC (7), "
                f"got mode {number}"
            ) from None

    @property
    def gives_output(self) -> bool:
        """False for the two MACs, whose result is in AES_IV."""
        return self.mode not in (AesMode.CBC_MAC, AesMode.CMAC)

    def process(self, data: bytes) -> bytes:
        """One transfer; empty output for the MACs."""
        mode = self.mode
        decrypt = bool(self.control & DECRYPT)
        if len(data) % BLOCK and mode not in (AesMode.CTR, AesMode.CMAC):
            raise _fault(
                f"expected whole blocks of {BLOCK} bytes in {mode.name}, "
                f"got {len(data)} bytes"
            )
        left, self.remaining = self.remaining, max(0, self.remaining - len(data))
        match mode:
            case AesMode.ECB:
                return self._run(modes.ECB(), data, decrypt=decrypt)
            case AesMode.CBC:
                output = self._run(modes.CBC(_bytes(self.iv)), data, decrypt=decrypt)
                self.iv = _words((data if decrypt else output)[-BLOCK:])
                return output
            case AesMode.CTR:
                return self._count(data)
            case AesMode.CBC_MAC:
                self._mac(data)
                return b""
            case AesMode.CMAC:
                return self._cmac(data, left)

    def _count(self, data: bytes) -> bytes:
        start = _bytes(self.ctr)
        if self.no_increment:
            raise _fault("AES_CTR_NO_INCREMENT=1 is not modelled")
        output = self._run(modes.CTR(start), data)
        blocks = -(-len(data) // BLOCK)
        value = (int.from_bytes(start, "big") + blocks) % (1 << 128)
        self.ctr = _words(value.to_bytes(BLOCK, "big"))
        return output

    def _mac(self, data: bytes) -> None:
        if data:
            output = self._run(modes.CBC(_bytes(self.iv)), data)
            self.iv = _words(output[-BLOCK:])

    def _cmac(self, data: bytes, left: int) -> bytes:
        is_last = 0 < left <= len(data)
        if not is_last:
            if len(data) % BLOCK:
                raise _fault(
                    f"expected whole blocks of {BLOCK} bytes before the last one, "
                    f"got {len(data)} bytes"
                )
            self._mac(data)
            return b""
        if left < len(data):
            data = data[:left]  # what follows the last byte is DMA padding
        whole = (len(data) - 1) // BLOCK * BLOCK
        self._mac(data[:whole])
        self._cmac_last(data[whole:])
        return b""

    def _cmac_last(self, block: bytes) -> None:
        zero = self._run(modes.ECB(), bytes(BLOCK))
        sub_key = _double(int.from_bytes(zero, "big"))
        if len(block) < BLOCK:
            block = block + b"\x80" + bytes(BLOCK - 1 - len(block))
            sub_key = _double(sub_key)
        masked = int.from_bytes(block, "big") ^ sub_key
        self._mac(masked.to_bytes(BLOCK, "big"))

    def _run(
        self,
        mode: modes.ECB | modes.CBC | modes.CTR,
        data: bytes,
        *,
        decrypt: bool = False,
    ) -> bytes:
        cipher = Cipher(algorithms.AES(_bytes(self.key[:4])), mode)
        context = cipher.decryptor() if decrypt else cipher.encryptor()
        return context.update(data) + context.finalize()


def _double(value: int) -> int:
    """Multiplication by x in GF(2^128), SP 800-38B."""
    shifted = value << 1
    return (shifted ^ 0x87) & (1 << 128) - 1 if value >> 127 else shifted


def _bytes(words: list[int]) -> bytes:
    return struct.pack(f"<{len(words)}L", *words)


def _words(data: bytes) -> list[int]:
    return list(struct.unpack("<4L", data))


def _fault(message: str) -> GuestError:
    return GuestError(message, block="CC_AES", register="AES_CONTROL")

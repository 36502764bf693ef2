# SPDX-License-Identifier: Apache-2.0
"""ota.ebin: an optional public header and the cipher text (SPEC.md 2).

ebin = Ebin.unpack(data, trusted=info)   # info from ota.json, or None
plain = open_ebin(ebin, info)
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nrfota import cipher
from nrfota.errors import FormatError, VerifyError
from nrfota.fw_info import BLOCK, FwInfo


@dataclass(frozen=True)
class Ebin:
    """The file; `header` is None for the bare cipher text."""

    header: FwInfo | None
    cipher_text: bytes = field(repr=False)

    def pack(self) -> bytes:
        """The bytes of the file."""
        return (self.header.pack() if self.header else b"") + self.cipher_text

    @classmethod
    def unpack(cls, data: bytes, *, trusted: FwInfo | None = None) -> Ebin:
        """Splits a file; raises FormatError.

        With a trusted fw_info the file's size says which form it has, and a
        header must agree with it; without one the header must be there.
        """
        if trusted is not None and len(data) == trusted.ebin_size:
            return cls(None, data)
        if trusted is not None and len(data) != trusted.ebin_size + FwInfo.SIZE:
            raise FormatError(
                f"ebin: expected {trusted.ebin_size} or "
                f"{trusted.ebin_size + FwInfo.SIZE} bytes, got {len(data)}"
            )
        if len(data) < FwInfo.SIZE + BLOCK:
            raise FormatError(
                f"ebin: expected at least {FwInfo.SIZE + BLOCK} bytes, got {len(data)}"
            )
        try:
            header = FwInfo.unpack(data[: FwInfo.SIZE])
        except FormatError as error:
            raise FormatError(f"ebin header: {error}") from None
        if not header.is_public:
            raise FormatError("ebin header: expected aes_key and aes_iv to be zero")
        if len(data) != header.ebin_size + FwInfo.SIZE:
            raise FormatError(
                f"ebin: the header says {header.ebin_size + FwInfo.SIZE} bytes, got "
                f"{len(data)}"
            )
        if trusted is not None and header != trusted.public():
            raise FormatError(
                f"ebin header: {_difference(header, trusted)} differs from the trusted "
                "fw_info"
            )
        return cls(header, data[FwInfo.SIZE :])


def seal(
    plain: bytes, *, version: int, fp_base: int, key: bytes, iv: bytes
) -> tuple[FwInfo, bytes]:
    """Encrypts an image; returns its fw_info and cipher text."""
    cipher_text = cipher.encrypt(plain, key=key, iv=iv)
    info = FwInfo(
        version=version,
        fp_base=fp_base,
        pbin_size=len(plain),
        ebin_size=len(cipher_text),
        aes_key=key,
        aes_iv=iv,
        pbin_hash=cipher.sha256(plain),
        ebin_hash=cipher.sha256(cipher_text),
    )
    return info, cipher_text


def open_ebin(ebin: Ebin, info: FwInfo) -> bytes:
    """The plain image, verified; raises VerifyError."""
    got = cipher.sha256(ebin.cipher_text)
    if got != info.ebin_hash:
        raise VerifyError(
            f"cipher text: expected SHA-256 {info.ebin_hash.hex()}, got {got.hex()}"
        )
    plain = cipher.decrypt(ebin.cipher_text, key=info.aes_key, iv=info.aes_iv)
    if len(plain) != info.pbin_size:
        raise VerifyError(
            f"plain image: expected {info.pbin_size} bytes, got {len(plain)}"
        )
    got = cipher.sha256(plain)
    if got != info.pbin_hash:
        raise VerifyError(
            f"plain image: expected SHA-256 {info.pbin_hash.hex()}, got {got.hex()}"
        )
    return plain


def _difference(header: FwInfo, trusted: FwInfo) -> str:
    names = ("version", "fp_base", "pbin_size", "ebin_size", "pbin_hash", "ebin_hash")
    return ", ".join(
        name for name in names if getattr(header, name) != getattr(trusted, name)
    )

# SPDX-License-Identifier: Apache-2.0
"""AES-128-CBC with PKCS#7 padding, and SHA-256."""

from __future__ import annotations

import hashlib

from nrfota.errors import VerifyError
from nrfota.fw_info import BLOCK


def sha256(data: bytes | memoryview) -> bytes:
    """SHA-256 of `data`."""
    return hashlib.sha256(data).digest()


def encrypt(plain: bytes, *, key: bytes, iv: bytes) -> bytes:
    """Cipher text of `plain`, padded by PKCS#7."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    padding = BLOCK - len(plain) % BLOCK
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    head = encryptor.update(plain)
    tail = encryptor.update(bytes([padding]) * padding)
    return head + tail + encryptor.finalize()


def decrypt(cipher: bytes, *, key: bytes, iv: bytes) -> bytes:
    """Plain text; raises VerifyError when the padding shows a wrong key."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if not cipher or len(cipher) % BLOCK:
        raise VerifyError(
            f"cipher text: expected a multiple of {BLOCK} bytes, got {len(cipher)}"
        )
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    padded = decryptor.update(cipher) + decryptor.finalize()
    padding = padded[-1]
    if not 1 <= padding <= BLOCK or padded[-padding:] != bytes([padding]) * padding:
        raise VerifyError(
            "cipher text: the PKCS#7 padding is wrong; the key does not fit"
        )
    return padded[:-padding]

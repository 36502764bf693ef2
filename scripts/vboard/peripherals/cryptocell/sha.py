# SPDX-License-Identifier: Apache-2.0
"""SHA-1 and SHA-256 compression from any chaining value (FIPS 180-4).

hashlib cannot start in the middle of a message, so this uses OpenSSL's low-level
SHA1_Update and SHA256_Update on a context of our own, and pure Python where the
OpenSSL at hand does not have them.
"""

from __future__ import annotations

import _hashlib
import ctypes
import functools
import struct
from collections.abc import Callable, Sequence

BLOCK = 64
SHA1_INIT = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
SHA256_INIT = (
    0x6A09E667,
    0xBB67AE85,
    0x3C6EF372,
    0xA54FF53A,
    0x510E527F,
    0x9B05688C,
    0x1F83D9AB,
    0x5BE0CD19,
)
_MASK = 0xFFFF_FFFF

Compress = Callable[[Sequence[int], bytes], tuple[int, ...]]


def sha1_blocks(state: Sequence[int], data: bytes) -> tuple[int, ...]:
    """The five words after whole 64-byte blocks of `data`."""
    return _compressors()[0](state, data)


def sha256_blocks(state: Sequence[int], data: bytes) -> tuple[int, ...]:
    """The eight words after whole 64-byte blocks of `data`."""
    return _compressors()[1](state, data)


@functools.cache
def _compressors() -> tuple[Compress, Compress]:
    native = native_compressors()
    return native if native is not None else (sha1_python, sha256_python)


def native_compressors() -> tuple[Compress, Compress] | None:
    """OpenSSL's, or None when they are not to be had (or do not agree)."""
    # The library that hashlib itself was linked with comes first.
    for name in (_hashlib.__file__, "libcrypto.so.3"):
        try:
            library = ctypes.CDLL(name)
            pair = (
                _native(library.SHA1_Update, 5),
                _native(library.SHA256_Update, 8),
            )
        except (OSError, AttributeError):
            continue
        block = bytes(range(64))
        if pair[0](SHA1_INIT, block) == sha1_python(SHA1_INIT, block) and pair[1](
            SHA256_INIT, block
        ) == sha256_python(SHA256_INIT, block):
            return pair
    return None


def _native(update: Callable[..., int], words: int) -> Compress:
    """`update(ctx, data, size)` on SHA_CTX / SHA256_CTX: h, Nl, Nh, data, num."""
    size = (words + 2 + 16 + 2) * 4

    def compress(state: Sequence[int], data: bytes) -> tuple[int, ...]:
        if len(data) % BLOCK:
            raise ValueError(f"expected whole blocks of {BLOCK}, got {len(data)} bytes")
        context = ctypes.create_string_buffer(size)
        struct.pack_into(f"={words}L", context, 0, *state[:words])
        struct.pack_into("=L", context, size - 4, 32)  # md_len (SHA-256 only)
        update(context, data, ctypes.c_size_t(len(data)))
        return struct.unpack_from(f"={words}L", context, 0)

    return compress


def _rol(value: int, count: int) -> int:
    return (value << count | value >> (32 - count)) & _MASK


def sha1_python(state: Sequence[int], data: bytes) -> tuple[int, ...]:
    """SHA-1 compression in plain Python."""
    h = list(state[:5])
    for start in range(0, len(data), BLOCK):
        w = list(struct.unpack_from(">16L", data, start))
        for i in range(16, 80):
            w.append(_rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1))
        a, b, c, d, e = h
        for i in range(80):
            if i < 20:
                f, k = (b & c) | (~b & d), 0x5A827999
            elif i < 40:
                f, k = b ^ c ^ d, 0x6ED9EBA1
            elif i < 60:
                f, k = (b & c) | (b & d) | (c & d), 0x8F1BBCDC
            else:
                f, k = b ^ c ^ d, 0xCA62C1D6
            t = (_rol(a, 5) + f + e + k + w[i]) & _MASK
            a, b, c, d, e = t, a, _rol(b, 30), c, d
        h = [(x + y) & _MASK for x, y in zip(h, (a, b, c, d, e), strict=True)]
    return tuple(h)


@functools.cache
def _sha256_constants() -> tuple[int, ...]:
    """Fractional parts of the cube roots of the first 64 primes."""
    primes: list[int] = []
    number = 2
    while len(primes) < 64:
        if all(number % prime for prime in primes):
            primes.append(number)
        number += 1
    return tuple(_cube_root(prime << 96) & _MASK for prime in primes)


def _cube_root(value: int) -> int:
    low, high = 0, 1 << (value.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= value else (low, middle - 1)
    return low


def sha256_python(state: Sequence[int], data: bytes) -> tuple[int, ...]:
    """SHA-256 compression in plain Python."""
    h = list(state[:8])
    constants = _sha256_constants()
    for start in range(0, len(data), BLOCK):
        w = list(struct.unpack_from(">16L", data, start))
        for i in range(16, 64):
            x, y = w[i - 15], w[i - 2]
            s0 = _rol(x, 25) ^ _rol(x, 14) ^ x >> 3
            s1 = _rol(y, 15) ^ _rol(y, 13) ^ y >> 10
            w.append((w[i - 16] + s0 + w[i - 7] + s1) & _MASK)
        a, b, c, d, e, f, g, last = h
        for k, word in zip(constants, w, strict=True):
            s1 = _rol(e, 26) ^ _rol(e, 21) ^ _rol(e, 7)
            t1 = last + s1 + ((e & f) ^ (~e & g)) + k + word
            s0 = _rol(a, 30) ^ _rol(a, 19) ^ _rol(a, 10)
            t2 = s0 + ((a & b) ^ (a & c) ^ (b & c))
            a, b, c, d, e, f, g, last = (
                (t1 + t2) & _MASK,
                a,
                b,
                c,
                (d + t1) & _MASK,
                e,
                f,
                g,
            )
        h = [
            (x + y) & _MASK for x, y in zip(h, (a, b, c, d, e, f, g, last), strict=True)
        ]
    return tuple(h)

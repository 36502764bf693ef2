# SPDX-License-Identifier: Apache-2.0
"""`nrfota.fw_info`: 112 bytes (SPEC.md 1)."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nrfota.errors import FormatError
from nrfota.fw_info import FwInfo, cipher_size

VECTOR = Path(__file__).parents[1] / "vectors" / "fw_info_article.hex"
DIGITS = VECTOR.read_text().strip()
INFO = FwInfo.from_hex(DIGITS)


def test_the_published_example_decodes() -> None:
    """The example that existing devices were documented with."""
    assert (INFO.version, INFO.fp_base) == (0, 0x1000)
    assert (INFO.pbin_size, INFO.ebin_size) == (67512, 67520)
    assert INFO.aes_key == bytes(range(16))
    assert INFO.aes_iv.hex() == "00112233445566778899aabbccddeeff"
    assert INFO.pbin_hash.hex().startswith("ba40d967")
    assert INFO.ebin_hash.hex().endswith("819abebf")


def test_the_published_example_packs_to_itself() -> None:
    """Round trip."""
    assert INFO.pack().hex() == DIGITS
    assert FwInfo.from_hex(DIGITS.upper()) == INFO


def test_repr_shows_neither_key_nor_iv() -> None:
    """Logs and tracebacks print reprs."""
    assert "aes" not in repr(INFO)
    assert INFO.aes_key.hex() not in repr(INFO)


def test_public_has_no_key() -> None:
    """What stands in front of a .ebin."""
    public = INFO.public()
    assert public.is_public and not INFO.is_public
    assert public.pack() == INFO.pack()[:16] + bytes(32) + INFO.pack()[48:]


@pytest.mark.parametrize(
    ("plain", "padded"),
    [(1, 16), (15, 16), (16, 32), (17, 32)],
    ids=["one", "fifteen", "sixteen", "seventeen"],
)
def test_cipher_size_is_always_larger(plain: int, padded: int) -> None:
    """PKCS#7 adds a whole block to whole blocks."""
    assert cipher_size(plain) == padded


BAD = {
    "short": (bytes(111), "fw_info: expected 112 bytes, got 111"),
    "long": (bytes(113), "fw_info: expected 112 bytes, got 113"),
    "plain_size_zero": (
        bytes(112),
        "fw_info: expected pbin_size of at least 1, got 0",
    ),
    "sizes_disagree": (
        INFO.pack()[:12] + (67536).to_bytes(4, "little") + INFO.pack()[16:],
        "fw_info: expected ebin_size 67520 for pbin_size 67512, got 67536",
    ),
    "beyond_4_gib": (
        replace(INFO, fp_base=0).pack()[:4] + b"\xf0\xff\xff\xff" + INFO.pack()[8:],
        "fw_info: fp_base 0xfffffff0 plus pbin_size 67512 reaches beyond 4 GiB",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_bytes_are_refused(case: str) -> None:
    """Each mistake has its sentence."""
    data, message = BAD[case]
    with pytest.raises(FormatError, match=message):
        FwInfo.unpack(data)


BAD_HEX = {
    "short": (DIGITS[:-1], "expected 224 hex digits, got 223 characters$"),
    "not_hex": ("z" * 224, "got 224 characters, not all hex digits"),
    "spaces": (" " + DIGITS[:-1], "got 224 characters, not all hex digits"),
}


@pytest.mark.parametrize("case", BAD_HEX)
def test_bad_digits_are_refused(case: str) -> None:
    """Length and alphabet."""
    text, message = BAD_HEX[case]
    with pytest.raises(FormatError, match=message):
        FwInfo.from_hex(text)


BAD_VALUES = {
    "version": ({"version": 1 << 32}, r"expected version 0\.\.2\^32-1, got 4294967296"),
    "key": ({"aes_key": b"short"}, "expected aes_key of 16 bytes, got 5"),
    "hash": ({"pbin_hash": b""}, "expected pbin_hash of 32 bytes, got 0"),
}


@pytest.mark.parametrize("case", BAD_VALUES)
def test_bad_values_cannot_be_made(case: str) -> None:
    """A FwInfo that exists is consistent."""
    changes, message = BAD_VALUES[case]
    with pytest.raises(FormatError, match=message):
        replace(INFO, **changes)  # type: ignore[arg-type]


@given(st.binary(min_size=112, max_size=112))
def test_any_112_bytes_are_read_or_refused(data: bytes) -> None:
    """What is accepted packs to itself."""
    with contextlib.suppress(FormatError):
        assert FwInfo.unpack(data).pack() == data


@given(
    version=st.integers(0, 2**32 - 1),
    size=st.integers(1, 2**20),
    secret=st.binary(min_size=32, max_size=32),
)
def test_round_trip(version: int, size: int, secret: bytes) -> None:
    """unpack(pack(x)) is x."""
    info = FwInfo(
        version=version,
        fp_base=0x1000,
        pbin_size=size,
        ebin_size=cipher_size(size),
        aes_key=secret[:16],
        aes_iv=secret[16:],
        pbin_hash=bytes(32),
        ebin_hash=bytes(32),
    )
    assert FwInfo.unpack(info.pack()) == info
    assert FwInfo.from_hex(info.pack().hex()) == info

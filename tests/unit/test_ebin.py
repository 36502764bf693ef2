# SPDX-License-Identifier: Apache-2.0
"""`nrfota.ebin` and `nrfota.cipher`: the encrypted image (SPEC.md 2)."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nrfota.cipher import decrypt, encrypt
from nrfota.ebin import Ebin, open_ebin, seal
from nrfota.errors import FormatError, VerifyError
from nrfota.fw_info import FwInfo

KEY = bytes(range(16))
IV = bytes.fromhex("00112233445566778899aabbccddeeff")
PLAIN = bytes(index * 7 & 0xFF for index in range(1000))
INFO, CIPHER = seal(PLAIN, version=3, fp_base=0x1000, key=KEY, iv=IV)
WITH_HEADER = Ebin(INFO.public(), CIPHER).pack()


def openssl(*arguments: str, data: bytes) -> bytes:
    """Runs the openssl command line."""
    return subprocess.run(
        ["openssl", *arguments], input=data, capture_output=True, check=True
    ).stdout


@pytest.mark.parametrize("size", [1, 15, 16, 17, 4096, 4097], ids=str)
def test_cipher_text_is_what_openssl_makes(size: int) -> None:
    """openssl enc -aes-128-cbc -K ... -iv ..."""
    plain = bytes(index & 0xFF for index in range(size))
    theirs = openssl(
        "enc", "-aes-128-cbc", "-K", KEY.hex(), "-iv", IV.hex(), data=plain
    )
    assert encrypt(plain, key=KEY, iv=IV) == theirs


def test_fw_info_is_what_openssl_says() -> None:
    """Sizes and hashes, from openssl dgst -sha256."""
    cipher_text = openssl(
        "enc", "-aes-128-cbc", "-K", KEY.hex(), "-iv", IV.hex(), data=PLAIN
    )
    expected = (
        (3).to_bytes(4, "little")
        + (0x1000).to_bytes(4, "little")
        + (1000).to_bytes(4, "little")
        + (1008).to_bytes(4, "little")
        + KEY
        + IV
        + openssl("dgst", "-sha256", "-binary", data=PLAIN)
        + openssl("dgst", "-sha256", "-binary", data=cipher_text)
    )
    assert INFO.pack() == expected


def test_header_form_and_bare_form() -> None:
    """The file's size tells them apart."""
    assert Ebin.unpack(WITH_HEADER) == Ebin(INFO.public(), CIPHER)
    assert Ebin.unpack(WITH_HEADER, trusted=INFO) == Ebin(INFO.public(), CIPHER)
    assert Ebin.unpack(CIPHER, trusted=INFO) == Ebin(None, CIPHER)


def test_header_gives_nothing_away() -> None:
    """Key and IV are zero in the file."""
    assert KEY not in WITH_HEADER
    assert WITH_HEADER[16:48] == bytes(32)


def test_open_gives_the_plain_image() -> None:
    """Hashes and padding verified."""
    assert open_ebin(Ebin(None, CIPHER), INFO) == PLAIN


BAD = {
    "size_not_trusted": (
        CIPHER[:-1],
        INFO,
        "ebin: expected 1008 or 1120 bytes, got 1007",
    ),
    "short": (WITH_HEADER[:127], None, "ebin: expected at least 128 bytes, got 127"),
    "truncated": (
        WITH_HEADER[:-16],
        None,
        "ebin: the header says 1120 bytes, got 1104",
    ),
    "header_with_key": (
        INFO.pack() + CIPHER,
        None,
        "ebin header: expected aes_key and aes_iv to be zero",
    ),
    "header_damaged": (
        bytes(112) + CIPHER,
        None,
        "ebin header: fw_info: expected pbin_size of at least 1",
    ),
    "header_of_another_version": (
        WITH_HEADER,
        replace(INFO, version=4, pbin_hash=bytes(32)),
        "ebin header: version, pbin_hash differs from the trusted fw_info",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_refused(case: str) -> None:
    """Each mistake has its sentence."""
    data, trusted, message = BAD[case]
    with pytest.raises(FormatError, match=message):
        Ebin.unpack(data, trusted=trusted)


UNVERIFIED = {
    "cipher_flipped": (
        Ebin(None, CIPHER[:-1] + b"\0"),
        INFO,
        "cipher text: expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}",
    ),
    "wrong_key": (
        Ebin(None, CIPHER),
        replace(INFO, aes_key=bytes(16)),
        r"cipher text: the PKCS#7 padding is wrong; the key does not fit",
    ),
    "wrong_iv": (
        Ebin(None, CIPHER),
        replace(INFO, aes_iv=bytes(16)),
        "plain image: expected SHA-256",
    ),
    "wrong_size": (
        Ebin(None, CIPHER),
        replace(INFO, pbin_size=999),
        "plain image: expected 999 bytes, got 1000",
    ),
}


@pytest.mark.parametrize("case", UNVERIFIED)
def test_what_does_not_verify_is_said(case: str) -> None:
    """Each failure has its sentence."""
    ebin, info, message = UNVERIFIED[case]
    with pytest.raises(VerifyError, match=message):
        open_ebin(ebin, info)


def test_cipher_text_of_no_whole_blocks_is_refused() -> None:
    """CBC works in blocks of 16."""
    with pytest.raises(VerifyError, match="expected a multiple of 16 bytes, got 15"):
        decrypt(bytes(15), key=KEY, iv=IV)


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, with_trusted: bool) -> None:
    """Nothing but FormatError, and what is read packs to itself."""
    with contextlib.suppress(FormatError):
        trusted = INFO if with_trusted else None
        assert Ebin.unpack(data, trusted=trusted).pack() == data


@given(st.integers(0, 111), st.integers(0, 255))
def test_changed_header_is_read_or_refused(at: int, value: int) -> None:
    """A header that differs from the trusted one is never accepted."""
    data = bytearray(WITH_HEADER)
    changed = data[at] != value
    data[at] = value
    try:
        Ebin.unpack(bytes(data), trusted=INFO)
    except FormatError:
        assert changed
    else:
        assert not changed


@given(st.binary(min_size=1, max_size=200))
def test_seal_and_open_round_trip(plain: bytes) -> None:
    """What goes in comes out."""
    info, cipher_text = seal(plain, version=0, fp_base=0x1000, key=KEY, iv=IV)
    assert open_ebin(Ebin(None, cipher_text), info) == plain
    assert info.pbin_hash == hashlib.sha256(plain).digest()
    assert len(cipher_text) == info.ebin_size == info.pack()[12] + 256 * info.pack()[13]
    assert FwInfo.SIZE == 112

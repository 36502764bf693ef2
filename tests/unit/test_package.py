# SPDX-License-Identifier: Apache-2.0
"""`nrfota.package`: image to files, without files."""

from __future__ import annotations

from pathlib import Path

import pytest
from nrfota.ebin import Ebin, open_ebin
from nrfota.errors import FormatError, UsageError
from nrfota.image import build_image
from nrfota.ota_json import OtaJson
from nrfota.package import (
    Release,
    Secret,
    build_package,
    parse_version,
    read_segments,
)
from nrfota.segment import Segment
from support.elf_builder import Elf, Section
from support.layouts import layout

IMAGE = build_image([Segment(0x1000, b"program" * 9, "x")], layout=layout())
SECRET = Secret(bytes(range(16)), b"\x55" * 16)
RELEASE = Release(7, "https://a/b", "http://c/d")


def test_the_files_belong_together() -> None:
    """ota.json opens ota.ebin."""
    package = build_package(IMAGE, release=RELEASE, secret=SECRET)
    message = OtaJson.unpack(package.ota_json)
    ebin = Ebin.unpack(package.ebin, trusted=message.fw_info)
    assert ebin.header == message.fw_info.public()
    assert open_ebin(ebin, message.fw_info) == b"program" * 9
    assert (message.url, message.alt_url) == ("https://a/b", "http://c/d")
    assert (message.fw_info.version, message.fw_info.fp_base) == (7, 0x1000)


def test_without_header_the_file_is_the_cipher_text() -> None:
    """As older devices expect."""
    package = build_package(IMAGE, release=RELEASE, secret=SECRET, header=False)
    assert len(package.ebin) == package.fw_info.ebin_size


def test_same_input_gives_the_same_bytes() -> None:
    """Key, IV, version and image fix everything."""
    first, second = (
        build_package(IMAGE, release=RELEASE, secret=SECRET) for _ in range(2)
    )
    assert (first.ebin, first.ota_json) == (second.ebin, second.ota_json)


def test_repr_shows_no_key() -> None:
    """Logs and tracebacks print reprs."""
    package = build_package(IMAGE, release=RELEASE, secret=SECRET)
    for text in (repr(package), repr(SECRET)):
        assert SECRET.key.hex() not in text and repr(SECRET.key) not in text


@pytest.mark.parametrize(
    ("text", "version"),
    [("0", 0), ("4294967295", 2**32 - 1), ("0x10203", 0x10203)],
    ids=["zero", "largest", "hex"],
)
def test_version_is_a_number(text: str, version: int) -> None:
    """Decimal or 0x."""
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["-1", "4294967296", "1.2.3", "", "0x"])
def test_bad_version_is_refused(text: str) -> None:
    """One sentence."""
    message = rf"version: expected 0\.\.4294967295, got '{text}'"
    with pytest.raises(UsageError, match=message):
        parse_version(text)


def test_version_out_of_range_cannot_be_released() -> None:
    """The library checks too."""
    with pytest.raises(UsageError, match=r"version: expected 0\.\.4294967295, got -1"):
        Release(-1, "http://a")


@pytest.mark.parametrize("size", [0, 15, 17])
def test_key_of_another_size_is_refused(size: int) -> None:
    """The sizes are named, the bytes are not."""
    with pytest.raises(FormatError, match=f"^key: expected 16 bytes, got {size}$"):
        Secret(bytes(size), bytes(16))
    with pytest.raises(FormatError, match=f"^iv: expected 16 bytes, got {size}$"):
        Secret(bytes(16), bytes(size))


def test_elf_and_hex_are_told_apart_by_content() -> None:
    """Names do not matter."""
    elf = Elf((Section(".text", 0x1000, 4),)).build()
    hexa = b":0410000000010203E6\n:00000001FF\n"
    for data in (elf, hexa):
        (segment,) = read_segments(Path("x"), read=lambda _, data=data: data)
        assert (segment.address, bytes(segment.data)) == (0x1000, bytes(range(4)))

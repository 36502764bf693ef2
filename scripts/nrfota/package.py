# SPDX-License-Identifier: Apache-2.0
"""Packs an image: ota.ebin, ota.json and, when asked, factory.hex.

Rule 1: everything is checked before a `Package` exists; nothing is written here.
Rule 2: key and IV come from the caller: fresh random bytes for every package.

    package = build_package(image, release=release, secret=Secret(key, iv))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nrfota.ebin import Ebin, seal
from nrfota.errors import FormatError, UsageError
from nrfota.fw_info import KEY_SIZE, FwInfo
from nrfota.image import Image
from nrfota.ota_json import OtaJson, check_url
from nrfota.segment import Segment

VERSION_MAX = (1 << 32) - 1


@dataclass(frozen=True)
class Secret:
    """AES-128 key and CBC initialisation vector."""

    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)

    def __post_init__(self) -> None:
        for name, value in (("key", self.key), ("iv", self.iv)):
            if len(value) != KEY_SIZE:
                raise FormatError(
                    f"{name}: expected {KEY_SIZE} bytes, got {len(value)}"
                )


@dataclass(frozen=True)
class Release:
    """What the image is called and where it can be fetched; raises UsageError."""

    version: int
    url: str
    alt_url: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.version <= VERSION_MAX:
            raise UsageError(f"version: expected 0..{VERSION_MAX}, got {self.version}")
        for what, url in (("url", self.url), ("alt_url", self.alt_url)):
            try:
                if url:
                    check_url(url, what=what)
            except FormatError as error:
                raise UsageError(str(error)) from None


@dataclass(frozen=True)
class Package:
    """The finished bytes of the files of an update."""

    fw_info: FwInfo
    ebin: bytes = field(repr=False)
    ota_json: bytes = field(repr=False)


def parse_version(text: str) -> int:
    """A version in decimal or 0x notation; raises UsageError."""
    try:
        version = int(text, 0)
    except ValueError:
        version = -1
    if not 0 <= version <= VERSION_MAX:
        raise UsageError(f"version: expected 0..{VERSION_MAX}, got '{text[:40]}'")
    return version


def build_package(
    image: Image, *, release: Release, secret: Secret, header: bool = True
) -> Package:
    """Encrypts `image`; `header` puts the public header in front of ota.ebin."""
    info, cipher_text = seal(
        image.plain,
        version=release.version,
        fp_base=image.start,
        key=secret.key,
        iv=secret.iv,
    )
    ota_json = OtaJson(url=release.url, alt_url=release.alt_url, fw_info=info)
    ebin = Ebin(info.public() if header else None, cipher_text)
    return Package(info, ebin.pack(), ota_json.pack())


def read_segments(path: Path, *, read: Callable[[Path], bytes]) -> tuple[Segment, ...]:
    """An ELF or HEX file's segments, told apart by content; raises FormatError."""
    data = read(path)
    if data[:4] == b"\x7fELF":
        from nrfota.elf import read_elf

        return read_elf(data, source=str(path))
    from nrfota.hexfile import read_hex

    return read_hex(data, source=str(path))

# SPDX-License-Identifier: Apache-2.0
"""SHA-256 and AES-128-CBC of the bootloader's crypto port against Python's."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from driver_rig import BUFFER, CHIP, DriverRig, build_bench

SHA256, DECRYPT = 1, 2
FLASH = 0x40000
DATA = random.Random(11).randbytes(0x1_8000)


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, compiled once."""
    sources = [CHIP / "crypto_cc310.c", CHIP / "cc310.c"]
    return build_bench(tmp_path_factory.mktemp("cc310"), "crypto_bench.c", sources)


@pytest.fixture
def rig(elf: Path) -> DriverRig:
    """The crypto port with the same data in RAM and in flash."""
    made = DriverRig(elf)
    made.nv.preload(FLASH, DATA)
    made.board.ram_write(BUFFER, DATA)
    return made


@pytest.mark.parametrize("source", [BUFFER, FLASH], ids=["ram", "flash"])
def test_sha256_for_every_kind_of_length(rig: DriverRig, source: int) -> None:
    """Empty, less than a block, whole blocks, around the padding limit, large."""
    for size in (0, 1, 55, 56, 63, 64, 65, 119, 128, 4095, 4096, 4097, 70000, 0x1_8000):
        rig.start(SHA256, source=source, size=size, step=0x10_0000)
        done = rig.finish()
        assert done.result == 0
        assert done.digest == hashlib.sha256(DATA[:size]).digest(), size


@pytest.mark.parametrize("step", [1, 2, 3, 7, 63, 64, 65, 1000, 4096])
def test_sha256_in_pieces_of_any_size(rig: DriverRig, step: int) -> None:
    """The same digest, from unaligned places too."""
    rig.start(SHA256, source=FLASH + 3, size=1111, step=step)
    assert rig.finish().digest == hashlib.sha256(DATA[3 : 3 + 1111]).digest()


@pytest.mark.parametrize(
    ("size", "step"),
    [(16, 16), (4096, 4096), (4096, 1024), (0x1_8000, 0x1_8000)],
    ids=["a_block", "a_page", "chained", "more_than_one_transfer"],
)
@pytest.mark.parametrize("in_place", [False, True], ids=["apart", "in_place"])
def test_decrypts_and_chains(
    rig: DriverRig, size: int, step: int, in_place: bool
) -> None:
    """Plain text as Python decrypts it; the IV is the last cipher block after."""
    key, iv = bytes(range(16)), bytes(range(100, 116))
    source = 0x2000_8000
    rig.board.ram_write(source, DATA[:size])
    target = source if in_place else BUFFER
    rig.start(
        DECRYPT,
        source=source,
        destination=target,
        size=size,
        step=step,
        key=key,
        iv=iv,
    )
    done = rig.finish()
    plain = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor().update(DATA[:size])
    assert done.result == 0
    assert rig.board.ram_read(target, size) == plain
    assert done.iv == DATA[size - 16 : size]


def test_the_engine_is_off_afterwards(rig: DriverRig) -> None:
    """ENABLE is 0: it draws no current and holds no key."""
    rig.start(SHA256, source=BUFFER, size=100, step=100)
    rig.finish()
    assert rig.board.bus.read(0x5002_A500) == 0


def test_the_key_is_overwritten_in_the_engine(
    rig: DriverRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it goes off: what it keeps then is not documented."""
    engine = rig.board.block("CC310").aes  # type: ignore[attr-defined]
    written: list[tuple[str, int]] = []
    write = engine.write

    def note(register: object, index: int, value: int) -> None:
        written.append((getattr(register, "name", "?"), value))
        write(register, index, value)

    monkeypatch.setattr(engine, "write", note)
    rig.start(
        DECRYPT,
        source=0x2000_8000,
        destination=BUFFER,
        size=32,
        step=16,
        key=bytes(range(1, 17)),
        iv=bytes(16),
    )
    assert rig.finish().result == 0
    keys = [value for name, value in written if name == "AES_KEY_0"]
    assert len(keys) == 16  # two calls: the key, then nothing
    assert all(keys[0:4] + keys[8:12])
    assert keys[4:8] + keys[12:16] == [0] * 8

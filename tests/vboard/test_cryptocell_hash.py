# SPDX-License-Identifier: Apache-2.0
"""CC310 HASH engine, register by register. Oracle: hashlib."""

from __future__ import annotations

import hashlib
import random
import struct

import pytest
from register_bench import RAM, Bench
from vboard.errors import GuestError
from vboard.peripherals.cryptocell import cryptocell, sha
from vboard.peripherals.cryptocell.regs import Register as R

CORE = 0x5002_B000
ENABLE = 0x5002_A500
SHA224_INIT = (
    0xC1059ED8,
    0x367CD507,
    0x3070DD17,
    0xF70E5939,
    0xFFC00B31,
    0x68581511,
    0x64F98FA7,
    0xBEFA4FA4,
)
MODES = {
    "sha1": (1, sha.SHA1_INIT, 5),
    "sha224": (0xA, SHA224_INIT, 7),
    "sha256": (2, sha.SHA256_INIT, 8),
}
SIZES = [0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 1000, 4096]


class Hash:
    """A driver: context (H, length) in RAM, ENABLE toggled around every call."""

    def __init__(self, bench: Bench, algorithm: str) -> None:
        self.bench = bench
        self.mode, init, self.words = MODES[algorithm]
        self.h = list(init) + [0] * (8 - len(init))
        self.length = 0
        wrapper, core = cryptocell(bench.clock, bench.bus, bench.irq(42))
        bench.add(wrapper)
        bench.add(core)

    def reg(self, register: R, value: int, index: int = 0) -> None:
        self.bench.bus.write(CORE + register + 4 * index, value)

    def get(self, register: R, index: int = 0) -> int:
        return self.bench.bus.read(CORE + register + 4 * index)

    def _begin(self) -> None:
        self.bench.bus.write(ENABLE, 1)
        assert self.get(R.HOST_SIGNATURE) == 0x20E0_0000
        self.reg(R.ENDIANNESS, 0)
        assert self.get(R.CRYPTO_BUSY) == self.get(R.DIN_DMA_MEM_BUSY) == 0
        self.reg(R.ICR, 0xFFFF_FFFF)
        self.reg(R.HASH_CLK, 1)
        self.reg(R.CRYPTO_CTL, 7)
        self.reg(R.HASH_PAD, 1)
        self.reg(R.HASH_CUR_LEN_0, self.length & 0xFFFF_FFFF)
        self.reg(R.HASH_CUR_LEN_1, self.length >> 32)
        self.reg(R.HASH_CONTROL, self.mode)
        for index in reversed(range(8)):
            self.reg(R.HASH_H, self.h[index], index)

    def _end(self) -> None:
        self.h = [self.get(R.HASH_H, index) for index in range(8)]
        self.length = self.get(R.HASH_CUR_LEN_0) | self.get(R.HASH_CUR_LEN_1) << 32
        self.reg(R.HASH_PAD_AUTO, 0)
        self.reg(R.HASH_PAD_FORCE, 0)
        self.reg(R.HASH_CLK, 0)
        self.bench.bus.write(ENABLE, 0)

    def _dma(self, data: bytes) -> None:
        self.bench.poke(RAM + 0x103, data)
        self.reg(R.SRC_MEM_ADDR, RAM + 0x103)
        self.reg(R.SRC_MEM_SIZE, len(data))
        assert self.get(R.IRR) == 1 << 6
        self.reg(R.ICR, 1 << 6)
        assert self.get(R.IRR) == 0

    def update(self, blocks: bytes) -> None:
        self._begin()
        self._dma(blocks)
        self._end()

    def finish(self, tail: bytes) -> bytes:
        self._begin()
        if tail:
            self.reg(R.HASH_PAD_AUTO, 1)
            self._dma(tail)
        else:
            self.reg(R.HASH_PAD_FORCE, 4)
            assert self.get(R.IRR) == 0
        self._end()
        return struct.pack(f">{self.words}L", *self.h[: self.words])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("algorithm", MODES)
def test_a_digest_is_hashlibs_in_one_transfer(algorithm: str, size: int) -> None:
    """PAD_AUTO pads the last transfer, PAD_FORCE pads when nothing is left."""
    data = random.Random(size).randbytes(size)
    digest = Hash(Bench(), algorithm).finish(data)
    assert hashlib.new(algorithm, data).digest() == digest


@pytest.mark.parametrize("algorithm", MODES)
def test_a_digest_survives_reloading_h_and_length_between_chunks(
    algorithm: str,
) -> None:
    """H and CUR_LEN are all the context there is between transfers."""
    rng = random.Random(7)
    for tail in (0, 1, 63, 64):
        data = rng.randbytes(64 * 37 + tail)
        driver = Hash(Bench(), algorithm)
        at = 0
        for blocks in (1, 5, 14, 17):
            driver.update(data[at : at + 64 * blocks])
            at += 64 * blocks
            assert at == driver.length
        assert hashlib.new(algorithm, data).digest() == driver.finish(data[at:])


def test_a_part_of_a_block_stays_in_the_engine_between_transfers() -> None:
    """Transfers of 32 bytes without reloading H give the same digest."""
    bench = Bench()
    driver = Hash(bench, "sha256")
    data = random.Random(1).randbytes(32 * 5 + 9)
    driver._begin()
    for at in range(0, 160, 32):
        driver._dma(data[at : at + 32])
    driver.reg(R.HASH_PAD_AUTO, 1)
    driver._dma(data[160:])
    digest = struct.pack(">8L", *(driver.get(R.HASH_H, i) for i in range(8)))
    assert hashlib.sha256(data).digest() == digest
    assert driver.get(R.HASH_CUR_LEN_0) == len(data)


@pytest.mark.parametrize("words", [5, 8], ids=["sha1", "sha256"])
def test_openssl_and_python_compressions_agree(words: int) -> None:
    """The fallback is equal to OpenSSL's from arbitrary chaining values."""
    native = sha.native_compressors()
    if native is None:
        pytest.skip("this OpenSSL has no SHA1_Update and SHA256_Update")
    plain = sha.sha1_python if words == 5 else sha.sha256_python
    rng = random.Random(words)
    for blocks in range(6):
        state = [rng.getrandbits(32) for _ in range(words)]
        data = rng.randbytes(64 * blocks)
        assert plain(state, data) == native[words == 8](state, data)


def test_a_partial_block_is_not_compressed() -> None:
    """The native compression takes whole blocks."""
    with pytest.raises(ValueError, match="expected whole blocks of 64, got 63 bytes"):
        sha.sha256_blocks(sha.SHA256_INIT, bytes(63))


BAD = {
    "mode": (R.HASH_CONTROL, 3, "expected SHA-1 .1., SHA-256 .2. or SHA-224"),
    "endianness": (R.HASH_ENDIANNESS, 0, "little-endian data is not modelled"),
    "clock": (R.HASH_CLK, 0, "the HASH clock is off"),
    "dma_clock": (R.DMA_CLK, 0, "the DMA clock is off"),
    "source": (R.SRC_MEM_ADDR, 0x1000, "DMA reaches Data RAM only"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_transfer_with_a_wrong_setting_is_a_fault(case: str) -> None:
    """Each message names what was expected."""
    register, value, message = BAD[case]
    driver = Hash(Bench(), "sha256")
    driver._begin()
    driver.reg(R.SRC_MEM_ADDR, RAM)
    driver.reg(register, value)
    with pytest.raises(GuestError, match=message):
        driver.reg(R.SRC_MEM_SIZE, 64)

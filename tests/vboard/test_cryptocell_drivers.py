# SPDX-License-Identifier: Apache-2.0
"""CC310 as drivers from elsewhere use it: their orders of register accesses.

Each drives the registers in the order that one public kind of driver does.
"""

from __future__ import annotations

import hashlib
import random
import struct

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.cmac import CMAC
from register_bench import RAM, Bench
from vboard.peripherals.cryptocell import cryptocell, sha
from vboard.peripherals.cryptocell.regs import Register as R

CORE = 0x5002_B000
ENABLE = 0x5002_A500
BUFFER, OUTPUT = RAM + 0x1000, RAM + 0x8000
KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")


class Registers:
    """A CryptoCell on a bench, and shorthand for its registers."""

    def __init__(self) -> None:
        self.bench = Bench()
        for block in cryptocell(self.bench.clock, self.bench.bus, self.bench.irq(42)):
            self.bench.add(block)
        self.bench.bus.write(ENABLE, 1)

    def __setitem__(self, offset: int, value: int) -> None:
        self.bench.bus.write(CORE + offset, value)

    def __getitem__(self, offset: int) -> int:
        return self.bench.bus.read(CORE + offset)

    def load(self, offset: int, data: bytes) -> None:
        """Little-endian words."""
        for index, word in enumerate(struct.unpack(f"<{len(data) // 4}L", data)):
            self[offset + 4 * index] = word

    def words(self, offset: int, count: int = 4) -> bytes:
        """Little-endian words back as bytes."""
        return struct.pack(f"<{count}L", *(self[offset + 4 * i] for i in range(count)))


class FamilyDriver:
    """The manner of the CC3xx low-level drivers of Trusted Firmware-M on a CC310.

    One block of data is held back in RAM, control registers are changed by
    read-modify-write, the DMA clock runs only during a transfer, one IRR bit is
    polled, and un-initialising clears registers that larger CryptoCells have.
    """

    def __init__(self) -> None:
        self.regs = Registers()
        self.held = b""
        self.block = 0
        self.output = False
        self.target = OUTPUT
        self._init()

    def _init(self) -> None:
        regs = self.regs
        for bit in (30, 25, 21, 17, 15, 11):
            assert regs[R.HOST_BOOT] >> bit & 1
        assert regs[R.AES_HW_FLAGS] >> 3 & 1
        regs[R.ENDIANNESS] = 0
        regs[R.CRYPTO_CTL] = 0
        regs[R.DMA_CLK] = 1
        regs[R.AHBM_HPROT] = 0xB
        regs[R.AHBM_SINGLES] = 0
        regs[R.AHBM_HNONSEC] = 0
        regs[R.DMA_CLK] = 0

    def engine(self, flow: int) -> None:
        """Waits for idle, then selects."""
        assert self.regs[R.CRYPTO_BUSY] == 0
        self.regs[R.CRYPTO_CTL] = flow

    def _trigger(self, data: bytes) -> None:
        regs = self.regs
        regs.bench.poke(BUFFER, data)
        regs[R.DMA_CLK] = 1
        regs[R.IMR] = 0x7F0
        regs[R.ICR] = regs[R.ICR] | 0xFF0
        if self.output:
            regs[R.DST_MEM_ADDR] = self.target
            regs[R.DST_MEM_SIZE] = len(data)
            self.target += len(data)
        regs[R.SRC_MEM_ADDR] = BUFFER
        regs[R.SRC_MEM_SIZE] = len(data)
        bit = 0x80 if self.output else 0x40
        assert regs[R.IRR] & bit
        regs[R.ICR] = bit
        regs[R.DMA_CLK] = 0

    def flush(self, *, zero_pad: bool = False) -> None:
        """Sends what is held back."""
        if self.held:
            data = self.held
            if zero_pad:
                data = data.ljust(self.block, b"\0")
            self._trigger(data)
            self.held = b""

    def feed(self, data: bytes, *, output: bool) -> None:
        """All but the last block goes out; 1..block bytes stay."""
        if self.held and self.output and not output:
            self.flush()
        data = self.held + data
        self.held, self.output = b"", output
        whole = (len(data) - 1) // self.block * self.block
        limit = 0x1_0000 - self.block
        for at in range(0, whole, limit):
            self._trigger(data[at : min(at + limit, whole)])
        self.held = data[whole:]

    # Hash

    def hash_uninit(self) -> None:
        """Nine H words, XOR input, engine off, clock off."""
        self.held = b""
        for index in reversed(range(9)):
            self.regs[R.HASH_H + 4 * index] = 0
        self.regs[R.HASH_PAD_FORCE] = 0
        self.regs[R.HASH_PAD_AUTO] = 0
        self.regs[0x688] = 0
        self.engine(0)
        self.regs[R.HASH_CLK] = 0

    def hash_setup(self, mode: int) -> None:
        """Everything but state."""
        self.regs[R.HASH_CLK] = 1
        self.engine(7)
        self.regs[0x6A4] = 0
        self.regs[R.HASH_PAD] = 1
        self.regs[R.HASH_PAD_AUTO] = 0
        self.regs[R.HASH_CONTROL] = mode
        self.block = 64

    def hash_load(self, state: tuple[int, ...], length: int) -> None:
        """H from the last to the first."""
        self.regs[R.HASH_CUR_LEN_0] = length & 0xFFFF_FFFF
        self.regs[R.HASH_CUR_LEN_1] = length >> 32
        for index in reversed(range(len(state))):
            self.regs[R.HASH_H + 4 * index] = state[index]

    def hash_state(self) -> tuple[tuple[int, ...], int]:
        """What has to be saved for another user of the engine."""
        h = tuple(self.regs[R.HASH_H + 4 * index] for index in range(8))
        return h, self.regs[R.HASH_CUR_LEN_0] | self.regs[R.HASH_CUR_LEN_1] << 32

    def hash_finish(self) -> bytes:
        """Auto-pads the held block, forces padding when there is none."""
        if self.held:
            self.regs[R.HASH_PAD_AUTO] = 1
            self.flush()
        else:
            self.regs[R.HASH_PAD_FORCE] = 4
        assert self.regs[R.HASH_BUSY] == 0
        digest = struct.pack(">8L", *self.hash_state()[0])
        self.hash_uninit()
        return digest

    # AES

    def aes_setup(self, mode: int, *, decrypt: bool = False) -> None:
        """Control bit by bit, then the key."""
        regs = self.regs
        for offset in (R.AES_IV_0, R.AES_CTR):
            regs.load(offset, bytes(16))
        regs[R.AES_CONTROL] = 0
        regs[R.AES_CLK] = 1
        self.engine(1)
        regs[R.AES_REMAINING_BYTES] = 0
        for clear, set_ in (
            (1, int(decrypt)),
            (7 << 2, mode << 2),
            (2, 0),
            (3 << 12, 0),
        ):
            regs[R.AES_CONTROL] = regs[R.AES_CONTROL] & ~clear
            regs[R.AES_CONTROL] = regs[R.AES_CONTROL] | set_
        regs.load(R.AES_KEY_0, KEY)
        self.block = 16

    def set_mode(self, mode: int) -> None:
        """Changes the mode field only."""
        control = self.regs[R.AES_CONTROL] & ~(7 << 2)
        self.regs[R.AES_CONTROL] = control | mode << 2

    def aes_uninit(self) -> None:
        """Back to bypass, clock off."""
        self.regs[R.AES_CONTROL] = 0
        self.engine(0)
        self.regs[R.AES_CLK] = 0


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 128, 1000, 70_000])
def test_family_driver_hashes_in_pieces_with_save_and_load(size: int) -> None:
    """State is taken out after every piece and put back after another user."""
    driver = FamilyDriver()
    data = random.Random(size).randbytes(size)
    driver.hash_uninit()
    state, length, held = sha.SHA256_INIT, 0, b""
    for at in range(0, size, 20_011):
        driver.hash_setup(2)
        driver.hash_load(state, length)
        driver.held = held
        driver.feed(data[at : at + 20_011], output=False)
        (state, length), held = driver.hash_state(), driver.held
        driver.hash_uninit()
        driver.regs.bench.bus.write(ENABLE, 0)
        driver.regs.bench.bus.write(ENABLE, 1)
    driver.hash_setup(2)
    driver.hash_load(state, length)
    driver.held = held
    assert driver.hash_finish() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("decrypt", [False, True], ids=["encrypt", "decrypt"])
@pytest.mark.parametrize("size", [16, 48, 4096, 70_000 // 16 * 16])
def test_family_driver_runs_cbc(size: int, decrypt: bool) -> None:
    """Key and control once, then any number of transfers."""
    driver = FamilyDriver()
    data = random.Random(size).randbytes(size)
    iv = bytes(range(16))
    driver.aes_setup(1, decrypt=decrypt)
    driver.regs.load(R.AES_IV_0, iv)
    for at in range(0, size, 1000):
        driver.feed(data[at : at + 1000], output=True)
    driver.regs[R.AES_REMAINING_BYTES] = len(driver.held)
    driver.flush(zero_pad=True)
    driver.regs[R.AES_REMAINING_BYTES] = 0
    driver.aes_uninit()
    cipher = Cipher(algorithms.AES(KEY), modes.CBC(iv))
    reference = cipher.decryptor() if decrypt else cipher.encryptor()
    assert driver.regs.bench.peek(OUTPUT, size) == reference.update(data)


@pytest.mark.parametrize("size", [1, 16, 33, 1000])
def test_family_driver_runs_ctr_with_an_odd_end(size: int) -> None:
    """The last transfer is not a whole block."""
    driver = FamilyDriver()
    data = random.Random(size).randbytes(size)
    counter = b"\xff" * 15 + b"\xfe"
    driver.aes_setup(2)
    driver.regs.load(R.AES_CTR, counter)
    driver.feed(data, output=True)
    driver.regs[R.AES_REMAINING_BYTES] = len(driver.held)
    driver.flush()
    reference = Cipher(algorithms.AES(KEY), modes.CTR(counter)).encryptor()
    assert driver.regs.bench.peek(OUTPUT, size) == reference.update(data)


@pytest.mark.parametrize("pieces", [(), (5,), (16,), (40,), (7, 30, 3), (16, 16)])
def test_family_driver_runs_cmac(pieces: tuple[int, ...]) -> None:
    """REMAINING_BYTES is one block ahead until the last block."""
    driver = FamilyDriver()
    data = random.Random(1).randbytes(sum(pieces))
    reference = CMAC(algorithms.AES(KEY))
    reference.update(data)
    driver.aes_setup(7)
    driver.regs[R.AES_CMAC_INIT] = 1
    at = 0
    for piece in pieces:
        driver.regs[R.AES_REMAINING_BYTES] = piece + 16
        driver.engine(1)
        driver.feed(data[at : at + piece], output=False)
        at += piece
    driver.regs[R.AES_REMAINING_BYTES] = len(driver.held)
    driver.flush()
    driver.regs[R.AES_REMAINING_BYTES] = 0
    if not pieces:
        driver.regs[R.AES_CMAC_SIZE0_KICK] = 1
    assert driver.regs.words(R.AES_IV_0) == reference.finalize()


def test_family_driver_builds_ccm_from_cbc_mac_and_ctr() -> None:
    """Without tunnelling: MAC first, then CTR, then the tag in counter block 0."""
    rng = random.Random(2)
    nonce, extra, data = rng.randbytes(13), rng.randbytes(20), rng.randbytes(37)
    driver = FamilyDriver()
    driver.aes_setup(3)
    b0 = bytes([0x40 | 3 << 3 | 1]) + nonce + len(data).to_bytes(2, "big")
    driver.feed(b0, output=False)
    driver.feed(len(extra).to_bytes(2, "big") + extra, output=False)
    driver.flush(zero_pad=True)
    driver.feed(data, output=False)
    driver.flush(zero_pad=True)
    tag = driver.regs.words(R.AES_IV_0)
    driver.set_mode(2)
    driver.regs.load(R.AES_CTR, b"\x01" + nonce + b"\0\x01")
    driver.feed(data, output=True)
    driver.flush()
    driver.regs.load(R.AES_CTR, b"\x01" + nonce + b"\0\0")
    driver.feed(tag, output=True)
    driver.flush()
    got = driver.regs.bench.peek(OUTPUT, len(data) + 8)
    assert got == AESCCM(KEY, tag_length=8).encrypt(nonce, data, extra)


def test_a_driver_that_polls_clk_status_and_runs_ecb_cbc_ctr_on_one_setup() -> None:
    """Clocks are asked for until CLK_STATUS shows them; IRR is never cleared."""
    regs = Registers()
    for clock, bit in ((R.AES_CLK, 1), (R.DMA_CLK, 1 << 8)):
        for _ in range(3):
            if regs[R.CLK_STATUS] & bit:
                break
            regs[clock] = 1
        assert regs[R.CLK_STATUS] & bit
    assert regs[R.CRYPTO_BUSY] == 0
    regs[R.CRYPTO_CTL] = 1
    data, iv = random.Random(4).randbytes(48), bytes(range(16))
    for mode, block in ((0, modes.ECB()), (1, modes.CBC(iv)), (2, modes.CTR(iv))):
        text = data[:16] if mode == 0 else data
        regs.load(R.AES_IV_0 if mode == 1 else R.AES_CTR, iv)
        regs[R.AES_CONTROL] = mode << 2
        regs[R.AES_CONTROL] = regs[R.AES_CONTROL] | 0
        regs.load(R.AES_KEY_0, KEY)
        regs.bench.poke(BUFFER, text)
        regs[R.DST_MEM_ADDR] = OUTPUT
        regs[R.DST_MEM_SIZE] = len(text)
        regs[R.SRC_MEM_ADDR] = BUFFER
        regs[R.SRC_MEM_SIZE] = len(text)
        assert regs[R.IRR] & 0x80
        assert not regs[R.IRR] & 0x100
        reference = Cipher(algorithms.AES(KEY), block).encryptor()
        assert regs.bench.peek(OUTPUT, len(text)) == reference.update(text)


@pytest.mark.parametrize("mask_first", [True, False], ids=["mask", "clear"])
def test_an_interrupt_driver_unmasks_one_bit_and_its_handler_clears_it(
    mask_first: bool,
) -> None:
    """Unmask, start, wait for IRQ 42; the handler masks and clears in either order."""
    regs = Registers()
    regs[R.HASH_CLK] = 1
    regs[R.CRYPTO_CTL] = 7
    regs[R.HASH_CONTROL] = 2
    for index, word in enumerate(sha.SHA256_INIT):
        regs[R.HASH_H + 4 * index] = word
    regs[R.IMR] = 0xFFFF_FFBF
    regs.bench.poke(BUFFER, b"abc")
    regs[R.HASH_PAD_AUTO] = 1
    regs[R.SRC_MEM_ADDR] = BUFFER
    regs[R.SRC_MEM_SIZE] = 3
    assert regs.bench.irq_changes == [(42, True)]
    if mask_first:
        regs[R.IMR] = 0xFFFF_FFFF
    regs[R.ICR] = regs[R.IRR]
    if not mask_first:
        regs[R.IMR] = 0xFFFF_FFFF
    assert regs.bench.irq_changes == [(42, True), (42, False)]
    digest = struct.pack(">8L", *(regs[R.HASH_H + 4 * i] for i in range(8)))
    assert digest == hashlib.sha256(b"abc").digest()

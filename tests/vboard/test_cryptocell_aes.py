# SPDX-License-Identifier: Apache-2.0
"""CC310 AES engine, register by register. Vectors: SP 800-38A, SP 800-38B."""

from __future__ import annotations

import hashlib
import random
import struct

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from register_bench import RAM, Bench
from vboard.errors import GuestError
from vboard.peripherals.cryptocell import cryptocell, sha
from vboard.peripherals.cryptocell.regs import Register as R

CORE = 0x5002_B000
ENABLE = 0x5002_A500
SOURCE, TARGET = RAM + 0x1001, RAM + 0x8E2
ECB, CBC, CTR, CBC_MAC, CMAC_MODE = 0, 1, 2, 3, 7
DECRYPT = 1

# SP 800-38A, appendix F (F.1, F.2, F.5: AES-128).
KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
IV = bytes(range(16))
COUNTER = bytes(range(0xF0, 0x100))
PLAIN = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
VECTORS = {
    "ecb": (
        ECB,
        "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
        "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
    ),
    "cbc": (
        CBC,
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
        "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    ),
    "ctr": (
        CTR,
        "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
        "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
    ),
}


class Aes:
    """A polling driver that reloads key and IV for every transfer."""

    def __init__(self) -> None:
        self.bench = Bench()
        wrapper, core = cryptocell(self.bench.clock, self.bench.bus, self.bench.irq(42))
        self.bench.add(wrapper)
        self.bench.add(core)
        self.bench.bus.write(ENABLE, 1)

    def reg(self, register: R, value: int, index: int = 0) -> None:
        self.bench.bus.write(CORE + register + 4 * index, value)

    def get(self, register: R, index: int = 0) -> int:
        return self.bench.bus.read(CORE + register + 4 * index)

    def load(self, register: R, data: bytes) -> None:
        for index, word in enumerate(struct.unpack(f"<{len(data) // 4}L", data)):
            self.reg(register, word, index)

    def words(self, register: R) -> bytes:
        return struct.pack("<4L", *(self.get(register, i) for i in range(4)))

    def setup(self, mode: int, *, flags: int = 0, key: bytes = KEY) -> None:
        self.reg(R.AES_CLK, 1)
        self.reg(R.CRYPTO_CTL, 1)
        for busy in (R.AES_BUSY, R.DOUT_DMA_MEM_BUSY, R.DIN_DMA_MEM_BUSY):
            assert self.get(busy) == 0
        self.reg(R.ICR, 0xFFFF_FFFF)
        self.reg(R.AES_REMAINING_BYTES, 0)
        self.reg(R.AES_CONTROL, mode << 2 | flags)
        self.load(R.AES_KEY_0, key)

    def run(self, data: bytes, *, source: int = SOURCE, target: int = TARGET) -> bytes:
        self.bench.poke(source, data)
        self.reg(R.DST_MEM_ADDR, target)
        self.reg(R.DST_MEM_SIZE, len(data))
        self.reg(R.SRC_MEM_ADDR, source)
        self.reg(R.SRC_MEM_SIZE, len(data))
        assert self.get(R.IRR) == 0xC0
        self.reg(R.ICR, 0xC0)
        return self.bench.peek(target, len(data))

    def absorb(self, data: bytes) -> None:
        self.bench.poke(SOURCE, data)
        self.reg(R.SRC_MEM_ADDR, SOURCE)
        self.reg(R.SRC_MEM_SIZE, len(data))
        assert self.get(R.IRR) == 0x40
        self.reg(R.ICR, 0x40)


@pytest.mark.parametrize("chunk", [16, 32, 64])
@pytest.mark.parametrize("name", VECTORS)
def test_nist_vectors_hold_both_ways_in_any_chunks(name: str, chunk: int) -> None:
    """IV and CTR chain from one transfer to the next."""
    mode, cipher = VECTORS[name]
    for flags, text, expected in (
        (0, PLAIN, bytes.fromhex(cipher)),
        (DECRYPT, bytes.fromhex(cipher), PLAIN),
    ):
        aes = Aes()
        aes.setup(mode, flags=flags)
        aes.load(R.AES_IV_0, IV)
        aes.load(R.AES_CTR, COUNTER)
        parts = [aes.run(text[at : at + chunk]) for at in range(0, len(text), chunk)]
        assert expected == b"".join(parts)


def test_iv_reads_back_as_the_last_cipher_block_for_both_directions() -> None:
    """A driver saves the IV, switches off, and goes on with it."""
    cipher = bytes.fromhex(VECTORS["cbc"][1])
    for flags, text, expected in ((0, PLAIN, cipher), (DECRYPT, cipher, PLAIN)):
        aes = Aes()
        iv, output = IV, b""
        for at in range(0, 64, 16):
            aes.bench.bus.write(ENABLE, 1)
            aes.setup(CBC, flags=flags)
            aes.load(R.AES_IV_0, iv)
            output += aes.run(text[at : at + 16])
            iv = aes.words(R.AES_IV_0)
            assert cipher[at : at + 16] == iv
            aes.bench.bus.write(ENABLE, 0)
        assert expected == output


def test_a_buffer_can_be_decrypted_in_place() -> None:
    """Source and target may be the same."""
    aes = Aes()
    aes.setup(CBC, flags=DECRYPT)
    aes.load(R.AES_IV_0, IV)
    cipher = bytes.fromhex(VECTORS["cbc"][1])
    assert aes.run(cipher, source=SOURCE, target=SOURCE) == PLAIN


def test_the_counter_is_128_bits_wide_and_the_last_block_may_be_short() -> None:
    """It wraps over all 16 bytes; a part of a block uses one count."""
    aes = Aes()
    aes.setup(CTR)
    aes.load(R.AES_CTR, b"\xff" * 16)
    data = random.Random(3).randbytes(16 * 2 + 5)
    reference = Cipher(algorithms.AES(KEY), modes.CTR(b"\xff" * 16)).encryptor()
    assert reference.update(data) == aes.run(data)
    assert (2).to_bytes(16, "big") == aes.words(R.AES_CTR)


def test_cbc_mac_leaves_its_result_in_iv_and_writes_nothing() -> None:
    """Mode 3 has no output; only the DIN bit comes up."""
    aes = Aes()
    aes.setup(CBC_MAC)
    aes.load(R.AES_IV_0, bytes(16))
    for at in range(0, 64, 32):
        aes.absorb(PLAIN[at : at + 32])
    reference = Cipher(algorithms.AES(KEY), modes.CBC(bytes(16))).encryptor()
    assert reference.update(PLAIN)[-16:] == aes.words(R.AES_IV_0)


@pytest.mark.parametrize("size", [1, 15, 16, 17, 32, 40, 64])
def test_cmac_takes_its_last_block_from_remaining_bytes(size: int) -> None:
    """K1 for a whole last block, K2 and padding for a part of one."""
    reference = CMAC(algorithms.AES(KEY))
    reference.update(PLAIN[:size])
    expected = reference.finalize()
    last = (size - 1) % 16 + 1
    aes = Aes()
    aes.setup(CMAC_MODE)
    aes.load(R.AES_IV_0, bytes(16))
    aes.reg(R.AES_CMAC_INIT, 1)
    if size > last:
        aes.reg(R.AES_REMAINING_BYTES, size + 16)  # more is to come
        aes.absorb(PLAIN[: size - last])
    aes.reg(R.AES_REMAINING_BYTES, last)
    aes.absorb(PLAIN[size - last : size])
    assert expected == aes.words(R.AES_IV_0)
    assert aes.get(R.AES_REMAINING_BYTES) == 0


def test_cmac_of_the_whole_message_in_one_transfer_and_of_nothing() -> None:
    """SP 800-38B, D.1, examples 1 and 3."""
    aes = Aes()
    aes.setup(CMAC_MODE)
    aes.load(R.AES_IV_0, bytes(16))
    aes.reg(R.AES_CMAC_INIT, 1)
    aes.reg(R.AES_CMAC_SIZE0_KICK, 1)
    assert aes.words(R.AES_IV_0).hex() == "bb1d6929e95937287fa37d129b756746"
    aes.load(R.AES_IV_0, bytes(16))
    aes.reg(R.AES_REMAINING_BYTES, 40)
    aes.absorb(PLAIN[:40])
    assert aes.words(R.AES_IV_0).hex() == "dfa66747de9ae63030ca32611497c827"


@pytest.mark.parametrize("flow", [2, 3, 10], ids=["to-hash", "and-hash", "both"])
def test_aes_and_hash_run_on_one_transfer(flow: int) -> None:
    """Flows 2 and 10 hash the AES output, flow 3 the input; 2 gives no output."""
    cipher = bytes.fromhex(VECTORS["cbc"][1])
    aes = Aes()
    aes.setup(CBC)
    aes.load(R.AES_IV_0, IV)
    aes.reg(R.HASH_CLK, 1)
    aes.reg(R.HASH_CONTROL, 2)
    for index, word in enumerate(sha.SHA256_INIT):
        aes.reg(R.HASH_H, word, index)
    aes.reg(R.HASH_PAD_AUTO, 1)
    aes.reg(R.CRYPTO_CTL, flow)
    if flow == 2:
        aes.absorb(PLAIN)
    else:
        assert cipher == aes.run(PLAIN)
    hashed = PLAIN if flow == 3 else cipher
    digest = struct.pack(">8L", *(aes.get(R.HASH_H, i) for i in range(8)))
    assert hashlib.sha256(hashed).digest() == digest


def test_flow_9_macs_and_copies() -> None:
    """The data passes by while CBC-MAC absorbs it."""
    aes = Aes()
    aes.setup(CBC_MAC)
    aes.load(R.AES_IV_0, bytes(16))
    aes.reg(R.CRYPTO_CTL, 9)
    assert aes.run(PLAIN) == PLAIN
    reference = Cipher(algorithms.AES(KEY), modes.CBC(bytes(16))).encryptor()
    assert reference.update(PLAIN)[-16:] == aes.words(R.AES_IV_0)


def test_the_hardware_key_is_loaded_by_aes_sk() -> None:
    """K_DR is written once and never read."""
    aes = Aes()
    assert aes.get(R.HOST_IOT_KDR0) == 0
    aes.load(R.HOST_IOT_KDR0, KEY)
    aes.load(R.HOST_IOT_KDR0, bytes(16))  # too late
    assert aes.get(R.HOST_IOT_KDR0) == 1
    aes.setup(ECB, key=bytes(16))
    aes.reg(R.AES_SK, 1)
    assert VECTORS["ecb"][1] == aes.run(PLAIN).hex()
    aes.reg(R.HOST_CRYPTOKEY_SEL, 1)
    with pytest.raises(GuestError, match="only K_DR"):
        aes.reg(R.AES_SK, 1)


BAD = {
    "key_256": (ECB, 2 << 12, "expected a 128-bit key"),
    "mode_xex": (4, 0, "expected ECB .0., CBC .1., CTR .2.*got mode 4"),
    "tunnel": (ECB, 1 << 10, "tunnelling is not there"),
    "xor_key": (ECB, 1 << 29, "XOR key and direct access are not modelled"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_the_engine_cannot_do_is_refused_by_name(case: str) -> None:
    """AES_CONTROL is judged when a transfer starts."""
    mode, flags, message = BAD[case]
    aes = Aes()
    aes.setup(mode, flags=flags)
    with pytest.raises(GuestError, match=f"CC_AES.AES_CONTROL: .*{message}"):
        aes.run(PLAIN)


def test_part_of_a_block_is_a_fault_in_cbc() -> None:
    """Padding is the driver's business."""
    aes = Aes()
    aes.setup(CBC)
    with pytest.raises(GuestError, match="whole blocks of 16 bytes in CBC, got 17"):
        aes.run(PLAIN[:17])


def test_part_of_a_block_is_a_fault_in_cmac_before_the_last() -> None:
    """Only the transfer that AES_REMAINING_BYTES ends may be odd."""
    aes = Aes()
    aes.setup(CMAC_MODE)
    with pytest.raises(GuestError, match="before the last one, got 17 bytes"):
        aes.absorb(PLAIN[:17])


def test_a_frozen_counter_is_refused() -> None:
    """AES_CTR_NO_INCREMENT is there but not modelled."""
    aes = Aes()
    aes.setup(CTR)
    aes.reg(R.AES_CTR_NO_INCREMENT, 1)
    with pytest.raises(GuestError, match="AES_CTR_NO_INCREMENT=1 is not modelled"):
        aes.run(PLAIN)

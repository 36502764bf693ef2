# SPDX-License-Identifier: Apache-2.0
"""CC310: ENABLE, clocks, DMA, FIFOs, interrupt, TRNG, refusals."""

from __future__ import annotations

import pytest
from register_bench import RAM, Bench
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.cryptocell import cryptocell
from vboard.peripherals.cryptocell.regs import Register as R

CORE = 0x5002_B000
ENABLE = 0x5002_A500


class Rig:
    """A CryptoCell on a bench, enabled."""

    def __init__(self, seed: int = 0) -> None:
        self.bench = Bench()
        self.wrapper, self.core = cryptocell(
            self.bench.clock, self.bench.bus, self.bench.irq(42), seed=seed
        )
        self.bench.add(self.wrapper)
        self.bench.add(self.core)
        self.bench.bus.write(ENABLE, 1)

    def reg(self, register: int, value: int) -> None:
        self.bench.bus.write(CORE + register, value)

    def get(self, register: int) -> int:
        return self.bench.bus.read(CORE + register)

    def copy(self, source: int, target: int, size: int) -> None:
        self.reg(R.DST_MEM_ADDR, target)
        self.reg(R.DST_MEM_SIZE, size)
        self.reg(R.SRC_MEM_ADDR, source)
        self.reg(R.SRC_MEM_SIZE, size)


RESET_VALUES = {
    R.HASH_PAD: 1,
    R.HASH_ENDIANNESS: 1,
    R.HASH_HW_FLAGS: 0x12001,
    R.AES_HW_FLAGS: 0x108,
    R.CLK_STATUS: 0x100,
    R.IMR: 0x1FF_FFFF,
    R.HOST_SIGNATURE: 0x20E0_0000,
    R.HOST_BOOT: 0x4622_982C,
    R.HOST_IOT_LCS: 2,
    R.VERSION: 0xF000_0000,
    R.DIN_FIFO_EMPTY: 1,
    R.DOUT_FIFO_EMPTY: 1,
    R.SRAM_DATA_READY: 1,
    R.SAMPLE_CNT: 0xFFFF,
    R.RNG_IMR: 0x3F,
    R.RNG_HW_FLAGS: 0xF,
}


def test_reset_values_are_the_data_sheets() -> None:
    """All others read 0, write-only registers included."""
    rig = Rig()
    expected = {register: RESET_VALUES.get(register, 0) for register in R}
    del expected[R.DOUT_BUFFER]
    assert {register: rig.get(register) for register in expected} == expected


def test_switched_off_it_reads_0_ignores_writes_and_forgets() -> None:
    """ENABLE=0 loses the context; the next user loads everything."""
    rig = Rig()
    rig.reg(R.HASH_H, 5)
    rig.reg(R.AES_CLK, 1)
    rig.bench.bus.write(ENABLE, 0)
    assert rig.bench.bus.read(ENABLE) == 0
    assert rig.get(R.HOST_SIGNATURE) == 0
    rig.reg(R.HASH_H, 6)
    rig.bench.bus.write(ENABLE, 1)
    assert (rig.get(R.HASH_H), rig.get(R.CLK_STATUS)) == (0, 0x100)


def test_clk_status_shows_which_clocks_run() -> None:
    """AES 0, HASH 2, PKA 3, CHACHA 7, DMA 8."""
    rig = Rig()
    for register in (R.AES_CLK, R.HASH_CLK, R.PKA_CLK, R.CHACHA_CLK):
        rig.reg(register, 1)
    assert rig.get(R.CLK_STATUS) == 0x18D
    rig.reg(R.DMA_CLK, 0)
    assert rig.get(R.CLK_STATUS) == 0x08D


def test_bypass_copies_memory_at_any_alignment() -> None:
    """CRYPTO_CTL 0."""
    rig = Rig()
    rig.bench.poke(RAM + 3, b"0123456789abcdef!")
    rig.copy(RAM + 3, RAM + 0x101, 17)
    assert rig.bench.peek(RAM + 0x101, 17) == b"0123456789abcdef!"
    assert rig.get(R.IRR) == 0xC0


def test_output_may_be_collected_by_several_transfers_or_later() -> None:
    """DOUT completes when it got all that it was armed for."""
    rig = Rig()
    rig.bench.poke(RAM, bytes(range(64)))
    rig.reg(R.DST_MEM_ADDR, RAM + 0x100)
    rig.reg(R.DST_MEM_SIZE, 48)
    for part in range(2):
        rig.reg(R.SRC_MEM_ADDR, RAM + 32 * part)
        rig.reg(R.SRC_MEM_SIZE, 32)
        assert rig.get(R.IRR) == (0x40, 0xC0)[part]
    assert rig.bench.peek(RAM + 0x100, 64) == bytes(range(48)) + bytes(16)
    assert rig.get(R.DOUT_FIFO_EMPTY) == 0
    rig.reg(R.DST_MEM_ADDR, RAM + 0x130)
    rig.reg(R.DST_MEM_SIZE, 16)
    assert rig.bench.peek(RAM + 0x100, 64) == bytes(range(64))
    assert rig.get(R.DOUT_FIFO_EMPTY) == 1


def test_the_cpu_may_carry_the_data_itself() -> None:
    """DIN_CPU_DATA announces the size; DIN_BUFFER and DOUT_BUFFER take words."""
    rig = Rig()
    rig.reg(R.DIN_CPU_DATA, 16)
    for index in range(4):
        rig.reg(R.DIN_BUFFER + 4 * index, 0x1000 + index)
    assert rig.get(R.DIN_FIFO_EMPTY) == 1
    words = [rig.get(R.DOUT_BUFFER) for _ in range(4)]
    assert words == [0x1000, 0x1001, 0x1002, 0x1003]
    with pytest.raises(GuestError, match="the DOUT FIFO is empty"):
        rig.get(R.DOUT_BUFFER)
    with pytest.raises(GuestError, match="expected DIN_CPU_DATA with the size first"):
        rig.reg(R.DIN_BUFFER, 1)


def test_the_rng_sram_is_reached_by_cpu_and_dma() -> None:
    """Its address counts up; IRR bits 4 and 5 are its transfers."""
    rig = Rig()
    rig.reg(R.SRAM_ADDR, 0)
    for word in (1, 2):
        rig.reg(R.SRAM_DATA, word)
    rig.reg(R.DST_SRAM_ADDR, 8)
    rig.reg(R.DST_SRAM_SIZE, 8)
    rig.reg(R.SRC_SRAM_ADDR, 0)
    rig.reg(R.SRC_SRAM_SIZE, 8)
    assert rig.get(R.IRR) == 0x30
    rig.reg(R.SRAM_ADDR, 0)
    assert [rig.get(R.SRAM_DATA) for _ in range(4)] == [1, 2, 1, 2]
    with pytest.raises(GuestError, match="expected a range inside the 2048 bytes"):
        rig.reg(R.SRC_SRAM_SIZE, 2049)


def test_the_interrupt_is_a_level_of_unmasked_requests() -> None:
    """ENABLE and (IRR & ~IMR); ICR clears, masking lowers it."""
    rig = Rig()
    rig.copy(RAM, RAM + 64, 16)
    assert rig.bench.irq_changes == []
    rig.reg(R.IMR, 0xFFFF_FF7F)
    rig.reg(R.ICR, 0x80)
    rig.reg(R.IMR, 0xFFFF_FFBF)
    rig.reg(R.IMR, 0xFFFF_FFFF)
    rig.reg(R.IMR, 0xFFFF_FFBF)
    rig.bench.bus.write(ENABLE, 0)
    levels = [level for _, level in rig.bench.irq_changes]
    assert levels == [True, False, True, False, True, False]
    assert {number for number, _ in rig.bench.irq_changes} == {42}


def test_the_trng_gives_192_bits_and_an_interrupt_request() -> None:
    """Start, wait for IRR bit 10, read EHR; the last word starts the next round."""
    rounds = []
    for seed in (1, 1, 2):
        rig = Rig(seed)
        rig.reg(R.RNG_CLK, 1)
        rig.reg(R.RNG_SW_RESET, 1)
        rig.reg(R.SAMPLE_CNT, 1000)
        assert rig.get(R.SAMPLE_CNT) == 1000
        rig.reg(R.NOISE_SOURCE, 0)
        rig.reg(R.RNG_ICR, 0xFFFF_FFFF)
        rig.reg(R.RNG_IMR, 0xFFFF_FFEC)
        rig.reg(R.TRNG_CONFIG, 0)
        rig.reg(R.TRNG_DEBUG, 0)
        rig.reg(R.RNG_WATCHDOG_VAL, 0x2E_E000)
        rig.reg(R.NOISE_SOURCE, 1)
        words = []
        for _ in range(2):
            assert (rig.get(R.IRR) >> 10, rig.get(R.RNG_BUSY)) == (0, 1)
            rig.bench.pass_ns(3_000_000)
            assert (rig.get(R.IRR) >> 10, rig.get(R.RNG_ISR)) == (1, 1)
            rig.reg(R.ICR, 0x400)
            assert rig.get(R.TRNG_VALID) == 1
            rig.reg(R.TRNG_RESET, 1)  # ignored while the source is on
            rig.reg(R.RNG_ICR, 1)
            words += [rig.get(R.EHR_DATA + 4 * index) for index in range(6)]
            assert (rig.get(R.TRNG_VALID), rig.get(R.RNG_ISR)) == (0, 0)
        rig.reg(R.NOISE_SOURCE, 0)
        rig.bench.pass_ns(30_000_000)
        assert rig.get(R.TRNG_VALID) == 0
        rounds.append(words)
    assert rounds[0] == rounds[1] != rounds[2]
    assert len(set(rounds[0])) == 12


def test_the_trng_fills_its_sram_by_dma() -> None:
    """RNG_DMA with a number of samples of 192 bits; RNG_ISR bit 5 at the end."""
    rig = Rig(1)
    rig.reg(R.RNG_IMR, 0x1E)
    rig.reg(R.SAMPLE_CNT, 100)
    rig.reg(R.RNG_DMA_SAMPLES_NUM, 2)
    rig.reg(R.RNG_DMA_SRAM_ADDR, 0)
    rig.reg(R.RNG_DMA, 1)
    rig.reg(R.NOISE_SOURCE, 1)
    rig.bench.pass_ns(600_000)
    assert (rig.get(R.RNG_ISR), rig.get(R.RNG_DMA)) == (0x20, 0)
    rig.reg(R.SRAM_ADDR, 0)
    words = [rig.get(R.SRAM_DATA) for _ in range(13)]
    assert words[12] == 0
    assert 0 not in words[:12]


@pytest.mark.parametrize("kind", list(ResetKind), ids=lambda kind: kind.name)
def test_keys_and_life_cycle_last_until_power_on(kind: ResetKind) -> None:
    """K_DR, its lock and LCS are written once per power cycle."""
    rig = Rig()
    for index in range(4):
        rig.reg(R.HOST_IOT_KDR0 + 4 * index, 1)
    rig.reg(R.HOST_IOT_KPRTL_LOCK, 1)
    for value in (2, 0):
        rig.reg(R.HOST_IOT_LCS, value)
    for block in (rig.core, rig.wrapper):
        block.reset(kind)
    assert rig.bench.bus.read(ENABLE) == 0
    rig.bench.bus.write(ENABLE, 1)
    state = [
        rig.get(r) for r in (R.HOST_IOT_KDR0, R.HOST_IOT_KPRTL_LOCK, R.HOST_IOT_LCS)
    ]
    assert state == ([0, 0, 2] if kind is ResetKind.POWER_ON else [1, 1, 0x102])


REFUSED = {
    "pka": (0x80, "CC310.+0x080: PKA is not modelled"),
    "chacha": (0x388, "CC310.+0x388: CHACHA is not modelled"),
    "ghash": (0x984, "CC310.+0x984: GHASH is not modelled"),
    "reserved": (0x3FC + 0x200, "no register at this offset"),
    "read_only": (R.HOST_BOOT, "CC310.HOST_BOOT: the register is read-only"),
    "index": (R.EHR_DATA + 4, r"CC310.EHR_DATA[1]: the register is read-only"),
    "flow": (R.CRYPTO_CTL, "CC310.CRYPTO_CTL: 0x5 is not a cryptographic flow"),
    "endianness": (R.ENDIANNESS, "expected 0 (little-endian), got 0x5"),
    "too_much": (R.SRC_MEM_SIZE, "expected at most 65535 bytes in one transfer"),
    "foreign": (0x688, "CC310.HASH_XOR_DIN: no register at this offset"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_there_is_refused_by_name(case: str) -> None:
    """Block and register are in the message."""
    offset, message = REFUSED[case]
    rig = Rig()
    value = 0x1_0000 if case == "too_much" else 5
    with pytest.raises(GuestError) as caught:
        rig.reg(offset, value)
    assert message in str(caught.value)


def test_chacha_as_a_flow_is_refused_when_data_comes() -> None:
    """CRYPTO_CTL 0x10 exists on the chip."""
    rig = Rig()
    rig.reg(R.CRYPTO_CTL, 0x10)
    rig.reg(R.SRC_MEM_ADDR, RAM)
    with pytest.raises(GuestError, match="CHACHA is not modelled"):
        rig.reg(R.SRC_MEM_SIZE, 64)


def test_the_wrapper_has_one_register() -> None:
    """ENABLE at 0x500."""
    rig = Rig()
    assert rig.wrapper.register_name(0x500) == "ENABLE"
    for call in (
        lambda: rig.bench.bus.read(ENABLE + 4),
        lambda: rig.bench.bus.write(ENABLE + 4, 1),
    ):
        with pytest.raises(GuestError, match=r"CRYPTOCELL.*no register at this offset"):
            call()


def test_dma_that_leaves_ram_is_a_fault() -> None:
    """Source and target."""
    rig = Rig()
    with pytest.raises(GuestError, match=r"DMA reaches Data RAM only .*0x0003e000\+64"):
        rig.copy(0x3_E000, RAM, 64)
    with pytest.raises(GuestError, match="DMA reaches Data RAM only"):
        rig.copy(RAM, 0x2003_FFF8, 16)

# SPDX-License-Identifier: Apache-2.0
"""CC310 registers by their data-sheet names (nRF52840 PS, CRYPTOCELL).

A register that is write-only reads as 0. Offsets are from 0x5002B000.
"""

from __future__ import annotations

import enum


class Register(enum.IntEnum):
    """Every register of the core except PKA and CHACHA; arrays by their first."""

    # CC_RNG
    RNG_IMR = 0x100
    RNG_ISR = 0x104
    RNG_ICR = 0x108
    TRNG_CONFIG = 0x10C
    TRNG_VALID = 0x110
    EHR_DATA = 0x114  # [6]
    NOISE_SOURCE = 0x12C
    SAMPLE_CNT = 0x130
    AUTOCORR_STATISTIC = 0x134
    TRNG_DEBUG = 0x138
    RNG_SW_RESET = 0x140
    RNG_BUSY = 0x1B8
    TRNG_RESET = 0x1BC
    RNG_HW_FLAGS = 0x1C0
    RNG_CLK = 0x1C4
    RNG_DMA = 0x1C8
    RNG_DMA_ROSC_LEN = 0x1CC
    RNG_DMA_SRAM_ADDR = 0x1D0
    RNG_DMA_SAMPLES_NUM = 0x1D4
    RNG_WATCHDOG_VAL = 0x1D8
    RNG_DMA_BUSY = 0x1DC
    # CC_AES
    AES_KEY_0 = 0x400  # [8]
    AES_IV_0 = 0x440  # [4]
    AES_CTR = 0x460  # [4]
    AES_BUSY = 0x470
    AES_SK = 0x478
    AES_CMAC_INIT = 0x47C
    AES_REMAINING_BYTES = 0x4BC
    AES_CONTROL = 0x4C0
    AES_HW_FLAGS = 0x4C8
    AES_CTR_NO_INCREMENT = 0x4D8
    AES_SW_RESET = 0x4F4
    AES_CMAC_SIZE0_KICK = 0x524
    # CC_HASH
    HASH_H = 0x640  # [8]
    HASH_PAD_AUTO = 0x684
    HASH_INIT_STATE = 0x694
    HASH_VERSION = 0x7B0
    HASH_CONTROL = 0x7C0
    HASH_PAD = 0x7C4
    HASH_PAD_FORCE = 0x7C8
    HASH_CUR_LEN_0 = 0x7CC
    HASH_CUR_LEN_1 = 0x7D0
    HASH_HW_FLAGS = 0x7DC
    HASH_SW_RESET = 0x7E4
    HASH_ENDIANNESS = 0x7E8
    # CC_MISC
    AES_CLK = 0x810
    HASH_CLK = 0x818
    PKA_CLK = 0x81C
    DMA_CLK = 0x820
    CLK_STATUS = 0x824
    CHACHA_CLK = 0x858
    # CC_CTL
    CRYPTO_CTL = 0x900
    CRYPTO_BUSY = 0x910
    HASH_BUSY = 0x91C
    VERSION = 0x928
    CONTEXT_ID = 0x930
    # CC_HOST_RGF
    IRR = 0xA00
    IMR = 0xA04
    ICR = 0xA08
    ENDIANNESS = 0xA0C
    HOST_SIGNATURE = 0xA24
    HOST_BOOT = 0xA28
    HOST_CRYPTOKEY_SEL = 0xA38
    HOST_IOT_KPRTL_LOCK = 0xA4C
    HOST_IOT_KDR0 = 0xA50  # [4]
    HOST_IOT_LCS = 0xA60
    # CC_AHB
    AHBM_SINGLES = 0xB00
    AHBM_HPROT = 0xB04
    AHBM_HMASTLOCK = 0xB08
    AHBM_HNONSEC = 0xB0C
    # CC_DIN
    DIN_BUFFER = 0xC00  # [8]
    DIN_DMA_MEM_BUSY = 0xC20
    SRC_MEM_ADDR = 0xC28
    SRC_MEM_SIZE = 0xC2C
    SRC_SRAM_ADDR = 0xC30
    SRC_SRAM_SIZE = 0xC34
    DIN_DMA_SRAM_BUSY = 0xC38
    DIN_DMA_SRAM_ENDIANNESS = 0xC3C
    DIN_SW_RESET = 0xC44
    DIN_CPU_DATA = 0xC48
    DIN_WRITE_ALIGN = 0xC4C
    DIN_FIFO_EMPTY = 0xC50
    DIN_FIFO_RESET = 0xC58
    # CC_DOUT
    DOUT_BUFFER = 0xD00  # [8]
    DOUT_DMA_MEM_BUSY = 0xD20
    DST_MEM_ADDR = 0xD28
    DST_MEM_SIZE = 0xD2C
    DST_SRAM_ADDR = 0xD30
    DST_SRAM_SIZE = 0xD34
    DOUT_DMA_SRAM_BUSY = 0xD38
    DOUT_DMA_SRAM_ENDIANNESS = 0xD3C
    DOUT_READ_ALIGN = 0xD44
    DOUT_FIFO_EMPTY = 0xD50
    DOUT_SW_RESET = 0xD58
    # CC_RNG_SRAM
    SRAM_DATA = 0xF00
    SRAM_ADDR = 0xF04
    SRAM_DATA_READY = 0xF08


R = Register

ARRAYS: dict[Register, int] = {
    R.EHR_DATA: 6,
    R.AES_KEY_0: 8,
    R.AES_IV_0: 4,
    R.AES_CTR: 4,
    R.HASH_H: 8,
    R.HOST_IOT_KDR0: 4,
    R.DIN_BUFFER: 8,
    R.DOUT_BUFFER: 8,
}

READ_ONLY = frozenset(
    {
        R.RNG_ISR,
        R.TRNG_VALID,
        R.EHR_DATA,
        R.RNG_BUSY,
        R.RNG_HW_FLAGS,
        R.RNG_DMA_BUSY,
        R.AES_BUSY,
        R.AES_HW_FLAGS,
        R.HASH_VERSION,
        R.HASH_HW_FLAGS,
        R.CLK_STATUS,
        R.CRYPTO_BUSY,
        R.HASH_BUSY,
        R.VERSION,
        R.IRR,
        R.HOST_SIGNATURE,
        R.HOST_BOOT,
        R.DIN_DMA_MEM_BUSY,
        R.DIN_DMA_SRAM_BUSY,
        R.DIN_FIFO_EMPTY,
        R.DOUT_BUFFER,
        R.DOUT_DMA_MEM_BUSY,
        R.DOUT_DMA_SRAM_BUSY,
        R.DOUT_FIFO_EMPTY,
        R.SRAM_DATA_READY,
    }
)

# Registers of larger CryptoCells that shared drivers clear; here a 0 has no effect.
FOREIGN = {
    0x660: "HASH_H[8]",
    0x688: "HASH_XOR_DIN",
    0x6A4: "HASH_SELECT",
    0x4F0: "AES_DFA_IS_ON",
}

# Engines that are not modelled: (first, last offset, name).
REFUSED = (
    (0x000, 0x0FF, "PKA"),
    (0x380, 0x3FF, "CHACHA"),
    (0x960, 0x987, "GHASH"),
)


class Irr(enum.IntFlag):
    """Bits of IRR, IMR and ICR."""

    SRAM_TO_DIN = 1 << 4
    DOUT_TO_SRAM = 1 << 5
    MEM_TO_DIN = 1 << 6
    DOUT_TO_MEM = 1 << 7
    AHB_ERR = 1 << 8
    PKA = 1 << 9
    RNG = 1 << 10


class Flow(enum.IntEnum):
    """CRYPTO_CTL: what the data passes through."""

    BYPASS = 0x00
    AES = 0x01
    AES_TO_HASH = 0x02
    AES_AND_HASH = 0x03
    HASH = 0x07
    AES_MAC_AND_BYPASS = 0x09
    AES_TO_HASH_AND_DOUT = 0x0A
    CHACHA = 0x10


class Clocks(enum.IntFlag):
    """Bits of CLK_STATUS."""

    AES = 1 << 0
    HASH = 1 << 2
    PKA = 1 << 3
    CHACHA = 1 << 7
    DMA = 1 << 8


def locate(offset: int) -> tuple[Register, int] | None:
    """(register, index) at `offset`; index is 0 for those that are not arrays."""
    return _BY_OFFSET.get(offset)


_BY_OFFSET = {
    register + 4 * index: (register, index)
    for register in Register
    for index in range(ARRAYS.get(register, 1))
}


def name_of(offset: int) -> str:
    """Data-sheet name of the register at `offset`."""
    found = locate(offset)
    if found is None:
        return FOREIGN.get(offset, f"+0x{offset:03x}")
    register, index = found
    return f"{register.name}[{index}]" if register in ARRAYS else register.name

// CryptoCell 310 registers that the driver uses, with the vendor's names.
//
// Source: the nRF52840's published register description (SVD); the core's
// blocks share one base address.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef NRF52840_CC310_H
#define NRF52840_CC310_H

#include <stddef.h>
#include <stdint.h>

#include "cortex_m4.h"

#define CC_GAP_(line) RESERVED_##line
#define CC_GAP(line) CC_GAP_(line)
#define GAP(from, to) uint32_t CC_GAP(__LINE__)[((to) - (from)) / 4]

typedef struct { // wrapper, 0x5002A000
    GAP(0x000, 0x500);
    __IOM uint32_t ENABLE;
} NRF_CRYPTOCELL_Type;

typedef struct {
    GAP(0x000, 0x400);
    __OM uint32_t AES_KEY_0[8];
    GAP(0x420, 0x440);
    __IOM uint32_t AES_IV_0[4];
    GAP(0x450, 0x470);
    __IM uint32_t AES_BUSY;
    GAP(0x474, 0x4BC);
    __IOM uint32_t AES_REMAINING_BYTES, AES_CONTROL;
} NRF_CC_AES_Type;

typedef struct {
    GAP(0x000, 0x640);
    __IOM uint32_t HASH_H[8];
    GAP(0x660, 0x684);
    __OM uint32_t HASH_PAD_AUTO;
    GAP(0x688, 0x7C0);
    __IOM uint32_t HASH_CONTROL, HASH_PAD, HASH_PAD_FORCE;
    __IOM uint32_t HASH_CUR_LEN_0, HASH_CUR_LEN_1;
} NRF_CC_HASH_Type;

typedef struct {
    GAP(0x000, 0x810);
    __OM uint32_t AES_CLK;
    GAP(0x814, 0x818);
    __OM uint32_t HASH_CLK;
} NRF_CC_MISC_Type;

typedef struct {
    GAP(0x000, 0x900);
    __OM uint32_t CRYPTO_CTL;
    GAP(0x904, 0x910);
    __IM uint32_t CRYPTO_BUSY;
} NRF_CC_CTL_Type;

typedef struct {
    GAP(0x000, 0xA00);
    __IM uint32_t IRR;
    __IOM uint32_t IMR;
    __OM uint32_t ICR;
    __IOM uint32_t ENDIANNESS;
    GAP(0xA10, 0xA24);
    __IM uint32_t HOST_SIGNATURE;
} NRF_CC_HOST_RGF_Type;

typedef struct {
    GAP(0x000, 0xC20);
    __IM uint32_t DIN_DMA_MEM_BUSY;
    GAP(0xC24, 0xC28);
    __OM uint32_t SRC_MEM_ADDR, SRC_MEM_SIZE;
    GAP(0xC30, 0xC38);
    __IM uint32_t DIN_DMA_SRAM_BUSY;
} NRF_CC_DIN_Type;

typedef struct {
    GAP(0x000, 0xD20);
    __IM uint32_t DOUT_DMA_MEM_BUSY;
    GAP(0xD24, 0xD28);
    __OM uint32_t DST_MEM_ADDR, DST_MEM_SIZE;
    GAP(0xD30, 0xD38);
    __IM uint32_t DOUT_DMA_SRAM_BUSY;
} NRF_CC_DOUT_Type;

#undef GAP

#define NRF_CRYPTOCELL ((NRF_CRYPTOCELL_Type *)0x5002A000u)
#define NRF_CC_AES ((NRF_CC_AES_Type *)0x5002B000u)
#define NRF_CC_HASH ((NRF_CC_HASH_Type *)0x5002B000u)
#define NRF_CC_MISC ((NRF_CC_MISC_Type *)0x5002B000u)
#define NRF_CC_CTL ((NRF_CC_CTL_Type *)0x5002B000u)
#define NRF_CC_HOST_RGF ((NRF_CC_HOST_RGF_Type *)0x5002B000u)
#define NRF_CC_DIN ((NRF_CC_DIN_Type *)0x5002B000u)
#define NRF_CC_DOUT ((NRF_CC_DOUT_Type *)0x5002B000u)

#define CC_AT(type, member, offset)                                            \
    _Static_assert(offsetof(type, member) == (offset), #type "." #member)
CC_AT(NRF_CRYPTOCELL_Type, ENABLE, 0x500);
CC_AT(NRF_CC_AES_Type, AES_BUSY, 0x470);
CC_AT(NRF_CC_AES_Type, AES_CONTROL, 0x4C0);
CC_AT(NRF_CC_HASH_Type, HASH_PAD_AUTO, 0x684);
CC_AT(NRF_CC_HASH_Type, HASH_CUR_LEN_1, 0x7D0);
CC_AT(NRF_CC_MISC_Type, HASH_CLK, 0x818);
CC_AT(NRF_CC_CTL_Type, CRYPTO_BUSY, 0x910);
CC_AT(NRF_CC_HOST_RGF_Type, HOST_SIGNATURE, 0xA24);
CC_AT(NRF_CC_DIN_Type, DIN_DMA_SRAM_BUSY, 0xC38);
CC_AT(NRF_CC_DOUT_Type, DOUT_DMA_SRAM_BUSY, 0xD38);

#endif

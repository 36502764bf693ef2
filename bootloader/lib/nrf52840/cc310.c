// CryptoCell driver, by polling. Laws:
//  - every wait is bounded; a time-out or an AHB error is OTA_E_CRYPTO;
//  - the engine is off (ENABLE = 0) when a function returns: it loses its
//    context then, so state is loaded and stored with each call;
//  - all interrupts of the engine stay masked.
//
// SPDX-License-Identifier: Apache-2.0
#include "cc310.h"

#include <stdbool.h>
#include <string.h>

#include "nrf52840_regs.h"

#define SIGNATURE 0x20E00000u
#define IMR_ALL 0x01FFFFFFu
#define IRR_DIN_DONE (1u << 6)
#define IRR_DOUT_DONE (1u << 7)
#define IRR_AHB_ERROR (1u << 8)
#define CTL_AES 1u
#define CTL_HASH 7u
#define HASH_SHA256 2u
#define PAD_NOW 4u
#define AES_DECRYPT_CBC 5u

// The engine hashes 64 KB, its largest job, in about 80,000 cycles; a hundred
// times that.
#define BUSY_LIMIT 2000000u

static bool is_idle(void)
{
    return (NRF_CC_CTL->CRYPTO_BUSY | NRF_CC_DIN->DIN_DMA_MEM_BUSY |
            NRF_CC_DIN->DIN_DMA_SRAM_BUSY | NRF_CC_DOUT->DOUT_DMA_MEM_BUSY |
            NRF_CC_DOUT->DOUT_DMA_SRAM_BUSY | NRF_CC_AES->AES_BUSY) == 0;
}

static int wait_idle(void)
{
    for (uint32_t i = 0; i < BUSY_LIMIT; i++) {
        if (is_idle()) {
            return OTA_OK;
        }
    }
    return OTA_E_CRYPTO;
}

static int wait_done(uint32_t mask)
{
    for (uint32_t i = 0; i < BUSY_LIMIT; i++) {
        uint32_t irr = NRF_CC_HOST_RGF->IRR;
        if (irr & IRR_AHB_ERROR) {
            return OTA_E_CRYPTO;
        }
        if ((irr & mask) == mask) {
            NRF_CC_HOST_RGF->ICR = irr;
            return wait_idle();
        }
    }
    return OTA_E_CRYPTO;
}

// Switches the core on. Its registers read right only some cycles later: the
// signature tells when.
static int open(void)
{
    NRF_CRYPTOCELL->ENABLE = 1u;
    for (uint32_t i = 0; i < BUSY_LIMIT; i++) {
        if (NRF_CC_HOST_RGF->HOST_SIGNATURE == SIGNATURE) {
            NRF_CC_HOST_RGF->ENDIANNESS = 0;
            NRF_CC_HOST_RGF->ICR = 0xFFFFFFFFu;
            NRF_CC_HOST_RGF->IMR = IMR_ALL;
            return wait_idle();
        }
    }
    return OTA_E_CRYPTO;
}

static int close(int error)
{
    NRF_CRYPTOCELL->ENABLE = 0;
    return error;
}

static void start_din(const void *data, size_t size)
{
    __DSB(); // what the CPU wrote to RAM must be there before DMA reads it
    NRF_CC_DIN->SRC_MEM_ADDR = (uint32_t)data;
    NRF_CC_DIN->SRC_MEM_SIZE = (uint32_t)size;
}

static int open_hash(const uint32_t h[8], uint64_t length)
{
    int error = open();
    if (error != OTA_OK) {
        return error;
    }
    NRF_CC_MISC->HASH_CLK = 1u;
    NRF_CC_CTL->CRYPTO_CTL = CTL_HASH;
    NRF_CC_HASH->HASH_PAD = 1u;
    NRF_CC_HASH->HASH_CUR_LEN_0 = (uint32_t)length;
    NRF_CC_HASH->HASH_CUR_LEN_1 = (uint32_t)(length >> 32);
    NRF_CC_HASH->HASH_CONTROL = HASH_SHA256;
    for (unsigned i = 8; i-- > 0;) {
        NRF_CC_HASH->HASH_H[i] = h[i];
    }
    return wait_idle();
}

static int close_hash(uint32_t h[8], int error)
{
    if (error == OTA_OK) {
        for (unsigned i = 0; i < 8; i++) {
            h[i] = NRF_CC_HASH->HASH_H[i];
        }
    }
    NRF_CC_HASH->HASH_PAD_AUTO = 0;
    NRF_CC_HASH->HASH_PAD_FORCE = 0;
    NRF_CC_HASH->HASH_PAD = 1u;
    NRF_CC_MISC->HASH_CLK = 0;
    return close(error);
}

int cc310_sha256_blocks(uint32_t h[8], uint64_t length, const void *data,
                        size_t size)
{
    int error = open_hash(h, length);
    if (error == OTA_OK) {
        start_din(data, size);
        error = wait_done(IRR_DIN_DONE);
    }
    return close_hash(h, error);
}

int cc310_sha256_last(uint32_t h[8], uint64_t length, const void *data,
                      size_t size)
{
    int error = open_hash(h, length);
    if (error == OTA_OK && size > 0) {
        NRF_CC_HASH->HASH_PAD_AUTO = 1u;
        start_din(data, size);
        error = wait_done(IRR_DIN_DONE);
    } else if (error == OTA_OK) {
        NRF_CC_HASH->HASH_PAD_FORCE = PAD_NOW;
        error = wait_idle();
    }
    return close_hash(h, error);
}

// Key and IV registers take byte strings as little-endian words.
static void load_words(volatile uint32_t *registers, const uint8_t bytes[16])
{
    for (unsigned i = 0; i < 4; i++) {
        uint32_t word;
        memcpy(&word, bytes + 4u * i, sizeof(word));
        registers[i] = word;
    }
}

// What the engine keeps while it is off is not documented.
static void wipe_key(void)
{
    static const uint8_t none[16];
    load_words(NRF_CC_AES->AES_KEY_0, none);
}

int cc310_aes128_cbc_decrypt(const uint8_t key[16], uint8_t iv[16],
                             const void *src, void *dst, size_t size)
{
    int error = open();
    if (error == OTA_OK) {
        NRF_CC_MISC->AES_CLK = 1u;
        NRF_CC_CTL->CRYPTO_CTL = CTL_AES;
        NRF_CC_AES->AES_REMAINING_BYTES = 0;
        NRF_CC_AES->AES_CONTROL = AES_DECRYPT_CBC;
        load_words(NRF_CC_AES->AES_KEY_0, key);
        load_words(NRF_CC_AES->AES_IV_0, iv);
        NRF_CC_DOUT->DST_MEM_ADDR = (uint32_t)dst;
        NRF_CC_DOUT->DST_MEM_SIZE = (uint32_t)size;
        start_din(src, size);
        error = wait_done(IRR_DOUT_DONE);
    }
    if (error == OTA_OK) {
        for (unsigned i = 0; i < 4; i++) {
            uint32_t word = NRF_CC_AES->AES_IV_0[i];
            memcpy(iv + 4u * i, &word, sizeof(word));
        }
    }
    wipe_key();
    NRF_CC_MISC->AES_CLK = 0;
    return close(error);
}

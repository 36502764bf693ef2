// Crypto port: the CryptoCell by its registers.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "cc310.h"
#include "crypto.h"
#include "memory_layout.h"

// DMA cannot read flash: it goes through this buffer in RAM.
#define BOUNCE_SIZE 4096u
_Static_assert(BOUNCE_SIZE % CC310_SHA256_BLOCK == 0, "whole blocks");
_Static_assert(sizeof(((struct sha256_ctx *)0)->block) == CC310_SHA256_BLOCK,
               "the tail is less than a block");

static uint8_t bounce[BOUNCE_SIZE] __attribute__((section(".noinit")));

static bool is_in_ram(const void *data)
{
    return (uint32_t)data - OTA_RAM_START < OTA_RAM_SIZE;
}

static int sha256_init(void *ctx, struct sha256_ctx *sha)
{
    (void)ctx;
    static const uint32_t initial[8] = {
        0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
        0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
    };
    memcpy(sha->h, initial, sizeof(initial));
    sha->length = 0;
    return OTA_OK;
}

// Hashes whole blocks from anywhere; the tail buffer is empty.
static int hash_blocks(struct sha256_ctx *sha, const uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t limit = is_in_ram(data) ? CC310_CHUNK_MAX : BOUNCE_SIZE;
        size_t part = size < limit ? size : limit;
        const uint8_t *source = data;
        if (!is_in_ram(data)) {
            memcpy(bounce, data, part);
            source = bounce;
        }
        int error = cc310_sha256_blocks(sha->h, sha->length, source, part);
        if (error != OTA_OK) {
            return error;
        }
        sha->length += part;
        data += part;
        size -= part;
    }
    return OTA_OK;
}

static int sha256_update(void *ctx, struct sha256_ctx *sha, const void *data,
                         size_t size)
{
    (void)ctx;
    const uint8_t *bytes = data;
    size_t held = (size_t)(sha->length % CC310_SHA256_BLOCK);
    if (held > 0) {
        size_t room = CC310_SHA256_BLOCK - held;
        size_t part = size < room ? size : room;
        memcpy(sha->block + held, bytes, part);
        sha->length += part;
        bytes += part;
        size -= part;
        if (part < room) {
            return OTA_OK;
        }
        sha->length -= CC310_SHA256_BLOCK;
        int error = hash_blocks(sha, sha->block, CC310_SHA256_BLOCK);
        if (error != OTA_OK) {
            return error;
        }
    }
    size_t tail = size % CC310_SHA256_BLOCK;
    int error = hash_blocks(sha, bytes, size - tail);
    if (error == OTA_OK) {
        memcpy(sha->block, bytes + size - tail, tail);
        sha->length += tail;
    }
    return error;
}

static int sha256_final(void *ctx, struct sha256_ctx *sha, uint8_t digest[32])
{
    (void)ctx;
    size_t held = (size_t)(sha->length % CC310_SHA256_BLOCK);
    int error = cc310_sha256_last(sha->h, sha->length - held, sha->block, held);
    for (unsigned i = 0; error == OTA_OK && i < 8; i++) {
        uint32_t word = __builtin_bswap32(sha->h[i]);
        memcpy(digest + 4u * i, &word, sizeof(word));
    }
    return error;
}

static int aes128_cbc_decrypt(void *ctx, const uint8_t key[16], uint8_t iv[16],
                              const void *src, void *dst, size_t size)
{
    (void)ctx;
    const uint8_t *from = src;
    uint8_t *to = dst;
    int error = OTA_OK;
    while (size > 0 && error == OTA_OK) {
        size_t part = size < CC310_CHUNK_MAX ? size : CC310_CHUNK_MAX;
        error = cc310_aes128_cbc_decrypt(key, iv, from, to, part);
        from += part;
        to += part;
        size -= part;
    }
    return error;
}

const struct crypto_port crypto_port = {
    .ctx = NULL,
    .sha256_init = sha256_init,
    .sha256_update = sha256_update,
    .sha256_final = sha256_final,
    .aes128_cbc_decrypt = aes128_cbc_decrypt,
};

// CryptoCell 310: SHA-256 and AES-128-CBC decryption by its registers.
//
// The engine reads and writes RAM only; each call switches it on and off again
// and leaves nothing behind in it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef CC310_H
#define CC310_H

#include <stddef.h>
#include <stdint.h>

#include "ota/status.h"

#define CC310_SHA256_BLOCK 64u
#define CC310_AES_BLOCK 16u
// DMA takes less than 64 KB at a time; whole blocks of both kinds.
#define CC310_CHUNK_MAX 0xFFC0u

// Hashes whole blocks. `h` is the state (FIPS 180-4 H0..H7) before and after,
// `length` the bytes hashed before; `size` is a multiple of 64, 64 to
// CC310_CHUNK_MAX. OTA_E_CRYPTO on a bus error or when the engine hangs.
OTA_CHECKED int cc310_sha256_blocks(uint32_t h[8], uint64_t length,
                                    const void *data, size_t size);

// Hashes the last 0 to 63 bytes and the padding.
OTA_CHECKED int cc310_sha256_last(uint32_t h[8], uint64_t length,
                                  const void *data, size_t size);

// Decrypts whole blocks; `dst` may equal `src`. `iv` becomes the last cipher
// block. `size` is a multiple of 16, 16 to CC310_CHUNK_MAX.
OTA_CHECKED int cc310_aes128_cbc_decrypt(const uint8_t key[16], uint8_t iv[16],
                                         const void *src, void *dst,
                                         size_t size);

#endif

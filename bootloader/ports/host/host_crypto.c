// The crypto port on the host. The low-level SHA-256 functions are used since
// their state fits the port's context and can be copied like the chip's.
//
// SPDX-License-Identifier: Apache-2.0
#define OPENSSL_SUPPRESS_DEPRECATED
#include "host_crypto.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

static void to_openssl(const struct sha256_ctx *sha, SHA256_CTX *state)
{
    memset(state, 0, sizeof *state);
    uint64_t bits = sha->length * 8u;
    memcpy(state->h, sha->h, sizeof state->h);
    state->Nl = (uint32_t)bits;
    state->Nh = (uint32_t)(bits >> 32);
    state->md_len = SHA256_DIGEST_LENGTH;
    state->num = (unsigned)(sha->length % sizeof sha->block);
    memcpy(state->data, sha->block, sizeof sha->block);
}

static void from_openssl(struct sha256_ctx *sha, const SHA256_CTX *state,
                         size_t size)
{
    memcpy(sha->h, state->h, sizeof sha->h);
    memcpy(sha->block, state->data, sizeof sha->block);
    sha->length += size;
}

static int sha_init(void *ctx, struct sha256_ctx *sha)
{
    (void)ctx;
    SHA256_CTX state;
    memset(sha, 0, sizeof *sha);
    if (SHA256_Init(&state) != 1) {
        return OTA_E_CRYPTO;
    }
    from_openssl(sha, &state, 0);
    return OTA_OK;
}

static int sha_update(void *ctx, struct sha256_ctx *sha, const void *data,
                      size_t size)
{
    (void)ctx;
    SHA256_CTX state;
    to_openssl(sha, &state);
    if (SHA256_Update(&state, data, size) != 1) {
        return OTA_E_CRYPTO;
    }
    from_openssl(sha, &state, size);
    return OTA_OK;
}

static int sha_final(void *ctx, struct sha256_ctx *sha, uint8_t digest[32])
{
    (void)ctx;
    SHA256_CTX state;
    to_openssl(sha, &state);
    return SHA256_Final(digest, &state) == 1 ? OTA_OK : OTA_E_CRYPTO;
}

static int cbc_decrypt(void *ctx, const uint8_t key[16], uint8_t iv[16],
                       const void *src, void *dst, size_t size)
{
    (void)ctx;
    uint8_t next_iv[16];
    int count = 0;
    if (size % 16u != 0 || size == 0) {
        return OTA_E_CRYPTO;
    }
    memcpy(next_iv, (const uint8_t *)src + size - 16u, sizeof next_iv);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    bool good =
        cipher != NULL &&
        EVP_DecryptInit_ex(cipher, EVP_aes_128_cbc(), NULL, key, iv) == 1 &&
        EVP_CIPHER_CTX_set_padding(cipher, 0) == 1 &&
        EVP_DecryptUpdate(cipher, dst, &count, src, (int)size) == 1;
    EVP_CIPHER_CTX_free(cipher);
    memcpy(iv, next_iv, sizeof next_iv);
    return good && count == (int)size ? OTA_OK : OTA_E_CRYPTO;
}

const struct crypto_port host_crypto = {
    NULL, sha_init, sha_update, sha_final, cbc_decrypt,
};

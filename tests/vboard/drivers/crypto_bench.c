// Runs the bootloader's crypto port.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"
#include "crypto.h"

enum { SHA256 = 1, DECRYPT = 2 };

void bench_open(void)
{
}

static int32_t sha256(struct job *work)
{
    static struct sha256_ctx sha;
    int error = crypto_port.sha256_init(crypto_port.ctx, &sha);
    const uint8_t *data = (const uint8_t *)work->source;
    uint32_t left = work->size;
    while (error == OTA_OK && left > 0) {
        uint32_t part = left < work->step ? left : work->step;
        error = crypto_port.sha256_update(crypto_port.ctx, &sha, data, part);
        data += part;
        left -= part;
    }
    return error != OTA_OK
               ? error
               : crypto_port.sha256_final(crypto_port.ctx, &sha, work->digest);
}

static int32_t decrypt(struct job *work)
{
    const uint8_t *source = (const uint8_t *)work->source;
    uint8_t *target = (uint8_t *)work->destination;
    int error = OTA_OK;
    for (uint32_t at = 0; error == OTA_OK && at < work->size;) {
        uint32_t left = work->size - at;
        uint32_t part = left < work->step ? left : work->step;
        error =
            crypto_port.aes128_cbc_decrypt(crypto_port.ctx, work->key, work->iv,
                                           source + at, target + at, part);
        at += part;
    }
    return error;
}

int32_t bench_run(struct job *work)
{
    return work->operation == SHA256 ? sha256(work) : decrypt(work);
}

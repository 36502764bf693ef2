// The confirm word pair in the hand-shake page: see ota/confirm.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "ota/confirm.h"

#include "ota/ports.h"

int ota_is_confirmed(const struct flash_port *flash, uint32_t handshake_addr,
                     uint32_t token, bool *confirmed)
{
    uint32_t words[2];
    int err = flash->read(flash->ctx, handshake_addr, words, sizeof words);
    *confirmed = err == OTA_OK && token != 0 && words[0] == OTA_CONFIRM_MAGIC &&
                 words[1] == token;
    return err;
}

int ota_confirm(const struct flash_port *flash, uint32_t handshake_addr,
                uint32_t token)
{
    const uint32_t pair[2] = {OTA_CONFIRM_MAGIC, token};
    uint32_t words[2];
    int err = flash->read(flash->ctx, handshake_addr, words, sizeof words);
    if (err != OTA_OK || token == 0 ||
        (words[0] == pair[0] && words[1] == pair[1])) {
        return err;
    }
    // A pair that was torn, or another trial's: start from a clean page.
    if (words[0] != UINT32_MAX || words[1] != UINT32_MAX) {
        err = flash->erase_page(flash->ctx, handshake_addr);
        if (err != OTA_OK) {
            return err;
        }
    }
    // The token first: the magic word says that both are there.
    err = flash->write(flash->ctx, handshake_addr + 4u, &pair[1], 1);
    return err == OTA_OK ? flash->write(flash->ctx, handshake_addr, pair, 1)
                         : err;
}

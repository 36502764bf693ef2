// Flash for applications: NVMC behind the range of the hand-shake page.
//
// SPDX-License-Identifier: Apache-2.0
#include "app_flash.h"

#include <string.h>

#include "memory_layout.h"
#include "nvmc.h"
#include "ota/ports.h"

static bool is_inside(uint32_t addr, size_t size)
{
    return addr >= OTA_HANDSHAKE_START &&
           addr - OTA_HANDSHAKE_START <= OTA_HANDSHAKE_SIZE &&
           size <= OTA_HANDSHAKE_SIZE - (addr - OTA_HANDSHAKE_START);
}

static int app_flash_read(void *ctx, uint32_t addr, void *data, size_t size)
{
    (void)ctx;
    if (!is_inside(addr, size)) {
        return OTA_E_FLASH_RANGE;
    }
    memcpy(data, (const void *)addr, size);
    return OTA_OK;
}

static int app_flash_erase_page(void *ctx, uint32_t page_addr)
{
    (void)ctx;
    if (page_addr % OTA_PAGE_SIZE != 0 ||
        !is_inside(page_addr, OTA_PAGE_SIZE)) {
        return OTA_E_FLASH_RANGE;
    }
    return nvmc_erase_page(page_addr);
}

static int app_flash_write(void *ctx, uint32_t addr, const uint32_t *words,
                           size_t count)
{
    (void)ctx;
    if (count > OTA_HANDSHAKE_SIZE / sizeof(*words) ||
        !is_inside(addr, count * sizeof(*words))) {
        return OTA_E_FLASH_RANGE;
    }
    return nvmc_write(addr, words, count);
}

const struct flash_port app_flash = {
    .ctx = NULL,
    .read = app_flash_read,
    .erase_page = app_flash_erase_page,
    .write = app_flash_write,
};

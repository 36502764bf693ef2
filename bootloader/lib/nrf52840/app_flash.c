// Flash for applications: NVMC behind the range of the hand-shake page; the
// images may be read.
//
// SPDX-License-Identifier: Apache-2.0
#include "app_flash.h"

#include <string.h>

#include "memory_layout.h"
#include "nvmc.h"
#include "ota/ports.h"

static bool is_in(uint32_t addr, size_t size, uint32_t start, uint32_t limit)
{
    return addr >= start && addr - start <= limit &&
           size <= limit - (addr - start);
}

static bool is_inside(uint32_t addr, size_t size)
{
    return is_in(addr, size, OTA_HANDSHAKE_START, OTA_HANDSHAKE_SIZE);
}

static int app_flash_read(void *ctx, uint32_t addr, void *data, size_t size)
{
    (void)ctx;
    if (!is_inside(addr, size) &&
        !is_in(addr, size, OTA_APP_START, OTA_APP_SIZE) &&
        !is_in(addr, size, OTA_BOOTLOADER_START, OTA_BOOTLOADER_SIZE)) {
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

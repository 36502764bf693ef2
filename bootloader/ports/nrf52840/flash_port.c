// Flash port: writes only where the bootloader may write. Never the boot
// record, the bootloader itself, or the boot record's parameter page.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "board.h"
#include "memory_layout.h"
#include "nvmc.h"

static const struct {
    uint32_t start;
    uint32_t size;
} writable[] = {
    {OTA_APP_START, OTA_APP_SIZE},
    {OTA_STAGING_START, OTA_STAGING_SIZE},
    {OTA_JOURNAL_START, OTA_JOURNAL_SIZE},
    {OTA_HANDSHAKE_START, OTA_HANDSHAKE_SIZE},
};

static bool is_inside(uint32_t addr, size_t size, uint32_t start,
                      uint32_t region_size)
{
    return addr >= start && addr - start <= region_size &&
           size <= region_size - (addr - start);
}

static bool is_writable(uint32_t addr, size_t size)
{
    for (size_t i = 0; i < sizeof(writable) / sizeof(writable[0]); i++) {
        if (is_inside(addr, size, writable[i].start, writable[i].size)) {
            return true;
        }
    }
    return false;
}

static int flash_read(void *ctx, uint32_t addr, void *data, size_t size)
{
    (void)ctx;
    if (!is_inside(addr, size, OTA_FLASH_START, OTA_FLASH_SIZE)) {
        return OTA_E_FLASH_RANGE;
    }
    memcpy(data, (const void *)addr, size);
    return OTA_OK;
}

static int flash_erase_page(void *ctx, uint32_t page_addr)
{
    (void)ctx;
    if (page_addr % OTA_PAGE_SIZE != 0 ||
        !is_writable(page_addr, OTA_PAGE_SIZE)) {
        return OTA_E_FLASH_RANGE;
    }
    return nvmc_erase_page(page_addr);
}

static int flash_write(void *ctx, uint32_t addr, const uint32_t *words,
                       size_t count)
{
    (void)ctx;
    if (count > OTA_FLASH_SIZE / sizeof(*words) ||
        !is_writable(addr, count * sizeof(*words))) {
        return OTA_E_FLASH_RANGE;
    }
    return nvmc_write(addr, words, count);
}

struct flash_port flash_port_make(void)
{
    return (struct flash_port){
        .ctx = NULL,
        .read = flash_read,
        .erase_page = flash_erase_page,
        .write = flash_write,
    };
}

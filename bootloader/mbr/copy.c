// Copying in flash, page by page. Every step can be repeated: a page that
// already holds what it should is left alone.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "mbr.h"
#include "memory_layout.h"
#include "nvmc.h"
#include "wdt.h"

int mbr_copy_page(uint32_t destination, uint32_t source, uint32_t size,
                  bool trust)
{
    if (trust &&
        memcmp((const void *)destination, (const void *)source, size) == 0) {
        return OTA_OK;
    }
    wdt_feed();
    int error = nvmc_erase_page(destination & ~(OTA_PAGE_SIZE - 1u));
    wdt_feed();
    if (error == OTA_OK) {
        error = nvmc_write(destination, (const void *)source, size / 4u);
    }
    wdt_feed();
    return error;
}

uint32_t mbr_page_part(uint32_t destination, uint32_t left)
{
    uint32_t room = OTA_PAGE_SIZE - destination % OTA_PAGE_SIZE;
    return left < room ? left : room;
}

// What the boot record checks before it believes an address.
//
// SPDX-License-Identifier: Apache-2.0
#include "mbr.h"
#include "memory_layout.h"

static bool in_range(uint32_t addr, uint32_t len_words, uint32_t base,
                     uint32_t size)
{
    return addr >= base && addr - base <= size &&
           len_words <= (size - (addr - base)) / 4u;
}

bool mbr_in_flash(uint32_t addr, uint32_t len_words)
{
    return in_range(addr, len_words, OTA_FLASH_START, OTA_FLASH_SIZE);
}

bool mbr_in_ram(uint32_t addr, uint32_t len_words)
{
    return in_range(addr, len_words, OTA_RAM_START, OTA_RAM_SIZE);
}

bool mbr_table_ok(uint32_t table, uint32_t image)
{
    if (table % 4u != 0 || !mbr_in_flash(table, 2)) {
        return false;
    }
    const uint32_t *words = (const uint32_t *)table;
    uint32_t stack = words[0];
    uint32_t entry = words[1];
    // The stack grows down, so its top may be the end of RAM.
    bool stack_ok =
        stack % 4u == 0 && stack != OTA_RAM_START && mbr_in_ram(stack, 0);
    bool entry_ok =
        (entry & 1u) != 0 && entry >= image && mbr_in_flash(entry & ~1u, 1);
    return stack_ok && entry_ok;
}

uint32_t mbr_crc32(uint32_t addr, uint32_t size)
{
    const uint8_t *bytes = (const uint8_t *)addr;
    uint32_t crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

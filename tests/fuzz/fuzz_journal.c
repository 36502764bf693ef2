// The journal's two pages, as any sequence of cuts, or a debugger, may leave
// them: reading stays in the pages, and what was read can be written and read
// again.
//
// SPDX-License-Identifier: Apache-2.0
#include "crc32.h"
#include "fuzz.h"
#include "journal.h"
#include "sim_flash.h"

#define START 0x1D000u

static uint8_t pages[2 * OTA_PAGE_SIZE];

// Makes CRCs right where the input asks for it, or nothing behind them would
// ever be reached: bit 0 and 1 of the first byte, for page 0 and 1.
static void fix_page(uint8_t *page)
{
    uint32_t header[4];
    uint32_t offset = 32;
    memcpy(header, page, sizeof header);
    header[0] = JOURNAL_MAGIC;
    while (offset + 8u <= OTA_PAGE_SIZE) {
        uint32_t head;
        memcpy(&head, page + offset, 4);
        uint32_t size = (head >> 16) / 4u * 4u % 520u;
        head = (head & 0x7u) | size << 16;
        if ((head & 7u) == 0 || offset + size + 8u > OTA_PAGE_SIZE) {
            break;
        }
        memcpy(page + offset, &head, 4);
        uint32_t crc = crc32_update(0, page + offset, size + 4u);
        memcpy(page + offset + size + 4u, &crc, 4);
        offset += size + 8u;
    }
    header[2] = header[2] % 2u == 0 ? offset - 32u : 0;
    header[3] = crc32_update(0, header, 12);
    header[3] = crc32_update(header[3], page + 32, header[2]);
    memcpy(page, header, sizeof header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sim_flash flash;
    static struct journal journal;
    static struct journal again;
    if (size < 1) {
        return 0;
    }
    uint8_t flags = data[0];
    data++;
    size--;
    size = size < sizeof pages ? size : sizeof pages;
    memset(pages, 0xFF, sizeof pages);
    size_t half = size / 2u;
    memcpy(pages, data, half);
    memcpy(pages + OTA_PAGE_SIZE, data + half,
           size - half > OTA_PAGE_SIZE ? OTA_PAGE_SIZE : size - half);
    for (uint32_t page = 0; page < 2u; page++) {
        if ((flags >> page & 1u) != 0) {
            fix_page(pages + page * OTA_PAGE_SIZE);
        }
    }
    sim_flash_init(&flash, START, sizeof pages);
    sim_flash_load(&flash, START, pages, sizeof pages);
    if (journal_load(&journal, &flash.port, START) == OTA_OK) {
        fuzz_assert(journal.has_current);
        fuzz_assert(journal.previous_count <= JOURNAL_PREVIOUS_MAX);
        fuzz_assert(journal.attempts <= JOURNAL_ATTEMPTS_MAX);
        fuzz_assert(memchr(journal.current.path, '\0', OTA_PATH_SIZE) != NULL);
        int err = journal_save(&journal);
        fuzz_assert(err == OTA_OK || journal.sequence == UINT32_MAX);
        err = journal_load(&again, &flash.port, START);
        fuzz_assert(err == OTA_OK && again.step == journal.step &&
                    again.pages_done == journal.pages_done &&
                    again.token == journal.token &&
                    again.attempts == journal.attempts &&
                    again.previous_count == journal.previous_count);
        fuzz_assert(memcmp(&again.current, &journal.current,
                           sizeof again.current) == 0);
    }
    sim_flash_free(&flash);
    return 0;
}

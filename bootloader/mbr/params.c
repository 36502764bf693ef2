// The parameter page: a command that survives resets and power cuts. Laws:
//  - a page is always erased before it is written, also when it reads blank: it
//    may be blank only because an erase was cut;
//  - a record counts when its last word, `commit`, and its CRC hold;
//  - a commit word that a power cut tore may read valid once and invalid later.
//    So each boot that goes on with the copy first repeats the record ("arms")
//    in a fresh slot: once it destroys anything, a record that it has written
//    itself exists.
//
// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <string.h>

#include "mbr.h"
#include "memory_layout.h"
#include "nvmc.h"

#define COMMIT 0x4352424Du // "MBRC"
// Records fill the page's first part, marks its last: one word for each page
// that a copy can have.
#define MARK_COUNT (OTA_FLASH_SIZE / OTA_PAGE_SIZE)
#define MARKS_OFFSET (OTA_PAGE_SIZE - MARK_COUNT * 4u)
#define MARK_DONE 0u
#define SLOT_COUNT (MARKS_OFFSET / sizeof(struct mbr_record))
#define RECORD_WORDS (sizeof(struct mbr_record) / 4u)
#define COMMIT_WORD (offsetof(struct mbr_record, commit) / 4u)

static const struct mbr_record *slot_at(uint32_t page, uint32_t slot)
{
    return (const struct mbr_record *)page + slot;
}

static bool is_valid(const struct mbr_record *record)
{
    return record->commit == COMMIT &&
           record->crc ==
               mbr_crc32((uint32_t)record, offsetof(struct mbr_record, crc));
}

static bool is_blank(const struct mbr_record *record)
{
    const uint32_t *words = (const uint32_t *)record;
    for (uint32_t i = 0; i < RECORD_WORDS; i++) {
        if (words[i] != MBR_NONE) {
            return false;
        }
    }
    return true;
}

static int write_record(uint32_t addr, const struct mbr_record *record)
{
    int error = nvmc_write(addr, record, COMMIT_WORD);
    if (error == OTA_OK) {
        error = nvmc_write(addr + offsetof(struct mbr_record, commit),
                           &record->commit, 1);
    }
    return error;
}

const struct mbr_record *mbr_params_find(uint32_t page, bool *armed)
{
    for (uint32_t slot = SLOT_COUNT; slot-- > 0;) {
        if (is_valid(slot_at(page, slot))) {
            *armed = slot > 0;
            return slot_at(page, slot);
        }
    }
    *armed = false;
    return NULL;
}

uint32_t mbr_params_vector_table(uint32_t page)
{
    bool armed;
    const struct mbr_record *record = mbr_params_find(page, &armed);
    return record != NULL ? record->vector_table : MBR_NONE;
}

int mbr_params_store(uint32_t page, struct mbr_record *record)
{
    int error = nvmc_erase_page(page);
    if (error != OTA_OK || record == NULL) {
        return error;
    }
    record->crc = mbr_crc32((uint32_t)record, offsetof(struct mbr_record, crc));
    record->commit = COMMIT;
    return write_record(page, record);
}

int mbr_params_arm(uint32_t page, const struct mbr_record *record)
{
    struct mbr_record copy = *record;
    for (uint32_t slot = 1; slot < SLOT_COUNT; slot++) {
        if (is_blank(slot_at(page, slot))) {
            return write_record((uint32_t)slot_at(page, slot), &copy);
        }
    }
    return OTA_E_FLASH;
}

static uint32_t mark_address(uint32_t page, uint32_t number)
{
    return page + MARKS_OFFSET + number * 4u;
}

bool mbr_params_page_done(uint32_t page, uint32_t number)
{
    // A torn mark counts: writing it began after the page was finished.
    return *(const uint32_t *)mark_address(page, number) != MBR_NONE;
}

int mbr_params_mark_page(uint32_t page, uint32_t number)
{
    const uint32_t mark = MARK_DONE;
    return nvmc_write(mark_address(page, number), &mark, 1);
}

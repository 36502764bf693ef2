// What happens after every reset: finish a stored command, then start the first
// of these that can be started: the persistent vector table, the bootloader,
// the application (or SoftDevice) right behind the boot record.
//
// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>

#include "mbr.h"
#include "memory_layout.h"
#include "nrf52840_regs.h"
#include "nvmc.h"
#include "wdt.h"

volatile uint32_t mbr_forward_address
    __attribute__((section(".mbr_forward"), used));

// Forgets the command but keeps the vector table base, then resets: what runs
// next finds the chip as after any soft reset.
static void finish(uint32_t page, uint32_t vector_table)
{
    struct mbr_record record = {
        .command = MBR_VECTOR_TABLE_BASE_SET,
        .vector_table = vector_table,
    };
    // When this fails the command is found again after the reset.
    (void)mbr_params_store(page, vector_table == MBR_NONE ? NULL : &record);
    mbr_reset();
}

// Copies what is not marked as done. The first page after an interruption may
// be torn although it reads right, so it is not trusted.
static int copy_pages(uint32_t page, const struct mbr_record *record,
                      bool interrupted)
{
    uint32_t left = record->len_words * 4u;
    uint32_t offset = 0;
    for (uint32_t number = 0; left > 0; number++) {
        uint32_t destination = record->destination + offset;
        uint32_t size = mbr_page_part(destination, left);
        if (!mbr_params_page_done(page, number)) {
            int error = mbr_copy_page(destination, record->source + offset,
                                      size, !interrupted);
            interrupted = false;
            if (error == OTA_OK) {
                error = mbr_params_mark_page(page, number);
            }
            if (error != OTA_OK) {
                return error;
            }
        }
        offset += size;
        left -= size;
    }
    return OTA_OK;
}

static void resume_copy(uint32_t page, const struct mbr_record *record,
                        bool armed)
{
    uint32_t vector_table = record->vector_table;
    // The source changed since: an earlier run finished, only the record was
    // not forgotten for good. The copy must not be repeated.
    if (mbr_crc32(record->source, record->len_words * 4u) !=
        record->source_crc) {
        finish(page, vector_table);
    }
    // In every boot: the record of an earlier one may be torn, and read right
    // in this boot only. With no blank place left the earlier ones must do.
    if (mbr_params_arm(page, record) != OTA_OK && !armed) {
        mbr_reset();
    }
    // A page that does not verify is tried again after a reset, for ever:
    // without a whole bootloader there is nothing better to start.
    if (copy_pages(page, record, armed) != OTA_OK) {
        mbr_reset();
    }
    finish(page, vector_table);
}

static void start(uint32_t table)
{
    mbr_forward_address = table;
    mbr_start(table);
}

void mbr_main(void) __attribute__((noreturn));
void mbr_main(void)
{
    uint32_t page = mbr_params_page();
    if (page != MBR_NONE) {
        bool armed;
        const struct mbr_record *record = mbr_params_find(page, &armed);
        if (record != NULL && record->command == MBR_COPY_BL) {
            resume_copy(page, record, armed);
        }
        uint32_t table = mbr_params_vector_table(page);
        if (table != MBR_NONE && mbr_table_ok(table, OTA_APP_START)) {
            start(table);
        }
    }
    uint32_t bootloader = mbr_bootloader_address();
    if (bootloader != MBR_NONE) {
        start(bootloader);
    }
    if (mbr_table_ok(OTA_APP_START, OTA_APP_START)) {
        start(OTA_APP_START);
    }
    // Nothing can be started: wait for a programmer.
    for (;;) {
        __WFI();
    }
}

// The commands of `svc #0x18`.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "mbr.h"
#include "memory_layout.h"
#include "nrf52840_regs.h"
#include "wdt.h"

#define INFORMATION_START 0x10000000u // FICR

void mbr_reset(void)
{
    __DSB();
    SCB->AIRCR = (0x5FAu << SCB_AIRCR_VECTKEY_Pos) |
                 (SCB->AIRCR & SCB_AIRCR_PRIGROUP_Msk) |
                 SCB_AIRCR_SYSRESETREQ_Msk;
    __DSB();
    for (;;) {
    }
}

static bool overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

static uint32_t pages_size(uint32_t len_words)
{
    uint32_t mask = OTA_PAGE_SIZE - 1u;
    return (len_words * 4u + mask) & ~mask;
}

// Keeps the command for after the reset. Returns only when that failed.
static uint32_t store_and_reset(uint32_t page, struct mbr_record *record)
{
    wdt_feed();
    if (mbr_params_store(page, record) != 0) {
        return MBR_INTERNAL;
    }
    wdt_feed();
    mbr_reset();
}

static uint32_t copy_bl(uint32_t source, uint32_t len_words)
{
    uint32_t bootloader = mbr_bootloader_address();
    uint32_t page = mbr_params_page();
    if (bootloader == MBR_NONE) {
        return MBR_FORBIDDEN;
    }
    if (page == MBR_NONE) {
        return MBR_NO_MEM;
    }
    if (len_words == 0 || !mbr_in_flash(source, len_words) ||
        !mbr_in_flash(bootloader, len_words)) {
        return MBR_INVALID_LENGTH;
    }
    uint32_t target_size = pages_size(len_words);
    // The source is read again after every power cut, and the page that
    // remembers the copy must outlive it.
    if (source % 4u != 0 ||
        overlap(source, len_words * 4u, bootloader, target_size) ||
        overlap(source, len_words * 4u, page, OTA_PAGE_SIZE) ||
        overlap(page, OTA_PAGE_SIZE, bootloader, target_size)) {
        return MBR_INVALID_ADDR;
    }
    struct mbr_record record = {
        .command = MBR_COPY_BL,
        .source = source,
        .destination = bootloader,
        .len_words = len_words,
        .source_crc = mbr_crc32(source, len_words * 4u),
        .vector_table = mbr_params_vector_table(page),
    };
    return store_and_reset(page, &record);
}

static uint32_t copy_sd(uint32_t source, uint32_t destination,
                        uint32_t len_words)
{
    bool source_ok =
        mbr_in_flash(source, len_words) || mbr_in_ram(source, len_words);
    if (!source_ok || destination < OTA_APP_START ||
        !mbr_in_flash(destination, len_words)) {
        return MBR_INVALID_LENGTH;
    }
    uint32_t first_page = destination & ~(OTA_PAGE_SIZE - 1u);
    uint32_t end = destination + len_words * 4u;
    // A source behind the destination by a page or more is read before its
    // page is erased.
    if (destination % 4u != 0 || source % 4u != 0 ||
        (overlap(source, len_words * 4u, first_page,
                 pages_size((end - first_page) / 4u)) &&
         source < destination + OTA_PAGE_SIZE)) {
        return MBR_INVALID_ADDR;
    }
    while (destination < end) {
        uint32_t size = mbr_page_part(destination, end - destination);
        if (mbr_copy_page(destination, source, size, true) != 0) {
            return MBR_INTERNAL;
        }
        destination += size;
        source += size;
    }
    return MBR_SUCCESS;
}

// Memory and what lies between flash and RAM (FICR, UICR, external flash), but
// no registers: reading those may have effects.
static bool may_compare(uint32_t addr, uint32_t len_words)
{
    return mbr_in_flash(addr, len_words) || mbr_in_ram(addr, len_words) ||
           (addr >= INFORMATION_START && addr < OTA_RAM_START &&
            len_words <= (OTA_RAM_START - addr) / 4u);
}

static uint32_t compare(uint32_t left, uint32_t right, uint32_t len_words)
{
    if (!may_compare(left, len_words) || !may_compare(right, len_words)) {
        return MBR_INVALID_LENGTH;
    }
    return memcmp((const void *)left, (const void *)right, len_words * 4u) == 0
               ? MBR_SUCCESS
               : MBR_NULL;
}

static uint32_t init_sd(void)
{
    if (!mbr_table_ok(OTA_APP_START, OTA_APP_START)) {
        return MBR_INVALID_ADDR;
    }
    void (*reset_handler)(void);
    memcpy(&reset_handler, (const void *)(OTA_APP_START + 4u),
           sizeof(reset_handler));
    reset_handler();
    return MBR_SUCCESS;
}

static uint32_t vector_table_base_set(uint32_t table)
{
    uint32_t page = mbr_params_page();
    if (page == MBR_NONE) {
        return MBR_NO_MEM;
    }
    if (table == 0) {
        return store_and_reset(page, NULL);
    }
    if (table < OTA_APP_START || !mbr_table_ok(table, OTA_APP_START)) {
        return MBR_INVALID_ADDR;
    }
    struct mbr_record record = {
        .command = MBR_VECTOR_TABLE_BASE_SET,
        .vector_table = table,
    };
    return store_and_reset(page, &record);
}

static uint32_t run(const uint32_t *request)
{
    switch (request[0]) {
    case MBR_COPY_BL:
        return copy_bl(request[1], request[2]);
    case MBR_COPY_SD:
        return copy_sd(request[1], request[2], request[3]);
    case MBR_INIT_SD:
        return init_sd();
    case MBR_COMPARE:
        return compare(request[1], request[2], request[3]);
    case MBR_VECTOR_TABLE_BASE_SET:
        return vector_table_base_set(request[1]);
    case MBR_IRQ_FORWARD_ADDRESS_SET:
        mbr_forward_address = request[1];
        return MBR_SUCCESS;
    default:
        return MBR_INVALID_PARAM;
    }
}

// Called by vectors.S with the stacked frame: r0 is the request, and the
// result.
void mbr_svc(uint32_t *frame);
void mbr_svc(uint32_t *frame)
{
    frame[0] = run((const uint32_t *)frame[0]);
}

// Where the bootloader and the parameter page are: two words in the boot
// record's own page (SPEC.md section 8), with UICR as the fallback.
//
// SPDX-License-Identifier: Apache-2.0
#include "mbr.h"
#include "memory_layout.h"
#include "nrf52840_regs.h"

// Volatile: a programmer may replace them without building again.
const volatile uint32_t mbr_words[2]
    __attribute__((section(".mbr_words"), used)) = {
        OTA_BOOTLOADER_START,
        OTA_MBR_PARAMS_START,
};

static bool is_page(uint32_t addr)
{
    return addr % OTA_PAGE_SIZE == 0 && addr >= OTA_APP_START &&
           mbr_in_flash(addr, OTA_PAGE_SIZE / 4u);
}

uint32_t mbr_bootloader_address(void)
{
    const uint32_t candidates[2] = {mbr_words[0], NRF_UICR->NRFFW[0]};
    for (unsigned i = 0; i < 2; i++) {
        if (is_page(candidates[i]) &&
            mbr_table_ok(candidates[i], candidates[i])) {
            return candidates[i];
        }
    }
    return MBR_NONE;
}

uint32_t mbr_params_page(void)
{
    const uint32_t candidates[2] = {mbr_words[1], NRF_UICR->NRFFW[1]};
    for (unsigned i = 0; i < 2; i++) {
        if (is_page(candidates[i])) {
            return candidates[i];
        }
    }
    return MBR_NONE;
}

// The bootloader: prepare the chip, let the engine do what is to be done, start
// the application.
//
// SPDX-License-Identifier: Apache-2.0
#include "boot.h"

// The engine's page size is a number of its own; here it meets the chip's.
enum { ENGINE_PAGE_SIZE = OTA_PAGE_SIZE };
#undef OTA_PAGE_SIZE

#include "acl.h"
#include "board.h"
#include "board_config.h"
#include "errata.h"
#include "mbr_call.h"
#include "memory_layout.h"
#include "nrf52840_regs.h"
#include "ota/version.h"
#include "startup.h"
#include "wdt.h"

_Static_assert((unsigned)ENGINE_PAGE_SIZE == OTA_PAGE_SIZE, "flash page");

// Without an application that verifies there is nothing to start; a modem that
// comes back may change that.
#define HALT_RETRY_MS 60000u
#define HALT_FEED_MS 100u

void start_app(uint32_t table) __attribute__((noreturn));

static struct board board;
static struct boot boot;

static struct boot_config config(uint32_t resetreas)
{
    return (struct boot_config){
        .app_start = OTA_APP_START,
        .app_size = OTA_APP_SIZE,
        .bootloader_start = OTA_BOOTLOADER_START,
        .bootloader_size = OTA_BOOTLOADER_SIZE,
        .staging_start = OTA_STAGING_START,
        .staging_size = OTA_STAGING_SIZE,
        .journal_start = OTA_JOURNAL_START,
        .handshake_start = OTA_HANDSHAKE_START,
        .request = (struct boot_request *)OTA_RAM_BOOT_REQUEST_START,
        .status = (struct boot_status *)OTA_RAM_BOOT_STATUS_START,
        .resetreas = resetreas,
        .modem_baud = OTA_MODEM_BAUD,
        .modem_baud_fast = OTA_MODEM_BAUD_FAST,
        .bootloader_version = OTA_BOOTLOADER_VERSION,
    };
}

static int protect(void)
{
    static const struct {
        uint32_t start, size, perm;
    } table[OTA_ACL_COUNT] = {OTA_ACL_TABLE};
    for (unsigned i = 0; i < OTA_ACL_COUNT; i++) {
        int error = acl_protect(table[i].start, table[i].size, table[i].perm);
        if (error != OTA_OK) {
            return error;
        }
    }
    return OTA_OK;
}

static void hand_over(void) __attribute__((noreturn));
static void hand_over(void)
{
    int error = protect();
    if (error != OTA_OK) {
        board.system_port.log(&board, "boot: flash protection failed");
        system_reset();
    }
    wdt_feed();
    board_close(&board);
    for (unsigned i = 0; i < 2; i++) {
        NVIC->ICER[i] = 0xFFFFFFFFu;
        NVIC->ICPR[i] = 0xFFFFFFFFu;
    }
    mbr_forward_exceptions(OTA_APP_START);
    start_app(OTA_APP_START);
}

static void halt(void) __attribute__((noreturn));
static void halt(void)
{
    for (uint32_t ms = 0; ms < HALT_RETRY_MS; ms += HALT_FEED_MS) {
        wdt_feed();
        timebase_sleep_ms(HALT_FEED_MS);
    }
    system_reset();
}

int main(void)
{
    wdt_feed();
    errata_apply();
    const struct boot_config boot_config = config(errata_take_resetreas());
    board_open(&board);
    if (boot_run(&boot, &board.ports, &boot_config) != BOOT_START_APP) {
        halt();
    }
    hand_over();
}

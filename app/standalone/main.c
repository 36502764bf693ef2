// The sample application: what a product's own application has to do for
// updates, and nothing else: report, feed the watchdog, confirm itself.
//
// SPDX-License-Identifier: Apache-2.0
#include <stdbool.h>

#include "app_flash.h"
#include "board_config.h"
#include "console.h"
#include "errata.h"
#include "fault.h"
#include "gpio.h"
#include "memory_layout.h"
#include "ota/boot_status.h"
#include "ota/confirm.h"
#include "reason.h"
#include "ticks.h"
#include "wdt.h"

#define WATCHDOG_MS 8000u
#define ALIVE_TICKS (60u * TICKS_PER_SECOND)
// The self check: the application has run for this long, with its clock, its
// interrupts and its watchdog.
#define CONFIRM_TICKS 2u

static void report(const struct boot_status *status)
{
    console_line("app: version %u running (reason %s)", (unsigned)APP_VERSION,
                 reason_text(status->reason));
    console_line("app: bootloader %u, last error %d, reset reason %u",
                 (unsigned)status->bootloader_version, (int)status->last_error,
                 (unsigned)status->resetreas);
    for (uint32_t i = 0; i < status->kept_count && i < OTA_KEPT_MAX; i++) {
        console_line("app: version %u is kept in the modem",
                     (unsigned)status->kept_version[i]);
    }
    if (status->update_ms != 0) {
        console_line("app: update took %u ms", (unsigned)status->update_ms);
    }
}

static void confirm(uint32_t token)
{
    int error = ota_confirm(&app_flash, OTA_HANDSHAKE_START, token);
    if (error == OTA_OK) {
        console_line("app: confirmed version %u", (unsigned)APP_VERSION);
    } else {
        console_line("app: confirming failed with error %d", error);
    }
}

int main(void)
{
    struct boot_status status = {0};
    errata_apply();
    wdt_start(WATCHDOG_MS);
    wdt_feed(); // the bootloader may have left one running
    gpio_output(OTA_LED_PIN, OTA_LED_ACTIVE_HIGH == 0);
    if (boot_status_read((const struct boot_status *)OTA_RAM_BOOT_STATUS_START,
                         &status) == OTA_OK) {
        report(&status);
    } else {
        status = (struct boot_status){0};
        console_line("app: version %u running (no boot status)",
                     (unsigned)APP_VERSION);
    }
    fault_happen(APP_FAULT);
    ticks_start();
    for (;;) {
        uint32_t tick = ticks_wait();
        if (!APP_HANG || tick <= CONFIRM_TICKS) {
            wdt_feed();
        }
        gpio_write(OTA_LED_PIN, (tick % 2u != 0) == (OTA_LED_ACTIVE_HIGH != 0));
        if (APP_CONFIRM && tick == CONFIRM_TICKS && status.confirm_token != 0) {
            confirm(status.confirm_token);
        }
        if (tick % ALIVE_TICKS == 0) {
            console_line("app: alive %u", (unsigned)(tick / ALIVE_TICKS));
        }
    }
}

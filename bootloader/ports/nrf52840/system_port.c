// System port: watchdog, modem power key, reset, bootloader copy, log.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "board.h"
#include "board_config.h"
#include "boot.h"
#include "gpio.h"
#include "mbr_call.h"
#include "startup.h"
#include "wdt.h"

// Twice what the engine asks for at least: the watchdog's clock may be the RC
// oscillator.
#define WATCHDOG_MS (2u * BOOT_WATCHDOG_MIN_MS)
#define LINE_TIMEOUT_MS 100u // 115,200 baud: 1,100 characters

static void watchdog_start(void *ctx)
{
    (void)ctx;
    wdt_start(WATCHDOG_MS);
}

static void watchdog_feed(void *ctx)
{
    (void)ctx;
    wdt_feed();
}

static void modem_power_key(void *ctx, bool is_pressed)
{
    (void)ctx;
    const bool active = OTA_MODEM_PWRKEY_ACTIVE_HIGH != 0;
    if (OTA_MODEM_PWRKEY == OTA_PIN_NONE) {
        return;
    }
    if (is_pressed) {
        gpio_output(OTA_MODEM_PWRKEY, active);
    } else {
        gpio_write(OTA_MODEM_PWRKEY, !active);
        gpio_release(OTA_MODEM_PWRKEY);
    }
}

static void reset(void *ctx) __attribute__((noreturn));
static void reset(void *ctx)
{
    (void)ctx;
    system_reset();
}

static int copy_bootloader(void *ctx, uint32_t source_addr, uint32_t size)
{
    (void)ctx;
    // Length 0 sends Nordic's boot record into an endless reset loop.
    if (size == 0 || size % sizeof(uint32_t) != 0) {
        return OTA_E_SIZE;
    }
    return mbr_copy_bootloader(source_addr, size / sizeof(uint32_t)) == 0
               ? OTA_OK
               : OTA_E_FLASH_RANGE;
}

static void log_line(void *ctx, const char *line)
{
    static const char line_end[] = "\r\n";
    struct board *board = ctx;
    if (board->console.regs == NULL) {
        static const struct uarte_config config = {
            .instance = OTA_CONSOLE_UART,
            .txd = OTA_CONSOLE_TXD,
            .rxd = OTA_PIN_NONE,
            .rts = OTA_PIN_NONE,
            .cts = OTA_PIN_NONE,
            .baud = OTA_CONSOLE_BAUD,
        };
        if (uarte_open(&board->console, &config, NULL) != OTA_OK) {
            return;
        }
    }
    // A console that does not take the line loses it; nothing depends on it.
    if (uarte_write(&board->console, line, strlen(line), LINE_TIMEOUT_MS) ==
        OTA_OK) {
        int error = uarte_write(&board->console, line_end,
                                sizeof(line_end) - 1u, LINE_TIMEOUT_MS);
        (void)error;
    }
}

struct system_port system_port_make(struct board *board)
{
    return (struct system_port){
        .ctx = board,
        .watchdog_start = watchdog_start,
        .watchdog_feed = watchdog_feed,
        .modem_power_key = modem_power_key,
        .reset = reset,
        .copy_bootloader = copy_bootloader,
        .log = log_line,
    };
}

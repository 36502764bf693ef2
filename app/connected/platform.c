// The chip as the connected application uses it: see platform.h. The time base
// and the crystal run all the time, since the modem's UART is always listened
// to.
//
// SPDX-License-Identifier: Apache-2.0
#include "platform.h"

#include <string.h>

#include "board_config.h"
#include "clock.h"
#include "errata.h"
#include "format.h"
#include "gpio.h"
#include "nrf52840_regs.h"
#include "startup.h"
#include "timebase.h"
#include "uarte.h"
#include "wdt.h"

#define LINE_SIZE 160u
#define LINE_TIMEOUT_MS 100u
// SIM7600 hardware design: on after 0.5 s, off after 2.5 s, gone after 6 s.
#define KEY_ON_MS 500u
#define KEY_OFF_MS 3000u
#define KEY_GONE_MS 6000u
#define SLEEP_STEP_MS 100u

static struct timebase timebase;
static struct uarte console;
static struct uarte modem;
static uint8_t ring[2u * UARTE_RX_HALF] __attribute__((section(".noinit")));

/// Time and watchdog ///

static uint32_t now_ms(void *ctx)
{
    (void)ctx;
    return timebase_now_ms(&timebase);
}

// A sleep feeds nothing: those that are longer than the watchdog's time are
// bounded where they are asked for.
static void sleep_ms(void *ctx, uint32_t duration_ms)
{
    (void)ctx;
    timebase_sleep_ms(duration_ms);
}

const struct time_port platform_time = {
    .ctx = NULL,
    .now_ms = now_ms,
    .sleep_ms = sleep_ms,
};

uint32_t platform_now_ms(void)
{
    return timebase_now_ms(&timebase);
}

void platform_start(uint32_t watchdog_ms)
{
    errata_apply();
    wdt_start(watchdog_ms);
    wdt_feed(); // the bootloader may have left one running
    timebase_start(&timebase);
    clock_start_hfxo();
}

void platform_feed(void)
{
    wdt_feed();
}

void platform_reset(void)
{
    uarte_close(&modem);
    uarte_close(&console);
    // A request came through here, key and all; RAM survives the reset.
    memset(ring, 0, sizeof ring);
    __asm volatile("" : : "r"(ring) : "memory");
    system_reset();
}

/// Console ///

void platform_line(const char *format, ...)
{
    static const struct uarte_config config = {
        .instance = OTA_CONSOLE_UART,
        .txd = OTA_CONSOLE_TXD,
        .rxd = OTA_PIN_NONE,
        .rts = OTA_PIN_NONE,
        .cts = OTA_PIN_NONE,
        .baud = OTA_CONSOLE_BAUD,
    };
    char line[LINE_SIZE + 2u];
    va_list args;
    va_start(args, format);
    size_t size = format_text_v(line, LINE_SIZE, format, args);
    va_end(args);
    line[size++] = '\r';
    line[size++] = '\n';
    if (console.regs != NULL || uarte_open(&console, &config, NULL) == OTA_OK) {
        int error = uarte_write(&console, line, size, LINE_TIMEOUT_MS);
        (void)error; // the line is lost; nothing depends on it
    }
}

/// Modem ///

static int modem_open(void)
{
    static const struct uarte_config config = {
        .instance = OTA_MODEM_UART,
        .txd = OTA_MODEM_TXD,
        .rxd = OTA_MODEM_RXD,
        .rts = OTA_MODEM_RTS,
        .cts = OTA_MODEM_CTS,
        .flow_control = OTA_MODEM_FLOW_CONTROL != 0,
        .baud = OTA_MODEM_BAUD,
    };
    return modem.regs != NULL ? OTA_OK : uarte_open(&modem, &config, ring);
}

static int modem_write(void *ctx, const void *data, size_t size,
                       uint32_t timeout_ms)
{
    (void)ctx;
    int error = modem_open();
    return error != OTA_OK ? error
                           : uarte_write(&modem, data, size, timeout_ms);
}

static int modem_read(void *ctx, void *data, size_t capacity,
                      uint32_t timeout_ms)
{
    (void)ctx;
    int error = modem_open();
    return error != OTA_OK ? error
                           : uarte_read(&modem, data, capacity, timeout_ms);
}

static int modem_set_baud(void *ctx, uint32_t baud)
{
    (void)ctx;
    int error = modem_open();
    return error != OTA_OK ? error : uarte_set_baud(&modem, baud);
}

const struct uart_port platform_modem_uart = {
    .ctx = NULL,
    .write = modem_write,
    .read = modem_read,
    .set_baud = modem_set_baud,
};

static void wait_and_feed(uint32_t duration_ms)
{
    for (uint32_t ms = 0; ms < duration_ms; ms += SLEEP_STEP_MS) {
        timebase_sleep_ms(SLEEP_STEP_MS);
        wdt_feed();
    }
}

static void press(uint32_t duration_ms)
{
    const bool active = OTA_MODEM_PWRKEY_ACTIVE_HIGH != 0;
    gpio_output(OTA_MODEM_PWRKEY, active);
    wait_and_feed(duration_ms);
    gpio_write(OTA_MODEM_PWRKEY, !active);
    gpio_release(OTA_MODEM_PWRKEY);
}

void platform_modem_power_key(void)
{
    static bool was_pressed;
    // A modem that is off starts; one that hangs has to be stopped first.
    if (was_pressed) {
        press(KEY_OFF_MS);
        wait_and_feed(KEY_GONE_MS);
    }
    press(KEY_ON_MS);
    was_pressed = !was_pressed;
}

void platform_chip_id(char id[17])
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < 16; i++) {
        uint32_t word = NRF_FICR->DEVICEID[1u - i / 8u];
        id[i] = digits[(word >> (28u - i % 8u * 4u)) & 15u];
    }
    id[16] = '\0';
}

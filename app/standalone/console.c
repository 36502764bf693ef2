// SPDX-License-Identifier: Apache-2.0
#include "console.h"

#include <stdarg.h>

#include "board_config.h"
#include "clock.h"
#include "format.h"
#include "timebase.h"
#include "uarte.h"

#define LINE_SIZE 160u
#define LINE_TIMEOUT_MS 100u

static struct uarte console;

static void send(const char *line, size_t size)
{
    static const struct uarte_config config = {
        .instance = OTA_CONSOLE_UART,
        .txd = OTA_CONSOLE_TXD,
        .rxd = OTA_PIN_NONE,
        .rts = OTA_PIN_NONE,
        .cts = OTA_PIN_NONE,
        .baud = OTA_CONSOLE_BAUD,
    };
    if (uarte_open(&console, &config, NULL) == OTA_OK) {
        // A line that cannot be printed is lost; nothing depends on it.
        int error = uarte_write(&console, line, size, LINE_TIMEOUT_MS);
        (void)error;
    }
    uarte_close(&console);
}

void console_line(const char *format, ...)
{
    static char line[LINE_SIZE + 2u];
    va_list args;
    va_start(args, format);
    size_t size = format_text_v(line, LINE_SIZE, format, args);
    va_end(args);
    line[size++] = '\r';
    line[size++] = '\n';

    struct timebase time;
    timebase_start(&time);
    clock_start_hfxo();
    send(line, size);
    timebase_stop();
    clock_stop_hfxo();
}

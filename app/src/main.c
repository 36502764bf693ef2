// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "board_config.h"
#include "clock.h"
#include "timebase.h"
#include "uarte.h"

static struct uarte console;

int main(void)
{
    static const struct uarte_config config = {
        .instance = OTA_CONSOLE_UART,
        .txd = OTA_CONSOLE_TXD,
        .rxd = OTA_PIN_NONE,
        .rts = OTA_PIN_NONE,
        .cts = OTA_PIN_NONE,
        .baud = OTA_CONSOLE_BAUD,
    };
    static const char hello[] = "app: hello\r\n";
    struct timebase time;
    clock_start_hfxo();
    timebase_start(&time);
    if (uarte_open(&console, &config, NULL) == OTA_OK) {
        if (uarte_write(&console, hello, strlen(hello), 100) != OTA_OK) {
            uarte_close(&console);
        }
    }
    for (;;) {
        timebase_sleep_ms(1000);
    }
}

// The chip as the connected application uses it: clocks, watchdog, console and
// the modem's UART, as the ports that the update client asks for.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef PLATFORM_H
#define PLATFORM_H

#include "ota/ports.h"

// Starts the clocks and the watchdog, and feeds one that the bootloader left.
void platform_start(uint32_t watchdog_ms);
void platform_feed(void);
void platform_reset(void) __attribute__((noreturn));

extern const struct time_port platform_time;
// The modem's UART belongs to the update client alone; opened by its first use.
extern const struct uart_port platform_modem_uart;
// Presses the modem's power key: the first time as for a modem that is off, the
// next time as for one that hangs, off and on. Feeds the watchdog: ten seconds
// at most.
void platform_modem_power_key(void);

uint32_t platform_now_ms(void);
// FICR.DEVICEID as 16 hex digits.
void platform_chip_id(char id[17]);

// Prints one line on the console; a line that cannot be printed is lost.
void platform_line(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif

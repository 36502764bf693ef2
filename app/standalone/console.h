// Text lines on the board's console UART.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef CONSOLE_H
#define CONSOLE_H

// Prints one line; returns when it is on the wire. The crystal, the timer and
// the UART run only meanwhile.
void console_line(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif

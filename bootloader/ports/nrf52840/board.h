// The chip as the bootloader uses it: one struct, and one adapter per port.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef BOARD_H
#define BOARD_H

#include "crypto.h"
#include "ota/ports.h"
#include "timebase.h"
#include "uarte.h"

struct board {
    struct timebase time;
    struct uarte modem;   // opened by its first use
    struct uarte console; // opened by the first line of text
    struct flash_port flash_port;
    struct uart_port uart_port;
    struct time_port time_port;
    struct system_port system_port;
    struct ports ports;
};

// Prepares clocks and ports. `board` must stay where it is.
void board_open(struct board *board);

// Leaves every block that was used as a reset leaves it, except the watchdog.
void board_close(struct board *board);

// One file each.
struct flash_port flash_port_make(void);
struct uart_port modem_port_make(struct board *board);
struct system_port system_port_make(struct board *board);

#endif

// What the halves of the simulated modem share. Nothing else includes this.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_SIM_MODEM_PARTS_H
#define OTA_SIM_MODEM_PARTS_H

#include "sim_modem.h"

/// sim_modem_wire.c: clock, bytes on the wire, the UART port ///

void sim_modem_send(struct sim_modem *modem, const void *data, size_t size);
// A line with its line ends, and the URC of the plan before it.
void sim_modem_line(struct sim_modem *modem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct uart_port sim_modem_port(struct sim_modem *modem);

/// sim_modem.c: commands, files and faults ///

// Takes one byte from the host.
void sim_modem_take(struct sim_modem *modem, uint8_t byte);

#endif

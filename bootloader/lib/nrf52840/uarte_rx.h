// Reception, as uarte.c needs it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef UARTE_RX_H
#define UARTE_RX_H

#include "uarte.h"

OTA_CHECKED int uarte_rx_start(struct uarte *uart);
// Stops the receiver and its counter, and empties the FIFO.
void uarte_rx_stop(struct uarte *uart);

#endif

// UARTE with DMA (product specification, UARTE).
//
// Reception runs all the time into a ring of two halves that the hardware
// alternates by itself; how many bytes arrived is counted by a TIMER behind
// PPI, so the count is right while a transfer runs and while flash operations
// stall the CPU. Within the time one half takes to fill (178 ms for 8 KB at
// 460,800 baud, flash erase stalls 85 ms) one of the functions here must be
// called.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef UARTE_H
#define UARTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nrf52840_regs.h"
#include "ota/status.h"

#define UARTE_RX_HALF 16384u // bytes; RXD.MAXCNT takes up to 65535
#define UARTE_TX_CHUNK 64u   // DMA cannot read flash: bytes go through RAM

struct uarte_config {
    unsigned instance; // 0 or 1
    uint32_t txd, rxd; // pins, GPIO_NONE when not connected
    uint32_t rts, cts;
    bool flow_control;
    uint32_t baud;
};

struct uarte {
    struct uarte_config config;
    NRF_UARTE_Type *regs;
    uint32_t irq;
    uint8_t tx[UARTE_TX_CHUNK];
    // Reception; `ring` is NULL for a transmit-only line.
    uint8_t *ring;      // 2 * UARTE_RX_HALF bytes in RAM
    uint32_t taken;     // bytes handed out since reception started
    uint32_t next_half; // number of the half whose address RXD.PTR holds
    bool lost;
};

// Opens the line; a time base and the crystal must run. `ring` takes reception
// (only one line may receive), or is NULL. OTA_E_LINK for a baud the chip has
// no value for.
OTA_CHECKED int uarte_open(struct uarte *uart,
                           const struct uarte_config *config, uint8_t *ring);

// Stops and disables everything, releases the pins.
void uarte_close(struct uarte *uart);

// Sends; returns when the last byte is on the wire. OTA_E_TIMEOUT.
OTA_CHECKED int uarte_write(struct uarte *uart, const void *data, size_t size,
                            uint32_t timeout_ms);

// Waits for the first byte, then takes what arrives without a pause, up to
// `capacity`. Returns the count, 0 after `timeout_ms`, or OTA_E_LINK when bytes
// were lost or garbled: everything received is then dropped.
OTA_CHECKED int uarte_read(struct uarte *uart, void *data, size_t capacity,
                           uint32_t timeout_ms);

// Changes the rate; what was received and not read is dropped.
OTA_CHECKED int uarte_set_baud(struct uarte *uart, uint32_t baud);

#endif

// What the update engine needs from the world, and nothing else.
//
// Each port is a const struct of functions plus an opaque context. Laws:
//  - functions return OTA_OK or a negative enum ota_status; a count is positive
//    or zero only where it says so;
//  - the caller owns every buffer; no port keeps a pointer after it returns;
//  - no port calls back into the engine;
//  - every wait inside a port is bounded, and feeds nothing: only the engine
//    feeds the watchdog, and only for progress.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_PORTS_H
#define OTA_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ota/status.h"

// Flash. Addresses are absolute. A page is OTA_PAGE_SIZE bytes.
struct flash_port {
    void *ctx;
    // Copies `size` bytes at `addr` to `data`.
    OTA_CHECKED int (*read)(void *ctx, uint32_t addr, void *data, size_t size);
    // Erases the page at `page_addr` (page aligned).
    OTA_CHECKED int (*erase_page)(void *ctx, uint32_t page_addr);
    // Writes `count` words at `addr` (word aligned). Clears bits only; a word
    // may be written at most twice between erases. Reads back and returns
    // OTA_E_FLASH when a bit differs.
    OTA_CHECKED int (*write)(void *ctx, uint32_t addr, const uint32_t *words,
                             size_t count);
};

// Incremental SHA-256 state, opaque to the engine. `block` holds the tail that
// is not a whole block yet.
struct sha256_ctx {
    uint32_t h[8];
    uint64_t length; // bytes fed so far, tail included
    uint8_t block[64];
};

struct crypto_port {
    void *ctx;
    OTA_CHECKED int (*sha256_init)(void *ctx, struct sha256_ctx *sha);
    // `data` may be in RAM or flash, any alignment, any size.
    OTA_CHECKED int (*sha256_update)(void *ctx, struct sha256_ctx *sha,
                                     const void *data, size_t size);
    OTA_CHECKED int (*sha256_final)(void *ctx, struct sha256_ctx *sha,
                                    uint8_t digest[32]);
    // AES-128-CBC decryption of whole blocks, without padding. `size` is a
    // multiple of 16; `dst` may equal `src`; both are in RAM. `iv` is updated
    // to the last cipher block, so that calls chain.
    OTA_CHECKED int (*aes128_cbc_decrypt)(void *ctx, const uint8_t key[16],
                                          uint8_t iv[16], const void *src,
                                          void *dst, size_t size);
};

// The modem's UART. Reception runs all the time by DMA, also while flash
// operations stall the CPU; at least 8 KB are held until they are read.
struct uart_port {
    void *ctx;
    // Sends all bytes; returns when the last one is on the wire.
    OTA_CHECKED int (*write)(void *ctx, const void *data, size_t size,
                             uint32_t timeout_ms);
    // Waits until at least one byte is there, then takes up to `capacity`.
    // Returns the count (> 0), 0 when `timeout_ms` passed, OTA_E_LINK when
    // bytes were lost since the last call (the buffer is then empty).
    OTA_CHECKED int (*read)(void *ctx, void *data, size_t capacity,
                            uint32_t timeout_ms);
    // Changes the rate; what was received and not read is dropped.
    OTA_CHECKED int (*set_baud)(void *ctx, uint32_t baud);
};

struct time_port {
    void *ctx;
    // Milliseconds since the boot; wraps after 49 days.
    uint32_t (*now_ms)(void *ctx);
    // Sleeps for at least `duration_ms`.
    void (*sleep_ms)(void *ctx, uint32_t duration_ms);
};

// What is left of the chip.
struct system_port {
    void *ctx;
    // Starts the watchdog if it does not run yet (it cannot be stopped).
    void (*watchdog_start)(void *ctx);
    // Feeds every enabled channel of a running watchdog, ours or inherited.
    void (*watchdog_feed)(void *ctx);
    // Presses the modem's power key or lets go of it (no effect if not wired).
    void (*modem_power_key)(void *ctx, bool is_pressed);
    // Soft reset; does not return.
    void (*reset)(void *ctx) __attribute__((noreturn));
    // Copies the staged bootloader over the running one with the boot record's
    // power-cut-safe command and resets. Returns only when that was refused.
    OTA_CHECKED int (*copy_bootloader)(void *ctx, uint32_t source_addr,
                                       uint32_t size);
    // One line of text for a person, without line end.
    void (*log)(void *ctx, const char *line);
};

struct ports {
    const struct flash_port *flash;
    const struct crypto_port *crypto;
    const struct uart_port *uart;
    const struct time_port *time;
    const struct system_port *system;
};

#endif

// What the fuzz targets share: a UART that says the fuzzer's bytes, a clock
// that only waits move.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_FUZZ_H
#define OTA_FUZZ_H

#include <stdlib.h>
#include <string.h>

#include "ota/ports.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Ends the run as a crash, with the input kept, when `holds` is false.
static inline void fuzz_assert(bool holds)
{
    if (!holds) {
        abort();
    }
}

struct fuzz_uart {
    struct uart_port uart;
    struct time_port time;
    const uint8_t *data;
    size_t size;
    size_t position;
    size_t chunk;
    uint64_t now_ms;
    uint32_t commands;
    bool sends_data; // also what is no command: pieces, and data after prompts
};

// Each command makes the bytes up to the next 0xFF available, so that one
// input can answer several commands.
static inline int fuzz_uart_write(void *ctx, const void *data, size_t size,
                                  uint32_t timeout_ms)
{
    struct fuzz_uart *fuzz = ctx;
    (void)timeout_ms;
    bool ends = size > 0 && ((const char *)data)[size - 1] == '\r';
    fuzz_assert(ends || (fuzz->sends_data && size > 0));
    fuzz_assert(memchr(data, '\n', size) == NULL);
    fuzz->now_ms += 10;
    if (!ends) {
        return OTA_OK;
    }
    while (fuzz->commands > 0 && fuzz->position < fuzz->size &&
           fuzz->data[fuzz->position++] != 0xFF) {
    }
    fuzz->commands++;
    return OTA_OK;
}

static inline int fuzz_uart_read(void *ctx, void *data, size_t capacity,
                                 uint32_t timeout_ms)
{
    struct fuzz_uart *fuzz = ctx;
    size_t count = 0;
    while (fuzz->commands > 0 && count < capacity && count < fuzz->chunk &&
           fuzz->position < fuzz->size && fuzz->data[fuzz->position] != 0xFF) {
        ((uint8_t *)data)[count++] = fuzz->data[fuzz->position++];
    }
    fuzz->now_ms += count == 0 ? timeout_ms : 1;
    return (int)count;
}

static inline int fuzz_uart_set_baud(void *ctx, uint32_t baud)
{
    (void)ctx;
    fuzz_assert(baud >= 115200 && baud <= 921600);
    return OTA_OK;
}

static inline uint32_t fuzz_now_ms(void *ctx)
{
    return (uint32_t)((struct fuzz_uart *)ctx)->now_ms;
}

static inline void fuzz_sleep_ms(void *ctx, uint32_t duration_ms)
{
    ((struct fuzz_uart *)ctx)->now_ms += duration_ms;
}

static inline void fuzz_uart_init(struct fuzz_uart *fuzz, const uint8_t *data,
                                  size_t size)
{
    static const size_t chunks[] = {1, 2, 7, 4096};
    memset(fuzz, 0, sizeof *fuzz);
    fuzz->uart = (struct uart_port){fuzz, fuzz_uart_write, fuzz_uart_read,
                                    fuzz_uart_set_baud};
    fuzz->time = (struct time_port){fuzz, fuzz_now_ms, fuzz_sleep_ms};
    fuzz->chunk = size > 0 ? chunks[data[0] % 4u] : 1;
    fuzz->data = size > 0 ? data + 1 : data;
    fuzz->size = size > 0 ? size - 1 : 0;
}

static inline void fuzz_idle(void *ctx)
{
    (void)ctx;
}

#endif

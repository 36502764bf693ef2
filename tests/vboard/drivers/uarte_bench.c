// Receives with the UARTE driver, with and without flash operations meanwhile.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"
#include "clock.h"
#include "nvmc.h"
#include "timebase.h"
#include "uarte.h"

enum {
    READ = 1,
    READ_AND_ERASE = 2,
    WRITE = 3,
    SET_BAUD = 4,
    STALL = 5,
    REOPEN = 6, // with flow control
    CLOSE = 7,
};

static struct uarte uart;
static uint8_t ring[2 * UARTE_RX_HALF] __attribute__((aligned(4)));
static struct timebase time;

void bench_open(void)
{
    static const struct uarte_config config = {
        .instance = 1,
        .txd = 34,
        .rxd = 33,
        .rts = 0xFFFFFFFFu,
        .cts = 0xFFFFFFFFu,
        .baud = 460800,
    };
    timebase_start(&time);
    clock_start_hfxo();
    job.result = uarte_open(&uart, &config, ring);
}

// Reads until `size` bytes are there, or nothing comes for `step` ms. With
// `erase` a flash page is erased after each read: 85 ms without the CPU.
static int32_t read_all(struct job *work, int erase)
{
    uint8_t *target = (uint8_t *)work->destination;
    uint32_t count = 0;
    while (count < work->size) {
        uint32_t left = work->size - count;
        int got = uarte_read(&uart, target + count, left < 512 ? left : 512,
                             work->step);
        if (got <= 0) {
            return got < 0 ? got : (int32_t)count;
        }
        count += (uint32_t)got;
        if (erase && count % 4096 < 512 && nvmc_erase_page(0x80000) != OTA_OK) {
            return OTA_E_FLASH;
        }
    }
    return (int32_t)count;
}

int32_t bench_run(struct job *work)
{
    switch (work->operation) {
    case READ:
    case READ_AND_ERASE:
        return read_all(work, work->operation == READ_AND_ERASE);
    case WRITE:
        return uarte_write(&uart, (const void *)work->source, work->size,
                           work->step);
    case SET_BAUD:
        return uarte_set_baud(&uart, work->size);
    case REOPEN: {
        struct uarte_config config = uart.config;
        config.rts = 3;
        config.cts = 4;
        config.flow_control = true;
        uarte_close(&uart);
        return uarte_open(&uart, &config, ring);
    }
    case CLOSE:
        uarte_close(&uart);
        return OTA_OK;
    default:
        timebase_sleep_ms(work->step);
        return OTA_OK;
    }
}

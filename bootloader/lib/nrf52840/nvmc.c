// Flash operations. Laws:
//  - CONFIG is back at read-only when a function returns, whatever happened;
//  - a power-fail warning during an operation hangs the CPU (erratum 242), so
//    the power-fail comparator is off around each call, and a call that finds
//    the warning already raised refuses;
//  - READY is the only way to wait (erratum 233: READYNEXT is unusable).
//
// SPDX-License-Identifier: Apache-2.0
#include "nvmc.h"

#include <stdbool.h>
#include <string.h>

#include "nrf52840_regs.h"

enum nvmc_config { NVMC_READ = 0, NVMC_WRITE = 1, NVMC_ERASE = 2 };

#define POFCON_POF 1u

// A page erase takes at most 85 ms = 5.5 million cycles at 64 MHz, and the CPU
// stalls meanwhile when it runs from flash; one round of the loop takes at
// least four cycles.
#define READY_LIMIT 2000000u

static int wait_ready(void)
{
    for (uint32_t i = 0; i < READY_LIMIT; i++) {
        if (NRF_NVMC->READY & 1u) {
            return OTA_OK;
        }
    }
    return OTA_E_FLASH;
}

static int enter(enum nvmc_config config, uint32_t *pofcon)
{
    *pofcon = NRF_POWER->POFCON;
    if (*pofcon & POFCON_POF) {
        if (NRF_POWER->EVENTS_POFWARN) {
            return OTA_E_FLASH;
        }
        NRF_POWER->POFCON = *pofcon & ~POFCON_POF;
    }
    int error = wait_ready();
    if (error == OTA_OK) {
        NRF_NVMC->CONFIG = config;
        __DSB();
    }
    return error;
}

static int leave(uint32_t pofcon, int error)
{
    NRF_NVMC->CONFIG = NVMC_READ;
    __DSB();
    int ready = wait_ready();
    if (pofcon & POFCON_POF) {
        NRF_POWER->POFCON = pofcon;
    }
    return error != OTA_OK ? error : ready;
}

int nvmc_erase_page(uint32_t page_addr)
{
    uint32_t pofcon;
    int error = enter(NVMC_ERASE, &pofcon);
    if (error == OTA_OK) {
        NRF_NVMC->ERASEPAGE = page_addr;
        error = wait_ready();
    }
    return leave(pofcon, error);
}

int nvmc_write(uint32_t addr, const void *words, size_t count)
{
    const uint8_t *source = words;
    uint32_t pofcon;
    if (addr % sizeof(uint32_t) != 0) {
        return OTA_E_FLASH_RANGE;
    }
    int error = enter(NVMC_WRITE, &pofcon);
    for (size_t i = 0; error == OTA_OK && i < count; i++) {
        uint32_t word;
        memcpy(&word, source + i * sizeof(word), sizeof(word));
        *(volatile uint32_t *)(addr + i * sizeof(word)) = word;
        error = wait_ready();
    }
    error = leave(pofcon, error);
    if (error == OTA_OK &&
        memcmp((const void *)addr, source, count * sizeof(uint32_t)) != 0) {
        error = OTA_E_FLASH;
    }
    return error;
}

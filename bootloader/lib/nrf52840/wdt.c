// Watchdog, ours or inherited: which channels need feeding is read from RREN.
//
// SPDX-License-Identifier: Apache-2.0
#include "wdt.h"

#include "nrf52840_regs.h"

#define WDT_RELOAD_KEY 0x6E524635u
#define WDT_CRV_MIN 15u
#define WDT_CONFIG_SLEEP_RUN 1u

bool wdt_is_running(void)
{
    return (NRF_WDT->RUNSTATUS & 1u) != 0;
}

void wdt_start(uint32_t timeout_ms)
{
    if (wdt_is_running()) {
        return;
    }
    // timeout = (CRV + 1) / 32768 s, and 32768 / 1000 = 4096 / 125
    uint32_t ticks =
        timeout_ms / 125u * 4096u + timeout_ms % 125u * 4096u / 125u;
    NRF_WDT->CRV = ticks > WDT_CRV_MIN ? ticks - 1u : WDT_CRV_MIN;
    NRF_WDT->RREN = 1u;
    NRF_WDT->CONFIG = WDT_CONFIG_SLEEP_RUN;
    NRF_WDT->TASKS_START = 1u;
}

void wdt_feed(void)
{
    if (!wdt_is_running()) {
        return;
    }
    uint32_t enabled = NRF_WDT->RREN;
    for (uint32_t i = 0; i < 8u; i++) {
        if (enabled & (1u << i)) {
            NRF_WDT->RR[i] = WDT_RELOAD_KEY;
        }
    }
}

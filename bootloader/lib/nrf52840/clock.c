// Clocks. Waits are bounded: a crystal that does not start leaves the chip on
// the internal oscillator, which is still better than hanging.
//
// SPDX-License-Identifier: Apache-2.0
#include "clock.h"

#include "nrf52840_regs.h"

// HFXO start-up and debounce stay well below 5 ms, LFRC below 1 ms; one round
// of a loop takes at least four of 64 million cycles a second.
#define HFXO_LIMIT 80000u
#define LFRC_LIMIT 160000u
#define CLOCK_RUNNING (1u << 16)
#define HFCLK_XTAL 1u
#define LFCLKSRC_RC 0u

void clock_start_hfxo(void)
{
    const uint32_t want = CLOCK_RUNNING | HFCLK_XTAL;
    if ((NRF_CLOCK->HFCLKSTAT & want) == want) {
        return;
    }
    NRF_CLOCK->EVENTS_HFCLKSTARTED = 0;
    NRF_CLOCK->TASKS_HFCLKSTART = 1u;
    for (uint32_t i = 0; i < HFXO_LIMIT; i++) {
        if (NRF_CLOCK->EVENTS_HFCLKSTARTED) {
            break;
        }
    }
    NRF_CLOCK->EVENTS_HFCLKSTARTED = 0;
}

void clock_stop_hfxo(void)
{
    NRF_CLOCK->TASKS_HFCLKSTOP = 1u;
}

void clock_start_lfrc(void)
{
    if (NRF_CLOCK->LFCLKSTAT & CLOCK_RUNNING) {
        return;
    }
    NRF_CLOCK->LFCLKSRC = LFCLKSRC_RC;
    // RTC registers are valid only once the clock runs (erratum 20).
    NRF_CLOCK->EVENTS_LFCLKSTARTED = 0;
    NRF_CLOCK->TASKS_LFCLKSTART = 1u;
    for (uint32_t i = 0; i < LFRC_LIMIT; i++) {
        if (NRF_CLOCK->EVENTS_LFCLKSTARTED) {
            break;
        }
    }
    NRF_CLOCK->EVENTS_LFCLKSTARTED = 0;
}

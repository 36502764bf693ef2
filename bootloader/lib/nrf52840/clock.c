// Clocks. Waits are bounded: a crystal that does not start leaves the chip on
// the internal oscillator, which is still better than hanging.
//
// SPDX-License-Identifier: Apache-2.0
#include "clock.h"

#include "nrf52840_regs.h"
#include "timebase.h"

// HFXO start-up and debounce stay well below 5 ms, LFRC below 1 ms.
#define HFXO_LIMIT_US 5000u
#define LFRC_LIMIT_US 5000u
#define CLOCK_RUNNING (1u << 16)
#define CLOCK_INT_HFCLKSTARTED (1u << 0)
#define CLOCK_INT_LFCLKSTARTED (1u << 1)
#define HFCLK_XTAL 1u
#define LFCLKSRC_RC 0u

static void start(volatile uint32_t *task, volatile uint32_t *event,
                  uint32_t interrupt, uint32_t limit_us)
{
    *event = 0;
    NRF_CLOCK->INTENSET = interrupt;
    *task = 1u;
    (void)timebase_wait(event, POWER_CLOCK_IRQn, timebase_now_us() + limit_us);
    NRF_CLOCK->INTENCLR = interrupt;
    *event = 0;
}

void clock_start_hfxo(void)
{
    const uint32_t want = CLOCK_RUNNING | HFCLK_XTAL;
    if ((NRF_CLOCK->HFCLKSTAT & want) != want) {
        start(&NRF_CLOCK->TASKS_HFCLKSTART, &NRF_CLOCK->EVENTS_HFCLKSTARTED,
              CLOCK_INT_HFCLKSTARTED, HFXO_LIMIT_US);
    }
}

void clock_stop_hfxo(void)
{
    NRF_CLOCK->TASKS_HFCLKSTOP = 1u;
}

void clock_start_lfrc(void)
{
    if ((NRF_CLOCK->LFCLKSTAT & CLOCK_RUNNING) == 0) {
        NRF_CLOCK->LFCLKSRC = LFCLKSRC_RC;
        // RTC registers are valid only once the clock runs (erratum 20).
        start(&NRF_CLOCK->TASKS_LFCLKSTART, &NRF_CLOCK->EVENTS_LFCLKSTARTED,
              CLOCK_INT_LFCLKSTARTED, LFRC_LIMIT_US);
    }
}

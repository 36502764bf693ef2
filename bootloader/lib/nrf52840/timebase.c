// Time base (product specification, TIMER): CC[0] reads the time, CC[1] wakes.
//
// SPDX-License-Identifier: Apache-2.0
#include "timebase.h"

#include <stddef.h>

#include "irq.h"
#include "nrf52840_regs.h"

#define TIMER_BITMODE_32 3u
#define TIMER_PRESCALER_1MHZ 4u // 16 MHz / 2^4
#define TIMER_INT_COMPARE1 (1u << 17)
#define SLEEP_STEP_MS 1000000u // keeps durations far below the wrap

void timebase_start(struct timebase *time)
{
    NRF_TIMER0->TASKS_STOP = 1u;
    NRF_TIMER0->MODE = 0;
    NRF_TIMER0->BITMODE = TIMER_BITMODE_32;
    NRF_TIMER0->PRESCALER = TIMER_PRESCALER_1MHZ;
    NRF_TIMER0->TASKS_CLEAR = 1u;
    NRF_TIMER0->TASKS_START = 1u;
    *time = (struct timebase){0};
}

void timebase_stop(void)
{
    NRF_TIMER0->INTENCLR = TIMER_INT_COMPARE1;
    NRF_TIMER0->TASKS_SHUTDOWN = 1u;
    NRF_TIMER0->EVENTS_COMPARE[1] = 0;
    irq_disable(TIMER0_IRQn);
}

uint32_t timebase_now_us(void)
{
    NRF_TIMER0->TASKS_CAPTURE[0] = 1u;
    return NRF_TIMER0->CC[0];
}

uint32_t timebase_now_ms(struct timebase *time)
{
    uint32_t now_us = timebase_now_us();
    uint32_t elapsed_us = now_us - time->last_us;
    time->last_us = now_us;
    time->ms += elapsed_us / 1000u;
    time->rest_us += elapsed_us % 1000u;
    if (time->rest_us >= 1000u) {
        time->rest_us -= 1000u;
        time->ms++;
    }
    return time->ms;
}

bool timebase_is_past(uint32_t at_us)
{
    return (int32_t)(timebase_now_us() - at_us) >= 0;
}

bool timebase_wait(const volatile uint32_t *event, uint32_t irq,
                   uint32_t until_us)
{
    uint32_t primask = irq_save();
    NRF_TIMER0->EVENTS_COMPARE[1] = 0;
    NRF_TIMER0->CC[1] = until_us;
    NRF_TIMER0->INTENSET = TIMER_INT_COMPARE1;
    irq_clear(TIMER0_IRQn);
    irq_enable(TIMER0_IRQn);
    if (event != NULL) {
        irq_clear(irq); // from an earlier wait; if it is true it comes back
        irq_enable(irq);
    }
    // An interrupt that is pending ends WFI at once, also while masked, so
    // nothing that happens after the question is missed.
    while (!(event != NULL && *event) && !timebase_is_past(until_us)) {
        __WFI();
        irq_clear(TIMER0_IRQn);
        if (event != NULL) {
            irq_clear(irq);
        }
    }
    NRF_TIMER0->INTENCLR = TIMER_INT_COMPARE1;
    NRF_TIMER0->EVENTS_COMPARE[1] = 0;
    irq_disable(TIMER0_IRQn);
    if (event != NULL) {
        irq_disable(irq);
    }
    irq_restore(primask);
    return event != NULL && *event;
}

void timebase_sleep_ms(uint32_t duration_ms)
{
    while (duration_ms > 0) {
        uint32_t step_ms =
            duration_ms < SLEEP_STEP_MS ? duration_ms : SLEEP_STEP_MS;
        (void)timebase_wait(NULL, 0, timebase_now_us() + step_ms * 1000u);
        duration_ms -= step_ms;
    }
}

// RTC0 on the RC oscillator (product specification, RTC), by interrupt: the
// boot record forwards it to this image's vector table.
//
// SPDX-License-Identifier: Apache-2.0
#include "ticks.h"

#include "clock.h"
#include "irq.h"
#include "nrf52840_regs.h"
#include "timebase.h"

#define PRESCALER_8HZ 4095u // 32768 / (4095 + 1)
#define STEPS_PER_TICK (8u / TICKS_PER_SECOND)
#define RTC_COMPARE0 (1u << 16)
#define COUNTER_MASK 0x00FFFFFFu

static volatile uint32_t ticks;

void RTC0_IRQHandler(void);
void RTC0_IRQHandler(void)
{
    if (NRF_RTC0->EVENTS_COMPARE[0]) {
        NRF_RTC0->EVENTS_COMPARE[0] = 0;
        (void)NRF_RTC0->EVENTS_COMPARE[0]; // the write has arrived
        // May fire twice (erratum 179): only the next one in line counts.
        uint32_t late = (NRF_RTC0->COUNTER - NRF_RTC0->CC[0]) & COUNTER_MASK;
        if (late < COUNTER_MASK / 2u) {
            NRF_RTC0->CC[0] = (NRF_RTC0->CC[0] + STEPS_PER_TICK) & COUNTER_MASK;
            ticks++;
        }
    }
}

void ticks_start(void)
{
    struct timebase time;
    timebase_start(&time);
    clock_start_lfrc();
    timebase_stop();
    NRF_RTC0->PRESCALER = PRESCALER_8HZ;
    NRF_RTC0->CC[0] = STEPS_PER_TICK;
    NRF_RTC0->EVENTS_COMPARE[0] = 0;
    NRF_RTC0->INTENSET = RTC_COMPARE0;
    irq_enable(RTC0_IRQn);
    NRF_RTC0->TASKS_CLEAR = 1u;
    NRF_RTC0->TASKS_START = 1u;
}

uint32_t ticks_wait(void)
{
    uint32_t before = ticks;
    for (;;) {
        // Masked, so that the tick cannot come between question and sleep.
        uint32_t primask = irq_save();
        uint32_t now = ticks;
        if (now == before) {
            __WFI();
        }
        irq_restore(primask);
        if (now != before) {
            return now;
        }
    }
}

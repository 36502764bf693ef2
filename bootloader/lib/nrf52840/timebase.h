// Time since the start, and sleeping until something happens: TIMER0 at 1 MHz.
//
// Sleeping works with and without interrupts enabled: no handler is needed, the
// interrupt is only what ends the CPU's sleep.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef TIMEBASE_H
#define TIMEBASE_H

#include <stdbool.h>
#include <stdint.h>

struct timebase {
    uint32_t last_us; // when `ms` was brought up to date
    uint32_t ms;
    uint32_t rest_us; // part of a millisecond
};

void timebase_start(struct timebase *time);
// Leaves the timer as after a reset, without the current that STOP leaves
// (erratum 78).
void timebase_stop(void);

// Microseconds; wraps after 71 minutes. Compare by signed difference.
uint32_t timebase_now_us(void);
// Milliseconds; wraps after 49 days. Ask at least once an hour.
uint32_t timebase_now_ms(struct timebase *time);

bool timebase_is_past(uint32_t at_us);

// Sleeps until `*event` (an event register whose interrupt `irq` is enabled in
// its block) is set or `until_us` has passed; returns whether it is set.
// `event` may be NULL: then only the time ends the sleep.
bool timebase_wait(const volatile uint32_t *event, uint32_t irq,
                   uint32_t until_us);

void timebase_sleep_ms(uint32_t duration_ms);

#endif

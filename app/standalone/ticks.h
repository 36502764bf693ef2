// A slow tick from RTC0, which wakes the CPU.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef TICKS_H
#define TICKS_H

#include <stdint.h>

#define TICKS_PER_SECOND 2u

void ticks_start(void);
// Sleeps until the next tick; returns the ticks since the start.
uint32_t ticks_wait(void);

#endif

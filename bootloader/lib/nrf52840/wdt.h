// Watchdog (product specification, WDT). Once started it runs until a reset
// other than a soft one.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef WDT_H
#define WDT_H

#include <stdbool.h>
#include <stdint.h>

bool wdt_is_running(void);

// Starts the watchdog with one reload channel; it also runs while the CPU
// sleeps, and pauses while a debugger halts it. No effect when it runs already.
// `timeout_ms`: 1 to 131,072,000.
void wdt_start(uint32_t timeout_ms);

// Feeds every enabled reload channel of a running watchdog; else nothing.
void wdt_feed(void);

#endif

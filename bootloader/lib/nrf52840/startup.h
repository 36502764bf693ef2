// SPDX-License-Identifier: Apache-2.0
#ifndef STARTUP_H
#define STARTUP_H

// Soft reset. RAM, the watchdog and GPREGRET survive it.
void system_reset(void) __attribute__((noreturn));

#endif

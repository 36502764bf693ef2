// Starts the watchdog, soft-resets with it running, and lets it bite in an
// erase. SPDX-License-Identifier: Apache-2.0
#include "program.h"

#define PAGE 0x50000u

int main(void)
{
    uint32_t boot = REG(0x4000051C);
    uint32_t reason = REG(0x40000400);

    if ((reason & 2u) != 0) { // the watchdog: GPREGRET is gone with it
        MAILBOX[0] = reason;
        MAILBOX[1] = boot;
        MAILBOX[2] = REG(0x40010400);
        return 0;
    }
    if (boot == 0) {
        REG(0x40010504) = 32768 / 10 - 1; // 100 ms
        REG(0x40010000) = 1;
        REG(0x4000051C) = 1;
        __asm volatile("dsb");
        REG(0xE000ED0C) = 0x05FA0004u;
    } else {
        MAILBOX[3] = reason;
        MAILBOX[4] = REG(0x40010400);
        REG(0x40010600) = 0x6E524635u;
        NVMC_CONFIG = EREN;
        NVMC_ERASEPAGE = PAGE + 0x1000; // 85 ms of the 100
        NVMC_ERASEPAGE = PAGE;          // bitten after 15 ms
        MAILBOX[5] = DONE;              // never
    }
    for (;;) {
    }
}

// RTC1 at 8 Hz wakes the CPU from WFE, then COMPARE by interrupt.
// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#define CLOCK(offset) REG(0x40000000 + (offset))
#define RTC(offset) REG(0x40011000 + (offset))

static volatile uint32_t compared;

void irq_17(void);
void irq_17(void)
{
    RTC(0x140) = 0;
    (void)RTC(0x140);
    compared++;
}

int main(void)
{
    CLOCK(0x10C) = 0; // erratum 36
    CLOCK(0x110) = 0;
    CLOCK(0x538) = 0;
    CLOCK(0x104) = 0; // erratum 20: LFCLK before the RTC
    CLOCK(0x518) = 0;
    CLOCK(0x008) = 1;
    while (CLOCK(0x104) == 0) {
    }
    RTC(0x508) = 4095;
    RTC(0x304) = 1;
    REG(0xE000ED10) = 1u << 4; // SEVONPEND
    RTC(0x000) = 1;
    for (uint32_t ticks = 0; ticks < 16; ticks++) {
        while (RTC(0x100) == 0) {
            __asm volatile("wfe");
            MAILBOX[0]++;
        }
        RTC(0x100) = 0;
        (void)RTC(0x100);
        REG(0xE000E280) = 1u << 17;
    }
    MAILBOX[1] = RTC(0x504);
    RTC(0x308) = 1;
    RTC(0x540) = RTC(0x504) + 4;
    RTC(0x304) = 1u << 16;
    REG(0xE000E100) = 1u << 17;
    while (compared == 0) {
        __asm volatile("wfi");
    }
    MAILBOX[2] = RTC(0x504);
    MAILBOX[3] = compared;
    return 0;
}

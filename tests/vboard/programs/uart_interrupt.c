// Legacy UART0 by interrupts, with flow control: echoes what comes.
// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#define UART(offset) REG(0x40002000 + (offset))
#define SIZE 64u

static volatile uint8_t ring[SIZE];
static volatile uint32_t in, out;
static volatile uint32_t sending;

void irq_2(void);
void irq_2(void)
{
    MAILBOX[0]++;
    if (UART(0x124) != 0) {
        UART(0x124) = 0;
        MAILBOX[1] |= UART(0x480);
        UART(0x480) = 0xF;
    }
    while (UART(0x108) != 0) {
        UART(0x108) = 0;
        ring[in++ % SIZE] = (uint8_t)UART(0x518);
    }
    if (UART(0x11C) != 0) {
        UART(0x11C) = 0;
        sending = 0;
    }
    if (sending == 0 && out != in) {
        sending = 1;
        UART(0x51C) = ring[out++ % SIZE];
    }
}

int main(void)
{
    UART(0x508) = 5;
    UART(0x50C) = 6;
    UART(0x510) = 7;
    UART(0x514) = 8;
    UART(0x524) = 0x01D7E000;
    UART(0x56C) = 1;
    UART(0x500) = 4;
    UART(0x304) = 1u << 2 | 1u << 7 | 1u << 9;
    REG(0xE000E100) = 1u << 2;
    UART(0x008) = 1;
    UART(0x000) = 1;
    for (;;) {
        __asm volatile("wfi");
        MAILBOX[2] = in;
        MAILBOX[3] = out;
    }
}

// UARTE0 with two buffers in turn; PPI counts RXDRDY in TIMER1.
// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#define UARTE(offset) REG(0x40002000 + (offset))
#define TIMER(offset) REG(0x40009000 + (offset))
#define PPI(offset) REG(0x4001F000 + (offset))
#define SIZE 256u
#define TOTAL 1500u

static uint8_t buffer[2][SIZE];
static volatile uint32_t filled;

void irq_2(void);
void irq_2(void)
{
    if (UARTE(0x110) != 0) {
        UARTE(0x110) = 0;
        filled++;
    }
    if (UARTE(0x14C) != 0) {
        UARTE(0x14C) = 0;
        UARTE(0x534) = (uint32_t)buffer[(filled + 1) % 2];
    }
}

static void set_up(void)
{
    UARTE(0x50C) = 6;
    UARTE(0x514) = 8;
    UARTE(0x524) = 0x07400000; // 460800
    UARTE(0x500) = 8;
    TIMER(0x504) = 1;
    TIMER(0x508) = 3;
    TIMER(0x000) = 1;
    PPI(0x510) = 0x40002108;
    PPI(0x514) = 0x40009008;
    PPI(0x504) = 1;
    UARTE(0x200) = 1u << 5;
    UARTE(0x304) = 1u << 4 | 1u << 19;
    REG(0xE000E100) = 1u << 2;
    UARTE(0x534) = (uint32_t)buffer[0];
    UARTE(0x538) = SIZE;
    UARTE(0x000) = 1;
}

int main(void)
{
    uint32_t taken = 0, sum = 0, wrong = 0;

    set_up();
    while (taken < TOTAL) {
        TIMER(0x040) = 1;
        uint32_t count = TIMER(0x540);
        while (taken < count) {
            uint8_t byte = buffer[taken / SIZE % 2][taken % SIZE];
            wrong += byte != (uint8_t)(taken * 7u);
            sum += byte;
            taken++;
        }
        MAILBOX[3]++;
    }
    MAILBOX[0] = taken;
    MAILBOX[1] = sum;
    MAILBOX[2] = wrong;
    MAILBOX[4] = filled;
    MAILBOX[5] = UARTE(0x480);
    static uint8_t answer[] = "done\n";
    UARTE(0x544) = (uint32_t)answer;
    UARTE(0x548) = 5;
    UARTE(0x008) = 1;
    while (UARTE(0x120) == 0) {
    }
    return 0;
}

// Vector table, start-up and fault handler of the small test programs.
// SPDX-License-Identifier: Apache-2.0
#include "program.h"

extern uint32_t __data_load[], __data_start[], __data_end[];
extern uint32_t __bss_start[], __bss_end[], __stack_top[];

volatile uint32_t fault_count, fault_address, fault_status;

void reset(void);
void reset(void)
{
    for (uint32_t *to = __data_start, *from = __data_load; to < __data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = __bss_start; to < __bss_end;) {
        *to++ = 0;
    }
    (void)main();
    MAILBOX[63] = DONE;
    for (;;) {
        __asm volatile("wfi");
    }
}

void skip_fault(uint32_t *frame);
void skip_fault(uint32_t *frame)
{
    uint16_t opcode = *(uint16_t *)(frame[6] & ~1u);
    fault_count++;
    fault_status = REG(0xE000ED28);
    fault_address = REG(0xE000ED38);
    REG(0xE000ED28) = fault_status;
    frame[6] += (opcode >> 11) >= 0x1D ? 4 : 2;
}

__attribute__((naked)) void fault(void);
void fault(void)
{
    __asm volatile("mrs r0, msp\n b skip_fault");
}

void unexpected(void);
void unexpected(void)
{
    for (;;) {
    }
}

// Interrupts that a program may take: it defines irq_<number>.
#define IRQ(number)                                                            \
    __attribute__((weak, alias("unexpected"))) void irq_##number(void)
IRQ(2);
IRQ(9);
IRQ(17);
IRQ(42);

__attribute__((section(".vectors"),
               used)) static const void *const vectors[64] = {
    [0] = __stack_top,
    [1] = reset,
    [2] = unexpected,
    [4] = unexpected,
    [6 ... 17] = unexpected,
    [19 ... 24] = unexpected,
    [26 ... 32] = unexpected,
    [34 ... 57] = unexpected,
    [59 ... 63] = unexpected,
    [3] = fault,
    [5] = fault,
    [16 + 2] = irq_2,
    [16 + 9] = irq_9,
    [16 + 17] = irq_17,
    [16 + 42] = irq_42,
};

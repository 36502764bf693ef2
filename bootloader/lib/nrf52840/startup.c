// Vector table and start of an image that runs behind the boot record.
//
// SPDX-License-Identifier: Apache-2.0
#include "startup.h"

#include <stdint.h>

#include "nrf52840_regs.h"

extern uint32_t __stack_top[];
extern uint32_t __data_start[], __data_end[];
extern const uint32_t __data_load[];
extern uint32_t __bss_start[], __bss_end[];

int main(void);
void Reset_Handler(void) __attribute__((noreturn));

#define HANDLER(name) void name(void) __attribute__((weak, alias("Fault")))

// Anything unexpected, our faults included: start again.
void Fault(void);
void Fault(void)
{
    system_reset();
}

HANDLER(NMI_Handler);
HANDLER(HardFault_Handler);
HANDLER(SVC_Handler);
HANDLER(PendSV_Handler);
HANDLER(SysTick_Handler);
HANDLER(RTC0_IRQHandler);

#define EXCEPTIONS 16
#define INTERRUPTS 48
#define OTHER Fault

typedef void (*handler)(void);

static const handler vectors[EXCEPTIONS + INTERRUPTS]
    __attribute__((section(".vectors"), used)) = {
        [0] = (handler)(uintptr_t)__stack_top,
        [1] = Reset_Handler,
        [2] = NMI_Handler,
        [3] = HardFault_Handler,
        [4 ... 10] = OTHER,
        [11] = SVC_Handler,
        [12 ... 13] = OTHER,
        [14] = PendSV_Handler,
        [15] = SysTick_Handler,
        [16 ... EXCEPTIONS + RTC0_IRQn - 1] = OTHER,
        [EXCEPTIONS + RTC0_IRQn] = RTC0_IRQHandler,
        [EXCEPTIONS + RTC0_IRQn + 1 ... EXCEPTIONS + INTERRUPTS - 1] = OTHER,
};

void system_reset(void)
{
    __DSB();
    SCB->AIRCR = (0x5FAu << SCB_AIRCR_VECTKEY_Pos) |
                 (SCB->AIRCR & SCB_AIRCR_PRIGROUP_Msk) |
                 SCB_AIRCR_SYSRESETREQ_Msk;
    __DSB();
    for (;;) {
    }
}

void Reset_Handler(void)
{
    const uint32_t *source = __data_load;
    for (uint32_t *word = __data_start; word < __data_end; word++) {
        *word = *source++;
    }
    for (uint32_t *word = __bss_start; word < __bss_end; word++) {
        *word = 0;
    }
    (void)main(); // images do not return
    system_reset();
}

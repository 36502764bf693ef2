// An application in the manner of the SDK's, without a SoftDevice: SysTick,
// nested interrupts that use the FPU, PendSV, its own SVC numbers, a fault that
// it handles itself. Every exception comes through the boot record.
//
// SPDX-License-Identifier: Apache-2.0
#include "sdk.h"

#define SVC_OF_THE_APPLICATION 5

static volatile uint32_t ticks, pends, nested, faults;
static volatile uint32_t svc_number, svc_argument;
static volatile float low_sum, high_sum;

void SysTick_Handler(void);
void SysTick_Handler(void)
{
    ticks++;
    REG(0xE000ED04) = 1u << 28; // PendSV
}

void PendSV_Handler(void);
void PendSV_Handler(void)
{
    pends++;
}

void SWI1_EGU1_IRQHandler(void);
void SWI1_EGU1_IRQHandler(void)
{
    float start = low_sum;
    // A higher one comes in the middle of the arithmetic.
    for (unsigned i = 0; i < 8u; i++) {
        start = start * 0.5f + (float)i;
        if (i == 4u) {
            NVIC_ISPR(0) = 1u << 22;
            __asm volatile("dsb\n isb");
        }
    }
    low_sum = start;
}

void SWI2_EGU2_IRQHandler(void);
void SWI2_EGU2_IRQHandler(void)
{
    nested++;
    for (unsigned i = 0; i < 8u; i++) {
        high_sum = high_sum * 0.75f + 3.0f;
    }
}

void svc_main(uint32_t *frame);
void svc_main(uint32_t *frame)
{
    svc_number = *(uint8_t *)(frame[6] - 2u);
    svc_argument = frame[0];
    frame[0] = svc_argument + 1u;
}

__attribute__((naked)) void SVC_Handler(void);
void SVC_Handler(void)
{
    __asm volatile("tst lr, #4\n ite eq\n mrseq r0, msp\n mrsne r0, psp\n"
                   "b svc_main");
}

// Steps over `udf`, two bytes.
void fault_main(uint32_t *frame);
void fault_main(uint32_t *frame)
{
    faults++;
    REG(0xE000ED28) = REG(0xE000ED28);
    REG(0xE000ED2C) = REG(0xE000ED2C);
    frame[6] += 2u;
}

__attribute__((naked)) void HardFault_Handler(void);
void HardFault_Handler(void)
{
    __asm volatile("mrs r0, msp\n b fault_main");
}

static uint32_t own_svc(uint32_t argument)
{
    register uint32_t r0 __asm("r0") = argument;
    __asm volatile("svc %1"
                   : "+r"(r0)
                   : "i"(SVC_OF_THE_APPLICATION)
                   : "memory");
    return r0;
}

static uint32_t bits(float value)
{
    union {
        float f;
        uint32_t u;
    } both = {.f = value};
    return both.u;
}

int main(void)
{
    if (BOX->magic == BOX_MAGIC) {
        BOX->magic = 0;
        box_call();
        return 0;
    }
    NVIC_PRIORITY(21) = 6u << 5;
    NVIC_PRIORITY(22) = 2u << 5;
    NVIC_ISER(0) = 3u << 21;
    SYSTICK_LOAD = 6400;
    REG(0xE000E018) = 0;
    SYSTICK_CTRL = 7;
    float mine = 1.0f;
    for (unsigned i = 0; i < 50u; i++) {
        mine = mine * 1.01f + 0.5f;
        NVIC_ISPR(0) = 1u << 21;
        __asm volatile("dsb\n isb");
    }
    while (ticks < 20u) {
    }
    SYSTICK_CTRL = 0;
    uint32_t answer = own_svc(41);
    __asm volatile("udf #7");
    volatile uint32_t *values = BOX->values;
    values[0] = ticks;
    values[1] = pends;
    values[2] = nested;
    values[3] = bits(mine);
    values[4] = bits(low_sum);
    values[5] = bits(high_sum);
    values[6] = answer;
    values[7] = svc_number;
    values[8] = faults;
    values[9] = REG(0x20000000);
    values[10] = REG(0x40000400); // RESETREAS
    values[11] = REG(0x4000051C); // GPREGRET
    values[12] = REG(0x40010400); // WDT.RUNSTATUS
    return 0;
}

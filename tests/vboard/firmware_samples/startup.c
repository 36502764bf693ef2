// SPDX-License-Identifier: Apache-2.0
// Start-up code in the manner of a vendor's SDK: vector table, .data, .bss,
// errata stores, FPU, reset pin in UICR (with the soft reset that follows),
// constructors, main. Samples override the weak handlers.

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))

#define NVMC_READY REG(0x4001E400)
#define NVMC_CONFIG REG(0x4001E504)

extern uint32_t __data_load, __data_start, __data_end, __bss_start, __bss_end;
extern uint32_t __stack_top;

int main(void);
void Reset_Handler(void);

void default_handler(void)
{
    for (;;) {
    }
}

#define WEAK(name)                                                             \
    void name(void) __attribute__((weak, alias("default_handler")))
WEAK(NMI_Handler);
WEAK(HardFault_Handler);
WEAK(MemManage_Handler);
WEAK(BusFault_Handler);
WEAK(UsageFault_Handler);
WEAK(SVC_Handler);
WEAK(PendSV_Handler);
WEAK(SysTick_Handler);
WEAK(UARTE0_Handler);
WEAK(GPIOTE_Handler);
WEAK(TIMER0_Handler);
WEAK(RTC1_Handler);

typedef void (*vector_t)(void);

__attribute__((section(".vectors"), used)) static const vector_t vectors[64] = {
    (vector_t)(uintptr_t)&__stack_top,
    Reset_Handler,
    NMI_Handler,
    HardFault_Handler,
    MemManage_Handler,
    BusFault_Handler,
    UsageFault_Handler,
    [11] = SVC_Handler,
    [14] = PendSV_Handler,
    [15] = SysTick_Handler,
    [16 + 2] = UARTE0_Handler,
    [16 + 6] = GPIOTE_Handler,
    [16 + 8] = TIMER0_Handler,
    [16 + 17] = RTC1_Handler,
};

static void wait_ready(void)
{
    while (NVMC_READY == 0) {
    }
}

static void connect_reset_pin(void)
{
    volatile uint32_t *pselreset = (volatile uint32_t *)0x10001200;
    if ((pselreset[0] & 0x80000000u) == 0 &&
        (pselreset[1] & 0x80000000u) == 0) {
        return;
    }
    NVMC_CONFIG = 1;
    wait_ready();
    pselreset[0] = 18;
    wait_ready();
    pselreset[1] = 18;
    wait_ready();
    NVMC_CONFIG = 0;
    wait_ready();
    __asm volatile("dsb" ::: "memory");
    REG(0xE000ED0C) = (REG(0xE000ED0C) & 0x700u) | 0x05FA0004u;
    __asm volatile("dsb" ::: "memory");
    for (;;) {
    }
}

static void system_init(void)
{
    if (REG(0x10000130) == 0x8 && REG(0x10000134) < 6) {
        REG(0x4000010C) = 0; // erratum 36
        REG(0x40000110) = 0;
        REG(0x40000538) = 0;
        for (uint32_t i = 0; i < 6; i++) { // erratum 66
            REG(0x4000C520 + 4 * i) = REG(0x10000404 + 4 * i);
            REG(0x4000C540 + 4 * i) = REG(0x1000041C + 4 * i);
        }
        for (uint32_t i = 0; i < 5; i++) {
            REG(0x4000C560 + 4 * i) = REG(0x10000434 + 4 * i);
        }
        if (REG(0x40000400) & 1) { // erratum 136
            REG(0x40000400) = 0xFFFFFFFE;
        }
    }
    REG(0xE000ED88) |= 0xFu << 20;
    __asm volatile("dsb\n isb" ::: "memory");
    connect_reset_pin();
}

void Reset_Handler(void)
{
    uint32_t *from = &__data_load;
    for (uint32_t *to = &__data_start; to < &__data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = &__bss_start; to < &__bss_end; to++) {
        *to = 0;
    }
    system_init();
    main();
    for (;;) {
    }
}

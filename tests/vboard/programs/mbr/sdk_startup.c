// Vector table and start-up in the manner of the SDK's: FPU on, .data, .bss,
// main; RAM from 0x20000008.
//
// SPDX-License-Identifier: Apache-2.0
#include "sdk.h"

extern uint32_t __data_load[], __data_start[], __data_end[];
extern uint32_t __bss_start[], __bss_end[], __stack_top[];

uint32_t psp_stack[256] __attribute__((aligned(8)));

void start(void);
void start(void)
{
    REG(0xE000ED88) |= 0x00F00000u; // FPU
    __asm volatile("dsb\n isb");
    for (uint32_t *to = __data_start, *from = __data_load; to < __data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = __bss_start; to < __bss_end;) {
        *to++ = 0;
    }
    BOX->who = IDENTITY;
    BOX->boots++;
    (void)main();
    BOX->done = BOX_DONE;
    for (;;) {
        __asm volatile("wfe");
    }
}

// Notes the registers that the boot record or bootloader left.
__attribute__((naked)) void Reset_Handler(void);
void Reset_Handler(void)
{
    __asm volatile("ldr r0, =0x20030000\n"
                   "str lr, [r0, %0]\n"
                   "mov r1, sp\n str r1, [r0, %0+4]\n"
                   "mrs r1, control\n str r1, [r0, %0+8]\n"
                   "mrs r1, primask\n str r1, [r0, %0+12]\n"
                   "mrs r1, ipsr\n str r1, [r0, %0+16]\n"
                   "ldr r1, =0xE000ED08\n ldr r1, [r1]\n str r1, [r0, %0+20]\n"
                   "b start\n"
                   ".ltorg\n"
                   :
                   : "i"(__builtin_offsetof(struct box, entry)));
}

__attribute__((naked, noinline)) uint32_t
sd_mbr_command(__attribute__((unused)) sd_mbr_command_t *param)
{
    __asm volatile("svc #0x18\n bx lr");
}

static void call_now(void)
{
    sd_mbr_command_t command = {.command = BOX->command.command};
    for (unsigned i = 0; i < 3; i++) {
        command.params.words[i] = BOX->command.params.words[i];
    }
    BOX->result = sd_mbr_command(&command);
}

__attribute__((naked)) static void call_on_psp(void)
{
    __asm volatile("push {r4, lr}\n"
                   "ldr r0, =psp_stack + 1024\n"
                   "msr psp, r0\n"
                   "movs r0, #2\n msr control, r0\n isb\n"
                   "bl %0\n"
                   "movs r0, #0\n msr control, r0\n isb\n"
                   "pop {r4, pc}\n"
                   ".ltorg\n"
                   :
                   : "i"(call_now));
}

void SWI0_EGU0_IRQHandler(void);
void SWI0_EGU0_IRQHandler(void)
{
    call_now();
}

void box_call(void)
{
    if (BOX->context == FROM_THREAD_MSP) {
        call_now();
    } else if (BOX->context == FROM_THREAD_PSP) {
        call_on_psp();
    } else {
        NVIC_PRIORITY(20) = 6u << 5; // below the SVC
        NVIC_ISER(0) = 1u << 20;
        NVIC_ISPR(0) = 1u << 20;
        __asm volatile("dsb\n isb");
        NVIC_ICER(0) = 1u << 20;
    }
}

void Default_Handler(void);
void Default_Handler(void)
{
    for (;;) {
    }
}

#define WEAK(name)                                                             \
    void name(void) __attribute__((weak, alias("Default_Handler")))
WEAK(HardFault_Handler);
WEAK(SVC_Handler);
WEAK(PendSV_Handler);
WEAK(SysTick_Handler);
WEAK(SWI1_EGU1_IRQHandler);
WEAK(SWI2_EGU2_IRQHandler);

__attribute__((section(".vectors"),
               used)) static const void *const vectors[64] = {
    [0] = __stack_top,
    [1] = Reset_Handler,
    [2] = Default_Handler,
    [3] = HardFault_Handler,
    [4 ... 10] = Default_Handler,
    [11] = SVC_Handler,
    [12 ... 13] = Default_Handler,
    [14] = PendSV_Handler,
    [15] = SysTick_Handler,
    [16 ... 35] = Default_Handler,
    [36] = SWI0_EGU0_IRQHandler,
    [37] = SWI1_EGU1_IRQHandler,
    [38] = SWI2_EGU2_IRQHandler,
    [39 ... 63] = Default_Handler,
};

// The part of the Cortex-M4 core that the firmware uses, with CMSIS names.
//
// Source: ARMv7-M Architecture Reference Manual, B3 (System Control Space).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef CORTEX_M4_H
#define CORTEX_M4_H

#include <stdint.h>

#ifndef __IM
#define __IM volatile const
#define __OM volatile
#define __IOM volatile
#endif

typedef struct {
    __IOM uint32_t ISER[8];
    uint32_t RESERVED0[24];
    __IOM uint32_t ICER[8];
    uint32_t RESERVED1[24];
    __IOM uint32_t ISPR[8];
    uint32_t RESERVED2[24];
    __IOM uint32_t ICPR[8];
} NVIC_Type;

typedef struct {
    __IM uint32_t CPUID;
    __IOM uint32_t ICSR;
    __IOM uint32_t VTOR;
    __IOM uint32_t AIRCR;
    __IOM uint32_t SCR;
    __IOM uint32_t CCR;
} SCB_Type;

#define NVIC ((NVIC_Type *)0xE000E100u)
#define SCB ((SCB_Type *)0xE000ED00u)

#define SCB_AIRCR_VECTKEY_Pos 16u
#define SCB_AIRCR_SYSRESETREQ_Msk (1u << 2)
#define SCB_AIRCR_PRIGROUP_Msk (7u << 8)
#define SCB_ICSR_PENDSTCLR_Msk (1u << 25)
#define SCB_ICSR_PENDSVCLR_Msk (1u << 27)

static inline void __DSB(void)
{
    __asm volatile("dsb 0xF" ::: "memory");
}

static inline void __ISB(void)
{
    __asm volatile("isb 0xF" ::: "memory");
}

static inline void __NOP(void)
{
    __asm volatile("nop");
}

static inline void __WFI(void)
{
    __asm volatile("wfi" ::: "memory");
}

static inline void __disable_irq(void)
{
    __asm volatile("cpsid i" ::: "memory");
}

static inline void __enable_irq(void)
{
    __asm volatile("cpsie i" ::: "memory");
}

#endif

// Interrupt lines and the interrupt mask.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef IRQ_H
#define IRQ_H

#include <stdint.h>

#include "nrf52840_regs.h"

static inline uint32_t irq_save(void)
{
    uint32_t primask;
    __asm volatile("mrs %0, primask" : "=r"(primask));
    __disable_irq();
    return primask;
}

static inline void irq_restore(uint32_t primask)
{
    if ((primask & 1u) == 0) {
        __enable_irq();
    }
}

static inline void irq_clear(uint32_t irq)
{
    __DSB();
    NVIC->ICPR[irq / 32u] = 1u << (irq % 32u);
}

static inline void irq_enable(uint32_t irq)
{
    NVIC->ISER[irq / 32u] = 1u << (irq % 32u);
}

// Also forgets a pending request.
static inline void irq_disable(uint32_t irq)
{
    NVIC->ICER[irq / 32u] = 1u << (irq % 32u);
    irq_clear(irq);
    __ISB();
}

#endif

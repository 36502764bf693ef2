// Faults: see fault.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "fault.h"

#include "startup.h"

void HardFault_Handler(void);

// A fault inside of this handler is a lockup, and the chip resets with LOCKUP
// in RESETREAS. The bootloader counts that against an unconfirmed version at
// once; a soft reset, which may be meant well, it counts more patiently.
void HardFault_Handler(void)
{
    __asm volatile("udf #0");
}

void fault_happen(enum fault fault)
{
    switch (fault) {
    case FAULT_NONE:
        return;
    case FAULT_HANG:
        for (;;) {
            __asm volatile("" : : : "memory");
        }
    case FAULT_LOCKUP:
        __asm volatile("cpsid f"); // no fault handler may run
        __asm volatile("udf #0");
        break;
    case FAULT_FAULT:
        __asm volatile("udf #0");
        break;
    case FAULT_RESET:
        break;
    }
    system_reset();
}

// Protects flash with the ACL and runs into it: every access is a BusFault.
// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#define PAGE 0x40000u
#define BUSFAULTENA (1u << 17)

static void note(uint32_t slot)
{
    MAILBOX[slot] = fault_count;
    MAILBOX[slot + 1] = fault_status;
    MAILBOX[slot + 2] = fault_address;
    fault_count = 0;
    fault_status = 0;
    fault_address = 0;
}

int main(void)
{
    REG(0xE000ED24) |= BUSFAULTENA;

    REG(PAGE) = 0; // CONFIG is Ren
    note(0);

    NVMC_CONFIG = WREN;
    REG(PAGE) = 0x11111111u;
    *(volatile uint8_t *)(PAGE + 8) = 0; // flash takes words only
    note(3);

    ACL(0, 0) = PAGE;
    ACL(0, 1) = 0x1000;
    ACL(0, 2) = 2; // no write
    REG(PAGE + 4) = 0x22222222u;
    note(6);
    MAILBOX[9] = REG(PAGE);
    MAILBOX[10] = REG(PAGE + 4);

    NVMC_CONFIG = EREN;
    NVMC_ERASEPAGE = PAGE;
    note(11);
    NVMC_CONFIG = 0;
    MAILBOX[14] = REG(PAGE);

    ACL(1, 0) = PAGE + 0x1000;
    ACL(1, 1) = 0x1000;
    ACL(1, 2) = 4; // no read
    MAILBOX[15] = REG(PAGE + 0xFFC);
    fault_count = 0;
    (void)REG(PAGE + 0x1004);
    note(16);
    MAILBOX[19] = ACL(1, 1);

    // Until the next reset: then everything is open again.
    if (MAILBOX[62] != DONE) {
        MAILBOX[62] = DONE;
        __asm volatile("dsb");
        REG(0xE000ED0C) = 0x05FA0004u;
        for (;;) {
        }
    }
    return 0;
}

// Drives the NVMC: from flash, from RAM, in slices, and into the UICR.
// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#define PAGE 0x30000u
#define UICR_CUSTOMER 0x10001080u

static uint32_t wait_ready(void)
{
    uint32_t polls = 0;
    while (NVMC_READY == 0) {
        polls++;
    }
    return polls;
}

// Runs from RAM, so the CPU goes on while flash is busy.
__attribute__((section(".ramfunc"), noinline, long_call)) static uint32_t
slice_and_write_from_ram(uint32_t page, uint32_t value, uint32_t *write_polls)
{
    uint32_t polls = 0;
    NVMC_CONFIG = EREN;
    NVMC_ERASEPAGEPARTIALCFG = 1;
    NVMC_ERASEPAGEPARTIAL = page;
    while (NVMC_READY == 0) {
        polls++;
    }
    NVMC_CONFIG = WREN;
    REG(page) = value;
    *write_polls = 0;
    while (NVMC_READY == 0) {
        (*write_polls)++;
    }
    NVMC_CONFIG = 0;
    return polls;
}

int main(void)
{
    uint32_t polls = 0;
    uint32_t write_polls;

    // TIMER0 counts microseconds: 32 bit, 1 MHz.
    REG(0x40008508) = 3;
    REG(0x40008510) = 4;
    REG(0x40008000) = 1;

    NVMC_CONFIG = WREN;
    for (uint32_t i = 0; i < 256; i++) {
        REG(PAGE + 4 * i) = i * 0x01010101u;
        polls += wait_ready();
    }
    REG(0x40008040) = 1;
    MAILBOX[0] = REG(0x40008540);
    MAILBOX[1] = polls;
    MAILBOX[2] = REG(PAGE + 4 * 200);

    REG(PAGE + 4 * 256) = 0xA55A5AA5u;
    REG(PAGE + 4 * 256) = 0xFF0000FFu; // what is 0 stays 0
    MAILBOX[3] = REG(PAGE + 4 * 256);

    REG(UICR_CUSTOMER) = 0xFFFF1234u;
    MAILBOX[4] = REG(UICR_CUSTOMER);

    REG(0x40008040) = 1;
    uint32_t before = REG(0x40008540);
    NVMC_CONFIG = EREN;
    NVMC_ERASEPAGE = PAGE;
    MAILBOX[5] = wait_ready();
    REG(0x40008040) = 1;
    MAILBOX[6] = REG(0x40008540) - before;
    MAILBOX[7] = REG(PAGE + 4 * 200);

    NVMC_CONFIG = WREN;
    REG(PAGE) = 0;
    NVMC_CONFIG = EREN;
    NVMC_ERASEPAGEPARTIALCFG = 10;
    for (uint32_t slice = 0; slice < 9; slice++) {
        NVMC_ERASEPAGEPARTIAL = PAGE;
        (void)wait_ready();
    }
    MAILBOX[8] = REG(PAGE);
    NVMC_CONFIG = 0;

    MAILBOX[9] = slice_and_write_from_ram(PAGE, 0x12345678u, &write_polls);
    MAILBOX[10] = write_polls;
    MAILBOX[11] = REG(PAGE);
    return 0;
}

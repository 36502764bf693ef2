// A bootloader in the manner of the SDK's: protects itself, does what the box
// asks the boot record for, else starts what is behind the boot record.
//
// SPDX-License-Identifier: Apache-2.0
#include "sdk.h"

extern uint32_t __image_start[];

static void protect(unsigned region, uint32_t start, uint32_t size)
{
    REG(0x4001E800u + 16u * region) = start;
    REG(0x4001E804u + 16u * region) = size;
    REG(0x4001E808u + 16u * region) = 2; // no writes
}

static void app_start(uint32_t table)
{
    uint32_t msp = REG(table);
    uint32_t reset = REG(table + 4u);
    __asm volatile("msr control, %2\n isb\n"
                   "msr primask, %2\n msr basepri, %2\n msr faultmask, %2\n"
                   "msr msp, %0\n"
                   "mov lr, #-1\n"
                   "bx %1\n"
                   :
                   : "r"(msp), "r"(reset), "r"(0)
                   : "memory");
}

int main(void)
{
    protect(0, 0, MBR_SIZE);
    protect(1, (uint32_t)__image_start, 0xFE000u - (uint32_t)__image_start);
    if (BOX->magic == BOX_MAGIC) {
        BOX->magic = 0;
        box_call();
        return 0;
    }
    if (REG(MBR_SIZE) == 0xFFFFFFFFu) {
        return 0;
    }
    for (unsigned i = 0; i < 2; i++) {
        NVIC_ICER(i) = 0xFFFFFFFFu;
        NVIC_ICPR(i) = 0xFFFFFFFFu;
    }
    sd_mbr_command_t forward = {
        .command = SD_MBR_COMMAND_IRQ_FORWARD_ADDRESS_SET,
        .params.irq_forward_address_set.address = MBR_SIZE,
    };
    BOX->result = sd_mbr_command(&forward);
    app_start(MBR_SIZE);
    return 0;
}

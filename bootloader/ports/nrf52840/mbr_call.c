// SPDX-License-Identifier: Apache-2.0
#include "mbr_call.h"

#include "memory_layout.h"

#define COMMAND_COPY_BL 0u
#define COMMAND_IRQ_FORWARD_ADDRESS_SET 6u

static uint32_t call(const uint32_t *request)
{
    register uint32_t r0 __asm("r0") = (uint32_t)request;
    __asm volatile("svc #0x18" : "+r"(r0) : : "memory");
    return r0;
}

uint32_t mbr_copy_bootloader(uint32_t source, uint32_t len_words)
{
    const uint32_t request[] = {COMMAND_COPY_BL, source, len_words};
    return call(request);
}

void mbr_forward_exceptions(uint32_t table)
{
    const uint32_t request[] = {COMMAND_IRQ_FORWARD_ADDRESS_SET, table};
    if (call(request) == MBR_CALL_INVALID_PARAM) {
        // A boot record without this command still forwards through the word.
        *(volatile uint32_t *)OTA_RAM_MBR_START = table;
    }
}

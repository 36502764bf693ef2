// Each register can be written once until a reset; a later write is ignored
// silently. So a used list is stepped over, and the result is read back.
//
// SPDX-License-Identifier: Apache-2.0
#include "acl.h"

#include "nrf52840_regs.h"

#define ACL_COUNT 8u

int acl_protect(uint32_t start, uint32_t size, uint32_t perm)
{
    for (uint32_t i = 0; i < ACL_COUNT; i++) {
        if (NRF_ACL->ACL[i].SIZE != 0 || NRF_ACL->ACL[i].PERM != 0) {
            continue;
        }
        NRF_ACL->ACL[i].ADDR = start;
        NRF_ACL->ACL[i].SIZE = size;
        NRF_ACL->ACL[i].PERM = perm;
        __DSB();
        if (NRF_ACL->ACL[i].ADDR == start && NRF_ACL->ACL[i].SIZE == size &&
            NRF_ACL->ACL[i].PERM == perm) {
            return OTA_OK;
        }
    }
    return OTA_E_FLASH;
}

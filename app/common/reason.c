// Why the bootloader started the application: see reason.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "reason.h"

#include "ota/boot_status.h"

const char *reason_text(uint32_t reason)
{
    switch (reason) {
    case BOOT_REASON_NORMAL:
        return "normal";
    case BOOT_REASON_TRIAL:
        return "trial";
    case BOOT_REASON_REFUSED:
        return "update refused";
    case BOOT_REASON_FAILED:
        return "update failed";
    case BOOT_REASON_ROLLED_BACK:
        return "rolled back";
    default:
        return "unknown";
    }
}

// Why the bootloader started the application, in words.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef APP_REASON_H
#define APP_REASON_H

#include <stdint.h>

// Words for an enum boot_reason; "unknown" for any other number.
const char *reason_text(uint32_t reason);

#endif

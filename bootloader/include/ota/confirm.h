// Confirm: how an application on trial says that it works (SPEC 6).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_CONFIRM_H
#define OTA_CONFIRM_H

#include <stdbool.h>
#include <stdint.h>

#include "ota/status.h"

#define OTA_CONFIRM_MAGIC 0x4D524643u // "CFRM"

struct flash_port;

// Writes the word pair for `token` (boot_status.confirm_token) into the
// hand-shake page, unless it is there already; with token 0 (no trial) it does
// nothing. The bootloader has erased the page before the trial. OTA_E_FLASH
// when the page holds something else: it is erased and written again.
OTA_CHECKED int ota_confirm(const struct flash_port *flash,
                            uint32_t handshake_addr, uint32_t token);

// Bootloader side: true when the pair for `token` (not 0) is in the page.
OTA_CHECKED int ota_is_confirmed(const struct flash_port *flash,
                                 uint32_t handshake_addr, uint32_t token,
                                 bool *confirmed);

#endif

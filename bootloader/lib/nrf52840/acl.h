// Access control lists (product specification, ACL): they hold until the next
// reset, of any kind.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef ACL_H
#define ACL_H

#include <stdint.h>

#include "ota/status.h"

// Blocks `size` bytes (whole pages) at `start`. `perm` is PERM: 2 blocks
// writes, 4 reads, 6 both. OTA_E_FLASH when no list is free or it does not read
// back.
OTA_CHECKED int acl_protect(uint32_t start, uint32_t size, uint32_t perm);

#endif

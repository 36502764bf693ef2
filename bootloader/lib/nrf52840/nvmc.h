// Flash of the nRF52840: page erase and word write (product specification,
// NVMC). Every call leaves the controller read-only again.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef NVMC_H
#define NVMC_H

#include <stddef.h>
#include <stdint.h>

#include "ota/status.h"

// Erases the page that starts at `page_addr`; the CPU stalls for up to 85 ms.
OTA_CHECKED int nvmc_erase_page(uint32_t page_addr);

// Writes `count` words at the word aligned `addr` and compares them afterwards.
// Only clears bits; a word may be written twice between erases. `words` needs
// no alignment. Stalls for up to 41 us a word.
OTA_CHECKED int nvmc_write(uint32_t addr, const void *words, size_t count);

#endif

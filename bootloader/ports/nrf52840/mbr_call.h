// The boot record's service: `svc #0x18`, r0 -> {command, parameters ...}.
// Works with Nordic's boot record and with this project's.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef MBR_CALL_H
#define MBR_CALL_H

#include <stdint.h>

// Results are 0 or a code of nrf_error.h. Interrupts must not be masked.
#define MBR_CALL_INVALID_PARAM 7u

// Copies `len_words` (not 0) over the bootloader and resets; returns only when
// that was refused.
uint32_t mbr_copy_bootloader(uint32_t source, uint32_t len_words);

// From now on exceptions go to the vector table at `table`.
void mbr_forward_exceptions(uint32_t table);

#endif

// CRC-32 (IEEE 802.3, as zlib's), 4 bits at a time: 64 bytes of table.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_CRC32_H
#define OTA_CRC32_H

#include <stddef.h>
#include <stdint.h>

// Continues `crc` (0 at the start) over `size` bytes; calls chain.
uint32_t crc32_update(uint32_t crc, const void *data, size_t size);

#endif

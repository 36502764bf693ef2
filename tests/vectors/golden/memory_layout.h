// Where everything is. Rendered from the memory layout; do not edit.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_MEMORY_LAYOUT_H
#define OTA_MEMORY_LAYOUT_H

#define OTA_PAGE_SIZE 0x00001000u
#define OTA_FLASH_START 0x00000000u
#define OTA_FLASH_SIZE 0x00100000u
#define OTA_RAM_START 0x20000000u
#define OTA_RAM_SIZE 0x00040000u

// Flash regions. BUDGET is the largest image accepted in the region.
#define OTA_MBR_START 0x00000000u
#define OTA_MBR_SIZE 0x00001000u
#define OTA_APP_START 0x00001000u
#define OTA_APP_SIZE 0x000EF000u
#define OTA_STAGING_START 0x000F0000u
#define OTA_STAGING_SIZE 0x00006000u
#define OTA_BOOTLOADER_START 0x000F6000u
#define OTA_BOOTLOADER_SIZE 0x00006000u
#define OTA_BOOTLOADER_BUDGET 0x00004000u
#define OTA_JOURNAL_START 0x000FC000u
#define OTA_JOURNAL_SIZE 0x00002000u
#define OTA_MBR_PARAMS_START 0x000FE000u
#define OTA_MBR_PARAMS_SIZE 0x00001000u
#define OTA_HANDSHAKE_START 0x000FF000u
#define OTA_HANDSHAKE_SIZE 0x00001000u

// The boot record's words: bootloader address, parameter page address.
#define OTA_BOOT_WORDS_START 0x00000FF8u

#define OTA_JOURNAL_PAGE_COUNT 2u

// RAM regions.
#define OTA_RAM_MBR_START 0x20000000u
#define OTA_RAM_MBR_SIZE 0x00000008u
#define OTA_RAM_IMAGE_START 0x20000008u
#define OTA_RAM_IMAGE_SIZE 0x0003FBF8u
#define OTA_RAM_BOOT_REQUEST_START 0x2003FC00u
#define OTA_RAM_BOOT_REQUEST_SIZE 0x00000200u
#define OTA_RAM_BOOT_STATUS_START 0x2003FE00u
#define OTA_RAM_BOOT_STATUS_SIZE 0x00000200u

// ACL while the application runs: {address, size, PERM}. PERM: bit 1 blocks
// writes, bit 2 reads (data sheet, chapter ACL).
#define OTA_ACL_COUNT 3u
#define OTA_ACL_TABLE \
    {0x00000000u, 0x00001000u, 2u}, \
    {0x000F6000u, 0x00006000u, 2u}, \
    {0x000FC000u, 0x00002000u, 6u}

#endif

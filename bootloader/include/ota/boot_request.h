// Boot request: application to bootloader, in RAM that neither image
// initialises (SPEC 4). Write it, then do a soft reset.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_BOOT_REQUEST_H
#define OTA_BOOT_REQUEST_H

#include "ota/fw_info.h"

#define OTA_REQUEST_MAGIC 0x5241544Fu // "OTAR"
#define OTA_REQUEST_FORMAT 1u
#define OTA_REQUEST_SIZE 196u
#define OTA_COMMAND_UPDATE 1u
// Flags. An application older than the one that runs is accepted, too.
#define OTA_REQUEST_ALLOW_DOWNGRADE 0x1u

struct boot_request {
    uint32_t magic;
    uint16_t format;
    uint16_t size;
    uint32_t command;
    struct fw_info fw_info;
    uint32_t flags;
    char path[OTA_PATH_SIZE];
    uint32_t crc;
};

_Static_assert(sizeof(struct boot_request) == OTA_REQUEST_SIZE, "SPEC 4");
_Static_assert(offsetof(struct boot_request, command) == 8, "SPEC 4");
_Static_assert(offsetof(struct boot_request, fw_info) == 12, "SPEC 4");
_Static_assert(offsetof(struct boot_request, flags) == 124, "SPEC 4");
_Static_assert(offsetof(struct boot_request, path) == 128, "SPEC 4");
_Static_assert(offsetof(struct boot_request, crc) == 192, "SPEC 4");

// Fills `request` (usually the one at ram.boot_request). The bytes are complete
// when it returns; the caller then resets the chip. `flags` is 0 or
// OTA_REQUEST_ALLOW_DOWNGRADE. OTA_E_REQUEST, OTA_E_SIZE, OTA_E_PATH when the
// bootloader would refuse it anyway; then nothing is written.
OTA_CHECKED int boot_request_write(struct boot_request *request,
                                   const struct fw_info *info, const char *path,
                                   uint32_t flags);

// OTA_OK when magic, format, size, command, flags, crc, path and sizes hold.
// OTA_E_REQUEST, OTA_E_SIZE, OTA_E_PATH otherwise.
OTA_CHECKED int boot_request_check(const struct boot_request *request);

#endif

// Boot status: bootloader to application, in RAM (SPEC 5).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_BOOT_STATUS_H
#define OTA_BOOT_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "ota/status.h"

#define OTA_BOOT_STATUS_MAGIC 0x5341544Fu // "OTAS"
#define OTA_BOOT_STATUS_FORMAT 1u
#define OTA_BOOT_STATUS_SIZE 128u
#define OTA_KEPT_MAX 4u

enum boot_reason {
    BOOT_REASON_NORMAL = 1,
    BOOT_REASON_TRIAL = 2,
    BOOT_REASON_REFUSED = 3,
    BOOT_REASON_FAILED = 4,
    BOOT_REASON_ROLLED_BACK = 5,
};

// Steps of an update as the journal stores them (SPEC 7.3).
enum ota_step {
    OTA_STEP_IDLE = 0,
    OTA_STEP_CHECK = 1,
    OTA_STEP_PROGRAM = 2,
    OTA_STEP_VERIFY = 3,
    OTA_STEP_TRIAL = 4,
    OTA_STEP_ROLLBACK = 5,
    OTA_STEP_COPY_BOOTLOADER = 6,
};

struct boot_status {
    uint32_t magic;
    uint16_t format;
    uint16_t size;
    uint32_t bootloader_version;
    uint32_t app_version;
    uint32_t reason; // enum boot_reason
    int32_t last_error;
    uint32_t step; // enum ota_step
    uint32_t resetreas;
    uint32_t attempts;
    uint32_t confirm_token;
    uint32_t kept_count;
    uint32_t kept_version[OTA_KEPT_MAX];
    uint32_t update_ms;
    // CRC-32 of the path of each kept version: which files must stay.
    uint32_t kept_path_crc[OTA_KEPT_MAX];
    uint8_t reserved[44];
    uint32_t crc;
};

_Static_assert(sizeof(struct boot_status) == OTA_BOOT_STATUS_SIZE, "SPEC 5");
_Static_assert(offsetof(struct boot_status, bootloader_version) == 8, "SPEC 5");
_Static_assert(offsetof(struct boot_status, app_version) == 12, "SPEC 5");
_Static_assert(offsetof(struct boot_status, reason) == 16, "SPEC 5");
_Static_assert(offsetof(struct boot_status, last_error) == 20, "SPEC 5");
_Static_assert(offsetof(struct boot_status, step) == 24, "SPEC 5");
_Static_assert(offsetof(struct boot_status, resetreas) == 28, "SPEC 5");
_Static_assert(offsetof(struct boot_status, attempts) == 32, "SPEC 5");
_Static_assert(offsetof(struct boot_status, confirm_token) == 36, "SPEC 5");
_Static_assert(offsetof(struct boot_status, kept_count) == 40, "SPEC 5");
_Static_assert(offsetof(struct boot_status, kept_version) == 44, "SPEC 5");
_Static_assert(offsetof(struct boot_status, update_ms) == 60, "SPEC 5");
_Static_assert(offsetof(struct boot_status, kept_path_crc) == 64, "SPEC 5");
_Static_assert(offsetof(struct boot_status, reserved) == 80, "SPEC 5");
_Static_assert(offsetof(struct boot_status, crc) == 124, "SPEC 5");

// Copies the status from RAM at `source` (usually ram.boot_status) to `status`;
// OTA_E_REQUEST when magic, format, size or crc do not hold, for example after
// a debugger started the application without the bootloader.
OTA_CHECKED int boot_status_read(const struct boot_status *source,
                                 struct boot_status *status);

// Bootloader side: fills magic, format, size and crc.
void boot_status_seal(struct boot_status *status);

#endif

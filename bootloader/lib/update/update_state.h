// What an application has to remember over an update (SPEC 14): a small file in
// the modem.
//
// Laws: it holds no key; it is believed by its CRC; a file that does not hold
// counts as none.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_UPDATE_STATE_H
#define OTA_UPDATE_STATE_H

#include "ota/fw_info.h"
#include "sim7600_files.h"
#include "update_report.h"

#define UPDATE_STATE_MAGIC 0x5541544Fu // "OTAU"
#define UPDATE_STATE_FORMAT 1u
#define UPDATE_STATE_SIZE 160u
#define UPDATE_STATE_NAME "ota_state.txt"
#define UPDATE_STATE_JOB 1u // the request was an AWS IoT Job

enum update_state_stage {
    UPDATE_STATE_ACCEPTED = 0,
    UPDATE_STATE_UPDATING = 1,
    UPDATE_STATE_CONFIRMED = 2,
    UPDATE_STATE_ROLLED_BACK = 3,
    UPDATE_STATE_FAILED = 4,
};

struct update_state {
    uint32_t magic;
    uint16_t format;
    uint16_t size;
    uint32_t version;
    uint32_t target;
    uint32_t stage; // enum update_state_stage
    int32_t error;
    char id[UPDATE_ID_SIZE];
    uint32_t flags;
    // What the request is for, from its fw_info.
    uint32_t fp_base;
    uint32_t pbin_size;
    uint8_t pbin_hash[32];
    uint8_t reserved[20];
    uint32_t crc;
};
_Static_assert(sizeof(struct update_state) == UPDATE_STATE_SIZE, "SPEC 14");
_Static_assert(offsetof(struct update_state, version) == 8, "SPEC 14");
_Static_assert(offsetof(struct update_state, target) == 12, "SPEC 14");
_Static_assert(offsetof(struct update_state, stage) == 16, "SPEC 14");
_Static_assert(offsetof(struct update_state, error) == 20, "SPEC 14");
_Static_assert(offsetof(struct update_state, id) == 24, "SPEC 14");
_Static_assert(offsetof(struct update_state, flags) == 92, "SPEC 14");
_Static_assert(offsetof(struct update_state, fp_base) == 96, "SPEC 14");
_Static_assert(offsetof(struct update_state, pbin_hash) == 104, "SPEC 14");
_Static_assert(offsetof(struct update_state, crc) == 156, "SPEC 14");
_Static_assert(UPDATE_STATE_SIZE <= SIM7600_SMALL_FILE_MAX, "one piece");

// `drive` as from sim7600_find_drive. OTA_E_NO_FILE when there is no such file
// or it does not hold (magic, format, size, crc, stage, id); see at_command for
// the rest.
OTA_CHECKED int update_state_load(struct sim7600 *modem, const char *drive,
                                  struct update_state *state);

// Fills magic, format, size and crc, and writes the file.
OTA_CHECKED int update_state_save(struct sim7600 *modem, const char *drive,
                                  struct update_state *state);

OTA_CHECKED int update_state_delete(struct sim7600 *modem, const char *drive);

#endif

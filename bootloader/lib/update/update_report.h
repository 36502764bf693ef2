// Reports and telemetry as JSON (SPEC 11, 12).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_UPDATE_REPORT_H
#define OTA_UPDATE_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "ota/status.h"

#define UPDATE_ID_MAX 64u
#define UPDATE_ID_SIZE 68u // 64 characters, NUL, padding
#define UPDATE_REPORT_SIZE 513u

enum update_stage {
    UPDATE_ACCEPTED,
    UPDATE_DOWNLOADING,
    UPDATE_DOWNLOADED,
    UPDATE_UPDATING,
    UPDATE_CONFIRMED,
    UPDATE_ROLLED_BACK,
    UPDATE_REFUSED,
    UPDATE_FAILED,
};

struct update_report {
    enum update_stage stage;
    char id[UPDATE_ID_SIZE];
    uint32_t version; // that runs
    uint32_t target;
    uint32_t percent; // UPDATE_DOWNLOADING
    int error;        // UPDATE_REFUSED, UPDATE_FAILED, UPDATE_ROLLED_BACK
};

// The names of the wire format ("rolled_back"; "downgrade" for
// OTA_E_DOWNGRADE, "unknown" for a code that does not exist).
const char *update_stage_name(enum update_stage stage);
const char *ota_status_name(int status);

// Writes JSON with a NUL into `text`; returns its length. `device` is what
// SPEC 10 allows as an id.
size_t update_report_format(char text[UPDATE_REPORT_SIZE], const char *device,
                            const struct update_report *report);

// The same report as the status of an AWS IoT Job (SPEC 10).
size_t update_report_format_job(char text[UPDATE_REPORT_SIZE],
                                const struct update_report *report);

// Telemetry (SPEC 12); the temperature in hundredths of a degree.
size_t update_telemetry_format(char text[UPDATE_REPORT_SIZE],
                               const char *device, uint32_t version,
                               int32_t centidegrees);

#endif

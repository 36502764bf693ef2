// Reports and telemetry as JSON: see update_report.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "update_report.h"

#include <stdbool.h>

#include "format.h"

const char *update_stage_name(enum update_stage stage)
{
    static const char *const names[] = {
        "accepted",  "downloading", "downloaded", "updating",
        "confirmed", "rolled_back", "refused",    "failed",
    };
    return names[stage];
}

const char *ota_status_name(int status)
{
    static const struct {
        int status;
        const char *name;
    } names[] = {
        {OTA_OK, "ok"},
        {OTA_E_TIMEOUT, "timeout"},
        {OTA_E_LINK, "link"},
        {OTA_E_MODEM, "modem"},
        {OTA_E_MODEM_REBOOT, "modem_reboot"},
        {OTA_E_NO_FILE, "no_file"},
        {OTA_E_SHORT_READ, "short_read"},
        {OTA_E_PROTOCOL, "protocol"},
        {OTA_E_NO_SPACE, "no_space"},
        {OTA_E_REQUEST, "request"},
        {OTA_E_RANGE, "range"},
        {OTA_E_SIZE, "size"},
        {OTA_E_SAME, "same"},
        {OTA_E_FILE_SIZE, "file_size"},
        {OTA_E_HEADER, "header"},
        {OTA_E_CIPHER_HASH, "cipher_hash"},
        {OTA_E_PLAIN_HASH, "plain_hash"},
        {OTA_E_PADDING, "padding"},
        {OTA_E_PATH, "path"},
        {OTA_E_DOWNGRADE, "downgrade"},
        {OTA_E_FLASH, "flash"},
        {OTA_E_FLASH_RANGE, "flash_range"},
        {OTA_E_JOURNAL, "journal"},
        {OTA_E_JOURNAL_FULL, "journal_full"},
        {OTA_E_CRYPTO, "crypto"},
        {OTA_E_UNCONFIRMED, "unconfirmed"},
        {OTA_E_NO_PREVIOUS, "no_previous"},
        {OTA_E_NETWORK, "network"},
        {OTA_E_BROKER, "broker"},
        {OTA_E_HTTP, "http"},
        {OTA_E_CERTIFICATE, "certificate"},
        {OTA_E_BUSY, "busy"},
        {OTA_E_INTERRUPTED, "interrupted"},
        {OTA_E_TLS, "tls"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].status == status) {
            return names[i].name;
        }
    }
    return "unknown";
}

static bool has_error(enum update_stage stage)
{
    return stage == UPDATE_REFUSED || stage == UPDATE_FAILED ||
           stage == UPDATE_ROLLED_BACK;
}

size_t update_report_format(char text[UPDATE_REPORT_SIZE], const char *device,
                            const struct update_report *report)
{
    // The longest is 64 + 64 + 190 characters, so nothing is ever cut.
    size_t size = format_text(
        text, UPDATE_REPORT_SIZE,
        "{\"type\":\"update_report\",\"device\":\"%s\",\"id\":\"%s\","
        "\"stage\":\"%s\",\"version\":%u,\"target\":%u",
        device, report->id, update_stage_name(report->stage),
        (unsigned)report->version, (unsigned)report->target);
    if (report->stage == UPDATE_DOWNLOADING) {
        size += format_text(text + size, UPDATE_REPORT_SIZE - size,
                            ",\"percent\":%u", (unsigned)report->percent);
    } else if (has_error(report->stage)) {
        size += format_text(text + size, UPDATE_REPORT_SIZE - size,
                            ",\"error\":%d,\"reason\":\"%s\"", report->error,
                            ota_status_name(report->error));
    }
    return size + format_text(text + size, UPDATE_REPORT_SIZE - size, "}");
}

static const char *job_status(enum update_stage stage)
{
    switch (stage) {
    case UPDATE_CONFIRMED:
        return "SUCCEEDED";
    case UPDATE_REFUSED:
        return "REJECTED";
    case UPDATE_FAILED:
    case UPDATE_ROLLED_BACK:
        return "FAILED";
    case UPDATE_ACCEPTED:
    case UPDATE_DOWNLOADING:
    case UPDATE_DOWNLOADED:
    case UPDATE_UPDATING:
        break;
    }
    return "IN_PROGRESS";
}

size_t update_report_format_job(char text[UPDATE_REPORT_SIZE],
                                const struct update_report *report)
{
    size_t size = format_text(
        text, UPDATE_REPORT_SIZE,
        "{\"status\":\"%s\",\"statusDetails\":{\"stage\":\"%s\"",
        job_status(report->stage), update_stage_name(report->stage));
    if (report->stage == UPDATE_DOWNLOADING) {
        size += format_text(text + size, UPDATE_REPORT_SIZE - size,
                            ",\"percent\":\"%u\"", (unsigned)report->percent);
    } else if (has_error(report->stage)) {
        size +=
            format_text(text + size, UPDATE_REPORT_SIZE - size,
                        ",\"reason\":\"%s\"", ota_status_name(report->error));
    }
    return size + format_text(text + size, UPDATE_REPORT_SIZE - size, "}}");
}

size_t update_telemetry_format(char text[UPDATE_REPORT_SIZE],
                               const char *device, uint32_t version,
                               int32_t centidegrees)
{
    uint32_t size =
        centidegrees < 0 ? 0u - (uint32_t)centidegrees : (uint32_t)centidegrees;
    return format_text(
        text, UPDATE_REPORT_SIZE,
        "{\"type\":\"telemetry\",\"device\":\"%s\",\"version\":%u,"
        "\"temperature_c\":%s%u.%u%u}",
        device, (unsigned)version, centidegrees < 0 ? "-" : "",
        (unsigned)(size / 100u), (unsigned)(size / 10u % 10u),
        (unsigned)(size % 10u));
}

// The update request that arrives as ota.json (SPEC 3), or as that inside of an
// AWS IoT Job (SPEC 10).
//
// Laws: strict about what it uses (each member at most once, each of its type),
// blind to members it does not know, however they nest; no allocation; the text
// need not end with NUL; nothing of a refused request is left in the result,
// since it may hold a key, but its id, for the report.
//
// Applications that use it need jsmn.h on their include path.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_UPDATE_REQUEST_H
#define OTA_UPDATE_REQUEST_H

#include "ota/fw_info.h"
#include "update_report.h"

#define UPDATE_REQUEST_TEXT_MAX 2048u
#define UPDATE_REQUEST_URL_MAX 512u
#define UPDATE_REQUEST_TOKENS 64u // JSON values and names, all levels together
#define UPDATE_JOB_TEXT_MAX 4096u // with what AWS puts around the request

struct update_request {
    char id[UPDATE_ID_SIZE];
    char url[UPDATE_REQUEST_URL_MAX + 1u];     // empty: not given
    char alt_url[UPDATE_REQUEST_URL_MAX + 1u]; // empty: not given
    struct fw_info info;
    bool allow_downgrade;
    bool is_job; // it came as an AWS IoT Job
};

// Parses `size` bytes of JSON. OTA_E_REQUEST when it is not what SPEC 3 says
// (or has more than UPDATE_REQUEST_TOKENS values), OTA_E_SIZE when the sizes in
// fw_info do not belong together.
OTA_CHECKED int update_request_parse(const char *text, size_t size,
                                     struct update_request *request);

// The same for a message of AWS IoT Jobs: the request is
// execution.jobDocument, its id execution.jobId. OTA_OK with is_job false when
// the message has no execution: there is nothing to do.
OTA_CHECKED int update_request_parse_job(const char *text, size_t size,
                                         struct update_request *request);

// Overwrites it in a way that no compiler leaves out.
void update_request_wipe(struct update_request *request);

#endif

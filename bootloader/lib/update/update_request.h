// The update request that arrives as ota.json (SPEC 3).
//
// Laws: strict about what it uses (type, urls, fw_info: each at most once,
// each a string), blind to members it does not know, however they nest; no
// allocation; the text need not end with NUL; nothing of a refused request is
// left in the result, since it may hold a key.
//
// Applications that use it need jsmn.h on their include path.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_UPDATE_REQUEST_H
#define OTA_UPDATE_REQUEST_H

#include "ota/fw_info.h"

#define UPDATE_REQUEST_TEXT_MAX 2048u
#define UPDATE_REQUEST_URL_MAX 512u
#define UPDATE_REQUEST_TOKENS 64u // JSON values and names, all levels together

struct update_request {
    char url[UPDATE_REQUEST_URL_MAX + 1u];     // empty: not given
    char alt_url[UPDATE_REQUEST_URL_MAX + 1u]; // empty: not given
    struct fw_info info;
};

// Parses `size` bytes of JSON. OTA_E_REQUEST when it is not what SPEC 3 says
// (or has more than UPDATE_REQUEST_TOKENS values), OTA_E_SIZE when the sizes in
// fw_info do not belong together.
OTA_CHECKED int update_request_parse(const char *text, size_t size,
                                     struct update_request *request);

#endif

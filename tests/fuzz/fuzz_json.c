// ota.json, as any broker may deliver it.
//
// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>

#include "fuzz.h"
#include "update_request.h"

static void check_url(const char *url)
{
    size_t length = strlen(url);
    fuzz_assert(length <= UPDATE_REQUEST_URL_MAX);
    for (size_t i = 0; i < length; i++) {
        fuzz_assert(url[i] > ' ' && url[i] <= '~' && url[i] != '"');
    }
    fuzz_assert(length == 0 || strncmp(url, "http", 4) == 0);
}

static void check_id(const char *id)
{
    size_t length = strlen(id);
    fuzz_assert(length <= UPDATE_ID_MAX);
    for (size_t i = 0; i < length; i++) {
        fuzz_assert(isalnum((unsigned char)id[i]) || id[i] == '_' ||
                    id[i] == '-');
    }
}

// Nothing is left of a refused one but its id, and that it was a job.
static void check_refused(struct update_request *request)
{
    static const struct update_request nothing;
    check_id(request->id);
    memset(request->id, 0, sizeof request->id);
    request->is_job = false;
    fuzz_assert(memcmp(request, &nothing, sizeof nothing) == 0);
}

static void check(struct update_request *request, int err)
{
    if (err != OTA_OK) {
        check_refused(request);
        return;
    }
    check_id(request->id);
    fuzz_assert(request->id[0] != '\0');
    check_url(request->url);
    check_url(request->alt_url);
    fuzz_assert(request->url[0] != '\0' || request->alt_url[0] != '\0');
    fuzz_assert(fw_info_check_sizes(&request->info) == OTA_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct update_request request;
    // Exactly `size` bytes, without a NUL behind them.
    char *text = malloc(size > 0 ? size : 1);
    fuzz_assert(text != NULL);
    memcpy(text, data, size);
    int err = update_request_parse(text, size, &request);
    fuzz_assert(!request.is_job);
    check(&request, err);
    err = update_request_parse_job(text, size, &request);
    free(text);
    if (err == OTA_OK && !request.is_job) {
        check_refused(&request); // no job
    } else {
        check(&request, err);
    }
    return 0;
}

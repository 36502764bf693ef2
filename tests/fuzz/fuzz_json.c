// ota.json, as any broker may deliver it.
//
// SPDX-License-Identifier: Apache-2.0
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct update_request nothing;
    struct update_request request;
    // Exactly `size` bytes, without a NUL behind them.
    char *text = malloc(size > 0 ? size : 1);
    fuzz_assert(text != NULL);
    memcpy(text, data, size);
    int err = update_request_parse(text, size, &request);
    free(text);
    if (err != OTA_OK) {
        fuzz_assert(memcmp(&request, &nothing, sizeof nothing) == 0);
        return 0;
    }
    check_url(request.url);
    check_url(request.alt_url);
    fuzz_assert(request.url[0] != '\0' || request.alt_url[0] != '\0');
    fuzz_assert(fw_info_check_sizes(&request.info) == OTA_OK);
    return 0;
}

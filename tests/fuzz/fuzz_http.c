// Fetching a file: whatever the modem says, success means a good status and a
// file of the length that was told.
//
// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"
#include "sim7600_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sim7600_tls tls = {.ca = "ca.pem"};
    struct sim7600_http_get get = {.url = "http://h/f", .path = "E:/f.ebin"};
    struct sim7600_http_result result;
    struct fuzz_uart fuzz;
    static struct at at;
    struct sim7600 modem;
    fuzz_uart_init(&fuzz, data, size);
    fuzz.sends_data = true;
    if (size > 0 && (data[0] & 0x40u) != 0) {
        get.url = "https://h/f";
        get.tls = &tls;
    }
    if (size > 0 && (data[0] & 0x20u) != 0) {
        get.first = 10;
        get.last = 19;
    }
    at_init(&at, &fuzz.uart, &fuzz.time, fuzz_idle, NULL);
    sim7600_init(&modem, &at, 115200, 0);

    int err = sim7600_http_fetch(&modem, &get, &result);
    fuzz_assert(err <= 0 && fuzz.now_ms < 1500000);
    if (err == OTA_OK) {
        fuzz_assert(result.status == 200 || result.status == 206);
        fuzz_assert(result.size <= INT32_MAX);
    } else {
        fuzz_assert(result.size == 0);
    }
    return 0;
}

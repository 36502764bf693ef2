// AT lines and counted data: whatever the modem says, the driver stays in its
// buffers and meets its deadline.
//
// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"
#include "sim7600.h"

#define READ_SIZE 1000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_uart fuzz;
    static struct at at;
    struct sim7600 modem;
    fuzz_uart_init(&fuzz, data, size);
    at_init(&at, &fuzz.uart, &fuzz.time, fuzz_idle, NULL);
    sim7600_init(&modem, &at, 115200, 0);

    // In memory of its own, so that one byte too many is seen.
    uint8_t *bytes = malloc(READ_SIZE);
    fuzz_assert(bytes != NULL);
    int err = sim7600_read_start(&modem, "E:/f.ebin", 0, READ_SIZE);
    fuzz_assert(err == OTA_OK);
    err = sim7600_read_finish(&modem, bytes, READ_SIZE);
    fuzz_assert(err <= 0 && fuzz.now_ms < 5000);
    free(bytes);

    uint32_t file_size = 0;
    uint64_t before_ms = fuzz.now_ms;
    err = sim7600_file_size(&modem, "E:/d/f.ebin", &file_size);
    fuzz_assert(err <= 0 && fuzz.now_ms - before_ms < 21000);
    fuzz_assert(err != OTA_OK || file_size <= INT32_MAX);

    char value[8];
    err = at_command(&at, 1000, "AT+X?", "+X:", value, sizeof value);
    fuzz_assert(err <= 0 && strlen(value) < sizeof value);
    return 0;
}

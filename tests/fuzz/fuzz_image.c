// fw_info, the public header of an .ebin, hex digits and paths.
//
// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"
#include "ota/fw_info.h"

static void check_path(const uint8_t *data, size_t size)
{
    char path[OTA_PATH_SIZE];
    memset(path, 0, sizeof path);
    memcpy(path, data, size < sizeof path ? size : sizeof path);
    if (ota_path_check(path) == OTA_OK) {
        fuzz_assert(memchr(path, '\0', sizeof path) != NULL);
        fuzz_assert(strstr(path, "..") == NULL || strlen(path) > 6);
        fuzz_assert(strpbrk(path, "\"\\*?<>|,; \r\n") == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fw_info info;
    struct fw_info trusted;
    memset(&info, 0, sizeof info);
    memcpy(&info, data, size < sizeof info ? size : sizeof info);
    int err = fw_info_check_sizes(&info);
    if (err == OTA_OK) {
        fuzz_assert(info.pbin_size > 0 && info.ebin_size > info.pbin_size);
        fuzz_assert(info.ebin_size - info.pbin_size <= 16);
    }
    trusted = info;
    memset(trusted.aes_key, 7, sizeof trusted.aes_key);
    err = fw_info_check_header(&info, &trusted);
    bool has_key = false;
    for (size_t i = 0; i < 32; i++) {
        has_key = has_key || ((const uint8_t *)&info)[16 + i] != 0;
    }
    fuzz_assert((err == OTA_OK) == !has_key);

    if (size >= 2 * OTA_FW_INFO_SIZE) {
        char *hex = malloc(2 * OTA_FW_INFO_SIZE);
        fuzz_assert(hex != NULL);
        memcpy(hex, data, 2 * OTA_FW_INFO_SIZE);
        err = fw_info_from_hex(hex, &info);
        fuzz_assert(err == OTA_OK || err == OTA_E_REQUEST);
        free(hex);
    }
    check_path(data, size);
    return 0;
}

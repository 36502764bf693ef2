// Boot request and boot status, as RAM may hold them after any reset.
//
// SPDX-License-Identifier: Apache-2.0
#include "crc32.h"
#include "fuzz.h"
#include "ota/boot_request.h"
#include "ota/boot_status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct boot_request request;
    struct boot_status status;
    struct boot_status read;
    memset(&request, 0, sizeof request);
    memset(&status, 0, sizeof status);
    memcpy(&request, data, size < sizeof request ? size : sizeof request);
    memcpy(&status, data, size < sizeof status ? size : sizeof status);

    // With a right CRC too, or nothing behind it would ever be reached.
    int raw = boot_request_check(&request);
    request.magic = OTA_REQUEST_MAGIC;
    request.format = OTA_REQUEST_FORMAT;
    request.size = OTA_REQUEST_SIZE;
    request.crc = crc32_update(0, &request, offsetof(struct boot_request, crc));
    int err = boot_request_check(&request);
    fuzz_assert(raw <= 0 && err <= 0);
    if (err == OTA_OK) {
        const struct fw_info *info = &request.fw_info;
        fuzz_assert(memchr(request.path, '\0', OTA_PATH_SIZE) != NULL);
        fuzz_assert(strpbrk(request.path, "\"\r\n, ") == NULL);
        fuzz_assert(info->pbin_size > 0 && info->ebin_size % 16 == 0);
        fuzz_assert(info->ebin_size - info->pbin_size - 1u < 16u);
        struct boot_request again;
        fuzz_assert(boot_request_write(&again, info, request.path,
                                       request.flags) == OTA_OK);
        fuzz_assert(memcmp(&again, &request, sizeof again) == 0);
    }
    err = boot_status_read(&status, &read);
    fuzz_assert(err <= 0);
    boot_status_seal(&status);
    err = boot_status_read(&status, &read);
    fuzz_assert(err == OTA_OK);
    return 0;
}

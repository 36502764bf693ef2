// Boot request and boot status in RAM: see ota/boot_request.h, boot_status.h.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "crc32.h"
#include "ota/boot_request.h"
#include "ota/boot_status.h"

static uint32_t request_crc(const struct boot_request *request)
{
    return crc32_update(0, request, offsetof(struct boot_request, crc));
}

static uint32_t status_crc(const struct boot_status *status)
{
    return crc32_update(0, status, offsetof(struct boot_status, crc));
}

int boot_request_write(struct boot_request *request, const struct fw_info *info,
                       const char *path, uint32_t flags)
{
    size_t length = 0;
    while (length < OTA_PATH_SIZE && path[length] != '\0') {
        length++;
    }
    if (length == OTA_PATH_SIZE) {
        return OTA_E_PATH;
    }
    struct boot_request built = {
        .magic = OTA_REQUEST_MAGIC,
        .format = OTA_REQUEST_FORMAT,
        .size = OTA_REQUEST_SIZE,
        .command = OTA_COMMAND_UPDATE,
        .fw_info = *info,
        .flags = flags,
    };
    memcpy(built.path, path, length);
    built.crc = request_crc(&built);
    int err = boot_request_check(&built);
    if (err == OTA_OK) {
        *request = built;
    }
    return err;
}

int boot_request_check(const struct boot_request *request)
{
    if (request->magic != OTA_REQUEST_MAGIC ||
        request->format != OTA_REQUEST_FORMAT ||
        request->size != OTA_REQUEST_SIZE ||
        request->crc != request_crc(request) ||
        request->command != OTA_COMMAND_UPDATE ||
        (request->flags & ~OTA_REQUEST_ALLOW_DOWNGRADE) != 0) {
        return OTA_E_REQUEST;
    }
    int err = fw_info_check_sizes(&request->fw_info);
    return err == OTA_OK ? ota_path_check(request->path) : err;
}

int boot_status_read(const struct boot_status *source,
                     struct boot_status *status)
{
    *status = *source;
    bool good = status->magic == OTA_BOOT_STATUS_MAGIC &&
                status->format == OTA_BOOT_STATUS_FORMAT &&
                status->size == OTA_BOOT_STATUS_SIZE &&
                status->crc == status_crc(status);
    return good ? OTA_OK : OTA_E_REQUEST;
}

void boot_status_seal(struct boot_status *status)
{
    status->magic = OTA_BOOT_STATUS_MAGIC;
    status->format = OTA_BOOT_STATUS_FORMAT;
    status->size = OTA_BOOT_STATUS_SIZE;
    status->crc = status_crc(status);
}

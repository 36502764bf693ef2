// Checks of fw_info, the .ebin header and paths: see ota/fw_info.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "ota/fw_info.h"

#include <string.h>

int fw_info_check_sizes(const struct fw_info *info)
{
    // The first test keeps the padded size from wrapping.
    if (info->pbin_size == 0 || info->pbin_size > 0xFFFFFF00u) {
        return OTA_E_SIZE;
    }
    uint32_t padded = (info->pbin_size / OTA_AES_BLOCK + 1u) * OTA_AES_BLOCK;
    return padded == info->ebin_size ? OTA_OK : OTA_E_SIZE;
}

int fw_info_check_header(const struct fw_info *header,
                         const struct fw_info *trusted)
{
    struct fw_info expected = *trusted;
    memset(expected.aes_key, 0, sizeof expected.aes_key);
    memset(expected.aes_iv, 0, sizeof expected.aes_iv);
    bool same = memcmp(header, &expected, sizeof expected) == 0;
    return same ? OTA_OK : OTA_E_HEADER;
}

static bool is_alphanumeric(char c)
{
    char lower = (char)(c | 0x20);
    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') || c == '_';
}

// Names may not start with a dot, nor end with one (AT manual, file system).
static bool name_is_good(const char *name, size_t length)
{
    if (length == 0 || !is_alphanumeric(name[0]) || name[length - 1] == '.') {
        return false;
    }
    for (size_t i = 1; i < length; i++) {
        if (!is_alphanumeric(name[i]) && name[i] != '.' && name[i] != '-') {
            return false;
        }
    }
    return true;
}

int ota_path_check(const char path[OTA_PATH_SIZE])
{
    const char *end = memchr(path, '\0', OTA_PATH_SIZE);
    if (end == NULL || end - path < 4 || path[1] != ':' || path[2] != '/') {
        return OTA_E_PATH;
    }
    char drive = (char)(path[0] | 0x20);
    if (drive < 'c' || drive > 'f') {
        return OTA_E_PATH;
    }
    for (const char *c = end; c < path + OTA_PATH_SIZE; c++) {
        if (*c != '\0') {
            return OTA_E_PATH;
        }
    }
    const char *name = path + 3;
    for (const char *c = name; c <= end; c++) {
        if (*c == '/' || *c == '\0') {
            if (!name_is_good(name, (size_t)(c - name))) {
                return OTA_E_PATH;
            }
            name = c + 1;
        }
    }
    return OTA_OK;
}

static int hex_digit(char c)
{
    char lower = (char)(c | 0x20);
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

int fw_info_from_hex(const char *hex, struct fw_info *info)
{
    uint8_t *bytes = (uint8_t *)info;
    for (size_t i = 0; i < OTA_FW_INFO_SIZE; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);
        if (low < 0) {
            memset(info, 0, sizeof *info);
            return OTA_E_REQUEST;
        }
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    return OTA_OK;
}

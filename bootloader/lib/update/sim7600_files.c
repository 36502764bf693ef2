// Small files and drives: see sim7600_files.h. Sources: SIM7500/SIM7600 AT
// command manual V3.00, chapters 8 (file system) and 9 (file transmission).
//
// SPDX-License-Identifier: Apache-2.0
#include "sim7600_files.h"

#include <string.h>

#include "at_result.h"

#define STORE_MS 60000u // the final OK waits for the modem's flash

static int has_drive(struct sim7600 *modem, const char *folder, bool *has)
{
    int err = at_send(modem->at, SIM7600_FILE_MS, "AT+FSCD=%s", folder);
    if (err == OTA_OK) {
        err = at_read_ok(modem->at);
    }
    *has = err == OTA_OK;
    return err == OTA_E_MODEM ? OTA_OK : err;
}

int sim7600_find_drive(struct sim7600 *modem, const char **drive)
{
    static const char *const drives[] = {"E:/", "F:/"};
    for (size_t i = 0; i < sizeof drives / sizeof drives[0]; i++) {
        bool has;
        int err = has_drive(modem, drives[i], &has);
        if (err != OTA_OK || has) {
            *drive = drives[i];
            return err;
        }
    }
    return OTA_E_NO_FILE;
}

static int send_file(struct sim7600 *modem, const char *path, const void *data,
                     uint32_t size)
{
    struct at_result result = {.prefix = "+CFTRANRX:", .head = ""};
    int err = at_send(modem->at, SIM7600_FILE_MS, "AT+CFTRANRX=\"%s\",%u", path,
                      (unsigned)size);
    if (err == OTA_OK) {
        err = at_give(modem->at, data, size, &result);
    }
    if (err == OTA_OK) {
        at_begin(modem->at, STORE_MS);
        err = at_read_ok(modem->at);
    }
    return at_end_data(modem->at, size, err);
}

static bool is_path(const char *path)
{
    char padded[OTA_PATH_SIZE] = {0};
    size_t length = strlen(path);
    if (length >= sizeof padded) {
        return false;
    }
    memcpy(padded, path, length);
    return ota_path_check(padded) == OTA_OK;
}

int sim7600_file_write(struct sim7600 *modem, const char *path,
                       const void *data, uint32_t size)
{
    char drive[] = "X:/";
    uint32_t stored;
    bool has;
    if (size == 0 || size > SIM7600_SMALL_FILE_MAX) {
        return OTA_E_SIZE;
    }
    if (!is_path(path)) {
        return OTA_E_PATH;
    }
    drive[0] = path[0];
    int err = has_drive(modem, drive, &has);
    if (err == OTA_OK && !has) {
        return OTA_E_NO_FILE;
    }
    if (err == OTA_OK) {
        err = sim7600_part_delete(modem, path);
    }
    if (err == OTA_OK) {
        err = send_file(modem, path, data, size);
    }
    if (err == OTA_OK) {
        err = sim7600_part_size(modem, path, &stored);
    }
    return err == OTA_OK && stored != size ? OTA_E_SHORT_READ : err;
}

int sim7600_file_read(struct sim7600 *modem, const char *path, void *data,
                      uint32_t capacity, uint32_t *size)
{
    if (!is_path(path)) {
        return OTA_E_PATH;
    }
    int err = sim7600_file_size(modem, path, size);
    if (err != OTA_OK || *size == 0) {
        return err;
    }
    if (*size > capacity || *size > SIM7600_READ_MAX) {
        return OTA_E_SIZE;
    }
    err = sim7600_read_start(modem, path, 0, *size);
    return err == OTA_OK ? sim7600_read_finish(modem, data, *size) : err;
}

// Room for an update in the modem: see make_space.h. Sources: SIM7500/SIM7600
// AT command manual V3.00, chapter 8 (AT+FSCD, AT+FSLS, AT+FSMEM, AT+FSDEL).
//
// SPDX-License-Identifier: Apache-2.0
#include "make_space.h"

#include <string.h>

#include "crc32.h"
#include "format.h"

#define SUFFIX ".ebin"
#define SUFFIX_ENDS "n123456789abcdef" // of the file, and of its parts
#define RANK_NONE 0u
#define RANK_UNKNOWN (OTA_KEPT_MAX + 1u) // a file that nobody lists

struct choice {
    char path[OTA_PATH_SIZE];
    uint32_t rank; // the higher, the sooner it goes
};

static int enter(struct sim7600 *modem, const char *folder)
{
    char text[AT_COMMAND_SIZE];
    size_t length = format_text(text, sizeof text, "AT+FSCD=%s", folder);
    // The root keeps its slash ("E:/"), a folder does not need one.
    if (strlen(folder) > 3 && text[length - 1] == '/') {
        text[length - 1] = '\0';
    }
    int err = at_command(modem->at, SIM7600_FILE_MS, text, NULL, NULL, 0);
    return err == OTA_E_MODEM ? OTA_E_NO_FILE : err;
}

// "+FSMEM: E:(total, used)", of the current drive.
static int free_bytes(struct sim7600 *modem, uint32_t *free_size)
{
    char value[48];
    uint32_t total;
    uint32_t used;
    int err = at_command(modem->at, SIM7600_FILE_MS, "AT+FSMEM",
                         "+FSMEM:", value, sizeof value);
    if (err != OTA_OK) {
        return err;
    }
    const char *rest = strchr(value, '(');
    if (rest == NULL || (rest++, !at_number(&rest, &total)) || *rest != ',') {
        return OTA_E_PROTOCOL;
    }
    rest = at_after(rest, ",");
    if (!at_number(&rest, &used) || *rest != ')' || used > total) {
        return OTA_E_PROTOCOL;
    }
    *free_size = total - used;
    return OTA_OK;
}

// How soon the file may go; RANK_NONE when it has to stay.
static uint32_t rank_of(const struct boot_status *status, const char *path)
{
    uint32_t crc = crc32_update(0, path, OTA_PATH_SIZE);
    bool runs_from_list = status->kept_count > 0 &&
                          status->kept_version[0] == status->app_version;
    uint32_t protected_count = runs_from_list ? 2u : 1u;
    for (uint32_t i = 0; i < status->kept_count && i < OTA_KEPT_MAX; i++) {
        if (status->kept_path_crc[i] == crc) {
            return i < protected_count ? RANK_NONE : i + 1u;
        }
    }
    return RANK_UNKNOWN;
}

// A part (SPEC 13) stands for the whole file, also when the first one is gone.
static bool is_update(const char *name, size_t length)
{
    size_t suffix = sizeof SUFFIX - 1u;
    return length > suffix &&
           strncmp(name + length - suffix, SUFFIX, suffix - 1u) == 0 &&
           strchr(SUFFIX_ENDS, name[length - 1u]) != NULL;
}

static void consider(struct choice *choice, const char *folder,
                     const struct boot_status *status, const char *keep,
                     const char *name)
{
    char path[OTA_PATH_SIZE];
    size_t length = strlen(name);
    if (!is_update(name, length) || strlen(folder) + length >= sizeof path) {
        return;
    }
    memset(path, 0, sizeof path);
    memcpy(path, folder, strlen(folder));
    memcpy(path + strlen(folder), name, length);
    path[strlen(path) - 1u] = SUFFIX_ENDS[0];
    if (keep != NULL && strcmp(path, keep) == 0) {
        return;
    }
    uint32_t rank = rank_of(status, path);
    if (ota_path_check(path) == OTA_OK && rank > choice->rank) {
        memcpy(choice->path, path, sizeof path);
        choice->rank = rank;
    }
}

// Lists the current folder and keeps the file that goes first.
static int choose(struct sim7600 *modem, const char *folder,
                  const struct boot_status *status, const char *keep,
                  struct choice *choice)
{
    memset(choice, 0, sizeof *choice);
    int err = at_send(modem->at, SIM7600_FILE_MS, "AT+FSLS=2");
    while (err == OTA_OK) {
        bool is_ok;
        err = at_read_line(modem->at, &is_ok);
        if (err != OTA_OK || is_ok) {
            break;
        }
        consider(choice, folder, status, keep, modem->at->line);
    }
    return err;
}

int update_make_space(struct sim7600 *modem, const char *folder,
                      const struct boot_status *status, const char *keep,
                      uint32_t needed, uint32_t *deleted)
{
    *deleted = 0;
    for (;;) {
        struct choice choice;
        uint32_t free_size = 0;
        int err = enter(modem, folder);
        if (err == OTA_OK) {
            err = free_bytes(modem, &free_size);
        }
        if (err != OTA_OK || free_size >= needed) {
            return err;
        }
        err = choose(modem, folder, status, keep, &choice);
        if (err == OTA_OK &&
            (choice.rank == RANK_NONE || *deleted == UPDATE_DELETE_MAX)) {
            err = OTA_E_NO_SPACE;
        }
        if (err == OTA_OK) {
            err = sim7600_file_delete(modem, choice.path);
        }
        if (err != OTA_OK) {
            return err;
        }
        (*deleted)++;
    }
}

// The update's state in the modem: see update_state.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "update_state.h"

#include <string.h>

#include "crc32.h"
#include "format.h"

#define SPARE_NAME "ota_state.new" // while the other one is being replaced

static void make_path(const char *drive, const char *name,
                      char path[OTA_PATH_SIZE])
{
    memset(path, 0, OTA_PATH_SIZE);
    (void)format_text(path, OTA_PATH_SIZE, "%s%s", drive,
                      name); // a drive has three characters
}

static uint32_t state_crc(const struct update_state *state)
{
    return crc32_update(0, state, offsetof(struct update_state, crc));
}

static bool holds(const struct update_state *state)
{
    return state->magic == UPDATE_STATE_MAGIC &&
           state->format == UPDATE_STATE_FORMAT &&
           state->size == UPDATE_STATE_SIZE && state->crc == state_crc(state) &&
           state->stage <= UPDATE_STATE_FAILED &&
           state->id[UPDATE_ID_MAX] == '\0';
}

static int load(struct sim7600 *modem, const char *drive, const char *name,
                struct update_state *state)
{
    char path[OTA_PATH_SIZE];
    uint32_t size = 0;
    make_path(drive, name, path);
    int err = sim7600_file_read(modem, path, state, sizeof *state, &size);
    if (err == OTA_E_SIZE ||
        (err == OTA_OK && (size != sizeof *state || !holds(state)))) {
        err = OTA_E_NO_FILE;
    }
    return err;
}

int update_state_load(struct sim7600 *modem, const char *drive,
                      struct update_state *state)
{
    int err = load(modem, drive, UPDATE_STATE_NAME, state);
    return err == OTA_E_NO_FILE ? load(modem, drive, SPARE_NAME, state) : err;
}

static int save(struct sim7600 *modem, const char *drive, const char *name,
                const struct update_state *state)
{
    char path[OTA_PATH_SIZE];
    make_path(drive, name, path);
    return sim7600_file_write(modem, path, state, sizeof *state);
}

static int delete_file(struct sim7600 *modem, const char *drive,
                       const char *name)
{
    char path[OTA_PATH_SIZE];
    make_path(drive, name, path);
    return sim7600_part_delete(modem, path);
}

// The modem cannot replace a file in one go: a second one is there meanwhile.
int update_state_save(struct sim7600 *modem, const char *drive,
                      struct update_state *state)
{
    state->magic = UPDATE_STATE_MAGIC;
    state->format = UPDATE_STATE_FORMAT;
    state->size = UPDATE_STATE_SIZE;
    memset(state->reserved, 0, sizeof state->reserved);
    state->crc = state_crc(state);
    int err = save(modem, drive, SPARE_NAME, state);
    if (err == OTA_OK) {
        err = save(modem, drive, UPDATE_STATE_NAME, state);
    }
    return err == OTA_OK ? delete_file(modem, drive, SPARE_NAME) : err;
}

int update_state_delete(struct sim7600 *modem, const char *drive)
{
    int err = delete_file(modem, drive, SPARE_NAME);
    return err == OTA_OK ? delete_file(modem, drive, UPDATE_STATE_NAME) : err;
}

// The update's state in the modem: see update_state.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "update_state.h"

#include <string.h>

#include "crc32.h"
#include "format.h"

static void make_path(const char *drive, char path[OTA_PATH_SIZE])
{
    memset(path, 0, OTA_PATH_SIZE);
    (void)format_text(path, OTA_PATH_SIZE, "%s%s", drive,
                      UPDATE_STATE_NAME); // a drive has three characters
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

int update_state_load(struct sim7600 *modem, const char *drive,
                      struct update_state *state)
{
    char path[OTA_PATH_SIZE];
    uint32_t size = 0;
    make_path(drive, path);
    int err = sim7600_file_read(modem, path, state, sizeof *state, &size);
    if (err == OTA_E_SIZE ||
        (err == OTA_OK && (size != sizeof *state || !holds(state)))) {
        err = OTA_E_NO_FILE;
    }
    return err;
}

int update_state_save(struct sim7600 *modem, const char *drive,
                      struct update_state *state)
{
    char path[OTA_PATH_SIZE];
    make_path(drive, path);
    state->magic = UPDATE_STATE_MAGIC;
    state->format = UPDATE_STATE_FORMAT;
    state->size = UPDATE_STATE_SIZE;
    memset(state->reserved, 0, sizeof state->reserved);
    state->crc = state_crc(state);
    return sim7600_file_write(modem, path, state, sizeof *state);
}

int update_state_delete(struct sim7600 *modem, const char *drive)
{
    char path[OTA_PATH_SIZE];
    make_path(drive, path);
    return sim7600_file_delete(modem, path);
}

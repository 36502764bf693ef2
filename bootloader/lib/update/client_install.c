// The update client around the reset: state file, boot request, confirmation,
// and what became of an update (SPEC 14).
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "client_parts.h"
#include "ota/confirm.h"

#define AGAIN_MS 60000u // for the broker to deliver a request again
#define LEAVE_MS 60000u // for the last reports
#define READY_RETRY_MS 1000u
#define CONFIRM_RETRY_MS 10000u
#define STATE_RETRY_MS 2000u
#define STATE_ATTEMPTS 4u
// A modem that has just started may have its files later than its AT port.
#define NO_STATE_RETRY_MS 1000u
#define NO_STATE_ATTEMPTS 2u

static bool is_bootloader(const struct update_client *client)
{
    return client->state.fp_base == client->config->bootloader.start;
}

// A request came to its end: remembers which, wipes its key.
static void finish(struct update_client *client)
{
    memcpy(client->last_hash, client->request.info.ebin_hash,
           sizeof client->last_hash);
    memcpy(client->last_id, client->state.id, sizeof client->last_id);
    // One that a reset lost is welcome as soon as it comes again.
    client->is_last_known = client->state.stage != UPDATE_STATE_FAILED ||
                            client->state.error != OTA_E_INTERRUPTED;
    client->is_last_forever = client->state.stage != UPDATE_STATE_FAILED;
    client->last_ms = client_now_ms(client);
    update_request_wipe(&client->request);
    client->download.is_offline = false;
    client->work_wait.duration_ms = 0;
    client->work = UPDATE_WORK_IDLE;
}

static void conclude(struct update_client *client, enum update_stage stage,
                     enum update_state_stage stored, int error)
{
    client->state.stage = stored;
    client->state.error = error;
    client->todo = UPDATE_TODO_SAVE;
    client_report(client, stage, error);
    finish(client);
}

void client_fail(struct update_client *client, int error)
{
    conclude(client, UPDATE_FAILED, UPDATE_STATE_FAILED, error);
}

void client_accept(struct update_client *client)
{
    const struct fw_info *info = &client->incoming.info;
    struct update_state *state = &client->state;
    client->request = client->incoming;
    memset(&client->download, 0, sizeof client->download);
    memset(state, 0, sizeof *state);
    state->target = info->version;
    state->stage = UPDATE_STATE_ACCEPTED;
    state->flags = client->request.is_job ? UPDATE_STATE_JOB : 0u;
    state->fp_base = info->fp_base;
    state->pbin_size = info->pbin_size;
    memcpy(state->pbin_hash, info->pbin_hash, sizeof state->pbin_hash);
    memcpy(state->id, client->request.id, sizeof state->id);
    state->version = is_bootloader(client) ? client->status.bootloader_version
                                           : client->version;
    client->download.is_alt = client->request.url[0] == '\0';
    client->todo = UPDATE_TODO_SAVE;
    client->work_wait.duration_ms = 0;
    client->work = UPDATE_WORK_PREPARE;
    client_report(client, UPDATE_ACCEPTED, OTA_OK);
}

/// The state file ///

static int find_drive(struct update_client *client)
{
    return client->drive != NULL
               ? OTA_OK
               : sim7600_find_drive(client->config->modem, &client->drive);
}

void client_keep_state(struct update_client *client)
{
    struct sim7600 *modem = client->config->modem;
    if (client->todo == UPDATE_TODO_NONE ||
        client->link == UPDATE_LINK_CLOSED) {
        return;
    }
    client->download.is_measured = false;
    int err = find_drive(client);
    if (err == OTA_OK && client->todo == UPDATE_TODO_SAVE) {
        err = update_state_save(modem, client->drive, &client->state);
    } else if (err == OTA_OK) {
        err = update_state_delete(modem, client->drive);
    }
    // A modem that was lost does not count: it is found again, some day.
    if (client_lost_modem(client, err) ||
        (err != OTA_OK && ++client->todo_failures < STATE_ATTEMPTS)) {
        return;
    }
    if (err != OTA_OK) {
        client_log(client, "state file: %s", ota_status_name(err));
    }
    client->todo_failures = 0;
    client->todo = UPDATE_TODO_NONE;
}

void client_acknowledged(struct update_client *client, const char *id)
{
    if (client->state.stage >= UPDATE_STATE_CONFIRMED &&
        strcmp(client->state.id, id) == 0) {
        memset(&client->state, 0, sizeof client->state);
        client->todo = UPDATE_TODO_DELETE;
    }
}

/// Before the reset ///

void client_ready(struct update_client *client)
{
    const struct update_client_config *config = client->config;
    if (config->may_update == NULL || config->may_update(config->ctx)) {
        client->download.attempts = 0;
        client->work = UPDATE_WORK_ARM;
        return;
    }
    client_wait_exactly(client, &client->work_wait, READY_RETRY_MS);
}

void client_arm(struct update_client *client)
{
    client->state.stage = UPDATE_STATE_UPDATING;
    // What the next boot status says beside this is about this update.
    client->state.error = client->status.last_error;
    int err =
        update_state_save(client->config->modem, client->drive, &client->state);
    if (err == OTA_OK) {
        client->todo = UPDATE_TODO_NONE;
        client_report(client, UPDATE_UPDATING, OTA_OK);
        client_wait_exactly(client, &client->work_wait, LEAVE_MS);
        client->work = UPDATE_WORK_LEAVE;
        return;
    }
    client->download.attempts++;
    client_wait(client, &client->work_wait, STATE_RETRY_MS,
                client->download.attempts);
    (void)client_lost_modem(client, err); // found again by the link
    if (client->download.attempts == STATE_ATTEMPTS) {
        client_fail(client, err);
    }
}

void client_leave(struct update_client *client)
{
    const struct update_client_config *config = client->config;
    if (client->outbox.count > 0 &&
        client_is_waiting(client, &client->work_wait)) {
        return;
    }
    client_leave_broker(client);
    sim7600_close(config->modem);
    client->link = UPDATE_LINK_CLOSED;
    uint32_t flags =
        client->request.allow_downgrade ? OTA_REQUEST_ALLOW_DOWNGRADE : 0;
    int err = boot_request_write(config->boot_request, &client->request.info,
                                 client->download.path, flags);
    update_request_wipe(&client->request);
    if (err != OTA_OK) {
        client_fail(client, err);
        return;
    }
    client_log(client, "reset for the update");
    client->work = UPDATE_WORK_RESET;
    config->reset(config->ctx);
}

/// After the reset ///

static void begin_trial(struct update_client *client)
{
    // The broker may deliver the request once more.
    memcpy(client->last_id, client->state.id, sizeof client->last_id);
    client->is_last_known = true;
    client->is_last_forever = true;
    client->work = UPDATE_WORK_TRIAL;
}

// There is no trial of a bootloader: it runs, or the copy was never made.
static bool is_new_running(struct update_client *client)
{
    const struct update_state *state = &client->state;
    uint32_t running = is_bootloader(client) ? client->status.bootloader_version
                                             : client->version;
    return client_runs(client, state->fp_base, state->pbin_size,
                       state->pbin_hash, running == state->target);
}

static void conclude_old_version(struct update_client *client)
{
    const struct boot_status *status = &client->status;
    int error = status->last_error;
    // A later boot says "normal"; its error may be that of an earlier update.
    bool is_told = status->reason == BOOT_REASON_REFUSED ||
                   status->reason == BOOT_REASON_FAILED ||
                   status->reason == BOOT_REASON_ROLLED_BACK ||
                   error != client->state.error;
    if (status->reason == BOOT_REASON_ROLLED_BACK ||
        (is_told && status->reason == BOOT_REASON_NORMAL &&
         error == OTA_E_UNCONFIRMED)) {
        conclude(client, UPDATE_ROLLED_BACK, UPDATE_STATE_ROLLED_BACK,
                 error != OTA_OK ? error : OTA_E_UNCONFIRMED);
    } else {
        client_fail(client,
                    is_told && error != OTA_OK ? error : OTA_E_INTERRUPTED);
    }
}

static void conclude_update(struct update_client *client)
{
    if (!is_new_running(client)) {
        conclude_old_version(client);
    } else if (!is_bootloader(client) && client->status.confirm_token != 0) {
        begin_trial(client);
    } else {
        conclude(client, UPDATE_CONFIRMED, UPDATE_STATE_CONFIRMED, OTA_OK);
    }
}

static void repeat_last(struct update_client *client, enum update_stage stage)
{
    client_report(client, stage,
                  stage == UPDATE_CONFIRMED ? OTA_OK : client->state.error);
    finish(client);
}

// A drive that was not there for a moment may have sent the file to the other.
static int load_from_either(struct update_client *client)
{
    static const char *const drives[] = {"E:/", "F:/"};
    struct sim7600 *modem = client->config->modem;
    int err = update_state_load(modem, client->drive, &client->state);
    for (size_t i = 0; i < 2 && err == OTA_E_NO_FILE; i++) {
        if (strcmp(drives[i], client->drive) != 0) {
            err = update_state_load(modem, drives[i], &client->state);
            client->drive = err == OTA_OK ? drives[i] : client->drive;
        }
    }
    return err;
}

// Loads the state file; false when it has to be looked at once more.
static bool load_state(struct update_client *client)
{
    int err = find_drive(client);
    bool has_drive = err == OTA_OK;
    if (has_drive) {
        err = load_from_either(client);
    }
    bool is_missing = has_drive && err == OTA_E_NO_FILE;
    client->download.attempts++;
    if (err != OTA_OK &&
        client->download.attempts <
            (is_missing ? NO_STATE_ATTEMPTS : STATE_ATTEMPTS)) {
        (void)client_lost_modem(client, err); // the link finds it again
        client_wait_exactly(client, &client->work_wait, NO_STATE_RETRY_MS);
        return false;
    }
    client->download.attempts = 0;
    if (err != OTA_OK) {
        memset(&client->state, 0, sizeof client->state);
    }
    return true;
}

void client_recall(struct update_client *client)
{
    if (!load_state(client)) {
        return;
    }
    if (client->state.magic == 0) {
        client->work = UPDATE_WORK_IDLE;
        return;
    }
    switch ((enum update_state_stage)client->state.stage) {
    case UPDATE_STATE_ACCEPTED:
        client->work = UPDATE_WORK_AGAIN;
        break;
    case UPDATE_STATE_UPDATING:
        conclude_update(client);
        break;
    case UPDATE_STATE_CONFIRMED:
        repeat_last(client, UPDATE_CONFIRMED);
        break;
    case UPDATE_STATE_ROLLED_BACK:
        repeat_last(client, UPDATE_ROLLED_BACK);
        break;
    case UPDATE_STATE_FAILED:
        repeat_last(client, UPDATE_FAILED);
        break;
    }
}

// The request is gone with the RAM; its parts are not. A broker that delivers
// it again lets the download go on.
void client_again(struct update_client *client)
{
    if (client->link != UPDATE_LINK_CONNECTED) {
        return;
    }
    if (client->download.attempts == 0) {
        client->download.attempts = 1;
        client_wait_exactly(client, &client->work_wait, AGAIN_MS);
    } else {
        client_fail(client, OTA_E_INTERRUPTED);
    }
}

void client_confirm(struct update_client *client)
{
    const struct update_client_config *config = client->config;
    if (client->status.confirm_token == 0 || client->is_confirmed ||
        client->link != UPDATE_LINK_CONNECTED ||
        client_is_waiting(client, &client->work_wait) ||
        (config->may_confirm != NULL && !config->may_confirm(config->ctx))) {
        return;
    }
    int err = ota_confirm(config->flash, config->handshake_addr,
                          client->status.confirm_token);
    if (err != OTA_OK) {
        client_log(client, "confirming failed with error %d", err);
        client_wait_exactly(client, &client->work_wait, CONFIRM_RETRY_MS);
        return;
    }
    client->is_confirmed = true;
    client_log(client, "confirmed version %u", (unsigned)client->version);
    if (client->work == UPDATE_WORK_TRIAL) {
        conclude(client, UPDATE_CONFIRMED, UPDATE_STATE_CONFIRMED, OTA_OK);
    }
}

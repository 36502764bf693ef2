// One boot: journal, request, update, verification, status.
//
// SPDX-License-Identifier: Apache-2.0
#include "boot.h"

#include <string.h>

#include "crc32.h"
#include "engine.h"

static bool is_trial(const struct boot *boot)
{
    return boot->journal.step == OTA_STEP_TRIAL && boot->journal.has_pending;
}

// The version that would run now: on trial it is the pending one.
static const struct journal_image *app_image(const struct boot *boot)
{
    return is_trial(boot) ? &boot->journal.pending : &boot->journal.current;
}

// Only versions whose file is in the modem are listed.
static void list_kept(struct boot_status *status,
                      const struct journal_image *image)
{
    if (image->path[0] == '\0') {
        return;
    }
    status->kept_version[status->kept_count] = image->info.version;
    status->kept_path_crc[status->kept_count] =
        crc32_update(0, image->path, sizeof image->path);
    status->kept_count++;
}

static void write_status(struct boot *boot)
{
    const struct journal *journal = &boot->journal;
    struct boot_status status;
    memset(&status, 0, sizeof status);
    status.bootloader_version = boot->config->bootloader_version;
    status.app_version = app_image(boot)->info.version;
    status.reason = boot->reason;
    status.last_error =
        boot->last_error != OTA_OK ? boot->last_error : journal->error;
    status.step = journal->step;
    status.resetreas = boot->config->resetreas;
    status.attempts = journal->attempts;
    status.confirm_token = is_trial(boot) ? journal->token : 0;
    // On trial the newest is the one that runs, then what it can go back to.
    if (is_trial(boot)) {
        list_kept(&status, &journal->pending);
    }
    list_kept(&status, &journal->current);
    for (uint32_t i = 0; i < journal->previous_count; i++) {
        list_kept(&status, &journal->previous[i]);
    }
    status.update_ms = boot->update_ms;
    boot_status_seal(&status);
    memcpy(boot->config->status, &status, sizeof status);
}
_Static_assert(2 + JOURNAL_PREVIOUS_MAX <= OTA_KEPT_MAX, "status has no room");

static enum boot_state halt(struct boot *boot, int reason)
{
    boot->halt_reason = reason;
    boot->last_error = reason;
    boot_log(boot, "halt, error %d", reason);
    return BOOT_STOPPED;
}

// Last look before the start: flash must be what the journal says.
static enum boot_state step_ready(struct boot *boot)
{
    struct journal *journal = &boot->journal;
    const struct fw_info *info = &app_image(boot)->info;
    int err = boot_check_range(boot, info);
    if (err == OTA_OK) {
        err = boot_verify_flash(boot, boot->config->app_start, info->pbin_size,
                                info->pbin_hash);
    }
    if (err == OTA_OK) {
        boot_log(boot, "start version %u", (unsigned)info->version);
        return BOOT_READY;
    }
    boot_log(boot, "application error %d", err);
    // Trouble with looking is no reason to write: main.c tries again later.
    if (err == OTA_E_PLAIN_HASH && journal->step == OTA_STEP_TRIAL) {
        return boot_enter(boot, OTA_STEP_PROGRAM, err);
    }
    if (err == OTA_E_PLAIN_HASH && boot_can_roll_back(boot)) {
        return boot_enter(boot, OTA_STEP_ROLLBACK, err);
    }
    return halt(boot, err);
}

static enum boot_state run_step(struct boot *boot, enum boot_state state)
{
    const struct system_port *system = boot->ports->system;
    // On trial, too: an application that hangs at once must be found out even
    // after a power cycle, which stops the watchdog of the update.
    if (state != BOOT_IDLE && state != BOOT_READY) {
        system->watchdog_start(system->ctx);
    }
    switch (state) {
    case BOOT_CHECK:
        return boot_step_check(boot);
    case BOOT_PROGRAM:
        return boot_step_program(boot);
    case BOOT_VERIFY:
        return boot_step_verify(boot);
    case BOOT_ROLLBACK:
        return boot_step_rollback(boot);
    case BOOT_COPY_BOOTLOADER:
        return boot_step_copy(boot);
    case BOOT_IDLE:
    case BOOT_TRIAL:
    case BOOT_READY:
        return step_ready(boot);
    case BOOT_STOPPED:
        break;
    }
    return halt(boot, OTA_E_JOURNAL); // a step that does not exist
}

static void feed(void *ctx)
{
    const struct boot *boot = ctx;
    const struct system_port *system = boot->ports->system;
    system->watchdog_feed(system->ctx);
}

// What an earlier boot left: counts this boot, and looks for the confirmation.
static void resume(struct boot *boot)
{
    struct journal *journal = &boot->journal;
    if (journal->step == OTA_STEP_PROGRAM) {
        boot->suspect_page = journal->pages_done;
    }
    if (journal->step == OTA_STEP_TRIAL) {
        (void)boot_step_trial(boot); // the journal has the state
    } else if (journal->step != OTA_STEP_IDLE) {
        boot_log(boot, "resume step %u page %u", (unsigned)journal->step,
                 (unsigned)journal->pages_done);
        int err = journal_attempt(journal, boot->config->resetreas);
        if (err != OTA_OK) {
            boot_restart(boot, err);
        }
    }
}

// Tells the application, gives it the modem as it expects it, and keeps no key
// in RAM, where it could be read.
static void leave(struct boot *boot)
{
    int32_t halt_reason = boot->halt_reason;
    write_status(boot);
    if (boot->is_modem_open) {
        sim7600_close(&boot->modem);
    }
    memset(boot, 0, sizeof *boot);
    __asm__ volatile("" : : "r"(boot) : "memory");
    boot->halt_reason = halt_reason;
}

enum boot_action boot_run(struct boot *boot, const struct ports *ports,
                          const struct boot_config *config)
{
    memset(boot, 0, sizeof *boot);
    boot->ports = ports;
    boot->config = config;
    boot->reason = BOOT_REASON_NORMAL;
    boot->suspect_page = UINT32_MAX;
    at_init(&boot->at, ports->uart, ports->time, feed, boot);
    sim7600_init(&boot->modem, &boot->at, config->modem_baud,
                 config->modem_baud_fast);
    feed(boot);
    enum boot_state state = BOOT_STOPPED;
    int err = journal_load(&boot->journal, ports->flash, config->journal_start);
    if (err != OTA_OK) {
        state = halt(boot, err);
    } else {
        resume(boot);
        boot_accept(boot);
        state = (enum boot_state)boot->journal.step;
    }
    bool is_started = false;
    while (!is_started && state != BOOT_STOPPED) {
        enum boot_state next = run_step(boot, state);
        bool looked =
            state == BOOT_IDLE || state == BOOT_TRIAL || state == BOOT_READY;
        is_started = looked && next == BOOT_READY;
        state = next;
    }
    if (is_started && is_trial(boot) && boot->reason == BOOT_REASON_NORMAL) {
        boot->reason = BOOT_REASON_TRIAL;
    }
    leave(boot);
    return is_started ? BOOT_START_APP : BOOT_HALT;
}

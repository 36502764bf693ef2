// TRIAL, COMMIT and ROLLBACK: the new application proves itself, or the
// version before comes back.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "crc32.h"
#include "engine.h"
#include "ota/confirm.h"

/// TRIAL and COMMIT ///

static void drop_previous(struct journal *journal, uint32_t index)
{
    uint32_t last = journal->previous_count - 1u;
    memmove(&journal->previous[index], &journal->previous[index + 1u],
            (last - index) * sizeof journal->previous[0]);
    memset(&journal->previous[last], 0, sizeof journal->previous[0]);
    journal->previous_count = last;
}

// A file name that was used again is the newer version's.
static void drop_previous_at(struct journal *journal, const char *path)
{
    for (uint32_t i = journal->previous_count; i > 0; i--) {
        if (strcmp(journal->previous[i - 1u].path, path) == 0) {
            drop_previous(journal, i - 1u);
        }
    }
}

static enum boot_state commit(struct boot *boot)
{
    struct journal *journal = &boot->journal;
    const char *path = journal->pending.path;
    drop_previous_at(journal, path);
    if (journal->current.path[0] != '\0' &&
        strcmp(journal->current.path, path) != 0) {
        drop_previous_at(journal, journal->current.path);
        if (journal->previous_count == JOURNAL_PREVIOUS_MAX) {
            drop_previous(journal, JOURNAL_PREVIOUS_MAX - 1u);
        }
        memmove(&journal->previous[1], &journal->previous[0],
                journal->previous_count * sizeof journal->previous[0]);
        journal->previous[0] = journal->current;
        journal->previous_count++;
    }
    journal->current = journal->pending;
    boot_end_update(journal, OTA_OK);
    boot_save(boot);
    boot_log(boot, "version %u confirmed",
             (unsigned)journal->current.info.version);
    return BOOT_IDLE;
}

static uint32_t make_token(const struct journal *journal)
{
    uint32_t token = crc32_update(0, journal->pending.info.pbin_hash, 32);
    token = crc32_update(token, &journal->sequence, 4);
    return token == 0 || token == UINT32_MAX ? 1u : token;
}

enum boot_state boot_begin_trial(struct boot *boot)
{
    const struct flash_port *flash = boot->ports->flash;
    const struct time_port *time = boot->ports->time;
    struct journal *journal = &boot->journal;
    // Erased even when it reads blank: an earlier erase may have been cut.
    int err = flash->erase_page(flash->ctx, boot->config->handshake_start);
    if (err != OTA_OK) {
        boot_restart(boot, err);
    }
    journal->token = make_token(journal);
    journal->step = OTA_STEP_TRIAL;
    journal->error = OTA_OK;
    journal->pages_done = 0;
    journal->attempts = 0;
    boot_save(boot);
    if (boot->is_timed) {
        boot->update_ms = time->now_ms(time->ctx) - boot->started_ms;
    }
    return BOOT_READY;
}

// Power cycles and pin resets are the user's; a watchdog that bit and a lockup
// are the application's fault. A soft reset may be either: fault handlers end
// in one, and so may an application that waits for its network.
static bool is_counted(uint32_t resetreas)
{
    const uint32_t counted =
        BOOT_RESETREAS_WATCHDOG | BOOT_RESETREAS_LOCKUP | BOOT_RESETREAS_SOFT;
    return (resetreas & counted) != 0 && (resetreas & BOOT_RESETREAS_PIN) == 0;
}

// Three faults, or many resets of any kind.
static bool is_trial_over(const struct journal *journal)
{
    uint32_t faults = 0;
    for (uint32_t i = 0; i < journal->attempts; i++) {
        faults += (journal->attempt_reason[i] & BOOT_RESETREAS_SOFT) == 0;
    }
    return faults >= BOOT_TRIAL_FAULTS_MAX ||
           journal->attempts >= BOOT_TRIAL_RESETS_MAX;
}

enum boot_state boot_step_trial(struct boot *boot)
{
    struct journal *journal = &boot->journal;
    uint32_t resetreas = boot->config->resetreas;
    bool is_confirmed;
    int err =
        ota_is_confirmed(boot->ports->flash, boot->config->handshake_start,
                         journal->token, &is_confirmed);
    if (err == OTA_OK && is_confirmed) {
        return commit(boot);
    }
    if (!is_counted(resetreas)) {
        return BOOT_TRIAL;
    }
    err = journal_attempt(journal, resetreas);
    boot_log(boot, "trial reset %u, reason %u", (unsigned)journal->attempts,
             (unsigned)resetreas);
    if (err != OTA_OK) {
        boot_restart(boot, err);
    }
    if (!is_trial_over(journal)) {
        return BOOT_TRIAL;
    }
    if (boot_can_roll_back(boot)) {
        return boot_enter(boot, OTA_STEP_ROLLBACK, OTA_E_UNCONFIRMED);
    }
    // Nothing to go back to: the application keeps its chance.
    boot->last_error = OTA_E_NO_PREVIOUS;
    return BOOT_TRIAL;
}

enum boot_state boot_finish_bootloader(struct boot *boot)
{
    boot_end_update(&boot->journal, OTA_OK);
    boot_save(boot);
    return BOOT_IDLE;
}

/// Versions to go back to ///

// The application deletes the oldest files when space runs out. It cannot say
// so in the journal, so the files are looked for while the modem is there; only
// on the drive of the new file, which is known to be up.
bool boot_forget_missing(struct boot *boot)
{
    struct journal *journal = &boot->journal;
    bool is_changed = false;
    for (uint32_t i = journal->previous_count; i > 0; i--) {
        const char *path = journal->previous[i - 1u].path;
        if (path[0] == journal->pending.path[0] &&
            boot_file_find(boot, path) == OTA_E_NO_FILE) {
            boot_log(boot, "%s is gone", path);
            drop_previous(journal, i - 1u);
            is_changed = true;
        }
    }
    return is_changed;
}

/// ROLLBACK ///

bool boot_can_roll_back(const struct boot *boot)
{
    return boot->journal.current.path[0] != '\0' ||
           boot->journal.previous_count > 0;
}

// Makes the newest version whose file is whole the CURRENT one. Flash is not
// touched before.
static int choose_version(struct boot *boot)
{
    struct journal *journal = &boot->journal;
    int err = OTA_E_NO_PREVIOUS;
    if (journal->current.path[0] != '\0') {
        err = boot_check_file(boot, &journal->current);
        if (err == OTA_OK || boot_is_link_error(err)) {
            return err;
        }
    }
    for (uint32_t i = 0; i < journal->previous_count; i++) {
        err = boot_check_file(boot, &journal->previous[i]);
        if (boot_is_link_error(err)) {
            return err;
        }
        if (err == OTA_OK) {
            journal->current = journal->previous[i];
            drop_previous(journal, i);
            boot_save(boot);
            return OTA_OK;
        }
    }
    return err;
}

static int roll_back(struct boot *boot)
{
    struct journal *journal = &boot->journal;
    const struct fw_info *info = &journal->current.info;
    int err = journal->pages_done == 0 ? choose_version(boot) : OTA_OK;
    if (err == OTA_OK) {
        err = boot_program_file(boot, &journal->current, false);
    }
    if (err == OTA_OK) {
        err = boot_verify_flash(boot, boot->config->app_start, info->pbin_size,
                                info->pbin_hash);
    }
    return err;
}

// No version to go back to could be read. Flash holds the pending version,
// perhaps whole, or nothing that runs.
static enum boot_state roll_back_failed(struct boot *boot, int err)
{
    struct journal *journal = &boot->journal;
    const struct fw_info *info = &journal->pending.info;
    bool is_untouched = journal->pages_done == 0;
    if (boot_is_link_error(err)) {
        boot_restart(boot, err); // stays in ROLLBACK
    }
    if (journal->has_pending && is_untouched && journal->token != 0 &&
        boot_verify_flash(boot, boot->config->app_start, info->pbin_size,
                          info->pbin_hash) == OTA_OK) {
        boot->last_error = OTA_E_NO_PREVIOUS;
        return boot_enter(boot, OTA_STEP_TRIAL, OTA_E_NO_PREVIOUS);
    }
    (void)boot_enter(
        boot, journal->has_pending ? OTA_STEP_PROGRAM : OTA_STEP_ROLLBACK,
        journal->error != OTA_OK ? journal->error : err);
    boot_restart(boot, err);
}

enum boot_state boot_step_rollback(struct boot *boot)
{
    struct journal *journal = &boot->journal;
    int why = journal->error;
    for (uint32_t round = 1;; round++) {
        uint32_t before = journal->pages_done;
        int err = roll_back(boot);
        if (err == OTA_OK) {
            boot_log(boot, "back to version %u",
                     (unsigned)journal->current.info.version);
            boot_end_update(journal, why);
            boot_save(boot);
            boot->reason = BOOT_REASON_ROLLED_BACK;
            boot->last_error = why;
            return BOOT_IDLE;
        }
        boot_log(boot, "rollback error %d", err);
        round = journal->pages_done == before ? round : 1;
        if (round == BOOT_PROGRAM_ROUNDS) {
            return roll_back_failed(boot, err);
        }
        if (!boot_is_link_error(err) && journal->pages_done > 0) {
            // The file went bad, or flash did: choose again, from page 0.
            (void)boot_enter(boot, OTA_STEP_ROLLBACK, why);
        }
        boot_wait(boot, boot_backoff_ms(round + 2u));
    }
}

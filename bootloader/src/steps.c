// CHECK, PROGRAM, VERIFY and COPY_BOOTLOADER: the way forward.
//
// SPDX-License-Identifier: Apache-2.0
#include "engine.h"

enum boot_state boot_step_check(struct boot *boot)
{
    struct journal *journal = &boot->journal;
    int err = OTA_E_TIMEOUT;
    if (journal->attempts > BOOT_CHECK_BOOTS_MAX) {
        return boot_abandon(boot, err);
    }
    for (uint32_t pass = 0; pass < BOOT_CHECK_PASSES; pass++) {
        err = boot_check_file(boot, &journal->pending);
        if (err == OTA_OK) {
            boot_log(boot, "check ok");
            if (boot_forget_missing(boot)) {
                boot_save(boot);
            }
            return boot_enter(boot, OTA_STEP_PROGRAM, OTA_OK);
        }
        // Only a byte that flipped on the wire can be better next time.
        if (err != OTA_E_CIPHER_HASH && err != OTA_E_HEADER &&
            err != OTA_E_FILE_SIZE) {
            break;
        }
    }
    return boot_abandon(boot, err);
}

// No more tries in this boot. The old application is not in flash any more,
// except when it is the bootloader that is being updated.
static enum boot_state program_failed(struct boot *boot, int err)
{
    if (boot_is_bootloader(boot, &boot->journal.pending.info)) {
        return boot_abandon(boot, err);
    }
    // A modem that is dead cannot bring the previous version either.
    if (boot_is_link_error(err) || !boot_can_roll_back(boot)) {
        boot_restart(boot, err);
    }
    return boot_enter(boot, OTA_STEP_ROLLBACK, err);
}

enum boot_state boot_step_program(struct boot *boot)
{
    struct journal *journal = &boot->journal;
    // A step that was entered because something was wrong trusts no page.
    bool may_skip = journal->error == OTA_OK;
    for (uint32_t round = 1;; round++) {
        uint32_t before = journal->pages_done;
        int err = boot_program_file(boot, &journal->pending, may_skip);
        if (err == OTA_OK) {
            return boot_enter(boot, OTA_STEP_VERIFY, OTA_OK);
        }
        round = journal->pages_done == before ? round : 1;
        if (round == BOOT_PROGRAM_ROUNDS) {
            return program_failed(boot, err);
        }
        boot_wait(boot, boot_backoff_ms(round + 2u));
    }
}

enum boot_state boot_step_verify(struct boot *boot)
{
    struct journal *journal = &boot->journal;
    const struct fw_info *info = &journal->pending.info;
    int err = boot_verify_flash(boot, boot_target(boot, info), info->pbin_size,
                                info->pbin_hash);
    if (err == OTA_OK) {
        boot_log(boot, "verify ok");
        if (boot_is_bootloader(boot, info)) {
            return boot_enter(boot, OTA_STEP_COPY_BOOTLOADER, OTA_OK);
        }
        return boot_begin_trial(boot);
    }
    boot_log(boot, "verify error %d", err);
    if (err != OTA_E_PLAIN_HASH) {
        boot_restart(boot, err); // stays in VERIFY
    }
    if (++boot->verify_rounds < BOOT_VERIFY_ROUNDS) {
        return boot_enter(boot, OTA_STEP_PROGRAM, err);
    }
    if (boot_is_bootloader(boot, info) || boot_can_roll_back(boot)) {
        return program_failed(boot, OTA_E_PLAIN_HASH);
    }
    (void)boot_enter(boot, OTA_STEP_PROGRAM, err); // then a fresh start
    boot_restart(boot, err);
}

enum boot_state boot_step_copy(struct boot *boot)
{
    const struct system_port *system = boot->ports->system;
    struct journal *journal = &boot->journal;
    const struct fw_info *info = &journal->pending.info;
    uint32_t staging = boot->config->staging_start;
    int err = boot_verify_flash(boot, info->fp_base, info->pbin_size,
                                info->pbin_hash);
    if (err == OTA_OK) {
        boot_log(boot, "bootloader %u runs", (unsigned)info->version);
        return boot_finish_bootloader(boot);
    }
    if (journal->attempts > BOOT_COPY_BOOTS_MAX) {
        return boot_abandon(boot, err);
    }
    err = boot_verify_flash(boot, staging, info->pbin_size, info->pbin_hash);
    if (err != OTA_OK) {
        return boot_enter(boot, OTA_STEP_PROGRAM, err);
    }
    boot_log(boot, "copy bootloader %u", (unsigned)info->version);
    // The copy takes whole words; staging is padded with 0xFF.
    err = system->copy_bootloader(system->ctx, staging,
                                  (info->pbin_size + 3u) / 4u * 4u);
    return boot_abandon(boot, err != OTA_OK ? err : OTA_E_FLASH);
}

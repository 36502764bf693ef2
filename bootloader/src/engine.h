// What the engine's own files share. Nothing outside includes this.
//
// The steps (DESIGN.md has the reasons). Each is a function that returns the
// next one, and is run again when a reset cuts it:
//
//  step       effect                    flash after it  a reset leads to
//  IDLE       nothing                   CURRENT         IDLE
//  ACCEPT     PENDING and step CHECK    CURRENT         CHECK, or it is lost
//  CHECK      reads the whole file      CURRENT         CHECK
//  PROGRAM    page, mark, page ...      a mixture       PROGRAM
//  VERIFY     hash of flash             PENDING         VERIFY
//  TRIAL      starts PENDING            PENDING         TRIAL
//  COMMIT     CURRENT := PENDING        new CURRENT     TRIAL or IDLE
//  ROLLBACK   CURRENT's file, as above  a mixture       ROLLBACK
//  COPY_...   staging over bootloader   CURRENT         COPY_BOOTLOADER
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_ENGINE_H
#define OTA_ENGINE_H

#include "boot.h"

// The journal's steps and the two ways out of the loop.
enum boot_state {
    BOOT_IDLE = OTA_STEP_IDLE,
    BOOT_CHECK = OTA_STEP_CHECK,
    BOOT_PROGRAM = OTA_STEP_PROGRAM,
    BOOT_VERIFY = OTA_STEP_VERIFY,
    BOOT_TRIAL = OTA_STEP_TRIAL,
    BOOT_ROLLBACK = OTA_STEP_ROLLBACK,
    BOOT_COPY_BOOTLOADER = OTA_STEP_COPY_BOOTLOADER,
    BOOT_READY,   // start the application
    BOOT_STOPPED, // nothing can be started
};

/// tools.c ///

// One line for a person, "boot: " in front.
void boot_log(struct boot *boot, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Sleeps, feeding the watchdog. Callers bound how often they call this.
void boot_wait(struct boot *boot, uint32_t duration_ms);
uint32_t boot_backoff_ms(uint32_t tries);

// Waits at the slowest pace, then resets the chip: the next boot tries again.
void boot_restart(struct boot *boot, int err) __attribute__((noreturn));

// SHA-256 of `size` bytes of flash; OTA_E_PLAIN_HASH when it is not `expected`.
OTA_CHECKED int boot_verify_flash(struct boot *boot, uint32_t addr,
                                  uint32_t size, const uint8_t expected[32]);

bool boot_is_bootloader(const struct boot *boot, const struct fw_info *info);
// OTA_E_RANGE unless the image begins at the application's or the bootloader's
// start and fits there (a bootloader also into staging).
OTA_CHECKED int boot_check_range(const struct boot *boot,
                                 const struct fw_info *info);
// Where the image is programmed: the application region or staging.
uint32_t boot_target(const struct boot *boot, const struct fw_info *info);

// Writes the step to the journal and returns it as the next state; resets the
// chip when the journal cannot be written.
enum boot_state boot_enter(struct boot *boot, enum ota_step step, int error);
// journal_save, or a reset of the chip.
void boot_save(struct boot *boot);
// Decoded state after an update: nothing pending, step IDLE, no token.
void boot_end_update(struct journal *journal, int error);
// Drops the pending update, with the reason; the application is untouched.
enum boot_state boot_abandon(struct boot *boot, int error);

// True for trouble of the link or the modem, false for trouble of the file.
bool boot_is_link_error(int err);

/// file.c ///

// Finds the modem and the image's file, and compares its size and header.
OTA_CHECKED int boot_file_open(struct boot *boot,
                               const struct journal_image *image);
// Looks for a file, patiently; OTA_E_NO_FILE when it is not there.
OTA_CHECKED int boot_file_find(struct boot *boot, const char *path);
// Reads cipher page `index` into boot->page, and asks for the next one when
// index + 1 < page_count, so that it arrives while this one is worked on.
OTA_CHECKED int boot_file_page(struct boot *boot, uint32_t index,
                               uint32_t page_count);
// Decrypts the page that boot_file_page read, in place.
OTA_CHECKED int boot_file_decrypt(struct boot *boot, uint32_t index);

/// image.c ///

// Reads the whole file: both hashes and the padding. Flash is not touched.
OTA_CHECKED int boot_check_file(struct boot *boot,
                                const struct journal_image *image);
// Programs the pages after the last PAGE_DONE. With `may_skip`, a page that
// flash already equals is only marked.
OTA_CHECKED int boot_program_file(struct boot *boot,
                                  const struct journal_image *image,
                                  bool may_skip);

/// accept.c ///

// Takes a boot request from RAM, if there is one, into the journal.
void boot_accept(struct boot *boot);

/// steps ///

enum boot_state boot_step_check(struct boot *boot);
enum boot_state boot_step_program(struct boot *boot);
enum boot_state boot_step_verify(struct boot *boot);
enum boot_state boot_step_rollback(struct boot *boot);
enum boot_state boot_step_copy(struct boot *boot);
// At boot, when the journal is in TRIAL: commits, counts a fault, or goes on.
enum boot_state boot_step_trial(struct boot *boot);
// After VERIFY: clean hand-shake page, token, step TRIAL; ready to start.
enum boot_state boot_begin_trial(struct boot *boot);
// The new bootloader runs: the update is over.
enum boot_state boot_finish_bootloader(struct boot *boot);
// Drops the versions from the (decoded) journal whose file is gone; true when
// there was one. After CHECK only: the modem must be open.
bool boot_forget_missing(struct boot *boot);
// True when a version to go back to is known to be in the modem.
bool boot_can_roll_back(const struct boot *boot);

#endif

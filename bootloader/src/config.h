// Numbers of the update engine, each with its unit and reason.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_CONFIG_H
#define OTA_CONFIG_H

// nRF52840 flash page, bytes (product specification, NVMC).
#define OTA_PAGE_SIZE 4096u

// Boots counted in one step at most; more are not written, to spare the flash.
#define JOURNAL_ATTEMPTS_MAX 16u
// Versions kept beside the current one.
#define JOURNAL_PREVIOUS_MAX 2u

// Boots that one CHECK may take before the update is given up: enough for bad
// batteries, few enough that a file that upsets the modem cannot hold the old
// application back for ever.
#define BOOT_CHECK_BOOTS_MAX 8u
// Whole passes over the file in CHECK: a byte that flipped on the wire is read
// right the next time, a bad file is bad three times.
#define BOOT_CHECK_PASSES 3u
// Failures without a page of progress, in one boot, before PROGRAM or ROLLBACK
// gives up (file trouble) or resets the chip and starts again (link trouble).
#define BOOT_PROGRAM_ROUNDS 3u
// Times that VERIFY may send the update back to PROGRAM in one boot.
#define BOOT_VERIFY_ROUNDS 3u
// Watchdog or lockup resets of an unconfirmed application before ROLLBACK.
#define BOOT_TRIAL_FAULTS_MAX 3u
// Resets of an unconfirmed application before ROLLBACK, soft ones included.
#define BOOT_TRIAL_RESETS_MAX 10u
// Boots that try to have the staged bootloader copied.
#define BOOT_COPY_BOOTS_MAX 3u
// Tries of one exchange, each after the next rung of the recovery ladder.
#define BOOT_LINK_TRIES 6u
// Reads of a page whose bytes are not those that CHECK saw.
#define BOOT_PAGE_TRIES 4u
// Pages whose CRC is kept between CHECK and PROGRAM: 1 MB of flash.
#define BOOT_CRC_PAGES 256u
// Looks for a file that is not there: the file system of a modem that has just
// started may come later than its AT port.
#define BOOT_NO_FILE_TRIES 5u

// Waits, milliseconds.
#define BOOT_MODEM_START_MS 30000u // power key or CRESET to the first AT
#define BOOT_MODEM_RESYNC_MS 1000u
#define BOOT_POWER_ON_KEY_MS 500u
#define BOOT_POWER_OFF_KEY_MS 3000u
#define BOOT_POWER_OFF_WAIT_MS 6000u
#define BOOT_BACKOFF_FIRST_MS 1000u // doubles per try
#define BOOT_BACKOFF_MAX_MS 60000u

#endif

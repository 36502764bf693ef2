// The update engine: one call per boot.
//
// Laws:
//  - nothing whose SHA-256 does not match the journal is ever started;
//  - each step of an update may be cut at any instant and is simply run again;
//  - all state is in `struct boot` (RAM of this boot) and the journal (flash).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_BOOT_H
#define OTA_BOOT_H

#include "at.h"
#include "config.h"
#include "journal.h"
#include "ota/boot_request.h"
#include "ota/boot_status.h"
#include "ota/ports.h"
#include "sim7600.h"

// POWER.RESETREAS bits that matter (product specification, POWER).
#define BOOT_RESETREAS_PIN 0x1u
#define BOOT_RESETREAS_WATCHDOG 0x2u
#define BOOT_RESETREAS_SOFT 0x4u
#define BOOT_RESETREAS_LOCKUP 0x8u

// A watchdog that the engine starts must allow at least this between feeds:
// the longest exchange and a page erase, with room.
#define BOOT_WATCHDOG_MIN_MS 8000u

// Addresses, sizes in bytes; all page aligned.
struct boot_config {
    uint32_t app_start;
    uint32_t app_size;
    uint32_t bootloader_start;
    uint32_t bootloader_size; // largest bootloader accepted
    uint32_t staging_start;
    uint32_t staging_size;
    uint32_t journal_start; // two pages
    uint32_t handshake_start;
    struct boot_request *request; // ram.boot_request
    struct boot_status *status;   // ram.boot_status
    uint32_t resetreas;           // POWER.RESETREAS as found, then cleared
    uint32_t modem_baud;          // the modem's rate after power-up
    uint32_t modem_baud_fast;     // AT+IPR during an update; 0: do not raise
    uint32_t bootloader_version;
};

enum boot_action {
    BOOT_START_APP = 1, // protect, then start the application at app_start
    BOOT_HALT = 2,      // nothing verified can be started: boot->halt_reason
};

// One image file in the modem, being read.
struct boot_file {
    const struct journal_image *image;
    uint32_t header_size; // 0 or OTA_FW_INFO_SIZE
    bool is_asked;        // a read of `asked_offset` is on its way
    uint32_t asked_offset;
    uint32_t iv_page; // the page that `iv` decrypts
    uint8_t iv[OTA_AES_BLOCK];
};

struct boot {
    const struct ports *ports;
    const struct boot_config *config;
    struct journal journal;
    struct at at;
    struct sim7600 modem;
    struct boot_file file;
    uint32_t reason;     // enum boot_reason
    int32_t halt_reason; // enum ota_status
    int32_t last_error;
    uint32_t link_failures; // since the last good exchange: the ladder's rung
    uint32_t verify_rounds; // times VERIFY failed in this boot
    uint32_t suspect_page;  // was in work when the last boot ended
    bool is_modem_open;     // found and set up in this boot
    bool is_padding_bad;    // found by CHECK
    uint32_t started_ms;    // begin of the update, when it began in this boot
    bool is_timed;          // started_ms holds
    uint32_t update_ms;     // duration of the update, for the status
    // CRCs of the cipher pages that CHECK has seen in this boot: PROGRAM reads
    // a page again that differs, before it touches flash.
    uint32_t crc_count;
    uint32_t page_crc[BOOT_CRC_PAGES];
    struct sha256_ctx cipher_sha;
    struct sha256_ctx plain_sha;
    uint32_t page[OTA_PAGE_SIZE / 4u];  // one page of the image
    uint32_t piece[OTA_PAGE_SIZE / 4u]; // flash, to compare with it
};

// Runs everything that is to be done before an application starts. `boot` is
// the caller's (static, zero or not); `ports` and `config` must outlive it.
// May reset the chip instead of returning. Only halt_reason is left in `boot`:
// everything else, keys above all, is zero.
OTA_CHECKED enum boot_action boot_run(struct boot *boot,
                                      const struct ports *ports,
                                      const struct boot_config *config);

#endif

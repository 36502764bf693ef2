// A test bench for the engine: flash, clock, modem, system port, an image
// builder and boots that a power cut may end.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_TEST_BENCH_H
#define OTA_TEST_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "boot.h"
#include "host_crypto.h"
#include "sim_flash.h"
#include "sim_modem.h"

// A small chip: the layout in little.
#define BENCH_APP 0x1000u
#define BENCH_APP_SIZE 0x10000u
#define BENCH_STAGING 0x11000u
#define BENCH_BOOTLOADER 0x17000u
#define BENCH_BOOTLOADER_SIZE 0x6000u
#define BENCH_JOURNAL 0x1D000u
#define BENCH_HANDSHAKE 0x1F000u
#define BENCH_FLASH_SIZE 0x20000u

// How a boot ended.
enum bench_end {
    BENCH_CUT = 1, // value of the jump
    BENCH_HALT,
    BENCH_RESET,
    BENCH_START,
    BENCH_COPIED,
};

struct bench_image {
    struct journal_image journal; // fw_info and path
    uint8_t *plain;
    uint8_t *file; // header, cipher text
    uint32_t file_size;
};

struct bench {
    struct sim_flash flash;
    struct sim_clock clock;
    struct sim_modem modem;
    struct system_port system;
    struct ports ports;
    struct boot_config config;
    struct boot_request request;
    struct boot_status status;
    struct boot boot;
    jmp_buf power_off;
    enum sim_cut second_cut; // armed by the driver after the first one
    uint32_t second_cut_at;
    bool watchdog_runs;
    uint64_t watchdog_fed_us;
    uint64_t watchdog_gap_us; // longest time between two feeds
    int copy_result;          // what copy_bootloader answers; OK: copies
    bool copy_is_lost;        // the boot record resets, but copies nothing
    uint32_t copies;
    uint32_t key_presses;
    uint64_t key_pressed_us;
    bool is_key_dead; // the power key is not wired
    char log[8192];
};

// `size` plain bytes from `seed`, packaged as `version` under `path`
// ("E:/name", or "" for an image that is not in the modem).
void bench_image_init(struct bench_image *image, uint32_t version,
                      uint32_t fp_base, uint32_t size, uint32_t seed,
                      const char *path);
// Makes hashes, cipher text and header again after `plain` was changed.
void bench_image_pack(struct bench_image *image);
void bench_image_free(struct bench_image *image);

// A board whose factory application is `current`, with a journal to match.
void bench_init(struct bench *bench, const struct bench_image *current);
void bench_free(struct bench *bench);
// Puts the image's file into the modem, with or without its header.
void bench_stage(struct bench *bench, const struct bench_image *image,
                 bool with_header);
void bench_request(struct bench *bench, const struct bench_image *image);
// The same, and a version below the running one may be it.
void bench_request_downgrade(struct bench *bench,
                             const struct bench_image *image);
enum bench_end bench_boot(struct bench *bench, uint32_t resetreas);
// Boots again while the engine resets itself, at most `limit` times.
enum bench_end bench_boot_until_start(struct bench *bench, uint32_t resetreas,
                                      uint32_t limit);
// The trial application says that it works; false when the power went.
bool bench_confirm(struct bench *bench);
// True when the application region begins with the image.
bool bench_runs(const struct bench *bench, const struct bench_image *image);

#endif

// The bench: see bench.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"
#include "ota/confirm.h"

/// Images ///

static void fill(uint8_t *bytes, uint32_t size, uint32_t seed)
{
    uint32_t state = seed * 2654435761u + 1u;
    for (uint32_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(state >> 24);
    }
}

static void encrypt(struct bench_image *image, uint8_t *cipher)
{
    const struct fw_info *info = &image->journal.info;
    int count = 0;
    int tail = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    assert_non_null(ctx);
    assert_int_equal(1, EVP_EncryptInit_ex(ctx, EVP_aes_128_cbc(), NULL,
                                           info->aes_key, info->aes_iv));
    assert_int_equal(1, EVP_EncryptUpdate(ctx, cipher, &count, image->plain,
                                          (int)info->pbin_size));
    assert_int_equal(1, EVP_EncryptFinal_ex(ctx, cipher + count, &tail));
    EVP_CIPHER_CTX_free(ctx);
    assert_int_equal(info->ebin_size, count + tail);
}

void bench_image_init(struct bench_image *image, uint32_t version,
                      uint32_t fp_base, uint32_t size, uint32_t seed,
                      const char *path)
{
    memset(image, 0, sizeof *image);
    struct fw_info *info = &image->journal.info;
    info->version = version;
    info->fp_base = fp_base;
    info->pbin_size = size;
    info->ebin_size = (size / 16u + 1u) * 16u;
    fill(info->aes_key, 16, seed + 1000u);
    fill(info->aes_iv, 16, seed + 2000u);
    snprintf(image->journal.path, OTA_PATH_SIZE, "%s", path);
    image->plain = malloc(size);
    image->file_size = info->ebin_size + OTA_FW_INFO_SIZE;
    image->file = malloc(image->file_size);
    assert_non_null(image->plain);
    assert_non_null(image->file);
    fill(image->plain, size, seed);
    bench_image_pack(image);
}

void bench_image_pack(struct bench_image *image)
{
    struct fw_info *info = &image->journal.info;
    uint8_t *cipher = image->file + OTA_FW_INFO_SIZE;
    encrypt(image, cipher);
    SHA256(image->plain, info->pbin_size, info->pbin_hash);
    SHA256(cipher, info->ebin_size, info->ebin_hash);
    struct fw_info header = *info;
    memset(header.aes_key, 0, 16);
    memset(header.aes_iv, 0, 16);
    memcpy(image->file, &header, sizeof header);
}

void bench_image_free(struct bench_image *image)
{
    free(image->plain);
    free(image->file);
    memset(image, 0, sizeof *image);
}

/// System port ///

static void watchdog_feed(void *ctx)
{
    struct bench *bench = ctx;
    uint64_t gap = bench->clock.now_us - bench->watchdog_fed_us;
    if (bench->watchdog_runs && gap > bench->watchdog_gap_us) {
        bench->watchdog_gap_us = gap;
    }
    bench->watchdog_fed_us = bench->clock.now_us;
}

static void watchdog_start(void *ctx)
{
    struct bench *bench = ctx;
    if (!bench->watchdog_runs) {
        bench->watchdog_runs = true;
        bench->watchdog_fed_us = bench->clock.now_us;
    }
}

static void power_key(void *ctx, bool is_pressed)
{
    struct bench *bench = ctx;
    if (is_pressed) {
        bench->key_presses++;
        bench->key_pressed_us = bench->clock.now_us;
    } else if (!bench->is_key_dead) {
        uint64_t held_us = bench->clock.now_us - bench->key_pressed_us;
        sim_modem_power_key(&bench->modem, (uint32_t)(held_us / 1000u));
    }
}

static void reset(void *ctx) __attribute__((noreturn));
static void reset(void *ctx)
{
    struct bench *bench = ctx;
    longjmp(bench->power_off, BENCH_RESET);
}

static int copy_bootloader(void *ctx, uint32_t source_addr, uint32_t size)
{
    struct bench *bench = ctx;
    bench->copies++;
    assert_int_equal(0, size % 4u);
    assert_true(size > 0);
    if (bench->copy_result != OTA_OK) {
        return bench->copy_result;
    }
    if (bench->copy_is_lost) {
        longjmp(bench->power_off, BENCH_COPIED);
    }
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, sim_flash_at(&bench->flash, source_addr), size);
    sim_flash_load(&bench->flash, BENCH_BOOTLOADER, copy, size);
    free(copy);
    longjmp(bench->power_off, BENCH_COPIED);
}

static void log_line(void *ctx, const char *line)
{
    struct bench *bench = ctx;
    size_t used = strlen(bench->log);
    snprintf(bench->log + used, sizeof bench->log - used, "%s\n", line);
}

/// Board ///

// SPEC 7.4, built by hand: the journal's writer is what is tested.
static void load_factory_journal(struct bench *bench,
                                 const struct bench_image *current)
{
    uint32_t page[64];
    memset(page, 0xFF, sizeof page);
    uint32_t *record = &page[8];
    record[0] = 1u | sizeof current->journal << 16;
    memcpy(&record[1], &current->journal, sizeof current->journal);
    record[45] = crc32_update(0, record, 180);
    record[46] = 4u | 8u << 16;
    record[47] = 0;
    record[48] = 0;
    record[49] = crc32_update(0, &record[46], 12);
    page[0] = 0x4A41544Fu;
    page[1] = 1;
    page[2] = 200;
    page[3] = crc32_update(crc32_update(0, page, 12), record, 200);
    page[4] = 0;
    sim_flash_load(&bench->flash, BENCH_JOURNAL, page, 32u + 200u);
}

void bench_init(struct bench *bench, const struct bench_image *current)
{
    memset(bench, 0, sizeof *bench);
    sim_flash_init(&bench->flash, 0, BENCH_FLASH_SIZE);
    sim_clock_init(&bench->clock);
    sim_modem_init(&bench->modem, &bench->clock, 115200);
    bench->flash.elapse = sim_clock_elapse;
    bench->flash.elapse_ctx = &bench->clock;
    bench->flash.power_off = &bench->power_off;
    bench->system = (struct system_port){
        bench, watchdog_start,  watchdog_feed, power_key,
        reset, copy_bootloader, log_line,
    };
    bench->ports = (struct ports){
        &bench->flash.port, &host_crypto,   &bench->modem.port,
        &bench->clock.port, &bench->system,
    };
    bench->config = (struct boot_config){
        .app_start = BENCH_APP,
        .app_size = BENCH_APP_SIZE,
        .bootloader_start = BENCH_BOOTLOADER,
        .bootloader_size = BENCH_BOOTLOADER_SIZE,
        .staging_start = BENCH_STAGING,
        .staging_size = BENCH_BOOTLOADER_SIZE,
        .journal_start = BENCH_JOURNAL,
        .handshake_start = BENCH_HANDSHAKE,
        .request = &bench->request,
        .status = &bench->status,
        .modem_baud = 115200,
        .modem_baud_fast = 460800,
        .bootloader_version = 100,
    };
    sim_flash_load(&bench->flash, BENCH_APP, current->plain,
                   current->journal.info.pbin_size);
    load_factory_journal(bench, current);
}

void bench_free(struct bench *bench)
{
    sim_flash_free(&bench->flash);
}

void bench_stage(struct bench *bench, const struct bench_image *image,
                 bool with_header)
{
    uint32_t skip = with_header ? 0 : OTA_FW_INFO_SIZE;
    for (uint32_t i = 0; i < SIM_MODEM_FILES; i++) {
        struct sim_file *file = &bench->modem.files[i];
        if (file->name == NULL) {
            file->name = image->journal.path + 3;
            file->data = image->file + skip;
            file->size = image->file_size - skip;
            return;
        }
    }
    fail_msg("no room in the modem");
}

void bench_request(struct bench *bench, const struct bench_image *image)
{
    assert_int_equal(OTA_OK,
                     boot_request_write(&bench->request, &image->journal.info,
                                        image->journal.path, 0));
}

void bench_request_downgrade(struct bench *bench,
                             const struct bench_image *image)
{
    assert_int_equal(OTA_OK,
                     boot_request_write(&bench->request, &image->journal.info,
                                        image->journal.path,
                                        OTA_REQUEST_ALLOW_DOWNGRADE));
}

enum bench_end bench_boot(struct bench *bench, uint32_t resetreas)
{
    bench->config.resetreas = resetreas;
    sim_flash_power_up(&bench->flash);
    memset(&bench->status, 0, sizeof bench->status);
    bench->watchdog_fed_us = bench->clock.now_us;
    int how = setjmp(bench->power_off);
    if (how == 0) {
        enum boot_action action =
            boot_run(&bench->boot, &bench->ports, &bench->config);
        return action == BOOT_START_APP ? BENCH_START : BENCH_HALT;
    }
    return (enum bench_end)how;
}

enum bench_end bench_boot_until_start(struct bench *bench, uint32_t resetreas,
                                      uint32_t limit)
{
    enum bench_end end = bench_boot(bench, resetreas);
    while (limit-- > 0 && (end == BENCH_RESET || end == BENCH_COPIED)) {
        end = bench_boot(bench, BOOT_RESETREAS_SOFT);
    }
    return end;
}

bool bench_confirm(struct bench *bench)
{
    if (setjmp(bench->power_off) != 0) {
        return false;
    }
    assert_int_equal(OTA_OK, ota_confirm(&bench->flash.port, BENCH_HANDSHAKE,
                                         bench->status.confirm_token));
    return true;
}

bool bench_runs(const struct bench *bench, const struct bench_image *image)
{
    return memcmp(sim_flash_at(&bench->flash, BENCH_APP), image->plain,
                  image->journal.info.pbin_size) == 0;
}

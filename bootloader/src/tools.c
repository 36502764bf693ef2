// Small things that every step needs: see engine.h.
//
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <string.h>

#include "engine.h"
#include "format.h"

#define LOG_LINE_SIZE 112u
#define WAIT_SLICE_MS 100u

void boot_log(struct boot *boot, const char *format, ...)
{
    const struct system_port *system = boot->ports->system;
    char line[LOG_LINE_SIZE] = "boot: ";
    const size_t head = sizeof "boot: " - 1;
    va_list args;
    va_start(args, format);
    (void)format_text_v(line + head, sizeof line - head, format, args);
    va_end(args);
    system->log(system->ctx, line);
}

void boot_wait(struct boot *boot, uint32_t duration_ms)
{
    const struct time_port *time = boot->ports->time;
    const struct system_port *system = boot->ports->system;
    while (duration_ms > 0) {
        uint32_t slice =
            duration_ms < WAIT_SLICE_MS ? duration_ms : WAIT_SLICE_MS;
        system->watchdog_feed(system->ctx);
        time->sleep_ms(time->ctx, slice);
        duration_ms -= slice;
    }
}

uint32_t boot_backoff_ms(uint32_t tries)
{
    uint32_t wait_ms = BOOT_BACKOFF_FIRST_MS;
    while (tries > 1u && wait_ms < BOOT_BACKOFF_MAX_MS) {
        wait_ms *= 2u;
        tries--;
    }
    return wait_ms < BOOT_BACKOFF_MAX_MS ? wait_ms : BOOT_BACKOFF_MAX_MS;
}

void boot_restart(struct boot *boot, int err)
{
    const struct system_port *system = boot->ports->system;
    boot_log(boot, "error %d, restart", err);
    boot_wait(boot, BOOT_BACKOFF_MAX_MS);
    system->reset(system->ctx);
}

int boot_verify_flash(struct boot *boot, uint32_t addr, uint32_t size,
                      const uint8_t expected[32])
{
    const struct crypto_port *crypto = boot->ports->crypto;
    const struct flash_port *flash = boot->ports->flash;
    const struct system_port *system = boot->ports->system;
    struct sha256_ctx *sha = &boot->plain_sha;
    uint8_t digest[32];
    int err = crypto->sha256_init(crypto->ctx, sha);
    while (err == OTA_OK && size > 0) {
        uint32_t count = size < sizeof boot->piece ? size : sizeof boot->piece;
        err = flash->read(flash->ctx, addr, boot->piece, count);
        if (err == OTA_OK) {
            err = crypto->sha256_update(crypto->ctx, sha, boot->piece, count);
        }
        system->watchdog_feed(system->ctx);
        addr += count;
        size -= count;
    }
    if (err == OTA_OK) {
        err = crypto->sha256_final(crypto->ctx, sha, digest);
    }
    if (err == OTA_OK && memcmp(digest, expected, sizeof digest) != 0) {
        err = OTA_E_PLAIN_HASH;
    }
    return err;
}

bool boot_is_bootloader(const struct boot *boot, const struct fw_info *info)
{
    return info->fp_base == boot->config->bootloader_start;
}

uint32_t boot_target(const struct boot *boot, const struct fw_info *info)
{
    return boot_is_bootloader(boot, info) ? boot->config->staging_start
                                          : boot->config->app_start;
}

int boot_check_range(const struct boot *boot, const struct fw_info *info)
{
    const struct boot_config *config = boot->config;
    uint32_t limit;
    if (info->fp_base == config->app_start) {
        limit = config->app_size;
    } else if (boot_is_bootloader(boot, info)) {
        limit = config->bootloader_size < config->staging_size
                    ? config->bootloader_size
                    : config->staging_size;
    } else {
        return OTA_E_RANGE;
    }
    return info->pbin_size <= limit ? OTA_OK : OTA_E_RANGE;
}

enum boot_state boot_enter(struct boot *boot, enum ota_step step, int error)
{
    int err = journal_set_step(&boot->journal, step, error);
    if (err != OTA_OK) {
        boot_restart(boot, err);
    }
    return (enum boot_state)step;
}

void boot_save(struct boot *boot)
{
    int err = journal_save(&boot->journal);
    if (err != OTA_OK) {
        boot_restart(boot, err);
    }
}

void boot_end_update(struct journal *journal, int error)
{
    journal->has_pending = false;
    memset(&journal->pending, 0, sizeof journal->pending);
    journal->step = OTA_STEP_IDLE;
    journal->error = error;
    journal->pages_done = 0;
    journal->attempts = 0;
    journal->token = 0;
}

enum boot_state boot_abandon(struct boot *boot, int error)
{
    struct journal *journal = &boot->journal;
    boot_log(boot, "update given up, error %d", error);
    boot_end_update(journal, error);
    boot_save(boot);
    boot->reason = BOOT_REASON_FAILED;
    boot->last_error = error;
    return BOOT_IDLE;
}

bool boot_is_link_error(int err)
{
    return err == OTA_E_TIMEOUT || err == OTA_E_LINK ||
           err == OTA_E_MODEM_REBOOT || err == OTA_E_PROTOCOL ||
           err == OTA_E_CRYPTO;
}

// Reading an image's file from the modem, whatever the modem does.
//
// Laws: every exchange is tried BOOT_LINK_TRIES times, each after the next rung
// of a ladder (drain and AT, other bauds, AT+CRESET, power key); a good
// exchange goes back to the first rung and feeds the watchdog; the count of
// bytes is the caller's, never the modem's.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "crc32.h"
#include "engine.h"

static void press_power_key(struct boot *boot, uint32_t duration_ms)
{
    const struct system_port *system = boot->ports->system;
    system->modem_power_key(system->ctx, true);
    boot_wait(boot, duration_ms);
    system->modem_power_key(system->ctx, false);
}

// One rung; whether it helped shows in the next exchange.
static int climb(struct boot *boot)
{
    uint32_t wait_ms = BOOT_MODEM_START_MS;
    boot_wait(boot, boot_backoff_ms(boot->link_failures));
    switch (boot->link_failures) {
    case 1:
    case 2:
        wait_ms = BOOT_MODEM_RESYNC_MS;
        break;
    case 3:
        // From here on the fast rate is a suspect, too.
        boot->modem.baud_fast = 0;
        // No answer is no surprise here: the open below finds out.
        if (sim7600_restart(&boot->modem) == OTA_OK) {
            boot_log(boot, "modem restarts");
        }
        break;
    case 4:
        // A modem that is off starts; one that runs does not mind.
        press_power_key(boot, BOOT_POWER_ON_KEY_MS);
        break;
    default:
        press_power_key(boot, BOOT_POWER_OFF_KEY_MS);
        boot_wait(boot, BOOT_POWER_OFF_WAIT_MS);
        press_power_key(boot, BOOT_POWER_ON_KEY_MS);
        break;
    }
    return sim7600_open(&boot->modem, wait_ms);
}

// After a failed exchange: true when it shall be tried again.
static bool recover(struct boot *boot, int err)
{
    boot->file.is_asked = false;
    while (boot->link_failures < BOOT_LINK_TRIES) {
        boot->link_failures++;
        boot_log(boot, "modem error %d, try %u", err,
                 (unsigned)boot->link_failures);
        err = climb(boot);
        if (err == OTA_OK) {
            return true;
        }
    }
    boot->link_failures = 0;
    boot->is_modem_open = false;
    return false;
}

static void succeed(struct boot *boot)
{
    const struct system_port *system = boot->ports->system;
    boot->link_failures = 0;
    system->watchdog_feed(system->ctx);
}

static int open_modem(struct boot *boot)
{
    if (boot->is_modem_open) {
        return OTA_OK;
    }
    int err = sim7600_open(&boot->modem, BOOT_MODEM_START_MS);
    if (err != OTA_OK && recover(boot, err)) {
        err = OTA_OK;
    }
    boot->is_modem_open = err == OTA_OK;
    return err;
}

// A missing file is looked for again: the file system may come up late.
static int find_size(struct boot *boot, const char *path, uint32_t *size)
{
    uint32_t misses = 0;
    for (;;) {
        int err = sim7600_file_size(&boot->modem, path, size);
        if (err == OTA_OK) {
            succeed(boot);
            return OTA_OK;
        }
        if (err == OTA_E_NO_FILE) {
            if (++misses == BOOT_NO_FILE_TRIES) {
                return err;
            }
            boot_wait(boot, boot_backoff_ms(misses));
        } else if (!recover(boot, err)) {
            return err;
        }
    }
}

// Reads `size` bytes of the file at `offset` into `data`.
static int read_bytes(struct boot *boot, uint32_t offset, uint32_t size,
                      void *data)
{
    struct boot_file *file = &boot->file;
    for (;;) {
        int err = OTA_OK;
        if (file->is_asked && file->asked_offset != offset) {
            at_drain(&boot->at, 300, SIM7600_COMMAND_MS);
            file->is_asked = false;
        }
        if (!file->is_asked) {
            err = sim7600_read_start(&boot->modem, file->image->path, offset,
                                     size);
        }
        file->is_asked = false;
        if (err == OTA_OK) {
            err = sim7600_read_finish(&boot->modem, data, size);
        }
        if (err == OTA_OK) {
            succeed(boot);
            return OTA_OK;
        }
        if (!recover(boot, err)) {
            return err;
        }
    }
}

static uint32_t page_size(const struct boot_file *file, uint32_t index)
{
    uint32_t rest = file->image->info.ebin_size - index * OTA_PAGE_SIZE;
    return rest < OTA_PAGE_SIZE ? rest : OTA_PAGE_SIZE;
}

static uint32_t page_offset(const struct boot_file *file, uint32_t index)
{
    return file->header_size + index * OTA_PAGE_SIZE;
}

// Reads a page, and again when CHECK saw other bytes in this boot.
static int read_known_page(struct boot *boot, uint32_t index)
{
    struct boot_file *file = &boot->file;
    uint32_t size = page_size(file, index);
    for (uint32_t tries = 0; tries < BOOT_PAGE_TRIES; tries++) {
        int err = read_bytes(boot, page_offset(file, index), size, boot->page);
        if (err != OTA_OK || index >= boot->crc_count ||
            boot->page_crc[index] == crc32_update(0, boot->page, size)) {
            return err;
        }
        boot_log(boot, "page %u flipped", (unsigned)index);
    }
    return OTA_E_CIPHER_HASH;
}

int boot_file_find(struct boot *boot, const char *path)
{
    uint32_t size;
    return find_size(boot, path, &size);
}

int boot_file_open(struct boot *boot, const struct journal_image *image)
{
    struct boot_file *file = &boot->file;
    const struct fw_info *info = &image->info;
    struct fw_info header;
    uint32_t size;
    int err = open_modem(boot);
    if (file->is_asked) {
        at_drain(&boot->at, 300, SIM7600_COMMAND_MS);
    }
    memset(file, 0, sizeof *file);
    file->image = image;
    memcpy(file->iv, info->aes_iv, sizeof file->iv);
    if (err == OTA_OK) {
        err = find_size(boot, image->path, &size);
    }
    if (err != OTA_OK || size == info->ebin_size) {
        return err;
    }
    if (size != info->ebin_size + OTA_FW_INFO_SIZE) {
        return OTA_E_FILE_SIZE;
    }
    file->header_size = OTA_FW_INFO_SIZE;
    err = read_bytes(boot, 0, OTA_FW_INFO_SIZE, &header);
    return err == OTA_OK ? fw_info_check_header(&header, info) : err;
}

int boot_file_page(struct boot *boot, uint32_t index, uint32_t page_count)
{
    struct boot_file *file = &boot->file;
    uint32_t offset = page_offset(file, index);
    int err = OTA_OK;
    if (file->iv_page != index) {
        // Resumed here: the block before the page is its IV.
        err = index == 0 ? OTA_OK
                         : read_bytes(boot, offset - OTA_AES_BLOCK,
                                      OTA_AES_BLOCK, file->iv);
        if (index == 0) {
            memcpy(file->iv, file->image->info.aes_iv, sizeof file->iv);
        }
        file->iv_page = index;
    }
    if (err == OTA_OK) {
        err = read_known_page(boot, index);
    }
    if (err == OTA_OK && index + 1u < page_count) {
        file->asked_offset = page_offset(file, index + 1u);
        // A request that could not be sent is sent again when it is due.
        file->is_asked =
            sim7600_read_start(&boot->modem, file->image->path,
                               file->asked_offset,
                               page_size(file, index + 1u)) == OTA_OK;
    }
    return err;
}

int boot_file_decrypt(struct boot *boot, uint32_t index)
{
    const struct crypto_port *crypto = boot->ports->crypto;
    struct boot_file *file = &boot->file;
    int err = crypto->aes128_cbc_decrypt(crypto->ctx, file->image->info.aes_key,
                                         file->iv, boot->page, boot->page,
                                         page_size(file, index));
    file->iv_page = err == OTA_OK ? index + 1u : UINT32_MAX;
    return err;
}

// An image as a whole: checking its file, and programming it page by page.
//
// Laws: plain text is believed only after CHECK has seen both hashes and the
// padding; a page is marked only after it was written and read back; pages of
// the region behind the image's end are not touched.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "crc32.h"
#include "engine.h"

#define LOG_EVERY_PAGES 16u

static uint32_t pages_of(uint32_t size)
{
    return (size + OTA_PAGE_SIZE - 1u) / OTA_PAGE_SIZE;
}

// Plain bytes of the image that page `index` holds: 0 when it is all padding.
static uint32_t plain_size(const struct fw_info *info, uint32_t index)
{
    uint32_t start = index * OTA_PAGE_SIZE;
    uint32_t rest = info->pbin_size > start ? info->pbin_size - start : 0;
    return rest < OTA_PAGE_SIZE ? rest : OTA_PAGE_SIZE;
}

/// CHECK ///

static int check_page(struct boot *boot, const struct fw_info *info,
                      uint32_t index)
{
    const struct crypto_port *crypto = boot->ports->crypto;
    const uint8_t *bytes = (const uint8_t *)boot->page;
    uint32_t plain = plain_size(info, index);
    uint32_t cipher = info->ebin_size - index * OTA_PAGE_SIZE;
    cipher = cipher < OTA_PAGE_SIZE ? cipher : OTA_PAGE_SIZE;
    uint32_t crc = crc32_update(0, bytes, cipher);
    int err =
        crypto->sha256_update(crypto->ctx, &boot->cipher_sha, bytes, cipher);
    if (err == OTA_OK) {
        err = boot_file_decrypt(boot, index);
    }
    if (err == OTA_OK && plain > 0) {
        err =
            crypto->sha256_update(crypto->ctx, &boot->plain_sha, bytes, plain);
    }
    if (index < BOOT_CRC_PAGES) {
        boot->page_crc[index] = crc;
    }
    uint8_t pad = (uint8_t)(info->ebin_size - info->pbin_size);
    for (uint32_t i = plain; err == OTA_OK && i < cipher; i++) {
        if (bytes[i] != pad) {
            boot->is_padding_bad = true;
        }
    }
    return err;
}

// The cipher hash is the file's, so a difference there is told first.
static int check_hashes(struct boot *boot, const struct fw_info *info)
{
    const struct crypto_port *crypto = boot->ports->crypto;
    uint8_t digest[32];
    int err = crypto->sha256_final(crypto->ctx, &boot->cipher_sha, digest);
    if (err == OTA_OK && memcmp(digest, info->ebin_hash, sizeof digest) != 0) {
        err = OTA_E_CIPHER_HASH;
    }
    if (err == OTA_OK && boot->is_padding_bad) {
        err = OTA_E_PADDING;
    }
    if (err == OTA_OK) {
        err = crypto->sha256_final(crypto->ctx, &boot->plain_sha, digest);
    }
    if (err == OTA_OK && memcmp(digest, info->pbin_hash, sizeof digest) != 0) {
        err = OTA_E_PLAIN_HASH;
    }
    return err;
}

int boot_check_file(struct boot *boot, const struct journal_image *image)
{
    const struct crypto_port *crypto = boot->ports->crypto;
    const struct fw_info *info = &image->info;
    uint32_t page_count = pages_of(info->ebin_size);
    boot_log(boot, "check %u bytes %s", (unsigned)info->ebin_size, image->path);
    boot->is_padding_bad = false;
    boot->crc_count = 0;
    int err = boot_file_open(boot, image);
    if (err == OTA_OK) {
        err = crypto->sha256_init(crypto->ctx, &boot->cipher_sha);
    }
    if (err == OTA_OK) {
        err = crypto->sha256_init(crypto->ctx, &boot->plain_sha);
    }
    for (uint32_t index = 0; err == OTA_OK && index < page_count; index++) {
        err = boot_file_page(boot, index, page_count);
        if (err == OTA_OK) {
            err = check_page(boot, info, index);
        }
    }
    if (err == OTA_OK) {
        err = check_hashes(boot, info);
    }
    if (err == OTA_OK) {
        boot->crc_count =
            page_count < BOOT_CRC_PAGES ? page_count : BOOT_CRC_PAGES;
    }
    return err;
}

/// PROGRAM ///

static int write_page(struct boot *boot, uint32_t addr, bool may_skip)
{
    const struct flash_port *flash = boot->ports->flash;
    int err = OTA_OK;
    if (may_skip) {
        err = flash->read(flash->ctx, addr, boot->piece, sizeof boot->piece);
        if (err != OTA_OK ||
            memcmp(boot->piece, boot->page, sizeof boot->page) == 0) {
            return err;
        }
    }
    err = flash->erase_page(flash->ctx, addr);
    return err == OTA_OK ? flash->write(flash->ctx, addr, boot->page,
                                        sizeof boot->page / 4u)
                         : err;
}

static int program_page(struct boot *boot, const struct journal_image *image,
                        uint32_t index, bool may_skip)
{
    const struct system_port *system = boot->ports->system;
    const struct fw_info *info = &image->info;
    uint32_t page_count = pages_of(info->pbin_size);
    uint32_t plain = plain_size(info, index);
    int err = boot_file_page(boot, index, page_count);
    if (err == OTA_OK) {
        err = boot_file_decrypt(boot, index);
    }
    if (err != OTA_OK) {
        return err;
    }
    memset((uint8_t *)boot->page + plain, 0xFF, OTA_PAGE_SIZE - plain);
    // What was in work when the power went is written again, whatever it
    // reads: a torn word may read right today and wrong tomorrow.
    bool is_suspect = index == boot->suspect_page;
    err = write_page(boot, boot_target(boot, info) + index * OTA_PAGE_SIZE,
                     may_skip && !is_suspect);
    if (err == OTA_OK) {
        err = journal_page_done(&boot->journal, index);
    }
    system->watchdog_feed(system->ctx);
    return err;
}

int boot_program_file(struct boot *boot, const struct journal_image *image,
                      bool may_skip)
{
    uint32_t page_count = pages_of(image->info.pbin_size);
    uint32_t index = boot->journal.pages_done;
    if (index >= page_count) {
        return OTA_OK;
    }
    int err = boot_check_range(boot, &image->info);
    if (err == OTA_OK) {
        err = boot_file_open(boot, image);
    }
    while (err == OTA_OK && index < page_count) {
        err = program_page(boot, image, index, may_skip);
        if (err == OTA_OK) {
            index++;
            if (index % LOG_EVERY_PAGES == 0 || index == page_count) {
                boot_log(boot, "page %u/%u", (unsigned)index,
                         (unsigned)page_count);
            }
        }
    }
    return err;
}

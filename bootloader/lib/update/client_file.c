// The update client's file: its name and parts, what is there already, room for
// the rest, and its hash (SPEC 13).
//
// Laws: the file of a version that is kept is never written; a part that is
// complete is not fetched again; a file is complete when its length is one of
// the two that the fw_info allows.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "client_parts.h"
#include "crc32.h"
#include "format.h"
#include "make_space.h"

#define PREPARE_RETRY_MS 2000u
#define SPARE_SIZE 4096u // for the state file and the file system's own blocks
#define ROUNDS_MAX 20u
#define HASH_FAILURES_MAX 2u

uint32_t client_bare_size(const struct update_client *client)
{
    return client->request.info.ebin_size;
}

uint32_t client_full_size(const struct update_client *client)
{
    return client->request.info.ebin_size + OTA_FW_INFO_SIZE;
}

bool client_is_complete(const struct update_client *client, uint32_t size)
{
    return size == client_bare_size(client) || size == client_full_size(client);
}

/// Names ///

// Part 0 is the file itself; the others differ in the last character.
void client_part_path(const struct update_client *client, uint32_t part,
                      char path[OTA_PATH_SIZE])
{
    memcpy(path, client->download.path, OTA_PATH_SIZE);
    if (part > 0) {
        path[strlen(path) - 1] = "0123456789abcdef"[part];
    }
}

static bool is_kept(const struct update_client *client, const char *path)
{
    uint32_t crc = crc32_update(0, path, OTA_PATH_SIZE);
    for (uint32_t i = 0; i < client->status.kept_count && i < OTA_KEPT_MAX;
         i++) {
        if (client->status.kept_path_crc[i] == crc) {
            return true;
        }
    }
    return false;
}

// Beside the files of kept versions there are names with b to e.
static void choose_path(struct update_client *client)
{
    const struct fw_info *info = &client->request.info;
    struct update_download *download = &client->download;
    char tail[10] = {0};
    for (size_t i = 0; i < 8; i++) {
        uint8_t byte = info->ebin_hash[i / 2];
        tail[i] = "0123456789abcdef"[i % 2 == 0 ? byte >> 4 : byte & 15];
    }
    tail[8] = "\0bcde"[download->variant];
    memset(download->path, 0, sizeof download->path);
    (void)format_text(download->path, sizeof download->path, "%sfw_%u_%s.ebin",
                      client->drive, (unsigned)info->version, tail); // fits
    download->is_kept = is_kept(client, download->path);
}

/// What is there already ///

int client_delete_parts(struct update_client *client, uint32_t part)
{
    uint32_t last = client_full_size(client) / SIM7600_PART_SIZE + 1u;
    int err = OTA_OK;
    for (; part <= last && part < SIM7600_PARTS_MAX && err == OTA_OK; part++) {
        char path[OTA_PATH_SIZE];
        client_part_path(client, part, path);
        err = sim7600_part_delete(client->config->modem, path);
    }
    return err;
}

// Counts the parts that are complete; `size` of the first one that is not.
static int count_parts(struct update_client *client, uint32_t *size)
{
    struct update_download *download = &client->download;
    download->part = 0;
    download->offset = 0;
    for (;;) {
        char path[OTA_PATH_SIZE];
        client_part_path(client, download->part, path);
        int err = sim7600_part_size(client->config->modem, path, size);
        if (err == OTA_E_NO_FILE) {
            *size = 0;
            return OTA_OK;
        }
        if (err != OTA_OK || *size != SIM7600_PART_SIZE ||
            download->part + 1u == SIM7600_PARTS_MAX) {
            return err;
        }
        download->part++;
        download->offset += *size;
    }
}

// What is behind the parts that count goes: it would be taken for more of the
// file.
static int survey(struct update_client *client)
{
    struct update_download *download = &client->download;
    uint32_t size = 0;
    int err = count_parts(client, &size);
    uint32_t all = download->offset + size;
    download->total = 0;
    if (err != OTA_OK) {
        return err;
    }
    if (size > 0 && client_is_complete(client, all)) {
        download->total = all;
        return OTA_OK;
    }
    if (download->offset == client_full_size(client) &&
        (size == 0 || !download->is_kept)) {
        download->total = download->offset;
    }
    if (download->is_kept) {
        return OTA_OK;
    }
    if (download->offset > client_full_size(client)) {
        download->part = 0;
        download->offset = 0;
    }
    return client_delete_parts(client, download->part);
}

// The file of a kept version is used as it is, or not at all.
static int choose_file(struct update_client *client)
{
    int err = OTA_OK;
    for (;;) {
        choose_path(client);
        err = survey(client);
        if (err != OTA_OK || !client->download.is_kept ||
            client->download.total != 0 ||
            client->download.variant == UPDATE_VARIANTS - 1u) {
            return err;
        }
        client->download.variant++;
    }
}

// Finds the drive, the name, what is there, and room for the rest.
static int prepare(struct update_client *client)
{
    struct update_download *download = &client->download;
    uint32_t deleted = 0;
    int err = OTA_OK;
    if (client->drive == NULL) {
        err = sim7600_find_drive(client->config->modem, &client->drive);
    }
    if (err == OTA_OK) {
        err = choose_file(client);
    }
    if (err == OTA_OK && download->is_alone && download->total == 0) {
        download->part = 0;
        download->offset = 0;
        err = client_delete_parts(client, 0);
    }
    if (err == OTA_OK && download->total == 0) {
        uint32_t needed = client_full_size(client) - download->offset;
        err = update_make_space(client->config->modem, client->drive,
                                &client->status, download->path,
                                needed + SPARE_SIZE, &deleted);
    }
    if (deleted > 0) {
        client_log(client, "deleted %u old files", (unsigned)deleted);
    }
    return err;
}

uint32_t client_percent(const struct update_client *client)
{
    return client->download.offset / (client_full_size(client) / 100u + 1u);
}

// Counts an attempt; false when there were enough.
bool client_may_try_again(struct update_client *client, uint32_t retry_ms)
{
    uint32_t limit = client->config->download_attempts;
    limit = limit != 0 ? limit : UPDATE_DOWNLOAD_ATTEMPTS;
    client->download.attempts++;
    client_wait(client, &client->work_wait, retry_ms,
                client->download.attempts);
    return client->download.attempts < limit;
}

void client_begin_hash(struct update_client *client)
{
    const struct crypto_port *crypto = client->config->crypto;
    struct update_download *download = &client->download;
    download->is_offline = false;
    download->is_measured = false;
    download->attempts = 0;
    download->hashed =
        download->total == client_full_size(client) ? OTA_FW_INFO_SIZE : 0;
    client->work_wait.duration_ms = 0;
    client->work = UPDATE_WORK_HASH;
    if (crypto != NULL &&
        crypto->sha256_init(crypto->ctx, &download->sha) != OTA_OK) {
        client_fail(client, OTA_E_CRYPTO);
    }
}

void client_prepare(struct update_client *client)
{
    // Each URL, and each file that proves wrong, comes here a few times at
    // most.
    if (++client->download.rounds > ROUNDS_MAX) {
        client_fail(client, OTA_E_MODEM);
        return;
    }
    int err = prepare(client);
    if (err != OTA_OK) {
        (void)client_lost_modem(client, err); // found again by the link
        if (err == OTA_E_NO_SPACE ||
            !client_may_try_again(client, PREPARE_RETRY_MS)) {
            client_fail(client, err);
        }
        return;
    }
    client->download.attempts = 0;
    client->download.is_read_again = false;
    client->download.reported = client_percent(client);
    client_report(client, UPDATE_DOWNLOADING, OTA_OK);
    if (client->download.total != 0) {
        client_begin_hash(client);
    } else {
        client->work = UPDATE_WORK_FETCH;
    }
}

/// Reading back ///

// The driver has to know whether there are parts; any other file that is read
// or written in between makes it forget.
static int read_piece(struct update_client *client, uint32_t size)
{
    struct sim7600 *modem = client->config->modem;
    struct update_download *download = &client->download;
    int err = OTA_OK;
    if (!download->is_measured) {
        uint32_t total = 0;
        err = sim7600_file_size(modem, download->path, &total);
        if (err == OTA_OK && total != download->total) {
            err = OTA_E_FILE_SIZE;
        }
        download->is_measured = err == OTA_OK;
    }
    if (err == OTA_OK) {
        err = sim7600_read_start(modem, download->path, download->hashed, size);
    }
    if (err == OTA_OK) {
        err = sim7600_read_finish(modem, client->buffer, size);
    }
    download->is_measured = download->is_measured && err == OTA_OK;
    return err;
}

static void finish_hash(struct update_client *client)
{
    const struct crypto_port *crypto = client->config->crypto;
    struct update_download *download = &client->download;
    uint8_t digest[32];
    if (crypto->sha256_final(crypto->ctx, &download->sha, digest) != OTA_OK) {
        client_fail(client, OTA_E_CRYPTO);
        return;
    }
    if (memcmp(digest, client->request.info.ebin_hash, sizeof digest) == 0) {
        client_report(client, UPDATE_DOWNLOADED, OTA_OK);
        client->work = UPDATE_WORK_READY;
        return;
    }
    // Reading it back is the link's work as much as the server's.
    if (!download->is_read_again) {
        client_log(client, "the file reads wrong: once more");
        client_begin_hash(client);
        download->is_read_again = true;
        return;
    }
    client_log(client, "the file is not what was asked for");
    if (!download->is_kept) {
        int err = client_delete_parts(client, 0);
        if (client_lost_modem(client, err) || err != OTA_OK) {
            client_fail(client, OTA_E_CIPHER_HASH);
            return;
        }
    } else if (download->variant + 1u < UPDATE_VARIANTS) {
        download->variant++;
    }
    download->hash_failures++;
    if (download->hash_failures == HASH_FAILURES_MAX) {
        client_fail(client, OTA_E_CIPHER_HASH);
        return;
    }
    download->is_alt = client->request.alt_url[0] != '\0' &&
                       (!download->is_alt || client->request.url[0] == '\0');
    client->work = UPDATE_WORK_PREPARE;
}

void client_hash(struct update_client *client)
{
    const struct crypto_port *crypto = client->config->crypto;
    struct update_download *download = &client->download;
    if (crypto == NULL) {
        client_report(client, UPDATE_DOWNLOADED, OTA_OK);
        client->work = UPDATE_WORK_READY;
        return;
    }
    if (download->hashed == download->total) {
        finish_hash(client);
        return;
    }
    uint32_t size = download->total - download->hashed;
    size = size < UPDATE_READ_SIZE ? size : UPDATE_READ_SIZE;
    int err = read_piece(client, size);
    if (err == OTA_OK) {
        err = crypto->sha256_update(crypto->ctx, &download->sha, client->buffer,
                                    size);
        download->hashed += size;
        download->attempts = 0;
    } else {
        (void)client_lost_modem(client, err); // found again by the link
        if (client_may_try_again(client, PREPARE_RETRY_MS)) {
            return;
        }
    }
    if (err != OTA_OK) {
        client_fail(client, err);
    }
}

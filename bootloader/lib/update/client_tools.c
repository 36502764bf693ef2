// Time, log, back-off, reports and the look at flash of the update client.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "client_parts.h"
#include "format.h"

#define LINE_SIZE 128u
#define WAIT_MAX_MS 300000u

uint32_t client_now_ms(const struct update_client *client)
{
    const struct time_port *time = client->config->modem->at->time;
    return time->now_ms(time->ctx);
}

void client_log(const struct update_client *client, const char *format, ...)
{
    char line[LINE_SIZE];
    if (client->config->log == NULL) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)format_text_v(line, sizeof line, format, args); // cut is harmless
    va_end(args);
    client->config->log(client->config->ctx, line);
}

// xorshift32 (Marsaglia): spreads devices, hides nothing.
static uint32_t next_random(struct update_client *client)
{
    uint32_t x = client->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    client->random = x;
    return x;
}

void client_wait_exactly(struct update_client *client, struct update_wait *wait,
                         uint32_t duration_ms)
{
    wait->since_ms = client_now_ms(client);
    wait->duration_ms = duration_ms;
}

void client_wait(struct update_client *client, struct update_wait *wait,
                 uint32_t base_ms, uint32_t failures)
{
    uint32_t limit_ms = base_ms;
    while (failures > 1 && limit_ms < WAIT_MAX_MS) {
        limit_ms *= 2u;
        failures--;
    }
    limit_ms = limit_ms < WAIT_MAX_MS ? limit_ms : WAIT_MAX_MS;
    uint32_t half = limit_ms / 2u;
    client_wait_exactly(client, wait, half + next_random(client) % (half + 1u));
}

bool client_is_waiting(const struct update_client *client,
                       struct update_wait *wait)
{
    if (wait->duration_ms != 0 &&
        client_now_ms(client) - wait->since_ms >= wait->duration_ms) {
        wait->duration_ms = 0;
    }
    return wait->duration_ms != 0;
}

bool client_lost_modem(struct update_client *client, int err)
{
    bool is_lost = err == OTA_E_TIMEOUT || err == OTA_E_LINK ||
                   err == OTA_E_MODEM_REBOOT || err == OTA_E_PROTOCOL ||
                   err == OTA_E_SHORT_READ;
    if (is_lost && client->link != UPDATE_LINK_CLOSED) {
        client_log(client, "modem: %s", ota_status_name(err));
        client->link = UPDATE_LINK_CLOSED;
        client->link_wait.duration_ms = 0;
    }
    return is_lost;
}

void client_report(struct update_client *client, enum update_stage stage,
                   int error)
{
    struct update_report report = {
        .stage = stage,
        .version = client->version,
        .target = client->state.target,
        .percent = client->download.reported,
        .error = error,
    };
    memcpy(report.id, client->state.id, sizeof report.id);
    if (error != OTA_OK) {
        client_log(client, "update %s: %s, %s", report.id,
                   update_stage_name(stage), ota_status_name(error));
    } else if (stage == UPDATE_DOWNLOADING) {
        client_log(client, "update %s: downloading, %u percent", report.id,
                   (unsigned)report.percent);
    } else {
        client_log(client, "update %s: %s", report.id,
                   update_stage_name(stage));
    }
    update_outbox_push(&client->outbox, &report,
                       (client->state.flags & UPDATE_STATE_JOB) != 0);
}

static int hash_flash(struct update_client *client, uint32_t addr,
                      uint32_t size, uint8_t digest[32])
{
    const struct flash_port *flash = client->config->flash;
    const struct crypto_port *crypto = client->config->crypto;
    struct sha256_ctx *sha = &client->download.sha;
    int err = crypto->sha256_init(crypto->ctx, sha);
    while (err == OTA_OK && size > 0) {
        uint32_t piece = size < UPDATE_READ_SIZE ? size : UPDATE_READ_SIZE;
        err = flash->read(flash->ctx, addr, client->buffer, piece);
        if (err == OTA_OK) {
            err =
                crypto->sha256_update(crypto->ctx, sha, client->buffer, piece);
        }
        addr += piece;
        size -= piece;
    }
    return err == OTA_OK ? crypto->sha256_final(crypto->ctx, sha, digest) : err;
}

bool client_runs(struct update_client *client, uint32_t fp_base, uint32_t size,
                 const uint8_t hash[32], bool otherwise)
{
    uint8_t digest[32];
    if (client->config->crypto == NULL ||
        hash_flash(client, fp_base, size, digest) != OTA_OK) {
        return otherwise;
    }
    return memcmp(digest, hash, sizeof digest) == 0;
}

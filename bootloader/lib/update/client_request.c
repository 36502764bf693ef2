// The update client's judgement of a message.
//
// | the request is                          | answer                          |
// |-----------------------------------------|---------------------------------|
// | empty: a retained one being cleared     | none                            |
// | not what SPEC 3 says                    | refused: request, size          |
// | lost between modem and chip, too large, | refused: link                   |
// | too many at once (it may have been      |                                 |
// | another message)                        |                                 |
// | the one in work, or that just ended     | none: QoS 1 may deliver twice   |
// | another while one is in work            | refused: busy                   |
// | neither application nor bootloader      | refused: range                  |
// | for a version on trial that has not     | refused: unconfirmed            |
// | confirmed itself                        |                                 |
// | for the version that runs               | refused: same                   |
// | for an older one, without permission    | refused: downgrade              |
// | anything else                           | accepted                        |
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "client_parts.h"
#include "format.h"

// A request that failed may be sent again on purpose, but not at once.
#define REPEAT_MS 60000u

static bool is_in_work(const struct update_client *client)
{
    return client->work != UPDATE_WORK_IDLE &&
           client->work != UPDATE_WORK_TRIAL &&
           client->work != UPDATE_WORK_AGAIN;
}

static bool is_repeated(const struct update_client *client)
{
    const struct update_request *incoming = &client->incoming;
    const struct update_request *request = &client->request;
    if (is_in_work(client) && strcmp(request->id, incoming->id) == 0 &&
        memcmp(request->info.ebin_hash, incoming->info.ebin_hash,
               sizeof request->info.ebin_hash) == 0) {
        return true;
    }
    if (!client->is_last_known || strcmp(client->last_id, incoming->id) != 0 ||
        (!client->is_last_forever &&
         client_now_ms(client) - client->last_ms >= REPEAT_MS)) {
        return false;
    }
    // After a reset the hash is not known any more.
    static const uint8_t unknown[sizeof client->last_hash];
    return memcmp(client->last_hash, unknown, sizeof unknown) == 0 ||
           memcmp(client->last_hash, incoming->info.ebin_hash,
                  sizeof unknown) == 0;
}

static int check_region(const struct update_client *client,
                        const struct fw_info *info)
{
    const struct update_client_config *config = client->config;
    uint32_t limit = 0;
    if (info->fp_base == config->app.start) {
        limit = config->app.size;
    } else if (info->fp_base == config->bootloader.start) {
        limit = config->bootloader.size;
    }
    return info->pbin_size <= limit ? OTA_OK : OTA_E_RANGE;
}

static bool is_same(struct update_client *client, const struct fw_info *info)
{
    uint32_t running = info->fp_base == client->config->app.start
                           ? client->version
                           : client->status.bootloader_version;
    return client_runs(client, info->fp_base, info->pbin_size, info->pbin_hash,
                       info->version == running);
}

static int judge(struct update_client *client)
{
    const struct fw_info *info = &client->incoming.info;
    if (is_in_work(client)) {
        return OTA_E_BUSY;
    }
    int err = check_region(client, info);
    if (err != OTA_OK) {
        return err;
    }
    if (client->status.confirm_token != 0 && !client->is_confirmed) {
        return OTA_E_UNCONFIRMED;
    }
    if (is_same(client, info)) {
        return OTA_E_SAME;
    }
    // The bootloader does not compare its own versions either.
    bool is_older = info->fp_base == client->config->app.start &&
                    info->version < client->version;
    return is_older && !client->incoming.allow_downgrade ? OTA_E_DOWNGRADE
                                                         : OTA_OK;
}

static void refuse(struct update_client *client, int error)
{
    struct update_report report = {
        .stage = UPDATE_REFUSED,
        .version = client->version,
        .target = client->incoming.info.version,
        .error = error,
    };
    memcpy(report.id, client->incoming.id, sizeof report.id);
    client_log(client, "update %s: refused, %s", report.id,
               ota_status_name(error));
    update_outbox_push(&client->outbox, &report, client->incoming.is_job);
}

static void take_request(struct update_client *client, int err)
{
    if (err == OTA_OK) {
        if (is_repeated(client)) {
            return;
        }
        // Another request says that the one before will not come again.
        if (client->work == UPDATE_WORK_AGAIN &&
            strcmp(client->incoming.id, client->state.id) != 0) {
            client_fail(client, OTA_E_INTERRUPTED);
        }
        err = judge(client);
    }
    if (err == OTA_OK) {
        client_accept(client);
    } else {
        refuse(client, err);
    }
}

// True for the topics on which AWS IoT tells of jobs.
static bool is_job_topic(const struct update_client *client, const char *topic)
{
    char expected[SIM7600_MQTT_TOPIC_MAX + 1u];
    if (!client->config->takes_jobs) {
        return false;
    }
    size_t size = format_text(expected, sizeof expected, "$aws/things/%s/jobs/",
                              client->config->device_id);
    return strncmp(topic, expected, size) == 0 &&
           (strcmp(topic + size, "notify-next") == 0 ||
            strcmp(topic + size, "$next/get/accepted") == 0);
}

static bool is_topic(const char *expected, const char *topic)
{
    return expected != NULL && expected[0] != '\0' &&
           strcmp(expected, topic) == 0;
}

void client_take_message(struct update_client *client)
{
    const struct update_client_config *config = client->config;
    const struct sim7600_mqtt_message *message =
        sim7600_mqtt_message(config->mqtt);
    if (config->mqtt->dropped != client->dropped) {
        client->dropped = config->mqtt->dropped;
        // It may have been a request, and the broker will not send it again.
        memset(&client->incoming, 0, sizeof client->incoming);
        refuse(client, OTA_E_LINK);
    }
    if (message == NULL || client->work == UPDATE_WORK_RECALL) {
        return;
    }
    if (is_topic(config->topic_request, message->topic) ||
        is_topic(config->topic_group, message->topic)) {
        if (message->payload_size != 0) {
            int err = update_request_parse(
                message->payload, message->payload_size, &client->incoming);
            take_request(client, err);
        }
    } else if (is_job_topic(client, message->topic)) {
        int err = update_request_parse_job(
            message->payload, message->payload_size, &client->incoming);
        if (err != OTA_OK || client->incoming.is_job) {
            take_request(client, err);
        }
    } else if (config->message != NULL) {
        config->message(config->ctx, message);
    }
    sim7600_mqtt_release(config->mqtt);
    update_request_wipe(&client->incoming);
}

// The update client: see update_client.h. The link (client_link.c) and the work
// on a request (client_download.c, client_install.c) go on side by side; this
// file says whose turn it is.
//
// SPDX-License-Identifier: Apache-2.0
#include "update_client.h"

#include <string.h>

#include "client_parts.h"
#include "crc32.h"

void update_client_init(struct update_client *client,
                        const struct update_client_config *config)
{
    memset(client, 0, sizeof *client);
    client->config = config;
    client->version = config->version;
    if (boot_status_read(config->boot_status, &client->status) == OTA_OK) {
        client->version = client->status.app_version;
    } else {
        memset(&client->status, 0, sizeof client->status);
    }
    client->random =
        crc32_update(0, config->device_id, strlen(config->device_id)) | 1u;
}

// How far the link has to be for a piece of work.
static enum update_link needed_link(enum update_work work)
{
    switch (work) {
    case UPDATE_WORK_FETCH:
        return UPDATE_LINK_ATTACHED;
    case UPDATE_WORK_RECALL:
    case UPDATE_WORK_PREPARE:
    case UPDATE_WORK_HASH:
    case UPDATE_WORK_ARM:
        return UPDATE_LINK_OPEN;
    case UPDATE_WORK_AGAIN:
        return UPDATE_LINK_CONNECTED;
    case UPDATE_WORK_IDLE:
    case UPDATE_WORK_READY:
    case UPDATE_WORK_LEAVE:
    case UPDATE_WORK_TRIAL:
    case UPDATE_WORK_RESET:
        break;
    }
    return UPDATE_LINK_CLOSED;
}

static void step_work(struct update_client *client)
{
    if (client->link < needed_link(client->work) ||
        (client->work != UPDATE_WORK_LEAVE &&
         client_is_waiting(client, &client->work_wait))) {
        return;
    }
    switch (client->work) {
    case UPDATE_WORK_RECALL:
        client_recall(client);
        break;
    case UPDATE_WORK_AGAIN:
        client_again(client);
        break;
    case UPDATE_WORK_PREPARE:
        client_prepare(client);
        break;
    case UPDATE_WORK_FETCH:
        client_fetch(client);
        break;
    case UPDATE_WORK_HASH:
        client_hash(client);
        break;
    case UPDATE_WORK_READY:
        client_ready(client);
        break;
    case UPDATE_WORK_ARM:
        client_arm(client);
        break;
    case UPDATE_WORK_LEAVE:
        client_leave(client);
        break;
    case UPDATE_WORK_IDLE:
    case UPDATE_WORK_TRIAL:
    case UPDATE_WORK_RESET:
        break;
    }
}

void update_client_step(struct update_client *client)
{
    if (client->work == UPDATE_WORK_RESET) {
        return;
    }
    client_keep_state(client);
    client_link_step(client);
    client_take_message(client);
    client_confirm(client);
    step_work(client);
}

bool update_client_is_connected(const struct update_client *client)
{
    return client->link == UPDATE_LINK_CONNECTED;
}

int update_client_publish(struct update_client *client, const char *topic,
                          const char *text, size_t size)
{
    if (!update_client_is_connected(client)) {
        return OTA_E_BROKER;
    }
    int err = sim7600_mqtt_publish(client->config->mqtt, topic, text, size);
    (void)client_lost_modem(client, err); // the next step finds it again
    return err;
}

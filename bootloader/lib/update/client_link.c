// The update client's way to the broker: modem, network, TLS, broker, topics.
//
// | link      | the step does                       | trouble leads to        |
// |-----------|-------------------------------------|-------------------------|
// | CLOSED    | finds the modem                     | CLOSED, later; every    |
// |           |                                     | second time power key   |
// | OPEN      | SIM, APN, registration              | OPEN, later; every      |
// |           |                                     | sixth time AT+CRESET    |
// | ATTACHED  | TLS contexts, broker, topics        | ATTACHED, later; every  |
// |           |                                     | sixth time AT+CRESET    |
// | CONNECTED | takes messages, sends reports       | OPEN; CLOSED when the   |
// |           |                                     | modem does not answer   |
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "client_parts.h"
#include "format.h"

#define OPEN_MS 30000u   // a modem that was just switched on
#define ATTACH_MS 60000u // idle feeds meanwhile
#define OPEN_RETRY_MS 2000u
#define ATTACH_RETRY_MS 10000u
#define CONNECT_RETRY_MS 10000u
#define LOST_RETRY_MS 20000u // all devices of a broker lose it together
#define POWER_KEY_EVERY 2u
#define RESTART_EVERY 6u
#define MQTT_CLIENT_BUSY 14u
#define MQTT_CLIENT_IN_USE 19u
#define CHECK_MS 60000u
#define TOPIC_SIZE (SIM7600_MQTT_TOPIC_MAX + 1u)

static void set_link(struct update_client *client, enum update_link link)
{
    client->link = link;
    client->link_wait.duration_ms = 0;
}

// The modem's own MQTT client will not let go of an earlier exchange.
static bool is_stuck(const struct update_client *client, int err)
{
    uint32_t error = client->config->mqtt->error;
    return err == OTA_E_BROKER &&
           (error == MQTT_CLIENT_BUSY || error == MQTT_CLIENT_IN_USE);
}

// Counts a failure; the modem is restarted when there were many of them. The
// count of one step outlives the success of the one before it, so a restart
// does not begin the back-off anew.
static void failed(struct update_client *client, const char *what, int err,
                   uint32_t *failures, uint32_t retry_ms)
{
    uint32_t restart_every = is_stuck(client, err) ? 2u : RESTART_EVERY;
    ++*failures;
    client_log(client, "%s: %s", what, ota_status_name(err));
    client_wait(client, &client->link_wait, retry_ms, *failures);
    if (*failures % restart_every == 0) {
        client_log(client, "restarting the modem");
        if (sim7600_restart(client->config->modem) == OTA_OK) {
            client->link = UPDATE_LINK_CLOSED;
        }
    }
}

static void step_closed(struct update_client *client)
{
    const struct update_client_config *config = client->config;
    int err = sim7600_open(config->modem, OPEN_MS);
    if (err == OTA_OK) {
        set_link(client, UPDATE_LINK_OPEN);
        client->open_failures = 0;
        return;
    }
    client->open_failures++;
    client_log(client, "modem: %s", ota_status_name(err));
    if (client->open_failures % POWER_KEY_EVERY == 0 &&
        config->power_key != NULL) {
        client_log(client, "pressing the modem's power key");
        config->power_key(config->ctx);
    }
    client_wait(client, &client->link_wait, OPEN_RETRY_MS,
                client->open_failures);
}

static void step_open(struct update_client *client)
{
    const struct update_client_config *config = client->config;
    int err = sim7600_attach(config->modem, config->apn, ATTACH_MS);
    if (err == OTA_OK) {
        set_link(client, UPDATE_LINK_ATTACHED);
        client->attach_failures = 0;
        client->checked_ms = client_now_ms(client);
    } else if (!client_lost_modem(client, err)) {
        failed(client, "network", err, &client->attach_failures,
               ATTACH_RETRY_MS);
    }
}

static int subscribe(struct update_client *client, const char *topic)
{
    if (topic == NULL || topic[0] == '\0') {
        return OTA_OK;
    }
    return sim7600_mqtt_subscribe(client->config->mqtt, topic);
}

static int subscribe_jobs(struct update_client *client)
{
    static const char *const topics[] = {"notify-next", "$next/get/accepted"};
    const char *id = client->config->device_id;
    char topic[TOPIC_SIZE];
    int err = OTA_OK;
    for (size_t i = 0; i < 2 && err == OTA_OK; i++) {
        (void)format_text(topic, sizeof topic, "$aws/things/%s/jobs/%s", id,
                          topics[i]); // an id has 64 characters at most
        err = subscribe(client, topic);
    }
    if (err == OTA_OK) {
        (void)format_text(topic, sizeof topic, "$aws/things/%s/jobs/$next/get",
                          id); // as above
        err = sim7600_mqtt_publish(client->config->mqtt, topic, "{}", 2);
    }
    return err;
}

static int connect(struct update_client *client)
{
    const struct update_client_config *config = client->config;
    // Configures the TLS context, too: a modem that restarted has forgotten it.
    int err = sim7600_mqtt_connect(config->mqtt, &config->broker);
    if (err == OTA_OK) {
        err = subscribe(client, config->topic_request);
    }
    if (err == OTA_OK) {
        err = subscribe(client, config->topic_group);
    }
    if (err == OTA_OK && config->takes_jobs) {
        err = subscribe_jobs(client);
    }
    return err;
}

static void step_attached(struct update_client *client)
{
    int err = connect(client);
    if (err == OTA_OK) {
        set_link(client, UPDATE_LINK_CONNECTED);
        client->connects++;
        client->connect_failures = 0;
        client_log(client, "connected to the broker");
    } else if (!client_lost_modem(client, err)) {
        failed(client, "broker", err, &client->connect_failures,
               CONNECT_RETRY_MS);
        if (err == OTA_E_NETWORK && client->link == UPDATE_LINK_ATTACHED) {
            client->link = UPDATE_LINK_OPEN;
        }
    }
}

static void lost_broker(struct update_client *client)
{
    client_log(client, "broker lost");
    set_link(client, UPDATE_LINK_OPEN);
    client_wait(client, &client->link_wait, LOST_RETRY_MS, 1);
}

// A modem that is silent, or a network that is gone, shows only when asked.
static int check_network(struct update_client *client)
{
    bool is_attached = true;
    if (client_now_ms(client) - client->checked_ms < CHECK_MS) {
        return OTA_OK;
    }
    client->checked_ms = client_now_ms(client);
    int err = sim7600_is_attached(client->config->modem, &is_attached);
    return err == OTA_OK && !is_attached ? OTA_E_NETWORK : err;
}

// The oldest report; it stays when the broker did not acknowledge it.
static int send_report(struct update_client *client)
{
    char text[UPDATE_REPORT_SIZE];
    char topic[TOPIC_SIZE];
    const struct update_client_config *config = client->config;
    struct update_outbox_entry *entry = &client->outbox.entries[0];
    int err = OTA_OK;
    if (!entry->is_sent) {
        size_t size =
            update_report_format(text, config->device_id, &entry->report);
        err = sim7600_mqtt_publish(config->mqtt, config->topic_report, text,
                                   size);
        entry->is_sent = err == OTA_OK;
    }
    if (err == OTA_OK && entry->is_job) {
        size_t size = update_report_format_job(text, &entry->report);
        (void)format_text(topic, sizeof topic, "$aws/things/%s/jobs/%s/update",
                          config->device_id, entry->report.id); // fits
        err = sim7600_mqtt_publish(config->mqtt, topic, text, size);
    }
    if (err == OTA_OK) {
        if (update_stage_is_final(entry->report.stage)) {
            client_acknowledged(client, entry->report.id);
        }
        update_outbox_pop(&client->outbox);
    }
    return err;
}

static void step_connected(struct update_client *client)
{
    struct sim7600_mqtt *mqtt = client->config->mqtt;
    bool is_busy = client->outbox.count > 0 ||
                   (client->work != UPDATE_WORK_IDLE &&
                    !client_is_waiting(client, &client->work_wait));
    int err = sim7600_mqtt_poll(mqtt, is_busy ? 0 : UPDATE_POLL_MS);
    if (err == OTA_OK && mqtt->is_connected) {
        err = check_network(client);
    }
    if (err == OTA_OK && mqtt->is_connected && client->outbox.count > 0) {
        err = send_report(client);
    }
    if (!client_lost_modem(client, err) &&
        (err != OTA_OK || !mqtt->is_connected)) {
        lost_broker(client);
    }
}

void client_leave_broker(struct update_client *client)
{
    if (client->link == UPDATE_LINK_CONNECTED) {
        sim7600_mqtt_disconnect(client->config->mqtt);
        set_link(client, UPDATE_LINK_ATTACHED);
    }
}

// While there is nothing to do the UART is still listened to.
static void rest(struct update_client *client)
{
    const struct time_port *time = client->config->modem->at->time;
    if (client->link == UPDATE_LINK_CLOSED) {
        time->sleep_ms(time->ctx, UPDATE_POLL_MS);
        return;
    }
    int err = sim7600_mqtt_poll(client->config->mqtt, UPDATE_POLL_MS);
    (void)client_lost_modem(client, err); // the next step finds it again
}

// The link waits for the work, which may be waiting itself.
static void rest_with_work(struct update_client *client)
{
    if (client_is_waiting(client, &client->work_wait)) {
        rest(client);
    }
}

void client_link_step(struct update_client *client)
{
    bool is_recalled = client->work != UPDATE_WORK_RECALL;
    if (client->link != UPDATE_LINK_CONNECTED &&
        client_is_waiting(client, &client->link_wait)) {
        rest(client);
        return;
    }
    switch (client->link) {
    case UPDATE_LINK_CLOSED:
        step_closed(client);
        break;
    case UPDATE_LINK_OPEN:
        // What was before the reset decides what a message means.
        if (is_recalled) {
            step_open(client);
        } else {
            rest_with_work(client);
        }
        break;
    case UPDATE_LINK_ATTACHED:
        if (!client->download.is_offline) {
            step_attached(client);
        } else {
            rest_with_work(client);
        }
        break;
    case UPDATE_LINK_CONNECTED:
        step_connected(client);
        break;
    }
}

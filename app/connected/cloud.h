// The cloud file that the build rendered (cloud_config.h), as configuration of
// the update client: identity, topics, TLS, broker.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef CLOUD_H
#define CLOUD_H

#include "update_client.h"

#define CLOUD_ID_SIZE 65u // SPEC 10

// What the product brings; see update_client.h.
struct cloud_product {
    uint32_t version;
    void (*idle)(void *ctx); // during waits; feeds the watchdog
    bool (*may_confirm)(void *ctx);
    bool (*may_update)(void *ctx);
    void (*log)(void *ctx, const char *line);
};

struct cloud {
    char id[CLOUD_ID_SIZE];
    char client_id[2u * CLOUD_ID_SIZE];
    char request[SIM7600_MQTT_TOPIC_MAX + 1u];
    char group[SIM7600_MQTT_TOPIC_MAX + 1u];
    char report[SIM7600_MQTT_TOPIC_MAX + 1u];
    char telemetry[SIM7600_MQTT_TOPIC_MAX + 1u];
    uint32_t telemetry_ms; // when it was published last
    uint32_t connects;     // that telemetry has seen
    struct at at;
    struct sim7600 modem;
    struct sim7600_mqtt mqtt;
    struct update_client_config config;
    struct update_client client;
};

// Finds out the device's id (the modem is asked for its IMEI until it answers,
// when the cloud file says so) and prepares everything.
void cloud_start(struct cloud *cloud, const struct cloud_product *product);

// One step of the update client, and telemetry when it is due: after each
// connect, then every CLOUD_TELEMETRY_S. To be called for ever.
void cloud_step(struct cloud *cloud);

#endif

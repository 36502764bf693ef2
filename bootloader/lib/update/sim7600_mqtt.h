// SIM7600: the modem's MQTT client (AT+CMQTT*, AT command manual chapter
// "MQTT(S)"), client index 0.
//
// Laws: sim7600_mqtt_init takes the AT session's unsolicited lines, so a
// message may arrive during any exchange and is not lost: up to
// SIM7600_MQTT_HELD whole messages are held until they are taken, more are
// counted in `dropped`; a message longer than the buffers is counted, too, and
// skipped by its counts; its text never meets the line parser. Connection lost,
// service lost and a restart of the modem end `is_connected`.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_SIM7600_MQTT_H
#define OTA_SIM7600_MQTT_H

#include "sim7600_net.h"

#define SIM7600_MQTT_TOPIC_MAX 256u
#define SIM7600_MQTT_PAYLOAD_MAX 4096u
#define SIM7600_MQTT_HELD 2u

struct sim7600_mqtt_message {
    char topic[SIM7600_MQTT_TOPIC_MAX + 1u]; // NUL terminated
    char payload[SIM7600_MQTT_PAYLOAD_MAX + 1u];
    size_t topic_size;
    size_t payload_size;
};

struct sim7600_mqtt {
    struct sim7600 *modem;
    bool is_connected;
    uint32_t error;   // the modem's last MQTT error code, 0 for none
    uint32_t dropped; // messages that could not be held
    size_t held;
    struct sim7600_mqtt_message messages[SIM7600_MQTT_HELD + 1u];
    size_t first; // of those that are held; the one that arrives is behind them
    bool is_arriving;
    bool is_spoiled; // counted in `dropped` already, skipped by its counts
    uint32_t topic_left;
    uint32_t payload_left;
};

struct sim7600_mqtt_config {
    const char *host;
    uint16_t port;
    const char *client_id;
    const char *user;     // NULL or "": none
    const char *password; // NULL or "": none
    uint16_t keepalive_s;
    bool clean_session;            // false: the broker keeps QoS 1 messages
    const struct sim7600_tls *tls; // NULL: plain TCP
};

void sim7600_mqtt_init(struct sim7600_mqtt *mqtt, struct sim7600 *modem);

// Ends what an earlier session left (DISC, REL, STOP; errors ignored), then
// START, ACCQ, SSLCFG, CONNECT. OTA_E_BROKER with `error` set when the modem
// gives a code, OTA_E_TLS for codes 32 to 34, OTA_E_CERTIFICATE, OTA_E_NETWORK.
OTA_CHECKED int sim7600_mqtt_connect(struct sim7600_mqtt *mqtt,
                                     const struct sim7600_mqtt_config *config);

// QoS 1. OTA_E_BROKER when not connected or refused.
OTA_CHECKED int sim7600_mqtt_subscribe(struct sim7600_mqtt *mqtt,
                                       const char *topic);

// QoS 1; returns when the broker has acknowledged it. OTA_E_BROKER otherwise.
OTA_CHECKED int sim7600_mqtt_publish(struct sim7600_mqtt *mqtt,
                                     const char *topic, const char *payload,
                                     size_t size);

// Looks for unsolicited lines for up to `wait_ms` (0: only what is there).
OTA_CHECKED int sim7600_mqtt_poll(struct sim7600_mqtt *mqtt, uint32_t wait_ms);

// The oldest message that is held, NULL for none; stays until it is released.
const struct sim7600_mqtt_message *
sim7600_mqtt_message(const struct sim7600_mqtt *mqtt);
// Wipes it: it may hold a key.
void sim7600_mqtt_release(struct sim7600_mqtt *mqtt);

// DISC, REL, STOP. The broker keeps the session when it was not clean.
void sim7600_mqtt_disconnect(struct sim7600_mqtt *mqtt);

#endif

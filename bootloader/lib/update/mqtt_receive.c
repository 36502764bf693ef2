// Receiving MQTT messages: see sim7600_mqtt.h.
//
// +CMQTTRXSTART: i,topic size,payload size
// +CMQTTRXTOPIC: i,n    and n bytes, repeated when it is long
// +CMQTTRXPAYLOAD: i,n  and n bytes (up to 1500), repeated when it is long
// +CMQTTRXEND: i
//
// Laws: a count is believed only as far as the sizes in RXSTART reach; data is
// followed by a line end, or a byte was lost; a message that is spoiled is
// counted once, skipped by its counts, and wiped.
//
// SPDX-License-Identifier: Apache-2.0
#include "mqtt_receive.h"

#include <string.h>

#define SLOTS (SIM7600_MQTT_HELD + 1u)
#define BLOCK_MAX 10240u // no message of the modem is larger
#define BLOCK_MS 500u    // for a block, beside the time it takes on the wire

static void wipe(struct sim7600_mqtt_message *message)
{
    // A plain memset before the last use may be left out by the compiler.
    volatile uint8_t *bytes = (volatile uint8_t *)message;
    for (size_t i = 0; i < sizeof *message; i++) {
        bytes[i] = 0;
    }
}

static struct sim7600_mqtt_message *slot(struct sim7600_mqtt *mqtt)
{
    return &mqtt->messages[(mqtt->first + mqtt->held) % SLOTS];
}

static void spoil(struct sim7600_mqtt *mqtt)
{
    if (mqtt->is_arriving && !mqtt->is_spoiled) {
        mqtt->is_spoiled = true;
        mqtt->dropped++;
        wipe(slot(mqtt));
    }
}

// "<index>,<first>[,<second>]"; `second` may be NULL. False for anything else
// and for another client.
static bool numbers(const char *rest, uint32_t *first, uint32_t *second)
{
    uint32_t index;
    if (!at_number(&rest, &index) || index != 0 || *rest != ',') {
        return false;
    }
    rest = at_after(rest, ",");
    if (!at_number(&rest, first)) {
        return false;
    }
    if (second != NULL) {
        if (*rest != ',') {
            return false;
        }
        rest = at_after(rest, ",");
        if (!at_number(&rest, second)) {
            return false;
        }
    }
    return *rest == '\0';
}

static void begin(struct sim7600_mqtt *mqtt, const char *rest)
{
    spoil(mqtt); // one that never ended
    mqtt->is_arriving = true;
    mqtt->is_spoiled = false;
    mqtt->topic_left = 0;
    mqtt->payload_left = 0;
    wipe(slot(mqtt));
    if (!numbers(rest, &mqtt->topic_left, &mqtt->payload_left) ||
        mqtt->topic_left == 0 || mqtt->topic_left > SIM7600_MQTT_TOPIC_MAX ||
        mqtt->payload_left > SIM7600_MQTT_PAYLOAD_MAX) {
        spoil(mqtt);
    }
}

// Takes a block; `target` NULL skips it. False when bytes are missing.
static bool take(struct sim7600_mqtt *mqtt, char *target, uint32_t size)
{
    struct at *at = mqtt->modem->at;
    uint32_t timeout_ms = BLOCK_MS + size * 20u / (mqtt->modem->baud / 1000u);
    uint8_t next = 0;
    return at_read_counted(at, target, size, timeout_ms) == OTA_OK &&
           at_read_counted(at, &next, 1, BLOCK_MS) == OTA_OK && next == '\r';
}

static void block(struct sim7600_mqtt *mqtt, const char *rest, char *text,
                  size_t *stored, uint32_t *left)
{
    uint32_t size = 0;
    bool is_read = numbers(rest, &size, NULL);
    if (!mqtt->is_arriving) {
        // Its RXSTART was lost.
        mqtt->is_arriving = true;
        mqtt->is_spoiled = false;
        *left = 0;
    }
    if (!is_read || size == 0 || size > *left) {
        spoil(mqtt);
    }
    if (size > BLOCK_MAX) {
        return;
    }
    bool is_whole = take(mqtt, mqtt->is_spoiled ? NULL : text + *stored, size);
    if (!is_whole) {
        spoil(mqtt);
    }
    if (!mqtt->is_spoiled) {
        *stored += size;
    }
    *left -= size < *left ? size : *left;
}

static void end(struct sim7600_mqtt *mqtt)
{
    struct sim7600_mqtt_message *message = slot(mqtt);
    if (mqtt->topic_left != 0 || mqtt->payload_left != 0 ||
        mqtt->held == SIM7600_MQTT_HELD ||
        memchr(message->topic, '\0', message->topic_size) != NULL) {
        spoil(mqtt);
    }
    if (mqtt->is_arriving && !mqtt->is_spoiled) {
        mqtt->held++;
    }
    mqtt->is_arriving = false;
}

static void lose(struct sim7600_mqtt *mqtt)
{
    mqtt->is_connected = false;
    spoil(mqtt);
    mqtt->is_arriving = false;
}

static bool is_ours(const char *rest)
{
    return rest != NULL && rest[0] == '0';
}

// RDY comes at the rate that the modem starts with, so it may be lost; an echo,
// which sim7600_open switched off, shows the same later.
static bool is_restart(const struct sim7600_mqtt *mqtt, const char *line)
{
    return strcmp(line, "RDY") == 0 || strcmp(line, "AT") == 0 ||
           strncmp(line, "AT+", 3) == 0 ||
           (at_after(line, "+CPIN:") != NULL && !mqtt->modem->is_pin_asked);
}

// True when the line says something about the connection.
static bool hear_state(struct sim7600_mqtt *mqtt, const char *line)
{
    const char *lost = at_after(line, "+CMQTTCONNLOST:");
    const char *ping = at_after(line, "+CMQTTPING:");
    if (lost != NULL || ping != NULL) {
        if (is_ours(lost) || is_ours(ping)) {
            lose(mqtt);
        }
        return true;
    }
    if (at_after(line, "+CMQTTNONET") != NULL) {
        lose(mqtt);
        return true;
    }
    if (is_restart(mqtt, line)) {
        lose(mqtt);
    }
    return false;
}

bool mqtt_receive(void *owner)
{
    struct sim7600_mqtt *mqtt = owner;
    struct sim7600_mqtt_message *message = slot(mqtt);
    const char *line = mqtt->modem->at->line;
    const char *rest = at_after(line, "+CMQTTRXSTART:");
    if (rest != NULL) {
        begin(mqtt, rest);
        return true;
    }
    rest = at_after(line, "+CMQTTRXTOPIC:");
    if (rest != NULL) {
        block(mqtt, rest, message->topic, &message->topic_size,
              &mqtt->topic_left);
        return true;
    }
    rest = at_after(line, "+CMQTTRXPAYLOAD:");
    if (rest != NULL) {
        block(mqtt, rest, message->payload, &message->payload_size,
              &mqtt->payload_left);
        return true;
    }
    if (at_after(line, "+CMQTTRXEND:") != NULL) {
        end(mqtt);
        return true;
    }
    return hear_state(mqtt, line);
}

/// What the application sees of it ///

void sim7600_mqtt_init(struct sim7600_mqtt *mqtt, struct sim7600 *modem)
{
    memset(mqtt, 0, sizeof *mqtt);
    mqtt->modem = modem;
    at_listen(modem->at, mqtt_receive, mqtt);
}

int sim7600_mqtt_poll(struct sim7600_mqtt *mqtt, uint32_t wait_ms)
{
    return at_poll(mqtt->modem->at, wait_ms);
}

const struct sim7600_mqtt_message *
sim7600_mqtt_message(const struct sim7600_mqtt *mqtt)
{
    return mqtt->held > 0 ? &mqtt->messages[mqtt->first] : NULL;
}

void sim7600_mqtt_release(struct sim7600_mqtt *mqtt)
{
    if (mqtt->held > 0) {
        wipe(&mqtt->messages[mqtt->first]);
        mqtt->first = (mqtt->first + 1u) % SLOTS;
        mqtt->held--;
    }
}

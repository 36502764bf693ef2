// The MQTT client: whatever the modem says, between and within exchanges, only
// whole messages are held, nothing of the others stays, and every call ends.
//
// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"
#include "sim7600_mqtt.h"

#define SLOTS (SIM7600_MQTT_HELD + 1u)

static void check(const struct sim7600_mqtt *mqtt)
{
    static const struct sim7600_mqtt_message blank;
    fuzz_assert(mqtt->held <= SIM7600_MQTT_HELD && mqtt->first < SLOTS);
    for (size_t i = 0; i < SLOTS; i++) {
        const struct sim7600_mqtt_message *message =
            &mqtt->messages[(mqtt->first + i) % SLOTS];
        fuzz_assert(message->topic_size <= SIM7600_MQTT_TOPIC_MAX);
        fuzz_assert(message->payload_size <= SIM7600_MQTT_PAYLOAD_MAX);
        fuzz_assert(message->topic[SIM7600_MQTT_TOPIC_MAX] == '\0');
        fuzz_assert(message->payload[SIM7600_MQTT_PAYLOAD_MAX] == '\0');
        if (i < mqtt->held) {
            fuzz_assert(message->topic_size > 0);
            fuzz_assert(strlen(message->topic) == message->topic_size);
        } else if (!mqtt->is_arriving || mqtt->is_spoiled || i > mqtt->held) {
            fuzz_assert(memcmp(message, &blank, sizeof blank) == 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sim7600_tls tls = {.ca = "ca.pem"};
    static const struct sim7600_mqtt_config config = {.host = "h",
                                                      .port = 8883,
                                                      .client_id = "c",
                                                      .user = "u",
                                                      .password = "p",
                                                      .keepalive_s = 60,
                                                      .tls = &tls};
    struct fuzz_uart fuzz;
    static struct at at;
    static struct sim7600_mqtt mqtt;
    struct sim7600 modem;
    fuzz_uart_init(&fuzz, data, size);
    fuzz.sends_data = true;
    fuzz.commands = 1; // the first part is there already
    at_init(&at, &fuzz.uart, &fuzz.time, fuzz_idle, NULL);
    sim7600_init(&modem, &at, 115200, 0);
    sim7600_mqtt_init(&mqtt, &modem);
    mqtt.is_connected = true;

    for (int i = 0; i < 8; i++) {
        uint64_t before_ms = fuzz.now_ms;
        int err = sim7600_mqtt_poll(&mqtt, 100);
        fuzz_assert(err <= 0 && fuzz.now_ms - before_ms < 60000);
        check(&mqtt);
    }
    sim7600_mqtt_release(&mqtt);
    check(&mqtt);

    mqtt.is_connected = true;
    int err = sim7600_mqtt_subscribe(&mqtt, "topic");
    fuzz_assert(err <= 0);
    check(&mqtt);
    mqtt.is_connected = true;
    err = sim7600_mqtt_publish(&mqtt, "topic", "payload", 7);
    fuzz_assert(err <= 0 && (err != OTA_OK || mqtt.error == 0));
    check(&mqtt);
    err = sim7600_mqtt_connect(&mqtt, &config);
    fuzz_assert(err <= 0 && mqtt.is_connected == (err == OTA_OK));
    check(&mqtt);
    // All deadlines together; every wait is bounded.
    fuzz_assert(fuzz.now_ms < 2000000);
    return 0;
}

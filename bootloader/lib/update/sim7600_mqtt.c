// The MQTT client: see sim7600_mqtt.h. Sources: SIM7500/SIM7600 AT command
// manual V3.00, chapter 16 (MQTT(S)), and the MQTT(S) application note.
//
// SPDX-License-Identifier: Apache-2.0
#include "sim7600_mqtt.h"

#include <string.h>

#include "at_result.h"
#include "format.h"
#include "mqtt_receive.h"

#define COMMAND_MAX 556u     // the modem takes 559 characters, AT included
#define EXCHANGE_MS 125000u  // the manual allows 120 s
#define DISCONNECT_MS 65000u // what AT+CMQTTDISC is given, and some more

/// Results ///

static int32_t code_of(const struct at_result *result)
{
    uint32_t code;
    const char *rest = result->value;
    return at_number(&rest, &code) && *rest == '\0' ? (int32_t)code : -1;
}

static int meaning(uint32_t code)
{
    switch (code) {
    case 0:
        return OTA_OK;
    case 7: // network open
    case 8: // network close
    case 9: // network not opened
        return OTA_E_NETWORK;
    case 32: // handshake
    case 33: // no certificate
    case 34: // session
        return OTA_E_TLS;
    default:
        return OTA_E_BROKER;
    }
}

// What an exchange with a result line came to. ERROR without a code is a
// refusal, too.
static int judge(struct sim7600_mqtt *mqtt, int err,
                 const struct at_result *result)
{
    if (err != OTA_OK && err != OTA_E_MODEM) {
        return err;
    }
    int32_t code = code_of(result);
    if (code < 0) {
        return err == OTA_OK ? OTA_E_PROTOCOL : OTA_E_BROKER;
    }
    mqtt->error = (uint32_t)code;
    if (code == 11 || code == 15 || code == 20) { // none, or no client even
        mqtt->is_connected = false;
    }
    int what = meaning((uint32_t)code);
    // ERROR with a code of 0 would be neither.
    return what == OTA_OK && err != OTA_OK ? OTA_E_BROKER : what;
}

static int run(struct sim7600_mqtt *mqtt, uint32_t timeout_ms, const char *text,
               const char *prefix, const char *head)
{
    const char *const pieces[] = {text, NULL};
    struct at_result result = {.prefix = prefix, .head = head};
    int err = at_exchange(mqtt->modem->at, timeout_ms, pieces, &result);
    return judge(mqtt, err, &result);
}

// Ends with OK alone; a code may come with ERROR.
static int run_plain(struct sim7600_mqtt *mqtt, const char *const *pieces,
                     const char *prefix)
{
    struct at *at = mqtt->modem->at;
    struct at_result result = {.prefix = prefix, .head = "0,"};
    int err = at_send_pieces(at, SIM7600_FILE_MS, pieces);
    if (err == OTA_OK) {
        err = at_read_plain(at, &result);
    }
    return err == OTA_E_MODEM ? judge(mqtt, err, &result) : err;
}

/// Connecting ///

// Only a modem that does not answer is trouble here.
static int leave(struct sim7600_mqtt *mqtt)
{
    static const char *const release[] = {"AT+CMQTTREL=0", NULL};
    int err =
        run(mqtt, DISCONNECT_MS, "AT+CMQTTDISC=0,60", "+CMQTTDISC:", "0,");
    mqtt->is_connected = false;
    if (err == OTA_OK || err == OTA_E_BROKER || err == OTA_E_NETWORK ||
        err == OTA_E_TIMEOUT) {
        err = run_plain(mqtt, release, "+CMQTTREL:");
    }
    if (err == OTA_OK || err == OTA_E_BROKER) {
        err = run(mqtt, EXCHANGE_MS, "AT+CMQTTSTOP", "+CMQTTSTOP:", "");
    }
    mqtt->error = 0;
    return err == OTA_E_BROKER || err == OTA_E_NETWORK ? OTA_OK : err;
}

static int start(struct sim7600_mqtt *mqtt)
{
    int err = run(mqtt, EXCHANGE_MS, "AT+CMQTTSTART", "+CMQTTSTART:", "");
    // 23, and on some firmware ERROR alone: it runs already. If that was not
    // the reason, the next command says so.
    if (err == OTA_E_BROKER && (mqtt->error == 23u || mqtt->error == 0)) {
        err = OTA_OK;
    }
    mqtt->error = err == OTA_OK ? 0 : mqtt->error;
    return err;
}

static int acquire(struct sim7600_mqtt *mqtt,
                   const struct sim7600_mqtt_config *config)
{
    const char *const pieces[] = {"AT+CMQTTACCQ=0,\"", config->client_id,
                                  config->tls != NULL ? "\",1" : "\",0", NULL};
    int err = run_plain(mqtt, pieces, "+CMQTTACCQ:");
    if (err == OTA_OK && config->tls != NULL) {
        char text[32];
        const char *const context[] = {text, NULL};
        (void)format_text(text, sizeof text, "AT+CMQTTSSLCFG=0,%u",
                          (unsigned)SIM7600_TLS_MQTT); // fits
        err = sim7600_tls_configure(mqtt->modem, SIM7600_TLS_MQTT, config->tls);
        if (err == OTA_OK) {
            err = run_plain(mqtt, context, "+CMQTTSSLCFG:");
        }
    }
    return err;
}

static int open_session(struct sim7600_mqtt *mqtt,
                        const struct sim7600_mqtt_config *config)
{
    char numbers[40];
    bool has_user = at_is_given(config->user);
    bool has_password = has_user && at_is_given(config->password);
    const char *const pieces[] = {"AT+CMQTTCONNECT=0,\"tcp://",
                                  config->host,
                                  numbers,
                                  has_user ? ",\"" : "",
                                  has_user ? config->user : "",
                                  has_user ? "\"" : "",
                                  has_password ? ",\"" : "",
                                  has_password ? config->password : "",
                                  has_password ? "\"" : "",
                                  NULL};
    struct at_result result = {.prefix = "+CMQTTCONNECT:", .head = "0,"};
    (void)format_text(numbers, sizeof numbers, ":%u\",%u,%u",
                      (unsigned)config->port, (unsigned)config->keepalive_s,
                      config->clean_session ? 1u : 0u); // fits
    size_t size = 0;
    for (const char *const *piece = pieces; *piece != NULL; piece++) {
        size += strlen(*piece);
    }
    if (size > COMMAND_MAX) {
        return OTA_E_REQUEST;
    }
    int err = at_exchange(mqtt->modem->at, EXCHANGE_MS, pieces, &result);
    err = judge(mqtt, err, &result);
    mqtt->is_connected = err == OTA_OK;
    return err;
}

static int check(const struct sim7600_mqtt_config *config)
{
    bool good =
        at_is_quotable(config->host, 240) && config->host[0] != '\0' &&
        at_is_quotable(config->client_id, 128) &&
        config->client_id[0] != '\0' && config->port != 0 &&
        config->keepalive_s != 0 &&
        (config->user == NULL || at_is_quotable(config->user, 256)) &&
        (config->password == NULL || at_is_quotable(config->password, 256));
    return good ? OTA_OK : OTA_E_REQUEST;
}

int sim7600_mqtt_connect(struct sim7600_mqtt *mqtt,
                         const struct sim7600_mqtt_config *config)
{
    int err = check(config);
    if (err == OTA_OK) {
        err = leave(mqtt);
    }
    if (err == OTA_OK) {
        err = start(mqtt);
    }
    if (err == OTA_OK) {
        err = acquire(mqtt, config);
    }
    return err == OTA_OK ? open_session(mqtt, config) : err;
}

void sim7600_mqtt_disconnect(struct sim7600_mqtt *mqtt)
{
    // Whatever it did not like: the next connect begins with it again.
    (void)leave(mqtt);
}

/// Subscribing and publishing ///

int sim7600_mqtt_subscribe(struct sim7600_mqtt *mqtt, const char *topic)
{
    struct at *at = mqtt->modem->at;
    size_t size = strlen(topic);
    struct at_result result = {
        .prefix = "+CMQTTSUB:", .head = "0,", .needs = &mqtt->is_connected};
    if (size == 0 || size > SIM7600_MQTT_TOPIC_MAX) {
        return OTA_E_REQUEST;
    }
    if (!mqtt->is_connected) {
        return OTA_E_BROKER;
    }
    int err =
        at_send(at, SIM7600_FILE_MS, "AT+CMQTTSUB=0,%u,1", (unsigned)size);
    if (err == OTA_OK) {
        err = at_give(at, topic, size, &result);
    }
    if (err == OTA_OK) {
        at_begin(at, EXCHANGE_MS);
        err = at_read_result(at, &result);
    }
    return judge(mqtt, at_end_data(at, size, err), &result);
}

// TOPIC and PAYLOAD: data, then OK alone.
static int load(struct sim7600_mqtt *mqtt, const char *name, const char *prefix,
                const void *data, size_t size)
{
    struct at *at = mqtt->modem->at;
    struct at_result result = {.prefix = prefix, .head = "0,"};
    int err = at_send(at, SIM7600_FILE_MS, "AT%s=0,%u", name, (unsigned)size);
    if (err == OTA_OK) {
        err = at_give(at, data, size, &result);
    }
    if (err == OTA_OK) {
        at_begin(at, SIM7600_FILE_MS);
        err = at_read_plain(at, &result);
    }
    err = at_end_data(at, size, err);
    return err == OTA_E_MODEM ? judge(mqtt, err, &result) : err;
}

int sim7600_mqtt_publish(struct sim7600_mqtt *mqtt, const char *topic,
                         const char *payload, size_t size)
{
    static const char *const publish[] = {"AT+CMQTTPUB=0,1,60", NULL};
    struct at_result result = {
        .prefix = "+CMQTTPUB:", .head = "0,", .needs = &mqtt->is_connected};
    size_t topic_size = strlen(topic);
    if (topic_size == 0 || topic_size > SIM7600_MQTT_TOPIC_MAX ||
        size > SIM7600_MQTT_PAYLOAD_MAX) {
        return OTA_E_REQUEST;
    }
    if (!mqtt->is_connected) {
        return OTA_E_BROKER;
    }
    int err = load(mqtt, "+CMQTTTOPIC", "+CMQTTTOPIC:", topic, topic_size);
    if (err == OTA_OK && size > 0) {
        err = load(mqtt, "+CMQTTPAYLOAD", "+CMQTTPAYLOAD:", payload, size);
    }
    if (err != OTA_OK) {
        return err;
    }
    err = at_exchange(mqtt->modem->at, EXCHANGE_MS, publish, &result);
    return judge(mqtt, err, &result);
}

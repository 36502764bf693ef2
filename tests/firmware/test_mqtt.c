// The MQTT client's exchanges: every order of OK and result, refusals, what
// arrives meanwhile.
//
// SPDX-License-Identifier: Apache-2.0
#include "script.h"
#include "sim7600_mqtt.h"

static struct sim7600_mqtt mqtt;

static void listen(const char *answer, size_t size, size_t chunk,
                   bool is_connected)
{
    begin(answer, size, chunk);
    sim7600_mqtt_init(&mqtt, &modem);
    mqtt.is_connected = is_connected;
}

#define OK "\r\nOK\r\n"
#define ERROR "\r\nERROR\r\n"
#define R(text) "\r\n" text "\r\n"
#define BAR "|"
#define MESSAGE                                                                \
    "\r\n+CMQTTRXSTART: 0,3,6\r\n\r\n+CMQTTRXTOPIC: 0,3\r\na/b"                \
    "\r\n+CMQTTRXPAYLOAD: 0,6\r\n\r\nOK\r\n\r\n+CMQTTRXEND: 0\r\n"

static const struct sim7600_mqtt_config plain = {
    .host = "broker.example",
    .port = 1883,
    .client_id = "device-1",
    .keepalive_s = 60,
};

static const struct sim7600_tls tls = {
    .ca = "ca.pem", .cert = "me.pem", .key = "me_key.pem"};

/// Connecting ///

#define NOTHING_RUNS R("+CMQTTDISC: 0,11") ERROR BAR ERROR BAR ERROR BAR
#define STARTS NOTHING_RUNS OK R("+CMQTTSTART: 0") BAR
#define ACQUIRES STARTS OK BAR

struct row {
    const char *name;
    const char *answer;
    int result;
    uint32_t error;
};

static const struct row connects[] = {
    {"fresh", ACQUIRES OK R("+CMQTTCONNECT: 0,0"), OTA_OK, 0},
    {"result_first", ACQUIRES R("+CMQTTCONNECT: 0,0") OK, OTA_OK, 0},
    {"everything_ran",
     R("+CMQTTDISC: 0,0") OK BAR OK BAR OK R("+CMQTTSTOP: 0")
         BAR R("+CMQTTSTART: 0") OK BAR OK BAR OK R("+CMQTTCONNECT: 0,0"),
     OTA_OK, 0},
    {"starts_already_with_code",
     NOTHING_RUNS R("+CMQTTSTART: 23")
         ERROR BAR OK BAR OK R("+CMQTTCONNECT: 0,0"),
     OTA_OK, 0},
    {"starts_already_with_code_behind",
     NOTHING_RUNS ERROR R("+CMQTTSTART: 23")
         BAR OK BAR OK R("+CMQTTCONNECT: 0,0"),
     OTA_OK, 0},
    {"starts_already_without_code",
     NOTHING_RUNS ERROR BAR OK BAR OK R("+CMQTTCONNECT: 0,0"), OTA_OK, 0},
    {"starts_already_as_a_result",
     NOTHING_RUNS OK R("+CMQTTSTART: 23") BAR OK BAR OK R("+CMQTTCONNECT: 0,0"),
     OTA_OK, 0},
    {"no_network", NOTHING_RUNS OK R("+CMQTTSTART: 7"), OTA_E_NETWORK, 7},
    {"no_start", NOTHING_RUNS OK R("+CMQTTSTART: 1"), OTA_E_BROKER, 1},
    {"client_in_use", STARTS R("+CMQTTACCQ: 0,19") ERROR, OTA_E_BROKER, 19},
    {"refused_as_a_result", ACQUIRES OK R("+CMQTTCONNECT: 0,30"), OTA_E_BROKER,
     30},
    {"refused_with_error", ACQUIRES R("+CMQTTCONNECT: 0,31") ERROR,
     OTA_E_BROKER, 31},
    {"handshake", ACQUIRES OK R("+CMQTTCONNECT: 0,32"), OTA_E_TLS, 32},
    {"session", ACQUIRES OK R("+CMQTTCONNECT: 0,34"), OTA_E_TLS, 34},
    {"other_clients_result",
     ACQUIRES OK R("+CMQTTCONNECT: 1,31") R("+CMQTTCONNECT: 0,0"), OTA_OK, 0},
    {"error_without_code", ACQUIRES ERROR, OTA_E_BROKER, 0},
    {"letters_for_a_code", ACQUIRES OK R("+CMQTTCONNECT: 0,x"), OTA_E_PROTOCOL,
     0},
    {"zero_and_error", ACQUIRES R("+CMQTTCONNECT: 0,0") ERROR, OTA_E_BROKER, 0},
    {"restart", ACQUIRES OK R("RDY"), OTA_E_MODEM_REBOOT, 0},
    {"restart_while_leaving", R("RDY"), OTA_E_MODEM_REBOOT, 0},
    {"no_answer", ACQUIRES OK, OTA_E_TIMEOUT, 0},
    {"a_message_before_the_result", ACQUIRES OK MESSAGE R("+CMQTTCONNECT: 0,0"),
     OTA_OK, 0},
};

static void connects_in_every_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof connects / sizeof connects[0]; i++) {
        const struct row *row = &connects[i];
        for (size_t k = 0; k < 5; k++) {
            listen(row->answer, strlen(row->answer), chunks[k], true);
            int err = sim7600_mqtt_connect(&mqtt, &plain);
            if (err != row->result || mqtt.error != row->error ||
                mqtt.is_connected != (err == OTA_OK) ||
                mqtt.held != (strstr(row->name, "message") != NULL)) {
                fail_msg("%s in chunks of %u: %d, code %u, connected %d\n%s",
                         row->name, (unsigned)chunks[k], err,
                         (unsigned)mqtt.error, mqtt.is_connected, script.log);
            }
        }
    }
}

static void what_is_sent_to_connect(void **state)
{
    (void)state;
    static const char answer[] = ACQUIRES OK R("+CMQTTCONNECT: 0,0");
    struct sim7600_mqtt_config config = plain;
    listen(answer, sizeof answer - 1, ALL, false);
    assert_int_equal(OTA_OK, sim7600_mqtt_connect(&mqtt, &config));
    assert_string_equal(
        "AT+CMQTTDISC=0,60\rAT+CMQTTREL=0\rAT+CMQTTSTOP\rAT+CMQTTSTART\r"
        "AT+CMQTTACCQ=0,\"device-1\",0\r"
        "AT+CMQTTCONNECT=0,\"tcp://broker.example:1883\",60,0\r",
        script.log);
    config.user = "me";
    config.password = "word; here";
    config.clean_session = true;
    listen(answer, sizeof answer - 1, ALL, false);
    assert_int_equal(OTA_OK, sim7600_mqtt_connect(&mqtt, &config));
    assert_non_null(strstr(script.log, ",60,1,\"me\",\"word; here\"\r"));
    config.user = ""; // a password without a user cannot be sent
    listen(answer, sizeof answer - 1, ALL, false);
    assert_int_equal(OTA_OK, sim7600_mqtt_connect(&mqtt, &config));
    assert_non_null(strstr(script.log, ":1883\",60,1\r"));
}

static void tls_is_set_up_before_connecting(void **state)
{
    (void)state;
    static const char answer[] = ACQUIRES R("+CCERTLIST: \"ca.pem\"")
        R("+CCERTLIST: \"me.pem\"") R("+CCERTLIST: \"me_key.pem\"")
            OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK R(
                "+CMQTTCONNECT: 0,0");
    struct sim7600_mqtt_config config = plain;
    config.tls = &tls;
    listen(answer, sizeof answer - 1, ALL, false);
    assert_int_equal(OTA_OK, sim7600_mqtt_connect(&mqtt, &config));
    assert_non_null(strstr(script.log, "AT+CMQTTACCQ=0,\"device-1\",1\r"));
    assert_non_null(strstr(script.log,
                           "AT+CCERTLIST\rAT+CSSLCFG=\"sslversion\",0,3\r"
                           "AT+CSSLCFG=\"cacert\",0,\"ca.pem\"\r"
                           "AT+CSSLCFG=\"clientcert\",0,\"me.pem\"\r"
                           "AT+CSSLCFG=\"clientkey\",0,\"me_key.pem\"\r"
                           "AT+CSSLCFG=\"authmode\",0,2\r"
                           "AT+CSSLCFG=\"ignorelocaltime\",0,1\r"
                           "AT+CSSLCFG=\"enableSNI\",0,1\rAT+CMQTTSSLCFG=0,0\r"
                           "AT+CMQTTCONNECT=0,\"tcp://broker.example:1883\""));
}

static void a_missing_certificate_is_told(void **state)
{
    (void)state;
    static const char answer[] = ACQUIRES R("+CCERTLIST: \"ca.pem\"")
        R("+CCERTLIST: \"me.pem\"") R("+CCERTLIST: \"me_key.pem.old\"") OK;
    struct sim7600_mqtt_config config = plain;
    config.tls = &tls;
    listen(answer, sizeof answer - 1, ALL, false);
    assert_int_equal(OTA_E_CERTIFICATE, sim7600_mqtt_connect(&mqtt, &config));
    assert_false(mqtt.is_connected);
}

static void texts_cannot_become_commands(void **state)
{
    (void)state;
    static char long_text[300];
    memset(long_text, 'x', 257);
    const char *const bad[] = {"a\"b", "a\rAT+CFUN=6\r", "a\nb", long_text, ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t member = 0; member < 4; member++) {
            struct sim7600_mqtt_config config = plain;
            const char **members[] = {&config.host, &config.client_id,
                                      &config.user, &config.password};
            if (bad[i][0] == '\0' && member >= 2) {
                continue; // none is fine for these
            }
            *members[member] = bad[i];
            listen("", 0, ALL, false);
            assert_int_equal(OTA_E_REQUEST,
                             sim7600_mqtt_connect(&mqtt, &config));
            assert_string_equal("", script.log);
        }
    }
    // Each fits, together they are longer than a command may be.
    static const char answer[] = ACQUIRES;
    struct sim7600_mqtt_config config = plain;
    long_text[256] = '\0';
    config.user = long_text;
    config.password = long_text;
    listen(answer, sizeof answer - 1, ALL, false);
    assert_int_equal(OTA_E_REQUEST, sim7600_mqtt_connect(&mqtt, &config));
    config = plain;
    config.port = 0;
    assert_int_equal(OTA_E_REQUEST, sim7600_mqtt_connect(&mqtt, &config));
}

static void disconnecting_ends_everything(void **state)
{
    (void)state;
    static const char answer[] =
        OK R("+CMQTTDISC: 0,0") BAR OK BAR OK R("+CMQTTSTOP: 0");
    listen(answer, sizeof answer - 1, 3, true);
    sim7600_mqtt_disconnect(&mqtt);
    assert_false(mqtt.is_connected);
    assert_string_equal("AT+CMQTTDISC=0,60\rAT+CMQTTREL=0\rAT+CMQTTSTOP\r",
                        script.log);
}

/// Subscribing ///

static const struct row subscribes[] = {
    {"ok_first", "\r\n>|" OK R("+CMQTTSUB: 0,0"), OTA_OK, 0},
    {"result_first", "\r\n>|" R("+CMQTTSUB: 0,0") OK, OTA_OK, 0},
    {"a_message_before_the_prompt", MESSAGE "\r\n>|" OK R("+CMQTTSUB: 0,0"),
     OTA_OK, 0},
    {"a_message_before_the_result", "\r\n>|" OK MESSAGE R("+CMQTTSUB: 0,0"),
     OTA_OK, 0},
    {"refused", "\r\n>|" OK R("+CMQTTSUB: 0,12"), OTA_E_BROKER, 12},
    {"refused_before_the_prompt", R("+CMQTTSUB: 0,11") ERROR, OTA_E_BROKER, 11},
    {"refused_after_the_topic", "\r\n>|" ERROR R("+CMQTTSUB: 0,2"),
     OTA_E_BROKER, 2},
    {"error", "\r\n>|" ERROR, OTA_E_BROKER, 0},
    {"lost", "\r\n>|" OK R("+CMQTTCONNLOST: 0,1"), OTA_E_BROKER, 0},
    {"restart", "\r\n>|" R("RDY"), OTA_E_MODEM_REBOOT, 0},
    {"no_prompt", "\r\n", OTA_E_TIMEOUT, 0},
    {"no_result", "\r\n>|" OK, OTA_E_TIMEOUT, 0},
};

static bool keeps_connection(const struct row *row)
{
    return row->result != OTA_E_MODEM_REBOOT && row->error != 11 &&
           row->error != 20 && strcmp(row->name, "lost") != 0;
}

static void subscribes_in_every_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof subscribes / sizeof subscribes[0]; i++) {
        const struct row *row = &subscribes[i];
        for (size_t k = 0; k < 5; k++) {
            listen(row->answer, strlen(row->answer), chunks[k], true);
            int err = sim7600_mqtt_subscribe(&mqtt, "ota/x");
            if (err != row->result || mqtt.error != row->error ||
                mqtt.is_connected != keeps_connection(row) ||
                mqtt.held != (strstr(row->name, "message") != NULL)) {
                fail_msg("%s in chunks of %u: %d, code %u", row->name,
                         (unsigned)chunks[k], err, (unsigned)mqtt.error);
            }
        }
    }
    listen(subscribes[0].answer, strlen(subscribes[0].answer), ALL, true);
    assert_int_equal(OTA_OK, sim7600_mqtt_subscribe(&mqtt, "ota/x"));
    assert_string_equal("AT+CMQTTSUB=0,5,1\rota/x", script.log);
}

/// Publishing ///

#define LOADED "\r\n>|" OK BAR "\r\n>|" OK BAR

static const struct row publishes[] = {
    {"ok_first", LOADED OK R("+CMQTTPUB: 0,0"), OTA_OK, 0},
    {"result_first", LOADED R("+CMQTTPUB: 0,0") OK, OTA_OK, 0},
    {"message_everywhere",
     MESSAGE "\r\n>|" MESSAGE OK BAR "\r\n>|" OK BAR OK R("+CMQTTPUB: 0,0"),
     OTA_OK, 0},
    {"message_before_the_result", LOADED OK MESSAGE R("+CMQTTPUB: 0,0"), OTA_OK,
     0},
    {"no_acknowledge", LOADED OK R("+CMQTTPUB: 0,17"), OTA_E_BROKER, 17},
    {"bad_utf8", "\r\n>|" OK BAR "\r\n>|" R("+CMQTTPAYLOAD: 0,2") ERROR,
     OTA_E_BROKER, 2},
    {"topic_refused", R("+CMQTTTOPIC: 0,11") ERROR, OTA_E_BROKER, 11},
    {"no_client", R("+CMQTTTOPIC: 0,20") ERROR, OTA_E_BROKER, 20},
    {"lost", LOADED OK R("+CMQTTNONET"), OTA_E_BROKER, 0},
    {"restart", "\r\n>|" R("RDY"), OTA_E_MODEM_REBOOT, 0},
    {"no_result", LOADED OK, OTA_E_TIMEOUT, 0},
};

static void publishes_in_every_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof publishes / sizeof publishes[0]; i++) {
        const struct row *row = &publishes[i];
        for (size_t k = 0; k < 5; k++) {
            listen(row->answer, strlen(row->answer), chunks[k], true);
            int err = sim7600_mqtt_publish(&mqtt, "t/1", "{\"a\":1}", 7);
            if (err != row->result || mqtt.error != row->error ||
                mqtt.is_connected != keeps_connection(row) ||
                (mqtt.held > 0) != (strstr(row->name, "message") != NULL)) {
                fail_msg("%s in chunks of %u: %d, code %u, held %u", row->name,
                         (unsigned)chunks[k], err, (unsigned)mqtt.error,
                         (unsigned)mqtt.held);
            }
        }
    }
    const char *answer = publishes[0].answer;
    listen(answer, strlen(answer), ALL, true);
    assert_int_equal(OTA_OK,
                     sim7600_mqtt_publish(&mqtt, "t/1", "{\"a\":1}", 7));
    assert_string_equal("AT+CMQTTTOPIC=0,3\rt/1AT+CMQTTPAYLOAD=0,7\r{\"a\":1}"
                        "AT+CMQTTPUB=0,1,60\r",
                        script.log);
}

static void an_empty_payload_is_left_out(void **state)
{
    (void)state;
    static const char answer[] = "\r\n>|" OK BAR OK R("+CMQTTPUB: 0,0");
    listen(answer, sizeof answer - 1, ALL, true);
    assert_int_equal(OTA_OK, sim7600_mqtt_publish(&mqtt, "t", "", 0));
    assert_string_equal("AT+CMQTTTOPIC=0,1\rtAT+CMQTTPUB=0,1,60\r", script.log);
}

static void nothing_is_sent_without_a_connection_or_beyond_a_limit(void **state)
{
    (void)state;
    static char topic[300];
    memset(topic, 't', 257);
    listen("", 0, ALL, false);
    assert_int_equal(OTA_E_BROKER, sim7600_mqtt_publish(&mqtt, "t", "x", 1));
    assert_int_equal(OTA_E_BROKER, sim7600_mqtt_subscribe(&mqtt, "t"));
    mqtt.is_connected = true;
    assert_int_equal(OTA_E_REQUEST, sim7600_mqtt_publish(&mqtt, "", "x", 1));
    assert_int_equal(OTA_E_REQUEST, sim7600_mqtt_publish(&mqtt, topic, "x", 1));
    assert_int_equal(OTA_E_REQUEST,
                     sim7600_mqtt_publish(&mqtt, "t", topic, 4097));
    assert_int_equal(OTA_E_REQUEST, sim7600_mqtt_subscribe(&mqtt, ""));
    assert_int_equal(OTA_E_REQUEST, sim7600_mqtt_subscribe(&mqtt, topic));
    assert_string_equal("", script.log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_in_every_order),
        cmocka_unit_test(what_is_sent_to_connect),
        cmocka_unit_test(tls_is_set_up_before_connecting),
        cmocka_unit_test(a_missing_certificate_is_told),
        cmocka_unit_test(texts_cannot_become_commands),
        cmocka_unit_test(disconnecting_ends_everything),
        cmocka_unit_test(subscribes_in_every_order),
        cmocka_unit_test(publishes_in_every_order),
        cmocka_unit_test(an_empty_payload_is_left_out),
        cmocka_unit_test(
            nothing_is_sent_without_a_connection_or_beyond_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

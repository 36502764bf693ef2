// MQTT messages that arrive, whole and spoiled, in chunks of every size and
// with a pause at every byte.
//
// SPDX-License-Identifier: Apache-2.0
#include "script.h"
#include "sim7600_mqtt.h"

static struct sim7600_mqtt mqtt;

static void receive(const char *answer, size_t size, size_t chunk)
{
    begin(answer, size, chunk);
    sim7600_mqtt_init(&mqtt, &modem);
    mqtt.is_connected = true;
    arrive();
}

#define START(t, p) "\r\n+CMQTTRXSTART: 0," #t "," #p "\r\n"
#define TOPIC(n, text) "\r\n+CMQTTRXTOPIC: 0," #n "\r\n" text
#define BLOCK(n, text) "\r\n+CMQTTRXPAYLOAD: 0," #n "\r\n" text
#define END "\r\n+CMQTTRXEND: 0\r\n"
#define MESSAGE START(3, 5) TOPIC(3, "a/b") BLOCK(5, "hello") END
#define OTHER START(1, 2) TOPIC(1, "x") BLOCK(2, "{}") END

struct row {
    const char *name;
    const char *answer;
    size_t held;
    uint32_t dropped;
    const char *topic; // of the first that is held
    const char *payload;
};

static const struct row whole[] = {
    {"one", MESSAGE, 1, 0, "a/b", "hello"},
    {"two", MESSAGE OTHER, 2, 0, "a/b", "hello"},
    {"between_lines", "\r\nSMS DONE\r\n" MESSAGE "\r\nOK\r\n", 1, 0, "a/b",
     "hello"},
    {"no_spaces",
     "\r\n+CMQTTRXSTART:0,3,5\r\n\r\n+CMQTTRXTOPIC:0,3\r\na/b\r\n"
     "+CMQTTRXPAYLOAD:0,5\r\nhello\r\n+CMQTTRXEND:0\r\n",
     1, 0, "a/b", "hello"},
    {"leading_zeros",
     "\r\n+CMQTTRXSTART: 0,003,005\r\n" TOPIC(003, "a/b") BLOCK(05, "hello")
         END,
     1, 0, "a/b", "hello"},
    {"topic_in_pieces",
     START(6, 1) TOPIC(4, "a/b/") TOPIC(2, "cd") BLOCK(1, "!") END, 1, 0,
     "a/b/cd", "!"},
    {"payload_in_pieces",
     START(1, 6) TOPIC(1, "x") BLOCK(3, "abc") BLOCK(1, "d") BLOCK(2, "ef") END,
     1, 0, "x", "abcdef"},
    {"empty_payload", START(1, 0) TOPIC(1, "x") END, 1, 0, "x", ""},
    {"payload_like_lines",
     START(1, 34) TOPIC(1, "x")
         BLOCK(34, "\r\nOK\r\n\r\nRDY\r\n\r\n+CMQTTCONNLOST: 0,1") END,
     1, 0, "x", "\r\nOK\r\n\r\nRDY\r\n\r\n+CMQTTCONNLOST: 0,1"},
    {"payload_like_a_message",
     START(1, 20) TOPIC(1, "x") BLOCK(20, "\r\n+CMQTTRXEND: 0\r\n\r\n") END, 1,
     0, "x", "\r\n+CMQTTRXEND: 0\r\n\r\n"},
    {"line_within",
     START(1, 2) "\r\n+CGEV: X\r\n" TOPIC(1, "x") "\r\nRING\r\n" BLOCK(2, "{}")
         END,
     1, 0, "x", "{}"},
};

static const struct row spoiled[] = {
    {"other_client",
     "\r\n+CMQTTRXSTART: 1,1,4\r\n\r\n+CMQTTRXTOPIC: 1,1\r\nx"
     "\r\n+CMQTTRXPAYLOAD: 1,4\r\n\r\nOK\r\n+CMQTTRXEND: 1\r\n" MESSAGE,
     1, 1, "a/b", "hello"},
    {"three_where_two_are_held", MESSAGE OTHER OTHER, 2, 1, "a/b", "hello"},
    {"more_topic_than_announced",
     START(2, 2) TOPIC(4, "\r\nOK") BLOCK(2, "{}") END MESSAGE, 1, 1, "a/b",
     "hello"},
    {"more_payload_than_announced",
     START(1, 2) TOPIC(1, "x") BLOCK(9, "\r\nERROR\r\n") END MESSAGE, 1, 1,
     "a/b", "hello"},
    {"less_payload_than_announced",
     START(1, 9) TOPIC(1, "x") BLOCK(2, "{}") END MESSAGE, 1, 1, "a/b",
     "hello"},
    {"no_topic", START(1, 2) BLOCK(2, "{}") END MESSAGE, 1, 1, "a/b", "hello"},
    {"empty_topic", START(0, 2) BLOCK(2, "{}") END MESSAGE, 1, 1, "a/b",
     "hello"},
    {"empty_block",
     START(1, 2) TOPIC(1, "x") BLOCK(0, "") BLOCK(2, "{}") END MESSAGE, 1, 1,
     "a/b", "hello"},
    {"start_without_numbers",
     "\r\n+CMQTTRXSTART: 0\r\n" TOPIC(1, "x") BLOCK(2, "{}") END MESSAGE, 1, 1,
     "a/b", "hello"},
    {"start_with_more_numbers",
     "\r\n+CMQTTRXSTART: 0,1,2,3\r\n" TOPIC(1, "x") BLOCK(2, "{}") END MESSAGE,
     1, 1, "a/b", "hello"},
    {"start_with_a_huge_number",
     START(1, 4294967298) TOPIC(1, "x") BLOCK(2, "{}") END MESSAGE, 1, 1, "a/b",
     "hello"},
    {"letters_in_a_count",
     START(1, 2) TOPIC(1, "x") BLOCK(2x, "{}") END MESSAGE, 1, 1, "a/b",
     "hello"},
    {"negative_count", START(1, 2) TOPIC(1, "x") BLOCK(-2, "{}") END MESSAGE, 1,
     1, "a/b", "hello"},
    {"count_beyond_any_message",
     START(1, 2) TOPIC(1, "x") BLOCK(20000, "{}") END MESSAGE, 1, 1, "a/b",
     "hello"},
    {"start_is_lost", TOPIC(1, "x") BLOCK(4, "\r\nOK") END MESSAGE, 1, 1, "a/b",
     "hello"},
    {"end_is_lost", START(1, 2) TOPIC(1, "x") BLOCK(2, "{}") MESSAGE, 1, 1,
     "a/b", "hello"},
    {"end_alone", END MESSAGE, 1, 0, "a/b", "hello"},
    {"byte_lost", START(1, 4) TOPIC(1, "x") BLOCK(4, "{}}") END MESSAGE, 1, 1,
     "a/b", "hello"},
    {"two_bytes_lost", START(1, 5) TOPIC(1, "x") BLOCK(5, "{}}") END MESSAGE, 1,
     1, "a/b", "hello"},
    {"byte_gained", START(1, 2) TOPIC(1, "x") BLOCK(2, "{ }") END MESSAGE, 1, 1,
     "a/b", "hello"},
    {"restart_within", START(1, 9) TOPIC(1, "x") BLOCK(2, "{}") "\r\nRDY\r\n",
     0, 1, "", ""},
    {"connection_lost_within",
     START(1, 9) TOPIC(1, "x") "\r\n+CMQTTCONNLOST: 0,2\r\n" END MESSAGE, 1, 1,
     "a/b", "hello"},
};

static void expect(const struct row *row, const char *where, size_t number)
{
    const struct sim7600_mqtt_message *message = sim7600_mqtt_message(&mqtt);
    bool good = mqtt.held == row->held && mqtt.dropped == row->dropped &&
                (message != NULL) == (row->held > 0);
    if (good && message != NULL) {
        good = strcmp(message->topic, row->topic) == 0 &&
               strcmp(message->payload, row->payload) == 0 &&
               message->topic_size == strlen(row->topic) &&
               message->payload_size == strlen(row->payload);
    }
    if (!good) {
        fail_msg("%s, %s %u: held %u, dropped %u, '%s' '%s'", row->name, where,
                 (unsigned)number, (unsigned)mqtt.held, (unsigned)mqtt.dropped,
                 message != NULL ? message->topic : "",
                 message != NULL ? message->payload : "");
    }
}

static void poll_all(void)
{
    for (int i = 0; i < 30 && script.position < script.limit; i++) {
        int err = sim7600_mqtt_poll(&mqtt, 200);
        assert_true(err == OTA_OK || err == OTA_E_MODEM_REBOOT);
    }
    assert_int_equal(script.limit, script.position);
}

static void run_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < 5; k++) {
            receive(rows[i].answer, strlen(rows[i].answer), chunks[k]);
            poll_all();
            expect(&rows[i], "chunks of", chunks[k]);
        }
        for (size_t at_byte = 1; at_byte < strlen(rows[i].answer); at_byte++) {
            receive(rows[i].answer, strlen(rows[i].answer), ALL);
            script.pause_at = at_byte;
            poll_all();
            expect(&rows[i], "pause at", at_byte);
        }
    }
}

static void whole_messages_are_held(void **state)
{
    (void)state;
    run_rows(whole, sizeof whole / sizeof whole[0]);
}

static void spoiled_messages_are_counted_and_do_no_harm(void **state)
{
    (void)state;
    run_rows(spoiled, sizeof spoiled / sizeof spoiled[0]);
}

static void nothing_of_a_spoiled_message_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof spoiled / sizeof spoiled[0]; i++) {
        static const struct sim7600_mqtt_message blank;
        receive(spoiled[i].answer, strlen(spoiled[i].answer), 7);
        poll_all();
        for (size_t k = spoiled[i].held; k <= SIM7600_MQTT_HELD; k++) {
            assert_memory_equal(&blank, &mqtt.messages[k], sizeof blank);
        }
    }
}

// A message with a topic and a payload of these sizes, in blocks of 1500.
static size_t build(char *text, size_t topic, size_t payload)
{
    size_t size = (size_t)sprintf(text, "\r\n+CMQTTRXSTART: 0,%u,%u\r\n",
                                  (unsigned)topic, (unsigned)payload);
    size += (size_t)sprintf(text + size, "\r\n+CMQTTRXTOPIC: 0,%u\r\n",
                            (unsigned)topic);
    memset(text + size, 't', topic);
    size += topic;
    for (size_t done = 0; done < payload;) {
        size_t part = payload - done < 1500 ? payload - done : 1500;
        size += (size_t)sprintf(text + size, "\r\n+CMQTTRXPAYLOAD: 0,%u\r\n",
                                (unsigned)part);
        for (size_t i = 0; i < part; i++) {
            text[size + i] = (char)('a' + (done + i) % 26u);
        }
        size += part;
        done += part;
    }
    return size + (size_t)sprintf(text + size, END);
}

static void the_largest_message_fits_and_a_larger_one_is_skipped(void **state)
{
    (void)state;
    static char text[24000];
    static const struct {
        size_t topic;
        size_t payload;
        bool fits;
    } sizes[] = {
        {256, 4096, true},  {257, 10, false},  {10, 4097, false},
        {10, 10240, false}, {256, 1501, true},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t k = 0; k < 5; k++) {
            size_t size = build(text, sizes[i].topic, sizes[i].payload);
            size += (size_t)sprintf(text + size, OTHER);
            receive(text, size, chunks[k]);
            poll_all();
            assert_int_equal(sizes[i].fits ? 2 : 1, mqtt.held);
            assert_int_equal(sizes[i].fits ? 0 : 1, mqtt.dropped);
            if (sizes[i].fits) {
                const struct sim7600_mqtt_message *message =
                    sim7600_mqtt_message(&mqtt);
                assert_int_equal(sizes[i].payload, message->payload_size);
                for (size_t j = 0; j < message->payload_size; j++) {
                    assert_int_equal('a' + j % 26u, message->payload[j]);
                }
                sim7600_mqtt_release(&mqtt);
            }
            assert_string_equal("x", sim7600_mqtt_message(&mqtt)->topic);
        }
    }
}

static void a_nul_in_a_topic_is_not_taken(void **state)
{
    (void)state;
    static const char text[] =
        START(3, 1) TOPIC(3, "a\0b") BLOCK(1, "!") END MESSAGE;
    receive(text, sizeof text - 1, ALL);
    poll_all();
    assert_int_equal(1, mqtt.held);
    assert_int_equal(1, mqtt.dropped);
}

static void released_messages_are_wiped_and_make_room(void **state)
{
    (void)state;
    static const char text[] = MESSAGE OTHER "|" MESSAGE;
    static const struct sim7600_mqtt_message blank;
    receive(text, sizeof text - 1, ALL);
    assert_null(sim7600_mqtt_message(&mqtt));
    sim7600_mqtt_release(&mqtt); // nothing: no harm
    poll_all();
    const struct sim7600_mqtt_message *first = sim7600_mqtt_message(&mqtt);
    assert_string_equal("hello", first->payload);
    sim7600_mqtt_release(&mqtt);
    assert_memory_equal(&blank, first, sizeof blank);
    assert_string_equal("{}", sim7600_mqtt_message(&mqtt)->payload);
    next_answer();
    poll_all();
    assert_int_equal(2, mqtt.held);
    sim7600_mqtt_release(&mqtt);
    assert_string_equal("hello", sim7600_mqtt_message(&mqtt)->payload);
    assert_int_equal(0, mqtt.dropped);
}

static void the_held_message_stays_while_others_arrive(void **state)
{
    (void)state;
    static const char text[] = MESSAGE "|" OTHER OTHER OTHER;
    receive(text, sizeof text - 1, ALL);
    poll_all();
    const struct sim7600_mqtt_message *first = sim7600_mqtt_message(&mqtt);
    next_answer();
    poll_all();
    assert_ptr_equal(first, sim7600_mqtt_message(&mqtt));
    assert_string_equal("hello", first->payload);
    assert_int_equal(2, mqtt.dropped);
}

static void what_ends_the_connection(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool is_connected;
    } lines[] = {
        {"\r\n+CMQTTCONNLOST: 0,1\r\n", false},
        {"\r\n+CMQTTCONNLOST:0,3\r\n", false},
        {"\r\n+CMQTTPING: 0,6\r\n", false},
        {"\r\n+CMQTTNONET\r\n", false},
        {"\r\n+CMQTTNONET: 0\r\n", false},
        {"\r\nRDY\r\n", false},
        {"\r\n+CPIN: READY\r\n", false},
        {"AT\r\r\nOK\r\n", false}, // an echo
        {"AT+CMQTTPUB=0,1,60\r\r\nOK\r\n", false},
        {"\r\nATLAS.ebin\r\n", true}, // a file in a list
        {"\r\n+CMQTTCONNLOST: 1,1\r\n", true},
        {"\r\n+CMQTTPING: 1,6\r\n", true},
        {"\r\nSMS DONE\r\n", true},
        {"\r\nNOT RDY\r\n", true},
        {"\r\n+CREG: 0\r\n", true},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        receive(lines[i].line, strlen(lines[i].line), 3);
        poll_all();
        if (mqtt.is_connected != lines[i].is_connected) {
            fail_msg("%s: connected %d", lines[i].line, mqtt.is_connected);
        }
    }
}

static void an_answer_about_the_pin_is_no_restart(void **state)
{
    (void)state;
    static const char answer[] =
        "\r\n+CPIN: READY\r\n\r\nOK\r\n|\r\n+CEREG: 0,1\r\n\r\nOK\r\n";
    begin(answer, sizeof answer - 1, ALL);
    sim7600_mqtt_init(&mqtt, &modem);
    mqtt.is_connected = true;
    assert_int_equal(OTA_OK, sim7600_attach(&modem, NULL, 1000));
    assert_true(mqtt.is_connected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_messages_are_held),
        cmocka_unit_test(spoiled_messages_are_counted_and_do_no_harm),
        cmocka_unit_test(nothing_of_a_spoiled_message_stays),
        cmocka_unit_test(the_largest_message_fits_and_a_larger_one_is_skipped),
        cmocka_unit_test(a_nul_in_a_topic_is_not_taken),
        cmocka_unit_test(released_messages_are_wiped_and_make_room),
        cmocka_unit_test(the_held_message_stays_while_others_arrive),
        cmocka_unit_test(what_ends_the_connection),
        cmocka_unit_test(an_answer_about_the_pin_is_no_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

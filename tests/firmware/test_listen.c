// The listener of an AT session: lines that belong to no exchange, prompts,
// commands in pieces, results of two lines.
//
// SPDX-License-Identifier: Apache-2.0
#include "at_result.h"
#include "script.h"

// Takes lines that begin with "+U:" and, behind "+U: n", n bytes.
struct heard {
    char text[400];
    uint32_t restarts;
    uint32_t short_blocks;
};

static struct heard heard;

static bool hear(void *owner)
{
    struct heard *own = owner;
    const char *rest = at_after(at.line, "+U:");
    uint32_t size = 0;
    if (rest == NULL) {
        own->restarts += strcmp(at.line, "RDY") == 0 ? 1u : 0u;
        return false;
    }
    size_t length = strlen(own->text);
    assert_true(length + 2u < sizeof own->text);
    (void)snprintf(own->text + length, sizeof own->text - length, "[%s]", rest);
    if (at_number(&rest, &size)) {
        char data[100] = {0};
        assert_true(size < sizeof data);
        if (at_read_counted(&at, data, size, 500) != OTA_OK) {
            own->short_blocks++;
        }
        length = strlen(own->text);
        (void)snprintf(own->text + length, sizeof own->text - length, "%s",
                       data);
    }
    return true;
}

static void listen(const char *answer, size_t chunk)
{
    begin(answer, strlen(answer), chunk);
    memset(&heard, 0, sizeof heard);
    at_listen(&at, hear, &heard);
}

struct row {
    const char *name;
    const char *answer; // to be there | to the command
    int result;
    const char *value;
    const char *text; // what the listener took
};

static const struct row rows[] = {
    {"before_the_command", "\r\n+U: a\r\n|\r\n+X: 1\r\n\r\nOK\r\n", OTA_OK, "1",
     "[a]"},
    {"before_the_answer", "|\r\n+U: a\r\n\r\n+X: 1\r\n\r\nOK\r\n", OTA_OK, "1",
     "[a]"},
    {"between_answer_and_ok", "|\r\n+X: 1\r\n\r\n+U: a\r\n\r\nOK\r\n", OTA_OK,
     "1", "[a]"},
    {"data_that_looks_like_an_end",
     "|\r\n+U: 9\r\n\r\nERROR\r\n\r\n+X: 1\r\n\r\nOK\r\n", OTA_OK, "1",
     "[9]\r\nERROR\r\n"},
    {"data_before_the_command",
     "\r\n+U: 6\r\n\r\nOK\r\n\r\n|\r\n+X: 1\r\n\r\nOK\r\n", OTA_OK, "1",
     "[6]\r\nOK\r\n"},
    {"data_of_one_byte", "|\r\n+U: 1\r\n\n\r\n+X: 1\r\n\r\nOK\r\n", OTA_OK, "1",
     "[1]\n"},
    {"late_results_are_nobodys", "\r\nOK\r\n\r\nERROR\r\n|\r\nOK\r\n", OTA_OK,
     "", ""},
    {"several", "\r\n+U: a\r\n\r\n+U: b\r\n|\r\n+U: c\r\n\r\nERROR\r\n",
     OTA_E_MODEM, "", "[a][b][c]"},
    {"a_restart_is_seen", "|\r\n+X: 1\r\n\r\nRDY\r\n", OTA_E_MODEM_REBOOT, "1",
     ""},
};

static void run_row(const struct row *row, size_t chunk, size_t pause_at)
{
    char value[16];
    listen(row->answer, chunk);
    // An empty first part means that nothing is there.
    if (row->answer[0] == '|') {
        script.answer++;
        script.size--;
    } else {
        arrive();
    }
    script.pause_at = pause_at;
    int result = at_command(&at, 2000, "AT", "+X:", value, sizeof value);
    if (result != row->result || strcmp(value, row->value) != 0 ||
        strcmp(heard.text, row->text) != 0 || heard.short_blocks != 0 ||
        heard.restarts != (row->result == OTA_E_MODEM_REBOOT ? 1u : 0u)) {
        fail_msg("%s, chunks of %u, pause at %u: %d '%s' heard '%s'", row->name,
                 (unsigned)chunk, (unsigned)pause_at, result, value,
                 heard.text);
    }
}

static void lines_of_nobody_are_heard_wherever_they_come(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t k = 0; k < 5; k++) {
            run_row(&rows[i], chunks[k], 0);
        }
    }
}

static void a_pause_at_any_byte_changes_nothing(void **state)
{
    (void)state;
    // In front of the command a pause that ends a line would be the end of
    // waiting; within a line it is waited for.
    for (size_t i = 1; i < 4; i++) {
        for (size_t at_byte = 1; at_byte < strlen(rows[i].answer); at_byte++) {
            run_row(&rows[i], ALL, at_byte);
        }
    }
}

static void lost_bytes_in_counted_data_end_with_its_deadline(void **state)
{
    (void)state;
    char value[8];
    // The block is five bytes short: it swallows what follows, and times out.
    listen("\r\n+U: 30\r\n12345\r\n\r\nOK\r\n", 3);
    assert_int_equal(OTA_E_TIMEOUT,
                     at_command(&at, 3000, "AT", "+X:", value, sizeof value));
    assert_int_equal(1, heard.short_blocks);
    assert_in_range(script.now_ms - 0xFFFFFF00u, 3000, 3800);
}

static void polling_takes_what_is_there_and_waits_for_more(void **state)
{
    (void)state;
    for (size_t k = 0; k < 5; k++) {
        listen("\r\n+U: a\r\n\r\nSMS DONE\r\n\r\n+U: 2\r\nxy\r\n", chunks[k]);
        arrive();
        assert_int_equal(OTA_OK, at_poll(&at, 0));
        assert_string_equal("[a][2]xy", heard.text);
        assert_in_range(script.now_ms - 0xFFFFFF00u, 0, 60);
        // Nothing more comes.
        assert_int_equal(OTA_OK, at_poll(&at, 700));
        assert_in_range(script.now_ms - 0xFFFFFF00u, 700, 900);
        assert_in_range(script.idles, 5, 9);
    }
}

static void polling_tells_a_restart_and_an_overrun(void **state)
{
    (void)state;
    listen("\r\n+U: a\r\n\r\nRDY\r\n", ALL);
    arrive();
    assert_int_equal(OTA_E_MODEM_REBOOT, at_poll(&at, 100));
    assert_string_equal("[a]", heard.text);
    listen("\r\n+U: a\r\n", ALL);
    arrive();
    script.link_error_at = 2;
    assert_int_equal(OTA_E_LINK, at_poll(&at, 100));
}

static void noise_and_a_clock_that_stands_end(void **state)
{
    (void)state;
    listen("", ALL);
    script.endless = true;
    script.sent = true;
    assert_int_equal(OTA_OK, at_poll(&at, 100));
    at_drain(&at, 300, 5000);
    listen("", ALL);
    script.clock_stands = true;
    assert_int_equal(OTA_OK, at_poll(&at, 100));
    at_drain(&at, 300, 5000);
}

static void draining_hands_over(void **state)
{
    (void)state;
    for (size_t k = 0; k < 5; k++) {
        listen("\r\n+U: a\r\n\r\n+U: 4\r\n\r\nb!\r\n\r\nOK\r\n", chunks[k]);
        arrive();
        at_drain(&at, 300, 5000);
        assert_string_equal("[a][4]\r\nb!", heard.text);
        assert_in_range(script.now_ms - 0xFFFFFF00u, 300, 700);
    }
}

static void without_a_listener_everything_is_as_before(void **state)
{
    (void)state;
    char value[8];
    listen("\r\n+U: a\r\n\r\nOK\r\n|\r\n+X: 1\r\n\r\nOK\r\n", ALL);
    at_listen(&at, NULL, NULL);
    arrive();
    assert_int_equal(OTA_OK,
                     at_command(&at, 1000, "AT", "+X:", value, sizeof value));
    assert_string_equal("1", value);
    assert_string_equal("", heard.text);
}

/// Prompts ///

static const struct {
    const char *name;
    const char *answer;
    int result;
    const char *value;
} prompts[] = {
    {"prompt", "\r\n>|\r\nOK\r\n", OTA_OK, ""},
    {"echo_first", "AT+Y\r\r\n>|\r\nOK\r\n", OTA_OK, ""},
    {"line_first", "\r\n+U: 3\r\n>\r\n\r\n>|\r\nOK\r\n", OTA_OK, ""},
    {"space_after", "\r\n>| \r\nOK\r\n", OTA_OK, ""},
    {"error", "\r\nERROR\r\n", OTA_E_MODEM, ""},
    {"code_before", "\r\n+Y: 0,11\r\n\r\nERROR\r\n", OTA_E_MODEM, "11"},
    {"code_after", "\r\nERROR\r\n\r\n+Y: 0,11\r\n", OTA_E_MODEM, "11"},
    {"no_data_wanted", "\r\nOK\r\n", OTA_E_PROTOCOL, ""},
    {"restart", "\r\nRDY\r\n", OTA_E_MODEM_REBOOT, ""},
    {"silence", "\r\n", OTA_E_TIMEOUT, ""},
    {"refused_at_the_end", "\r\n>|\r\n+Y: 0,2\r\n\r\nERROR\r\n", OTA_E_MODEM,
     "2"},
};

static void prompts_are_not_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof prompts / sizeof prompts[0]; i++) {
        for (size_t k = 0; k < 5; k++) {
            struct at_result result = {.prefix = "+Y:", .head = "0,"};
            listen(prompts[i].answer, chunks[k]);
            int err = at_send(&at, 1000, "AT+Y");
            if (err == OTA_OK) {
                err = at_give(&at, "data", 4, &result);
            }
            if (err == OTA_OK) {
                err = at_read_plain(&at, &result);
                assert_string_equal("AT+Y\rdata", script.log);
            }
            if (err != prompts[i].result ||
                strcmp(result.value, prompts[i].value) != 0) {
                fail_msg("%s: %d '%s'", prompts[i].name, err, result.value);
            }
        }
    }
}

static void a_modem_that_waits_for_data_is_filled_up(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int result;
        size_t fillers;
    } ends[] = {
        {"\r\n", OTA_E_TIMEOUT, 20},   // the prompt was lost
        {"\r\n>|", OTA_E_TIMEOUT, 20}, // bytes were lost
        {"\r\n>|\r\nOK\r\n", OTA_OK, 0},
        {"\r\n>|\r\nERROR\r\n", OTA_E_MODEM, 0},
        {"\r\nRDY\r\n", OTA_E_MODEM_REBOOT, 0},
    };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct at_result result = {.prefix = "+Y:", .head = ""};
        listen(ends[i].answer, ALL);
        int err = at_send(&at, 1000, "AT+Y");
        if (err == OTA_OK) {
            err = at_give(&at, "0123456789 123456789", 20, &result);
        }
        if (err == OTA_OK) {
            err = at_read_ok(&at);
        }
        assert_int_equal(ends[i].result, at_end_data(&at, 20, err));
        size_t fillers = 0;
        while (fillers < script.log_size &&
               script.log[script.log_size - 1u - fillers] == '\r') {
            fillers++;
        }
        // The command's own CR is the last one when no data was sent.
        bool has_data = strchr(script.log, '9') != NULL;
        assert_int_equal(ends[i].fillers + (has_data ? 0u : 1u), fillers);
    }
}

/// Results of two lines ///

static bool needed;

static const struct {
    const char *name;
    const char *answer;
    int result;
    const char *value;
} results[] = {
    {"ok_first", "\r\nOK\r\n\r\n+Y: 0,7\r\n", OTA_OK, "7"},
    {"result_first", "\r\n+Y: 0,7\r\n\r\nOK\r\n", OTA_OK, "7"},
    {"no_space", "\r\nOK\r\n\r\n+Y:0,7\r\n", OTA_OK, "7"},
    {"stale_result", "\r\n+Y: 1,5\r\n\r\nOK\r\n\r\n+Y: 0,7\r\n", OTA_OK, "7"},
    {"between", "\r\nOK\r\n\r\n+U: 4\r\n\r\nOK\r\n\r\n+Y: 0,7\r\n", OTA_OK,
     "7"},
    {"code_before_error", "\r\n+Y: 0,7\r\n\r\nERROR\r\n", OTA_E_MODEM, "7"},
    {"code_after_error", "\r\nERROR\r\n\r\n+Y: 0,7\r\n", OTA_E_MODEM, "7"},
    {"error_alone", "\r\nERROR\r\n", OTA_E_MODEM, ""},
    {"cme_error", "\r\n+CME ERROR: 3\r\n", OTA_E_MODEM, ""},
    {"ok_alone", "\r\nOK\r\n", OTA_E_TIMEOUT, ""},
    {"result_alone", "\r\n+Y: 0,7\r\n", OTA_E_TIMEOUT, "7"},
    {"restart", "\r\nOK\r\n\r\nRDY\r\n", OTA_E_MODEM_REBOOT, ""},
    {"long_value_is_cut",
     "\r\nOK\r\n\r\n+Y: 0,12345678901234567890123456789012345\r\n", OTA_OK,
     "1234567890123456789012345678901"},
};

static void results_come_in_either_order(void **state)
{
    (void)state;
    static const char *const pieces[] = {"AT+Y=\"", "", "0123456789", "\"",
                                         NULL};
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        for (size_t k = 0; k < 5; k++) {
            struct at_result result = {.prefix = "+Y:", .head = "0,"};
            listen(results[i].answer, chunks[k]);
            int err = at_exchange(&at, 1000, pieces, &result);
            if (err != results[i].result ||
                strcmp(result.value, results[i].value) != 0) {
                fail_msg("%s: %d '%s'", results[i].name, err, result.value);
            }
            assert_string_equal("AT+Y=\"0123456789\"\r", script.log);
        }
    }
}

static bool stop_needing(void *owner)
{
    (void)owner;
    needed = needed && strcmp(at.line, "GONE") != 0;
    return false;
}

static void what_is_needed_ends_the_wait(void **state)
{
    (void)state;
    static const char *const pieces[] = {"AT+Y", NULL};
    struct at_result result = {.prefix = "+Y:", .head = "", .needs = &needed};
    needed = true;
    listen("\r\nOK\r\n\r\nGONE\r\n", ALL);
    at_listen(&at, stop_needing, NULL);
    assert_int_equal(OTA_E_BROKER, at_exchange(&at, 100000, pieces, &result));
    assert_in_range(script.now_ms - 0xFFFFFF00u, 0, 1000);
}

static void the_watchdog_is_fed_in_long_waits(void **state)
{
    (void)state;
    static const char *const pieces[] = {"AT+Y", NULL};
    struct at_result result = {.prefix = "+Y:", .head = ""};
    listen("\r\nOK\r\n", ALL);
    assert_int_equal(OTA_E_TIMEOUT, at_exchange(&at, 600000, pieces, &result));
    assert_in_range(script.idles, 5500, 6100);
    assert_in_range(script.idle_gap, 1, 2 * AT_SLICE_MS);
}

static void quotable_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } texts[] = {
        {"", true},           {"a b", true},   {"12345678", true},
        {"123456789", false}, {"a\"b", false}, {"a\rb", false},
        {"a\nb", false},      {"a\tb", false}, {"\x7f", false},
        {"\xc3\xa9", false},  {NULL, false},   {"~!;,", true},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(texts[i].good, at_is_quotable(texts[i].text, 8));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_nobody_are_heard_wherever_they_come),
        cmocka_unit_test(a_pause_at_any_byte_changes_nothing),
        cmocka_unit_test(lost_bytes_in_counted_data_end_with_its_deadline),
        cmocka_unit_test(polling_takes_what_is_there_and_waits_for_more),
        cmocka_unit_test(polling_tells_a_restart_and_an_overrun),
        cmocka_unit_test(noise_and_a_clock_that_stands_end),
        cmocka_unit_test(draining_hands_over),
        cmocka_unit_test(without_a_listener_everything_is_as_before),
        cmocka_unit_test(prompts_are_not_lines),
        cmocka_unit_test(a_modem_that_waits_for_data_is_filled_up),
        cmocka_unit_test(results_come_in_either_order),
        cmocka_unit_test(what_is_needed_ends_the_wait),
        cmocka_unit_test(the_watchdog_is_fed_in_long_waits),
        cmocka_unit_test(quotable_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

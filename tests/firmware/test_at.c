// AT lines and deadlines, byte by byte: each answer is fed in chunks of 1, 2,
// 3, 7 and all at once, and cut off at every prefix.
//
// SPDX-License-Identifier: Apache-2.0
#include "script.h"

/// Commands ///

struct command_case {
    const char *name;
    const char *answer;
    int result;
    const char *value; // after "+X:"
};

static const struct command_case command_cases[] = {
    {"ok", "\r\nOK\r\n", OTA_OK, ""},
    {"echo", "AT\r\r\nOK\r\n", OTA_OK, ""},
    {"value", "\r\n+X: 12\r\n\r\nOK\r\n", OTA_OK, "12"},
    {"value_without_space", "\r\n+X:12\r\n\r\nOK\r\n", OTA_OK, "12"},
    {"urc_before", "\r\nSMS DONE\r\n\r\n+X: 1\r\n\r\nOK\r\n", OTA_OK, "1"},
    {"urc_after_value", "\r\n+X: 1\r\n\r\n+CGEV: X\r\n\r\nOK\r\n", OTA_OK, "1"},
    {"ok_inside_a_line", "\r\nnot OK\r\n\r\nOK!\r\n\r\nOK\r\n", OTA_OK, ""},
    {"error", "\r\nERROR\r\n", OTA_E_MODEM, ""},
    {"cme_error", "\r\n+CME ERROR: 22\r\n", OTA_E_MODEM, ""},
    {"cms_error", "\r\n+CMS ERROR: x\r\n", OTA_E_MODEM, ""},
    {"reboot", "\r\nRDY\r\n", OTA_E_MODEM_REBOOT, ""},
    {"reboot_after_value", "\r\n+X: 1\r\n\r\nRDY\r\n", OTA_E_MODEM_REBOOT, "1"},
    {"silence", "", OTA_E_TIMEOUT, ""},
    {"only_a_value", "\r\n+X: 1\r\n", OTA_E_TIMEOUT, "1"},
    {"long_value_is_cut", "\r\n+X: 123456789\r\n\r\nOK\r\n", OTA_OK, "1234567"},
};

static void commands_in_every_chunk_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof command_cases / sizeof command_cases[0];
         i++) {
        const struct command_case *one = &command_cases[i];
        for (size_t k = 0; k < 5; k++) {
            char value[8];
            begin(one->answer, strlen(one->answer), chunks[k]);
            int result =
                at_command(&at, 1000, "AT", "+X:", value, sizeof value);
            if (result != one->result || strcmp(value, one->value) != 0) {
                fail_msg("%s in chunks of %u: %d '%s', expected %d '%s'",
                         one->name, (unsigned)chunks[k], result, value,
                         one->result, one->value);
            }
            assert_string_equal("AT\r", script.command);
        }
    }
}

static void every_prefix_times_out(void **state)
{
    (void)state;
    static const char answer[] = "AT\r\r\n+X: 1\r\n\r\nOK\r\n";
    for (size_t size = 0; size + 1 < sizeof answer - 1; size++) {
        char value[8];
        begin(answer, size, ALL);
        assert_int_equal(OTA_E_TIMEOUT, at_command(&at, 1000, "AT",
                                                   "+X:", value, sizeof value));
        // One deadline: the clock began at 0xFFFFFF00.
        assert_in_range(script.now_ms - 0xFFFFFF00u, 1000, 1300);
    }
}

static void a_line_that_is_too_long_is_dropped(void **state)
{
    (void)state;
    static char answer[3000];
    for (size_t length = AT_LINE_SIZE - 2; length < AT_LINE_SIZE + 3;
         length++) {
        memset(answer, 'y', length);
        strcpy(answer + length, "\r\nOK\r\n");
        begin(answer, strlen(answer), 7);
        assert_int_equal(OTA_OK, at_command(&at, 1000, "AT", NULL, NULL, 0));
    }
}

static void an_endless_line_meets_the_deadline(void **state)
{
    (void)state;
    begin("", 0, ALL);
    script.endless = true;
    assert_int_equal(OTA_E_TIMEOUT, at_command(&at, 1000, "AT", NULL, NULL, 0));
}

static void a_clock_that_stands_does_not_hang(void **state)
{
    (void)state;
    begin("", 0, ALL);
    script.clock_stands = true;
    assert_int_equal(OTA_E_TIMEOUT, at_command(&at, 1000, "AT", NULL, NULL, 0));
    assert_in_range(script.idles, 1, 1000 / AT_SLICE_MS + 8);
}

static void a_nul_does_not_hide_the_rest_of_a_line(void **state)
{
    (void)state;
    static const char answer[] = "\r\nOK\0junk\r\n\r\nERROR\r\n";
    begin(answer, sizeof answer - 1, ALL);
    assert_int_equal(OTA_E_MODEM, at_command(&at, 1000, "AT", NULL, NULL, 0));
}

static void an_overrun_ends_the_exchange(void **state)
{
    (void)state;
    begin("\r\nOK\r\n", 6, 1);
    script.link_error_at = 3;
    assert_int_equal(OTA_E_LINK, at_command(&at, 1000, "AT", NULL, NULL, 0));
}

static void old_bytes_are_dropped_before_a_command(void **state)
{
    (void)state;
    begin("\r\nERROR\r\n", 9, 3);
    script.sent = true; // it is there already
    script.limit = 9;
    assert_int_equal(OTA_E_TIMEOUT, at_command(&at, 1000, "AT", NULL, NULL, 0));
    assert_int_equal(9, script.position);
}

static void numbers_are_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        uint32_t value;
        char next;
    } rows[] = {
        {"0", true, 0, '\0'},
        {"007,", true, 7, ','},
        {"2147483647", true, 2147483647u, '\0'},
        {"2147483648", false, 0, 0},
        {"99999999999", false, 0, 0},
        {"", false, 0, 0},
        {"-1", false, 0, 0},
        {" 1", false, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *text = rows[i].text;
        uint32_t value = 0;
        assert_int_equal(rows[i].good, at_number(&text, &value));
        if (rows[i].good) {
            assert_int_equal(rows[i].value, value);
            assert_int_equal(rows[i].next, *text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_in_every_chunk_size),
        cmocka_unit_test(every_prefix_times_out),
        cmocka_unit_test(a_line_that_is_too_long_is_dropped),
        cmocka_unit_test(an_endless_line_meets_the_deadline),
        cmocka_unit_test(a_clock_that_stands_does_not_hang),
        cmocka_unit_test(a_nul_does_not_hide_the_rest_of_a_line),
        cmocka_unit_test(an_overrun_ends_the_exchange),
        cmocka_unit_test(old_bytes_are_dropped_before_a_command),
        cmocka_unit_test(numbers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

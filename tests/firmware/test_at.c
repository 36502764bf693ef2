// AT lines, counted data and deadlines, byte by byte: each stream is fed in
// chunks of 1, 2, 3, 7 and all at once, and cut off at every prefix.
//
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "at.h"
#include "sim7600.h"

#define ALL 100000u

// A UART that answers the first command with a fixed text.
struct script {
    struct uart_port uart;
    struct time_port time;
    const char *answer;
    size_t size; // of the answer
    size_t chunk;
    size_t position;
    size_t limit; // end of the answer to the present command
    bool sent;
    bool endless;      // a line without end, for ever
    int link_error_at; // position of an overrun, -1: none
    uint64_t now_ms;
    bool clock_stands;
    uint32_t idles;
    char command[200];
};

static int script_write(void *ctx, const void *data, size_t size,
                        uint32_t timeout_ms)
{
    struct script *script = ctx;
    (void)timeout_ms;
    assert_true(size < sizeof script->command);
    memcpy(script->command, data, size);
    script->command[size] = '\0';
    script->sent = true;
    // The answers of several commands are divided by '|'.
    const char *bar = memchr(script->answer + script->limit, '|',
                             script->size - script->limit);
    if (script->limit > 0 && bar != NULL) {
        script->position = script->limit + 1;
        bar = memchr(bar + 1, '|', script->size - script->position);
    }
    script->limit = bar != NULL ? (size_t)(bar - script->answer) : script->size;
    return OTA_OK;
}

static int script_read(void *ctx, void *data, size_t capacity,
                       uint32_t timeout_ms)
{
    struct script *script = ctx;
    if (script->link_error_at >= 0 && script->sent &&
        script->position >= (size_t)script->link_error_at) {
        script->link_error_at = -1;
        return OTA_E_LINK;
    }
    if (script->endless && script->sent) {
        memset(data, 'x', capacity);
        script->now_ms += script->clock_stands ? 0u : 10u;
        return (int)capacity;
    }
    size_t left = script->sent ? script->limit - script->position : 0;
    if (left == 0) {
        script->now_ms += script->clock_stands ? 0u : timeout_ms;
        return 0;
    }
    size_t count = left < script->chunk ? left : script->chunk;
    count = count < capacity ? count : capacity;
    memcpy(data, script->answer + script->position, count);
    script->position += count;
    return (int)count;
}

static int script_set_baud(void *ctx, uint32_t baud)
{
    (void)ctx;
    (void)baud;
    return OTA_OK;
}

static uint32_t script_now(void *ctx)
{
    return (uint32_t)((struct script *)ctx)->now_ms;
}

static void script_sleep(void *ctx, uint32_t duration_ms)
{
    ((struct script *)ctx)->now_ms += duration_ms;
}

static void script_idle(void *ctx)
{
    ((struct script *)ctx)->idles++;
}

static struct script script;
static struct at at;
static struct sim7600 modem;

static void begin(const char *answer, size_t size, size_t chunk)
{
    memset(&script, 0, sizeof script);
    script.uart =
        (struct uart_port){&script, script_write, script_read, script_set_baud};
    script.time = (struct time_port){&script, script_now, script_sleep};
    script.answer = answer;
    script.size = size;
    script.chunk = chunk;
    script.link_error_at = -1;
    // Near the wrap of the 32-bit clock.
    script.now_ms = 0xFFFFFF00u;
    at_init(&at, &script.uart, &script.time, script_idle, &script);
    sim7600_init(&modem, &at, 115200, 0);
}

static const size_t chunks[] = {1, 2, 3, 7, ALL};

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

/// AT+CFTRANTX ///

struct read_case {
    const char *name;
    const char *answer;
    int result;
};

// Ten bytes are asked for: 'abcdefghij'.
static const struct read_case read_cases[] = {
    {"one_block",
     "\r\n+CFTRANTX: DATA,10\r\nabcdefghij\r\n"
     "\r\n+CFTRANTX: 0\r\n\r\nOK\r\n",
     OTA_OK},
    {"no_line_end_after_data",
     "\r\n+CFTRANTX: DATA,10\r\nabcdefghij"
     "\r\n+CFTRANTX: 0\r\n\r\nOK\r\n",
     OTA_OK},
    {"two_blocks",
     "\r\n+CFTRANTX: DATA,4\r\nabcd\r\n"
     "\r\n+CFTRANTX: DATA,6\r\nefghij\r\n"
     "\r\n+CFTRANTX: 0\r\n\r\nOK\r\n",
     OTA_OK},
    {"echo",
     "AT+CFTRANTX=\"E:/f\",0,10\r\r\n+CFTRANTX: DATA,10\r\nabcdefghij"
     "\r\n\r\n+CFTRANTX: 0\r\n\r\nOK\r\n",
     OTA_OK},
    {"space_before_count",
     "\r\n+CFTRANTX: DATA, 10\r\nabcdefghij\r\n"
     "\r\n+CFTRANTX: 0\r\n\r\nOK\r\n",
     OTA_OK},
    {"zeros_before_count",
     "\r\n+CFTRANTX: DATA,010\r\nabcdefghij\r\n"
     "\r\n+CFTRANTX: 0\r\n\r\nOK\r\n",
     OTA_OK},
    {"no_space_after_colon",
     "\r\n+CFTRANTX:DATA,10\r\nabcdefghij\r\n"
     "\r\n+CFTRANTX:0\r\n\r\nOK\r\n",
     OTA_OK},
    {"leading_ok",
     "\r\nOK\r\n\r\n+CFTRANTX: DATA,10\r\nabcdefghij\r\n"
     "\r\n+CFTRANTX: 0\r\n",
     OTA_OK},
    {"leading_and_trailing_ok",
     "\r\nOK\r\n\r\n+CFTRANTX: DATA,10\r\n"
     "abcdefghij\r\n\r\n+CFTRANTX: 0\r\n"
     "\r\nOK\r\n",
     OTA_OK},
    {"urc_between_blocks",
     "\r\n+CFTRANTX: DATA,4\r\nabcd\r\n"
     "\r\n+CGEV: NW\r\n\r\nNO CARRIER\r\n"
     "\r\n+CFTRANTX: DATA,6\r\nefghij\r\n\r\nRING\r\n"
     "\r\n+CFTRANTX: 0\r\n\r\nRING\r\n\r\nOK\r\n",
     OTA_OK},
    {"error", "\r\nERROR\r\n", OTA_E_MODEM},
    {"error_between", "\r\n+CFTRANTX: DATA,4\r\nabcd\r\n\r\nERROR\r\n",
     OTA_E_MODEM},
    {"end_of_file", "\r\n+CFTRANTX: 0\r\n\r\nOK\r\n", OTA_E_SHORT_READ},
    {"too_few",
     "\r\n+CFTRANTX: DATA,4\r\nabcd\r\n\r\n+CFTRANTX: 0\r\n"
     "\r\nOK\r\n",
     OTA_E_SHORT_READ},
    {"too_many", "\r\n+CFTRANTX: DATA,11\r\nabcdefghijk\r\n", OTA_E_PROTOCOL},
    {"too_many_in_two",
     "\r\n+CFTRANTX: DATA,4\r\nabcd\r\n"
     "\r\n+CFTRANTX: DATA,7\r\nefghijk\r\n",
     OTA_E_PROTOCOL},
    {"huge_count", "\r\n+CFTRANTX: DATA,4294967297\r\na", OTA_E_PROTOCOL},
    {"negative_count", "\r\n+CFTRANTX: DATA,-1\r\na", OTA_E_PROTOCOL},
    {"zero_block", "\r\n+CFTRANTX: DATA,0\r\n", OTA_E_PROTOCOL},
    {"no_count", "\r\n+CFTRANTX: DATA,\r\n", OTA_E_PROTOCOL},
    {"no_comma", "\r\n+CFTRANTX: DATA 10\r\n", OTA_E_PROTOCOL},
    {"count_and_more", "\r\n+CFTRANTX: DATA,10,3\r\n", OTA_E_PROTOCOL},
    {"letters", "\r\n+CFTRANTX: DATA,1O\r\n", OTA_E_PROTOCOL},
    {"bare_count", "\r\n+CFTRANTX: 10\r\n", OTA_E_PROTOCOL},
    {"data_after_the_end",
     "\r\n+CFTRANTX: 0\r\n\r\n+CFTRANTX: DATA,10\r\n"
     "abcdefghij\r\n",
     OTA_E_PROTOCOL},
    {"byte_lost",
     "\r\n+CFTRANTX: DATA,10\r\nabcdefghi\r\n"
     "\r\n+CFTRANTX: 0\r\n\r\nOK\r\n",
     OTA_E_PROTOCOL},
    {"byte_gained",
     "\r\n+CFTRANTX: DATA,10\r\nabcdefghijk\r\n"
     "\r\n+CFTRANTX: 0\r\n\r\nOK\r\n",
     OTA_E_PROTOCOL},
    {"reboot", "\r\n+CFTRANTX: DATA,4\r\nabcd\r\n\r\nRDY\r\n",
     OTA_E_MODEM_REBOOT},
    {"no_end", "\r\n+CFTRANTX: DATA,10\r\nabcdefghij\r\n\r\nOK\r\n",
     OTA_E_TIMEOUT},
};

static void reads_in_every_chunk_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof read_cases / sizeof read_cases[0]; i++) {
        const struct read_case *one = &read_cases[i];
        for (size_t k = 0; k < 5; k++) {
            uint8_t data[10];
            memset(data, 0, sizeof data);
            begin(one->answer, strlen(one->answer), chunks[k]);
            assert_int_equal(OTA_OK, sim7600_read_start(&modem, "E:/f", 0, 10));
            assert_string_equal("AT+CFTRANTX=\"E:/f\",0,10\r", script.command);
            int result = sim7600_read_finish(&modem, data, 10);
            if (result != one->result ||
                (result == OTA_OK && memcmp(data, "abcdefghij", 10) != 0)) {
                fail_msg("%s in chunks of %u: %d, expected %d", one->name,
                         (unsigned)chunks[k], result, one->result);
            }
        }
    }
}

static void counted_data_may_look_like_anything(void **state)
{
    (void)state;
    static const char data[] = "\r\nOK\r\n\r\nRDY\r\n+CFTRANTX: 0\r\n>\x1a\x1b";
    const size_t size = sizeof data; // its NUL too
    for (size_t k = 0; k < 5; k++) {
        char answer[200];
        uint8_t read[sizeof data];
        int head = snprintf(answer, sizeof answer, "\r\n+CFTRANTX: DATA,%u\r\n",
                            (unsigned)size);
        memcpy(answer + head, data, size);
        strcpy(answer + (size_t)head + size,
               "\r\n\r\n+CFTRANTX: 0\r\n\r\nOK\r\n");
        size_t total = (size_t)head + size + 26u;
        begin(answer, total, chunks[k]);
        assert_int_equal(OTA_OK, sim7600_read_start(&modem, "E:/f", 7, size));
        assert_int_equal(OTA_OK, sim7600_read_finish(&modem, read, size));
        assert_memory_equal(data, read, size);
    }
}

static void every_prefix_of_a_read_fails(void **state)
{
    (void)state;
    const char *answer = read_cases[2].answer; // two blocks
    size_t size = strlen(answer);
    for (size_t cut = 0; cut < size - 1; cut++) {
        uint8_t data[10];
        begin(answer, cut, ALL);
        assert_int_equal(OTA_OK, sim7600_read_start(&modem, "E:/f", 0, 10));
        assert_int_equal(OTA_E_TIMEOUT, sim7600_read_finish(&modem, data, 10));
    }
}

/// Files ///

static void file_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int result;
        uint32_t size;
    } rows[] = {
        {"\r\nOK\r\n|\r\n+FSATTRI: 8604, 2008/04/28 10:24:46 Tue\r\n\r\nOK\r\n",
         OTA_OK, 8604},
        {"\r\nOK\r\n|\r\n+FSATTRI: 401408,1980/01/06\r\n\r\nOK\r\n", OTA_OK,
         401408},
        {"\r\nOK\r\n|\r\n+FSATTRI:12\r\n\r\nOK\r\n", OTA_OK, 12},
        {"\r\n+FSCD: E:/\r\n\r\nOK\r\n|\r\nERROR\r\n", OTA_E_NO_FILE, 0},
        {"\r\nERROR\r\n", OTA_E_NO_FILE, 0},
        {"\r\nOK\r\n|\r\nOK\r\n", OTA_E_PROTOCOL, 0},
        {"\r\nOK\r\n|\r\n+FSATTRI: many\r\n\r\nOK\r\n", OTA_E_PROTOCOL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t size = 0;
        begin(rows[i].answer, strlen(rows[i].answer), 1);
        assert_int_equal(rows[i].result,
                         sim7600_file_size(&modem, "E:/dir/f", &size));
        if (rows[i].result == OTA_OK) {
            assert_int_equal(rows[i].size, size);
            assert_string_equal("AT+FSATTRI=f\r", script.command);
        }
    }
}

static void folders_are_entered_first(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"E:/f", "AT+FSCD=E:/\r"},
        {"C:/a/f", "AT+FSCD=C:/a\r"},
        {"F:/a/b/f.ebin", "AT+FSCD=F:/a/b\r"},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t size;
        begin("\r\nERROR\r\n", 9, ALL);
        assert_int_equal(OTA_E_NO_FILE,
                         sim7600_file_size(&modem, rows[i][0], &size));
        assert_string_equal(rows[i][1], script.command);
    }
}

static void a_missing_file_is_not_deleted(void **state)
{
    (void)state;
    begin("\r\nERROR\r\n", 9, ALL);
    assert_int_equal(OTA_OK, sim7600_file_delete(&modem, "E:/f"));
    assert_string_equal("AT+FSCD=E:/\r", script.command);
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
        cmocka_unit_test(reads_in_every_chunk_size),
        cmocka_unit_test(counted_data_may_look_like_anything),
        cmocka_unit_test(every_prefix_of_a_read_fails),
        cmocka_unit_test(file_sizes),
        cmocka_unit_test(folders_are_entered_first),
        cmocka_unit_test(a_missing_file_is_not_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

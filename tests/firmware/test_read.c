// Counted data and files of the SIM7600, byte by byte: each answer is fed in
// chunks of 1, 2, 3, 7 and all at once, and cut off at every prefix.
//
// SPDX-License-Identifier: Apache-2.0
#include "script.h"

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
        cmocka_unit_test(reads_in_every_chunk_size),
        cmocka_unit_test(counted_data_may_look_like_anything),
        cmocka_unit_test(every_prefix_of_a_read_fails),
        cmocka_unit_test(file_sizes),
        cmocka_unit_test(folders_are_entered_first),
        cmocka_unit_test(a_missing_file_is_not_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Reports, telemetry and the names in them.
//
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "update_report.h"

static void a_report_has_the_members_of_its_stage(void **state)
{
    (void)state;
    static const struct {
        enum update_stage stage;
        const char *rest;
    } rows[] = {
        {UPDATE_ACCEPTED, "accepted\",\"version\":1,\"target\":4294967295}"},
        {UPDATE_DOWNLOADING,
         "downloading\",\"version\":1,\"target\":4294967295,\"percent\":50}"},
        {UPDATE_DOWNLOADED,
         "downloaded\",\"version\":1,\"target\":4294967295}"},
        {UPDATE_UPDATING, "updating\",\"version\":1,\"target\":4294967295}"},
        {UPDATE_CONFIRMED, "confirmed\",\"version\":1,\"target\":4294967295}"},
        {UPDATE_ROLLED_BACK,
         "rolled_back\",\"version\":1,\"target\":4294967295,\"error\":-30,"
         "\"reason\":\"downgrade\"}"},
        {UPDATE_REFUSED,
         "refused\",\"version\":1,\"target\":4294967295,\"error\":-30,"
         "\"reason\":\"downgrade\"}"},
        {UPDATE_FAILED,
         "failed\",\"version\":1,\"target\":4294967295,\"error\":-30,"
         "\"reason\":\"downgrade\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[UPDATE_REPORT_SIZE];
        char expected[UPDATE_REPORT_SIZE];
        struct update_report report = {.stage = rows[i].stage,
                                       .id = "r1",
                                       .version = 1,
                                       .target = UINT32_MAX,
                                       .percent = 50,
                                       .error = OTA_E_DOWNGRADE};
        snprintf(expected, sizeof expected,
                 "{\"type\":\"update_report\",\"device\":\"d\",\"id\":"
                 "\"r1\",\"stage\":\"%s",
                 rows[i].rest);
        size_t size = update_report_format(text, "d", &report);
        assert_string_equal(expected, text);
        assert_int_equal(strlen(expected), size);
    }
}

static void the_longest_report_fits(void **state)
{
    (void)state;
    char text[UPDATE_REPORT_SIZE];
    char device[65];
    struct update_report report = {.stage = UPDATE_ROLLED_BACK,
                                   .version = UINT32_MAX,
                                   .target = UINT32_MAX,
                                   .error = OTA_E_INTERRUPTED};
    memset(device, 'd', 64);
    device[64] = '\0';
    memset(report.id, 'i', UPDATE_ID_MAX);
    size_t size = update_report_format(text, device, &report);
    assert_true(size < UPDATE_REPORT_SIZE - 1u);
    assert_int_equal('}', text[size - 1]);
    size = update_report_format_job(text, &report);
    assert_string_equal("{\"status\":\"FAILED\",\"statusDetails\":{\"stage\":"
                        "\"rolled_back\",\"reason\":\"interrupted\"}}",
                        text);
    assert_int_equal(strlen(text), size);
}

static void temperatures_have_two_decimals(void **state)
{
    (void)state;
    static const struct {
        int32_t value;
        const char *text;
    } rows[] = {
        {2525, "25.25"}, {0, "0.00"},       {-5, "-0.05"},
        {75, "0.75"},    {-4000, "-40.00"}, {12505, "125.05"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[UPDATE_REPORT_SIZE];
        char expected[UPDATE_REPORT_SIZE];
        snprintf(expected, sizeof expected,
                 "{\"type\":\"telemetry\",\"device\":\"d\",\"version\":7,"
                 "\"temperature_c\":%s}",
                 rows[i].text);
        size_t size = update_telemetry_format(text, "d", 7, rows[i].value);
        assert_string_equal(expected, text);
        assert_int_equal(strlen(expected), size);
    }
}

static void a_code_that_does_not_exist_is_unknown(void **state)
{
    (void)state;
    assert_string_equal("unknown", ota_status_name(1));
    assert_string_equal("unknown", ota_status_name(-1000));
    assert_string_equal("ok", ota_status_name(OTA_OK));
}

// Every code of the header, by a list that the build makes of it.
static void every_code_has_its_name(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *name;
    } codes[] = {
#include "status_names.h"
    };
    assert_true(sizeof codes / sizeof codes[0] > 30);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        assert_string_equal(codes[i].name, ota_status_name(codes[i].status));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_has_the_members_of_its_stage),
        cmocka_unit_test(the_longest_report_fits),
        cmocka_unit_test(temperatures_have_two_decimals),
        cmocka_unit_test(a_code_that_does_not_exist_is_unknown),
        cmocka_unit_test(every_code_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

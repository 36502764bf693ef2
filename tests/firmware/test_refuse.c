// Requests that are refused, with the reason, and change nothing in flash.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "bench.h"
#include "crc32.h"

static struct bench bench;
static struct bench_image old_image;
static struct bench_image new_image;

static int setup(void **state)
{
    (void)state;
    bench_image_init(&old_image, 1, BENCH_APP, 9000, 1, "");
    bench_image_init(&new_image, 2, BENCH_APP, 20000, 2, "E:/fw_2.ebin");
    bench_init(&bench, &old_image);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_free(&bench);
    bench_image_free(&old_image);
    bench_image_free(&new_image);
    return 0;
}

static void expect_refused(int error)
{
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_int_equal(BOOT_REASON_REFUSED, bench.status.reason);
    assert_int_equal(error, bench.status.last_error);
    assert_int_equal(1, bench.status.app_version);
    assert_int_equal(0, bench.flash.operations);
    // Cleared: it does not come again, and no key stays in RAM.
    static const struct boot_request blank;
    assert_memory_equal(&blank, &bench.request, sizeof blank);
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_int_equal(BOOT_REASON_NORMAL, bench.status.reason);
}

static void seal(void)
{
    bench.request.crc = crc32_update(0, &bench.request, 192);
}

static void refuses_malformed_requests(void **state)
{
    (void)state;
    bench_request(&bench, &new_image);
    bench.request.crc ^= 1u;
    expect_refused(OTA_E_REQUEST);
    bench_request(&bench, &new_image);
    bench.request.format = 2;
    seal();
    expect_refused(OTA_E_REQUEST);
    bench_request(&bench, &new_image);
    bench.request.size = 192;
    seal();
    expect_refused(OTA_E_REQUEST);
    bench_request(&bench, &new_image);
    bench.request.command = 2;
    seal();
    expect_refused(OTA_E_REQUEST);
    bench_request(&bench, &new_image);
    bench.request.flags = 0x80000000u;
    seal();
    expect_refused(OTA_E_REQUEST);
}

static void refuses_bad_sizes(void **state)
{
    (void)state;
    bench_request(&bench, &new_image);
    bench.request.fw_info.ebin_size += 16;
    seal();
    expect_refused(OTA_E_SIZE);
    bench_request(&bench, &new_image);
    bench.request.fw_info.pbin_size = 0;
    bench.request.fw_info.ebin_size = 16;
    seal();
    expect_refused(OTA_E_SIZE);
    bench_request(&bench, &new_image);
    bench.request.fw_info.pbin_size = 0xFFFFFFFF;
    bench.request.fw_info.ebin_size = 0;
    seal();
    expect_refused(OTA_E_SIZE);
}

static void refuses_bad_ranges(void **state)
{
    (void)state;
    static const uint32_t bases[] = {0, BENCH_APP + 0x1000, BENCH_STAGING,
                                     BENCH_JOURNAL, 0xFFFFF000u};
    for (size_t i = 0; i < 5; i++) {
        bench_request(&bench, &new_image);
        bench.request.fw_info.fp_base = bases[i];
        seal();
        expect_refused(OTA_E_RANGE);
    }
    bench_request(&bench, &new_image);
    bench.request.fw_info.pbin_size = BENCH_APP_SIZE + 1;
    bench.request.fw_info.ebin_size = BENCH_APP_SIZE + 16;
    seal();
    expect_refused(OTA_E_RANGE);
    bench_request(&bench, &new_image);
    bench.request.fw_info.fp_base = BENCH_BOOTLOADER;
    bench.request.fw_info.pbin_size = BENCH_BOOTLOADER_SIZE + 1;
    bench.request.fw_info.ebin_size = BENCH_BOOTLOADER_SIZE + 16;
    seal();
    expect_refused(OTA_E_RANGE);
}

static void refuses_bad_paths(void **state)
{
    (void)state;
    bench_request(&bench, &new_image);
    bench.request.path[3] = '"';
    seal();
    expect_refused(OTA_E_PATH);
    bench_request(&bench, &new_image);
    bench.request.path[63] = 'x';
    seal();
    expect_refused(OTA_E_PATH);
}

static void refuses_what_already_runs(void **state)
{
    (void)state;
    memcpy(old_image.journal.path, "E:/fw_1.ebin", 13);
    bench_request(&bench, &old_image);
    expect_refused(OTA_E_SAME);
}

static void refuses_the_bootloader_that_already_runs(void **state)
{
    (void)state;
    struct bench_image same;
    bench_image_init(&same, 7, BENCH_BOOTLOADER, 5000, 9, "E:/bl.ebin");
    sim_flash_load(&bench.flash, BENCH_BOOTLOADER, same.plain, 5000);
    bench_request(&bench, &same);
    expect_refused(OTA_E_SAME);
    bench_image_free(&same);
}

// A version with content of its own; what runs is version 1.
static void make_version(uint32_t version)
{
    bench_image_free(&new_image);
    bench_image_init(&new_image, version, BENCH_APP, 20000, version + 10,
                     "E:/fw_2.ebin");
    bench_stage(&bench, &new_image, true);
}

static void refuses_an_older_version(void **state)
{
    (void)state;
    make_version(0);
    bench_request(&bench, &new_image);
    expect_refused(OTA_E_DOWNGRADE);
}

static void an_older_version_is_taken_when_the_request_allows_it(void **state)
{
    (void)state;
    make_version(0);
    bench_request_downgrade(&bench, &new_image);
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_int_equal(BOOT_REASON_TRIAL, bench.status.reason);
    assert_int_equal(0, bench.status.app_version);
    assert_true(bench_confirm(&bench));
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    // It is what runs now: the version before is an update again.
    memcpy(old_image.journal.path, "E:/fw_1.ebin", 13);
    bench_stage(&bench, &old_image, true);
    bench_request(&bench, &old_image);
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_int_equal(1, bench.status.app_version);
    assert_true(bench_runs(&bench, &old_image));
}

static void the_same_version_with_other_content_is_taken(void **state)
{
    (void)state;
    make_version(1);
    bench_request(&bench, &new_image);
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_int_equal(BOOT_REASON_TRIAL, bench.status.reason);
    assert_true(bench_runs(&bench, &new_image));
}

static void leave_to_go_back_does_not_mean_the_same_again(void **state)
{
    (void)state;
    memcpy(old_image.journal.path, "E:/fw_1.ebin", 13);
    bench_request_downgrade(&bench, &old_image);
    expect_refused(OTA_E_SAME);
}

static void a_bootloader_of_any_version_is_taken(void **state)
{
    (void)state;
    struct bench_image loader;
    bench_image_init(&loader, 0, BENCH_BOOTLOADER, 5001, 9, "E:/bl.ebin");
    bench_stage(&bench, &loader, true);
    bench_request(&bench, &loader);
    enum bench_end end = bench_boot(&bench, BOOT_RESETREAS_SOFT);
    assert_int_equal(BENCH_COPIED, end);
    bench_image_free(&loader);
}

static void refuses_another_update_during_a_trial(void **state)
{
    (void)state;
    bench_stage(&bench, &new_image, true);
    bench_request(&bench, &new_image);
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    memcpy(old_image.journal.path, "E:/fw_1.ebin", 13);
    bench_request(&bench, &old_image);
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_int_equal(BOOT_REASON_REFUSED, bench.status.reason);
    assert_int_equal(OTA_E_UNCONFIRMED, bench.status.last_error);
    assert_int_equal(2, bench.status.app_version);
    // After the confirmation it is taken, in the boot that commits.
    bench_stage(&bench, &old_image, true);
    assert_true(bench_confirm(&bench));
    bench_request_downgrade(&bench, &old_image);
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_int_equal(BOOT_REASON_TRIAL, bench.status.reason);
    assert_int_equal(1, bench.status.app_version);
}

static void a_request_that_was_not_cleared_is_the_same_update(void **state)
{
    (void)state;
    bench_stage(&bench, &new_image, true);
    bench_request(&bench, &new_image);
    // The chip resets right after the journal has it.
    bench.flash.cut = SIM_CUT_AFTER;
    bench.flash.cut_at = 110;
    assert_int_equal(BENCH_CUT, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    bench_request(&bench, &new_image);
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_int_equal(BOOT_REASON_TRIAL, bench.status.reason);
    assert_int_equal(2, bench.status.app_version);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(refuses_malformed_requests),
        TEST(refuses_bad_sizes),
        TEST(refuses_bad_ranges),
        TEST(refuses_bad_paths),
        TEST(refuses_what_already_runs),
        TEST(refuses_the_bootloader_that_already_runs),
        TEST(refuses_an_older_version),
        TEST(an_older_version_is_taken_when_the_request_allows_it),
        TEST(the_same_version_with_other_content_is_taken),
        TEST(leave_to_go_back_does_not_mean_the_same_again),
        TEST(a_bootloader_of_any_version_is_taken),
        TEST(refuses_another_update_during_a_trial),
        TEST(a_request_that_was_not_cleared_is_the_same_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// The update engine, straight through: accepted, checked, programmed, tried,
// confirmed.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "bench.h"

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

static void starts_the_factory_application(void **state)
{
    (void)state;
    assert_int_equal(BENCH_START, bench_boot(&bench, 0));
    assert_int_equal(BOOT_REASON_NORMAL, bench.status.reason);
    assert_int_equal(1, bench.status.app_version);
    assert_int_equal(0, bench.flash.operations);
}

static void run_update(bool with_header)
{
    bench_stage(&bench, &new_image, with_header);
    bench_request(&bench, &new_image);
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_true(bench_runs(&bench, &new_image));
    assert_int_equal(BOOT_REASON_TRIAL, bench.status.reason);
    assert_int_equal(OTA_STEP_TRIAL, bench.status.step);
    assert_int_equal(2, bench.status.app_version);
    assert_true(bench_confirm(&bench));
    assert_int_equal(BENCH_START, bench_boot(&bench, 0));
    assert_int_equal(BOOT_REASON_NORMAL, bench.status.reason);
    assert_int_equal(OTA_STEP_IDLE, bench.status.step);
    assert_int_equal(2, bench.status.app_version);
    assert_int_equal(0, bench.status.confirm_token);
}

static void updates_from_a_file_with_header(void **state)
{
    (void)state;
    run_update(true);
}

static void updates_from_a_file_without_header(void **state)
{
    (void)state;
    run_update(false);
}

/// Programming ///

static void equal_pages_are_not_written(void **state)
{
    (void)state;
    bench_image_free(&new_image);
    bench_image_init(&new_image, 2, BENCH_APP, 9000, 1, "E:/fw_2.ebin");
    new_image.plain[4096]++;
    bench_image_pack(&new_image);
    run_update(true);
    assert_int_equal(0, bench.flash.erases[1]);
    assert_int_equal(1, bench.flash.erases[2]);
    assert_int_equal(0, bench.flash.erases[3]); // its tail is blank
    assert_int_equal(0, bench.flash.erases[4]); // behind the image
}

static void every_size_of_the_last_page_is_right(void **state)
{
    static const uint32_t sizes[] = {1,    15,   16,   17,   4080, 4095,
                                     4096, 4097, 8191, 8192, 8193, 65536};
    teardown(state);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        setup(state);
        bench_image_free(&new_image);
        bench_image_init(&new_image, 2, BENCH_APP, sizes[i], 2, "E:/fw_2.ebin");
        run_update(i % 2u == 0);
        uint32_t end = (sizes[i] + 4095u) / 4096u * 4096u;
        for (uint32_t k = sizes[i]; k < end; k++) {
            assert_int_equal(0xFF, *sim_flash_at(&bench.flash, BENCH_APP + k));
        }
        teardown(state);
    }
    setup(state);
}

static void a_word_that_does_not_take_is_written_again(void **state)
{
    (void)state;
    bench.flash.fail_addr = BENCH_APP + 0x1010;
    bench.flash.fail_count = 2;
    run_update(true);
}

static void flash_that_stays_bad_starts_nothing(void **state)
{
    (void)state;
    bench.flash.fail_addr = BENCH_APP + 0x1010;
    bench.flash.fail_count = 1000000;
    bench_stage(&bench, &new_image, true);
    bench_request(&bench, &new_image);
    assert_int_equal(BENCH_RESET, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_int_equal(BENCH_RESET, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    // It takes again one day.
    bench.flash.fail_count = 0;
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_true(bench_runs(&bench, &new_image));
}

// Operations up to and with the last word of the second page: the journal page
// that accepts (1 + 96 + 4 + 1 + 1), the step (4), a page (1025), its mark (3),
// a page.
#define SECOND_PAGE_WRITTEN (103u + 4u + 1025u + 3u + 1025u)

static void a_page_without_its_mark_is_written_again(void **state)
{
    (void)state;
    struct journal journal;
    bench_stage(&bench, &new_image, true);
    bench_request(&bench, &new_image);
    bench.flash.cut = SIM_CUT_AFTER;
    bench.flash.cut_at = SECOND_PAGE_WRITTEN - 1u;
    assert_int_equal(BENCH_CUT, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_memory_equal(new_image.plain + OTA_PAGE_SIZE,
                        sim_flash_at(&bench.flash, BENCH_APP + OTA_PAGE_SIZE),
                        OTA_PAGE_SIZE);
    assert_int_equal(OTA_OK,
                     journal_load(&journal, &bench.flash.port, BENCH_JOURNAL));
    assert_int_equal(1, journal.pages_done);
    // It reads right, but nothing says that its last word will tomorrow.
    assert_int_equal(BENCH_START, bench_boot(&bench, 0));
    assert_int_equal(1, bench.flash.erases[1]);
    assert_int_equal(2, bench.flash.erases[2]);
    assert_int_equal(1, bench.flash.erases[3]);
    assert_true(bench_runs(&bench, &new_image));
}

static void a_file_that_vanishes_half_way_is_waited_for(void **state)
{
    (void)state;
    bench_stage(&bench, &new_image, true);
    bench_request(&bench, &new_image);
    bench.flash.cut = SIM_CUT_AFTER;
    bench.flash.cut_at = SECOND_PAGE_WRITTEN;
    assert_int_equal(BENCH_CUT, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    memset(bench.modem.files, 0, sizeof bench.modem.files);
    uint64_t began_us = bench.clock.now_us;
    for (uint32_t i = 0; i < 30; i++) {
        assert_int_equal(BENCH_RESET, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    }
    // Slowly, and without wearing out the journal.
    assert_true(bench.clock.now_us - began_us > 30ull * 60u * 1000000u);
    assert_true(bench.flash.erases[BENCH_JOURNAL / OTA_PAGE_SIZE] < 30);
    bench_stage(&bench, &new_image, true);
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_true(bench_runs(&bench, &new_image));
}

static void many_resets_end_a_check(void **state)
{
    (void)state;
    bench_stage(&bench, &new_image, true);
    bench_request(&bench, &new_image);
    bench.flash.cut = SIM_CUT_AFTER;
    bench.flash.cut_at = 102;
    assert_int_equal(BENCH_CUT, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    // Each boot is cut right after it has been counted.
    for (uint32_t i = 0; i < BOOT_CHECK_BOOTS_MAX; i++) {
        // The journal page with this boot's ATTEMPT: erase, records, header,
        // seal, erase.
        bench.flash.operations = 0;
        bench.flash.cut = SIM_CUT_AFTER;
        bench.flash.cut_at = 102u + 3u * (i + 1u);
        assert_int_equal(BENCH_CUT, bench_boot(&bench, 0));
    }
    assert_int_equal(BENCH_START, bench_boot(&bench, 0));
    assert_int_equal(BOOT_REASON_FAILED, bench.status.reason);
    assert_int_equal(OTA_E_TIMEOUT, bench.status.last_error);
    assert_true(bench_runs(&bench, &old_image));
}

/// The bootloader itself ///

static void updates_the_bootloader(void **state)
{
    (void)state;
    struct bench_image next;
    bench_image_init(&next, 7, BENCH_BOOTLOADER, 5001, 9, "E:/bl.ebin");
    bench_stage(&bench, &next, true);
    bench_request(&bench, &next);
    assert_int_equal(BENCH_COPIED, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_memory_equal(next.plain,
                        sim_flash_at(&bench.flash, BENCH_BOOTLOADER), 5001);
    assert_int_equal(BOOT_REASON_NORMAL, bench.status.reason);
    assert_int_equal(OTA_STEP_IDLE, bench.status.step);
    assert_int_equal(1, bench.status.app_version);
    assert_int_equal(1, bench.copies);
    bench_image_free(&next);
}

static void a_refused_copy_keeps_the_old_bootloader(void **state)
{
    (void)state;
    struct bench_image next;
    bench_image_init(&next, 7, BENCH_BOOTLOADER, 5001, 9, "E:/bl.ebin");
    bench_stage(&bench, &next, true);
    bench_request(&bench, &next);
    bench.copy_result = OTA_E_FLASH_RANGE;
    assert_int_equal(BENCH_START, bench_boot(&bench, BOOT_RESETREAS_SOFT));
    assert_int_equal(BOOT_REASON_FAILED, bench.status.reason);
    assert_int_equal(OTA_E_FLASH_RANGE, bench.status.last_error);
    assert_int_equal(OTA_STEP_IDLE, bench.status.step);
    bench_image_free(&next);
}

static void a_copy_that_never_happens_is_given_up(void **state)
{
    (void)state;
    struct bench_image next;
    bench_image_init(&next, 7, BENCH_BOOTLOADER, 5001, 9, "E:/bl.ebin");
    bench_stage(&bench, &next, true);
    bench_request(&bench, &next);
    bench.copy_is_lost = true;
    uint32_t boots = 0;
    while (bench_boot(&bench, BOOT_RESETREAS_SOFT) != BENCH_START) {
        assert_true(++boots < 10);
    }
    assert_int_equal(1 + BOOT_COPY_BOOTS_MAX, bench.copies);
    assert_int_equal(BOOT_REASON_FAILED, bench.status.reason);
    assert_int_equal(OTA_E_PLAIN_HASH, bench.status.last_error);
    bench_image_free(&next);
}

static void halts_without_a_journal(void **state)
{
    (void)state;
    memset(bench.flash.bytes + BENCH_JOURNAL, 0xFF, 2 * OTA_PAGE_SIZE);
    assert_int_equal(BENCH_HALT, bench_boot(&bench, 0));
    assert_int_equal(OTA_E_JOURNAL, bench.boot.halt_reason);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(starts_the_factory_application),
        TEST(updates_from_a_file_with_header),
        TEST(updates_from_a_file_without_header),
        TEST(equal_pages_are_not_written),
        TEST(every_size_of_the_last_page_is_right),
        TEST(a_word_that_does_not_take_is_written_again),
        TEST(flash_that_stays_bad_starts_nothing),
        TEST(a_page_without_its_mark_is_written_again),
        TEST(a_file_that_vanishes_half_way_is_waited_for),
        TEST(many_resets_end_a_check),
        TEST(updates_the_bootloader),
        TEST(a_refused_copy_keeps_the_old_bootloader),
        TEST(a_copy_that_never_happens_is_given_up),
        TEST(halts_without_a_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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
    print_message("%s", bench.log);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(starts_the_factory_application, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(updates_from_a_file_with_header, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(updates_from_a_file_without_header,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

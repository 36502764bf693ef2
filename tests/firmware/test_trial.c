// TRIAL, COMMIT, ROLLBACK, and what the application is told.
//
// SPDX-License-Identifier: Apache-2.0
#include "versions.h"

static void power_cycles_never_roll_back(void **state)
{
    (void)state;
    static const uint32_t ordinary[] = {
        0,
        BOOT_RESETREAS_PIN,
        BOOT_RESETREAS_SOFT | BOOT_RESETREAS_PIN,
        BOOT_RESETREAS_WATCHDOG | BOOT_RESETREAS_PIN,
        0x10000u, // wake from System OFF
    };
    bench_stage(&bench, &images[0], true);
    bench_stage(&bench, &images[1], true);
    start_trial(2);
    uint32_t before = bench.flash.operations;
    for (uint32_t i = 0; i < 50; i++) {
        boot_to(ordinary[i % 5u], BOOT_REASON_TRIAL, 2);
    }
    assert_int_equal(before, bench.flash.operations);
    assert_int_equal(0, bench.status.attempts);
}

static void three_faults_roll_back(void **state)
{
    (void)state;
    static const uint32_t faults[] = {BOOT_RESETREAS_WATCHDOG,
                                      BOOT_RESETREAS_LOCKUP};
    bench_stage(&bench, &images[0], true);
    bench_stage(&bench, &images[1], true);
    start_trial(2);
    boot_to(faults[0], BOOT_REASON_TRIAL, 2);
    boot_to(0, BOOT_REASON_TRIAL, 2);
    boot_to(faults[1], BOOT_REASON_TRIAL, 2);
    assert_int_equal(2, bench.status.attempts);
    boot_to(faults[0], BOOT_REASON_ROLLED_BACK, 1);
    assert_int_equal(OTA_E_UNCONFIRMED, bench.status.last_error);
    assert_int_equal(OTA_STEP_IDLE, bench.status.step);
    assert_int_equal(0, bench.status.confirm_token);
    boot_to(0, BOOT_REASON_NORMAL, 1);
    assert_int_equal(OTA_E_UNCONFIRMED, bench.status.last_error);
}

static void soft_resets_roll_back_after_ten(void **state)
{
    (void)state;
    bench_stage(&bench, &images[0], true);
    bench_stage(&bench, &images[1], true);
    start_trial(2);
    for (uint32_t i = 1; i < 10; i++) {
        boot_to(BOOT_RESETREAS_SOFT, BOOT_REASON_TRIAL, 2);
        boot_to(0, BOOT_REASON_TRIAL, 2);
        assert_int_equal(i, bench.status.attempts);
    }
    boot_to(BOOT_RESETREAS_SOFT, BOOT_REASON_ROLLED_BACK, 1);
}

static void soft_resets_do_not_hide_faults(void **state)
{
    (void)state;
    bench_stage(&bench, &images[0], true);
    bench_stage(&bench, &images[1], true);
    start_trial(2);
    for (uint32_t i = 0; i < 2; i++) {
        boot_to(BOOT_RESETREAS_SOFT, BOOT_REASON_TRIAL, 2);
        boot_to(BOOT_RESETREAS_LOCKUP, BOOT_REASON_TRIAL, 2);
    }
    boot_to(BOOT_RESETREAS_WATCHDOG, BOOT_REASON_ROLLED_BACK, 1);
}

static void the_watchdog_runs_on_every_trial_boot(void **state)
{
    (void)state;
    bench_stage(&bench, &images[1], true);
    start_trial(2);
    bench.watchdog_runs = false; // as after a power cycle
    boot_to(0, BOOT_REASON_TRIAL, 2);
    assert_true(bench.watchdog_runs);
    assert_true(bench_confirm(&bench));
    bench.watchdog_runs = false;
    boot_to(0, BOOT_REASON_NORMAL, 2);
    assert_false(bench.watchdog_runs);
}

static void faults_after_the_confirmation_do_not_count(void **state)
{
    (void)state;
    bench_stage(&bench, &images[0], true);
    update_to(2);
    for (uint32_t i = 0; i < 5; i++) {
        boot_to(BOOT_RESETREAS_WATCHDOG, BOOT_REASON_NORMAL, 2);
    }
}

static void a_trial_begins_with_a_clean_handshake_page(void **state)
{
    (void)state;
    const uint32_t page = BENCH_HANDSHAKE / OTA_PAGE_SIZE;
    bench_stage(&bench, &images[1], true);
    start_trial(2);
    // Erased though it was blank: an earlier erase may have been cut.
    assert_int_equal(1, bench.flash.erases[page]);
    assert_true(bench_confirm(&bench));
    boot_to(BOOT_RESETREAS_SOFT, BOOT_REASON_NORMAL, 2);
    bench_stage(&bench, &images[2], true);
    start_trial(3);
    assert_int_equal(2, bench.flash.erases[page]);
    boot_to(0, BOOT_REASON_TRIAL, 3);
    assert_int_equal(2, bench.flash.erases[page]);
}

static void another_token_does_not_confirm(void **state)
{
    (void)state;
    bench_stage(&bench, &images[1], true);
    start_trial(2);
    bench.status.confirm_token ^= 1u;
    assert_true(bench_confirm(&bench));
    boot_to(BOOT_RESETREAS_SOFT, BOOT_REASON_TRIAL, 2);
    // The right one replaces it.
    assert_true(bench_confirm(&bench));
    boot_to(BOOT_RESETREAS_SOFT, BOOT_REASON_NORMAL, 2);
}

static void without_a_previous_version_the_trial_goes_on(void **state)
{
    (void)state;
    memset(images[0].journal.path, 0, OTA_PATH_SIZE);
    bench_free(&bench);
    bench_init(&bench, &images[0]);
    bench_stage(&bench, &images[1], true);
    start_trial(2);
    for (uint32_t i = 0; i < 20; i++) {
        boot_to(BOOT_RESETREAS_WATCHDOG, BOOT_REASON_TRIAL, 2);
    }
    assert_int_equal(OTA_E_NO_PREVIOUS, bench.status.last_error);
    assert_true(bench_confirm(&bench));
    boot_to(0, BOOT_REASON_NORMAL, 2);
}

static void a_previous_version_that_is_gone_leaves_the_trial(void **state)
{
    (void)state;
    bench_stage(&bench, &images[1], true); // version 1 is not staged
    start_trial(2);
    boot_to(BOOT_RESETREAS_WATCHDOG, BOOT_REASON_TRIAL, 2);
    boot_to(BOOT_RESETREAS_WATCHDOG, BOOT_REASON_TRIAL, 2);
    boot_to(BOOT_RESETREAS_WATCHDOG, BOOT_REASON_TRIAL, 2);
    assert_int_equal(OTA_E_NO_PREVIOUS, bench.status.last_error);
    assert_true(bench_confirm(&bench));
    boot_to(0, BOOT_REASON_NORMAL, 2);
}

static void goes_back_past_a_version_that_is_gone(void **state)
{
    (void)state;
    bench_stage(&bench, &images[0], true);
    update_to(2);
    bench_stage(&bench, &images[2], true);
    memset(&bench.modem.files[1], 0, sizeof bench.modem.files[1]);
    start_trial(3);
    boot_to(BOOT_RESETREAS_WATCHDOG, BOOT_REASON_TRIAL, 3);
    boot_to(BOOT_RESETREAS_WATCHDOG, BOOT_REASON_TRIAL, 3);
    boot_to(BOOT_RESETREAS_WATCHDOG, BOOT_REASON_ROLLED_BACK, 1);
    assert_int_equal(1, bench.status.kept_count);
    boot_to(0, BOOT_REASON_NORMAL, 1);
}

static void the_update_takes_its_time(void **state)
{
    (void)state;
    bench_stage(&bench, &images[1], true);
    start_trial(2);
    // Two reads of 7 KB at 460800 baud and two pages of flash.
    assert_in_range(bench.status.update_ms, 500, 5000);
    boot_to(0, BOOT_REASON_TRIAL, 2);
    assert_int_equal(0, bench.status.update_ms);
}

static void a_damaged_trial_application_is_programmed_again(void **state)
{
    (void)state;
    uint32_t zero = 0;
    bench_stage(&bench, &images[1], true);
    start_trial(2);
    assert_int_equal(OTA_OK,
                     bench.flash.port.write(&bench.flash, BENCH_APP, &zero, 1));
    boot_to(0, BOOT_REASON_TRIAL, 2);
}

static void a_damaged_application_is_restored_from_the_modem(void **state)
{
    (void)state;
    uint32_t zero = 0;
    bench_stage(&bench, &images[0], true);
    assert_int_equal(OTA_OK,
                     bench.flash.port.write(&bench.flash, BENCH_APP, &zero, 1));
    boot_to(0, BOOT_REASON_ROLLED_BACK, 1);
    assert_int_equal(OTA_E_PLAIN_HASH, bench.status.last_error);
    boot_to(0, BOOT_REASON_NORMAL, 1);
}

static void a_damaged_application_alone_is_not_started(void **state)
{
    (void)state;
    uint32_t zero = 0;
    memset(images[0].journal.path, 0, OTA_PATH_SIZE);
    bench_free(&bench);
    bench_init(&bench, &images[0]);
    assert_int_equal(OTA_OK,
                     bench.flash.port.write(&bench.flash, BENCH_APP, &zero, 1));
    assert_int_equal(BENCH_HALT, bench_boot(&bench, 0));
    assert_int_equal(OTA_E_PLAIN_HASH, bench.boot.halt_reason);
    assert_int_equal(OTA_E_PLAIN_HASH, bench.status.last_error);
}

static void confirming_twice_writes_once(void **state)
{
    (void)state;
    bench_stage(&bench, &images[1], true);
    start_trial(2);
    assert_true(bench_confirm(&bench));
    uint32_t before = bench.flash.operations;
    assert_true(bench_confirm(&bench));
    assert_int_equal(before, bench.flash.operations);
}

static void confirming_without_a_trial_writes_nothing(void **state)
{
    (void)state;
    boot_to(0, BOOT_REASON_NORMAL, 1);
    assert_true(bench_confirm(&bench));
    assert_int_equal(0, bench.flash.operations);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(power_cycles_never_roll_back),
        TEST(three_faults_roll_back),
        TEST(soft_resets_roll_back_after_ten),
        TEST(soft_resets_do_not_hide_faults),
        TEST(the_watchdog_runs_on_every_trial_boot),
        TEST(faults_after_the_confirmation_do_not_count),
        TEST(a_trial_begins_with_a_clean_handshake_page),
        TEST(another_token_does_not_confirm),
        TEST(without_a_previous_version_the_trial_goes_on),
        TEST(a_previous_version_that_is_gone_leaves_the_trial),
        TEST(goes_back_past_a_version_that_is_gone),
        TEST(the_update_takes_its_time),
        TEST(a_damaged_trial_application_is_programmed_again),
        TEST(a_damaged_application_is_restored_from_the_modem),
        TEST(a_damaged_application_alone_is_not_started),
        TEST(confirming_twice_writes_once),
        TEST(confirming_without_a_trial_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

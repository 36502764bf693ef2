// TRIAL, COMMIT, ROLLBACK, and what the application is told.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "bench.h"
#include "ota/confirm.h"

static struct bench bench;
static struct bench_image images[5]; // version = index + 1

static int setup(void **state)
{
    (void)state;
    static const char *const paths[] = {"E:/fw_1.ebin", "E:/fw_2.ebin",
                                        "E:/fw_3.ebin", "E:/fw_4.ebin",
                                        "E:/fw_5.ebin"};
    for (uint32_t i = 0; i < 5; i++) {
        bench_image_init(&images[i], i + 1, BENCH_APP, 6000 + 1000 * i, i + 1,
                         paths[i]);
    }
    bench_init(&bench, &images[0]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_free(&bench);
    for (uint32_t i = 0; i < 5; i++) {
        bench_image_free(&images[i]);
    }
    return 0;
}

static void boot_to(uint32_t resetreas, enum boot_reason reason,
                    uint32_t version)
{
    enum bench_end end = bench_boot_until_start(&bench, resetreas, 3);
    if (end != BENCH_START || bench.status.reason != (uint32_t)reason ||
        bench.status.app_version != version) {
        fail_msg("end %d, reason %u, version %u; expected reason %u, "
                 "version %u\n%s",
                 (int)end, (unsigned)bench.status.reason,
                 (unsigned)bench.status.app_version, (unsigned)reason,
                 (unsigned)version, bench.log);
    }
    assert_true(bench_runs(&bench, &images[version - 1]));
}

static void start_trial(uint32_t version)
{
    bench_request(&bench, &images[version - 1]);
    boot_to(BOOT_RESETREAS_SOFT, BOOT_REASON_TRIAL, version);
    assert_true(bench.status.confirm_token != 0);
}

static void update_to(uint32_t version)
{
    bench_stage(&bench, &images[version - 1], true);
    start_trial(version);
    assert_true(bench_confirm(&bench));
    boot_to(BOOT_RESETREAS_SOFT, BOOT_REASON_NORMAL, version);
}

static void power_cycles_never_roll_back(void **state)
{
    (void)state;
    static const uint32_t ordinary[] = {
        0,
        BOOT_RESETREAS_PIN,
        BOOT_RESETREAS_SOFT,
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

static void two_previous_versions_are_kept(void **state)
{
    (void)state;
    static const uint32_t kept[][3] = {{2, 1}, {3, 2, 1}, {4, 3, 2}};
    static const uint32_t counts[] = {2, 3, 3};
    bench_stage(&bench, &images[0], true);
    for (uint32_t i = 0; i < 3; i++) {
        update_to(i + 2);
        assert_int_equal(counts[i], bench.status.kept_count);
        assert_memory_equal(kept[i], bench.status.kept_version,
                            counts[i] * sizeof(uint32_t));
    }
}

static void a_reused_path_is_the_newer_version(void **state)
{
    (void)state;
    memcpy(images[1].journal.path, images[0].journal.path, OTA_PATH_SIZE);
    update_to(2);
    assert_int_equal(1, bench.status.kept_count);
    assert_int_equal(2, bench.status.kept_version[0]);
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

static bool has_key(const void *memory, size_t size, uint32_t version)
{
    const uint8_t *bytes = memory;
    for (size_t i = 0; i + 16u <= size; i++) {
        if (memcmp(bytes + i, images[version - 1].journal.info.aes_key, 16) ==
            0) {
            return true;
        }
    }
    return false;
}

static void no_key_is_left_in_ram(void **state)
{
    (void)state;
    bench_stage(&bench, &images[0], true);
    bench_stage(&bench, &images[1], true);
    start_trial(2);
    for (uint32_t version = 1; version <= 2; version++) {
        assert_false(has_key(&bench.boot, sizeof bench.boot, version));
        assert_false(has_key(&bench.request, sizeof bench.request, version));
        assert_false(has_key(&bench.status, sizeof bench.status, version));
        assert_true(has_key(bench.flash.bytes + BENCH_JOURNAL,
                            2 * OTA_PAGE_SIZE, version));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(power_cycles_never_roll_back),
        TEST(three_faults_roll_back),
        TEST(faults_after_the_confirmation_do_not_count),
        TEST(a_trial_begins_with_a_clean_handshake_page),
        TEST(another_token_does_not_confirm),
        TEST(without_a_previous_version_the_trial_goes_on),
        TEST(a_previous_version_that_is_gone_leaves_the_trial),
        TEST(goes_back_past_a_version_that_is_gone),
        TEST(two_previous_versions_are_kept),
        TEST(a_reused_path_is_the_newer_version),
        TEST(the_update_takes_its_time),
        TEST(a_damaged_trial_application_is_programmed_again),
        TEST(a_damaged_application_is_restored_from_the_modem),
        TEST(a_damaged_application_alone_is_not_started),
        TEST(no_key_is_left_in_ram),
        TEST(confirming_twice_writes_once),
        TEST(confirming_without_a_trial_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

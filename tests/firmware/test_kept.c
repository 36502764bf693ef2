// Which versions are kept, what the application is told of them, and where
// their keys are.
//
// SPDX-License-Identifier: Apache-2.0
#include "crc32.h"
#include "versions.h"

static void expect_kept(const uint32_t *versions, uint32_t count)
{
    assert_int_equal(count, bench.status.kept_count);
    for (uint32_t i = 0; i < count; i++) {
        const char *path = images[versions[i] - 1u].journal.path;
        assert_int_equal(versions[i], bench.status.kept_version[i]);
        assert_int_equal(crc32_update(0, path, OTA_PATH_SIZE),
                         bench.status.kept_path_crc[i]);
    }
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

static void the_status_says_which_files_must_stay(void **state)
{
    (void)state;
    static const uint32_t on_trial[] = {4, 3, 2, 1};
    static const uint32_t after[] = {4, 3, 2};
    bench_stage(&bench, &images[0], true);
    update_to(2);
    update_to(3);
    bench_stage(&bench, &images[3], true);
    start_trial(4);
    expect_kept(on_trial, 4);
    assert_true(bench_confirm(&bench));
    boot_to(0, BOOT_REASON_NORMAL, 4);
    expect_kept(after, 3);
}

static void a_version_without_its_file_is_forgotten(void **state)
{
    (void)state;
    static const uint32_t on_trial[] = {4, 3, 2};
    bench_stage(&bench, &images[0], true);
    update_to(2);
    update_to(3);
    bench_stage(&bench, &images[3], true);
    memset(&bench.modem.files[0], 0, sizeof bench.modem.files[0]);
    start_trial(4);
    expect_kept(on_trial, 3);
    assert_false(
        has_key(bench.flash.bytes + BENCH_JOURNAL, 2 * OTA_PAGE_SIZE, 1));
    assert_true(
        has_key(bench.flash.bytes + BENCH_JOURNAL, 2 * OTA_PAGE_SIZE, 2));
}

static void a_version_on_another_drive_is_not_forgotten(void **state)
{
    (void)state;
    static const uint32_t kept[] = {3, 2, 1};
    images[0].journal.path[0] = 'C';
    bench_free(&bench);
    bench_init(&bench, &images[0]);
    update_to(2);
    bench_stage(&bench, &images[2], true);
    start_trial(3);
    expect_kept(kept, 3);
}

static void a_reused_path_is_the_newer_version(void **state)
{
    (void)state;
    memcpy(images[1].journal.path, images[0].journal.path, OTA_PATH_SIZE);
    update_to(2);
    assert_int_equal(1, bench.status.kept_count);
    assert_int_equal(2, bench.status.kept_version[0]);
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
        TEST(two_previous_versions_are_kept),
        TEST(the_status_says_which_files_must_stay),
        TEST(a_version_without_its_file_is_forgotten),
        TEST(a_version_on_another_drive_is_not_forgotten),
        TEST(a_reused_path_is_the_newer_version),
        TEST(no_key_is_left_in_ram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

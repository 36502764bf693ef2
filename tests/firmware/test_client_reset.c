// What the update client does around a reset: state file, boot status, trial.
//
// SPDX-License-Identifier: Apache-2.0
#include "client_bench.h"

static struct image image;

static int setup(void **state)
{
    bench_setup(state);
    make_image(&image, 2, 7000);
    serve(0, &image);
    assert_true(run_until_connected());
    return 0;
}

static int teardown(void **state)
{
    free_image(&image);
    return bench_teardown(state);
}

static void update_to_the_reset(void)
{
    request(&image, URL_A);
    assert_true(run_until_reset());
    world.resets = 0;
    world.sent_count = 0;
}

static void what_became_of_it_is_told(void **state)
{
    static const struct {
        const char *name;
        uint32_t version;
        enum boot_reason reason;
        int error;
        bool is_installed;
        const char *stage;
        const char *why;
    } rows[] = {
        {"confirmed before it could say so", 2, BOOT_REASON_NORMAL, 0, true,
         "confirmed", "\"version\":2,"},
        {"rolled back", 1, BOOT_REASON_ROLLED_BACK, OTA_E_UNCONFIRMED, false,
         "rolled_back", "\"reason\":\"unconfirmed\"}"},
        {"rolled back, and a power cycle later", 1, BOOT_REASON_NORMAL,
         OTA_E_UNCONFIRMED, false, "rolled_back",
         "\"reason\":\"unconfirmed\"}"},
        {"its file was bad", 1, BOOT_REASON_FAILED, OTA_E_PADDING, false,
         "failed", "\"reason\":\"padding\"}"},
        {"the bootloader refused", 1, BOOT_REASON_REFUSED, OTA_E_RANGE, false,
         "failed", "\"reason\":\"range\"}"},
        {"its file was bad, and a power cycle later", 1, BOOT_REASON_NORMAL,
         OTA_E_PADDING, false, "failed", "\"reason\":\"padding\"}"},
        {"the request was lost with the RAM", 1, BOOT_REASON_NORMAL, 0, false,
         "failed", "\"reason\":\"interrupted\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        teardown(state);
        setup(state);
        update_to_the_reset();
        if (rows[i].is_installed) {
            install(&image);
        }
        start(rows[i].version, rows[i].reason, rows[i].error, 0);
        if (!run_until_sent(rows[i].stage) ||
            count_sent(rows[i].stage, rows[i].why) != 1) {
            fail_msg("%s: %s", rows[i].name, world.log);
        }
        steps(5);
        assert_int_equal(1, world.sent_count);
        assert_null(find_file("E:/ota_state.txt"));
    }
}

static void a_version_that_may_not_confirm_is_not_reported_so(void **state)
{
    (void)state;
    bool is_confirmed = true;
    update_to_the_reset();
    install(&image);
    world.may_not_confirm = true;
    start(2, BOOT_REASON_TRIAL, OTA_OK, TOKEN);
    assert_true(run_until_connected());
    steps(200);
    assert_int_equal(0, world.sent_count);
    assert_int_equal(
        OTA_OK, ota_is_confirmed(&fake_flash, HANDSHAKE, TOKEN, &is_confirmed));
    assert_false(is_confirmed);
}

static void an_error_of_an_earlier_update_is_not_told_again(void **state)
{
    (void)state;
    start(1, BOOT_REASON_NORMAL, OTA_E_PADDING, 0);
    assert_true(run_until_connected());
    update_to_the_reset();
    start(1, BOOT_REASON_NORMAL, OTA_E_PADDING, 0);
    assert_true(run_until_sent("failed"));
    assert_int_equal(1, count_sent("failed", "\"reason\":\"interrupted\"}"));
}

static void the_last_report_is_repeated_until_acknowledged(void **state)
{
    (void)state;
    update_to_the_reset();
    start(1, BOOT_REASON_ROLLED_BACK, OTA_E_UNCONFIRMED, 0);
    world.has_no_broker = true;
    steps(500);
    assert_int_equal(0, world.sent_count);
    // Power cycles: the bootloader has nothing to tell any more.
    for (uint32_t i = 0; i < 2; i++) {
        start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
        steps(500);
        assert_non_null(find_file("E:/ota_state.txt"));
    }
    world.has_no_broker = false;
    start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
    assert_true(run_until_sent("rolled_back"));
    steps(5);
    assert_int_equal(1,
                     count_sent("rolled_back", "\"reason\":\"unconfirmed\"}"));
    assert_null(find_file("E:/ota_state.txt"));
    start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
    assert_true(run_until_connected());
    steps(50);
    assert_int_equal(1, world.sent_count);
}

static void a_version_that_rolled_back_is_not_tried_again(void **state)
{
    (void)state;
    update_to_the_reset();
    start(1, BOOT_REASON_ROLLED_BACK, OTA_E_UNCONFIRMED, 0);
    assert_true(run_until_sent("rolled_back"));
    world.now_ms += 3600000;
    request(&image, URL_A); // as a retained message does after each connect
    steps(20);
    assert_int_equal(1, world.sent_count);
}

static void a_reset_in_mid_download_waits_for_the_request(void **state)
{
    (void)state;
    world.urls[0].error = OTA_E_NETWORK;
    request(&image, URL_A);
    assert_true(run_until_sent("downloading"));
    start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
    assert_true(run_until_connected());
    world.urls[0].error = OTA_OK;
    request(&image, URL_A);
    assert_true(run_until_reset());
    assert_int_equal(0, count_sent("failed", ""));
}

static void a_request_that_does_not_come_again_was_interrupted(void **state)
{
    (void)state;
    world.urls[0].error = OTA_E_NETWORK;
    request(&image, URL_A);
    assert_true(run_until_sent("downloading"));
    start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
    assert_true(run_until_sent("failed"));
    assert_int_equal(1, count_sent("failed", "\"reason\":\"interrupted\"}"));
    // The publisher hears it and sends it again, perhaps at once.
    world.urls[0].error = OTA_OK;
    request(&image, URL_A);
    assert_true(run_until_reset());
}

static void another_request_instead_ends_the_one_before(void **state)
{
    (void)state;
    world.urls[0].error = OTA_E_NETWORK;
    request(&image, URL_A);
    assert_true(run_until_sent("downloading"));
    start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
    assert_true(run_until_connected());
    world.urls[0].error = OTA_OK;
    request(&image, "\"id\":\"r2\",\"url\":\"http://a/f\"");
    assert_true(run_until_reset());
    assert_int_equal(1, count_sent("failed", "\"id\":\"r1\""));
    assert_int_equal(1, count_sent("updating", "\"id\":\"r2\""));
}

static void a_spoilt_state_file_counts_as_none(void **state)
{
    (void)state;
    update_to_the_reset();
    struct fake_file *file = find_file("E:/ota_state.txt");
    for (uint32_t i = 0; i < file->size; i += 13) {
        file->data[i] ^= 0x10;
        start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
        assert_true(run_until_connected());
        steps(3);
        assert_int_equal(0, world.sent_count);
        file = find_file("E:/ota_state.txt");
        assert_non_null(file);
        file->data[i] ^= 0x10;
    }
}

static void a_state_file_is_found_on_the_other_drive(void **state)
{
    (void)state;
    world.has_no_drive_e = true;
    start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
    assert_true(run_until_connected());
    update_to_the_reset();
    assert_memory_equal("F:/", boot_request.path, 3);
    install(&image);
    world.has_no_drive_e = false; // it was gone for a moment only
    start(2, BOOT_REASON_TRIAL, OTA_OK, TOKEN);
    assert_true(run_until_sent("confirmed"));
    steps(5);
    assert_null(find_file("F:/ota_state.txt"));
}

static void a_bootloader_is_confirmed_when_it_runs(void **state)
{
    (void)state;
    image.info.fp_base = LOADER_START;
    image.info.version = 1; // its own numbers
    update_to_the_reset();
    install(&image);
    start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
    assert_true(run_until_sent("confirmed"));
    assert_int_equal(1, count_sent("confirmed", "\"version\":1,\"target\":1}"));
}

static void a_bootloader_that_was_not_copied_has_failed(void **state)
{
    (void)state;
    image.info.fp_base = LOADER_START;
    update_to_the_reset();
    start(1, BOOT_REASON_FAILED, OTA_E_FLASH, 0);
    assert_true(run_until_sent("failed"));
    assert_int_equal(1, count_sent("failed", "\"reason\":\"flash\"}"));
}

static void without_hashes_versions_tell(void **state)
{
    (void)state;
    config.crypto = NULL;
    update_to_the_reset();
    start(2, BOOT_REASON_TRIAL, OTA_OK, TOKEN);
    assert_true(run_until_sent("confirmed"));
}

static void a_trial_by_hand_is_confirmed_without_a_report(void **state)
{
    (void)state;
    bool is_confirmed = false;
    start(2, BOOT_REASON_TRIAL, OTA_OK, TOKEN);
    assert_true(run_until_connected());
    steps(5);
    assert_int_equal(
        OTA_OK, ota_is_confirmed(&fake_flash, HANDSHAKE, TOKEN, &is_confirmed));
    assert_true(is_confirmed);
    assert_int_equal(0, world.sent_count);
    assert_non_null(strstr(world.log, "confirmed version 2\n"));
}

static void the_product_says_when(void **state)
{
    (void)state;
    world.may_not_update = true;
    request(&image, URL_A);
    assert_true(run_until_sent("downloaded"));
    steps(100);
    assert_int_equal(0, world.resets);
    world.may_not_update = false;
    assert_true(run_until_reset());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_became_of_it_is_told),
        TEST(a_version_that_may_not_confirm_is_not_reported_so),
        TEST(an_error_of_an_earlier_update_is_not_told_again),
        TEST(the_last_report_is_repeated_until_acknowledged),
        TEST(a_version_that_rolled_back_is_not_tried_again),
        TEST(a_reset_in_mid_download_waits_for_the_request),
        TEST(a_request_that_does_not_come_again_was_interrupted),
        TEST(another_request_instead_ends_the_one_before),
        TEST(a_spoilt_state_file_counts_as_none),
        TEST(a_state_file_is_found_on_the_other_drive),
        TEST(a_bootloader_is_confirmed_when_it_runs),
        TEST(a_bootloader_that_was_not_copied_has_failed),
        TEST(without_hashes_versions_tell),
        TEST(a_trial_by_hand_is_confirmed_without_a_report),
        TEST(the_product_says_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

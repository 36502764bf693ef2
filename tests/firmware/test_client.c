// The update client as a whole: from a request to its last report, whatever a
// driver answers at whatever call.
//
// SPDX-License-Identifier: Apache-2.0
#include "client_bench.h"

static struct image image;
static uint32_t image_size = 7000;

static int setup(void **state)
{
    bench_setup(state);
    make_image(&image, 2, image_size);
    serve(0, &image);
    serve(1, &image);
    return 0;
}

static int teardown(void **state)
{
    free_image(&image);
    return bench_teardown(state);
}

// True when these bytes are nowhere in the client or in the messages.
static bool is_wiped(void)
{
    const uint8_t *places[] = {(const uint8_t *)&client,
                               (const uint8_t *)&fake_mqtt};
    const size_t sizes[] = {sizeof client, sizeof fake_mqtt};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i + 16 <= sizes[k]; i++) {
            if (memcmp(places[k] + i, image.info.aes_key, 16) == 0 ||
                memcmp(places[k] + i, "a5a5a5a5a5a5a5a5", 16) == 0) {
                return false;
            }
        }
    }
    return true;
}

static void whole_way_is_reported(void **state)
{
    (void)state;
    assert_true(run_until_connected());
    request(&image, URL_A);
    assert_true(run_until_reset());
    assert_true(is_wiped());
    install(&image);
    start(2, BOOT_REASON_TRIAL, OTA_OK, TOKEN);
    assert_true(run_until_sent("confirmed"));
    static const char *const expected[] = {
        "\"stage\":\"accepted\",\"version\":1,\"target\":2}",
        "\"stage\":\"downloading\",\"version\":1,\"target\":2,\"percent\":0}",
        "\"stage\":\"downloaded\",\"version\":1,\"target\":2}",
        "\"stage\":\"updating\",\"version\":1,\"target\":2}",
        "\"stage\":\"confirmed\",\"version\":2,\"target\":2}",
    };
    assert_int_equal(5, world.sent_count);
    for (size_t i = 0; i < 5; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "{\"type\":\"update_report\",\"device\":\"d7\",\"id\":\"r1\","
                 "%s",
                 expected[i]);
        assert_string_equal(text, world.sent[i]);
        assert_string_equal("ota/device/d7/report", world.topics[i]);
    }
    bool is_confirmed = false;
    assert_int_equal(
        OTA_OK, ota_is_confirmed(&fake_flash, HANDSHAKE, TOKEN, &is_confirmed));
    assert_true(is_confirmed);
    steps(5);
    assert_null(find_file("E:/ota_state.txt"));
}

// Everything that may go wrong once: the request still ends, and ends once.
static void every_error_at_every_call_ends_the_request(void **state)
{
    static const int errors[] = {
        OTA_E_TIMEOUT,    OTA_E_LINK,         OTA_E_MODEM,       OTA_E_PROTOCOL,
        OTA_E_SHORT_READ, OTA_E_MODEM_REBOOT, OTA_E_NO_FILE,     OTA_E_NO_SPACE,
        OTA_E_NETWORK,    OTA_E_BROKER,       OTA_E_CERTIFICATE, OTA_E_TLS,
        OTA_E_HTTP,       OTA_E_SIZE,
    };
    image_size = 2u * SIM7600_PART_SIZE; // with its header three parts
    for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++) {
        for (uint32_t at = 1;; at++) {
            teardown(state);
            setup(state);
            world.fail_at = at;
            world.fail_times = 1;
            world.fail_error = errors[e];
            assert_true(run_until_connected());
            request(&image, URL_AB);
            for (uint32_t i = 0;
                 i < 3000 && world.resets == 0 && count_sent("failed", "") == 0;
                 i++) {
                update_client_step(&client);
            }
            uint32_t failed = count_sent("failed", "");
            // What happens once is survived, except that there is no room.
            if (failed > 0 && errors[e] != OTA_E_NO_SPACE) {
                fail_msg("error %d at call %u: failed\n%s", errors[e],
                         (unsigned)at, world.log);
            }
            if (failed == 0) {
                if (world.resets != 1) {
                    fail_msg("error %d at call %u: stuck\n%s", errors[e],
                             (unsigned)at, world.log);
                }
                install(&image);
                start(2, BOOT_REASON_TRIAL, OTA_OK, TOKEN);
                assert_true(run_until_sent("confirmed"));
                steps(200);
                bool is_confirmed = false;
                assert_int_equal(OTA_OK,
                                 ota_is_confirmed(&fake_flash, HANDSHAKE, TOKEN,
                                                  &is_confirmed));
                assert_true(is_confirmed);
            }
            uint32_t confirmed = count_sent("confirmed", "");
            if (failed + confirmed != 1) {
                fail_msg("error %d at call %u: %u failed, %u confirmed\n%s",
                         errors[e], (unsigned)at, (unsigned)failed,
                         (unsigned)confirmed, world.log);
            }
            assert_true(is_wiped());
            if (world.failed == 0) {
                break; // beyond the last call
            }
        }
    }
    image_size = 7000;
}

static void a_device_cut_off_at_any_call_reports_when_it_is_back(void **state)
{
    for (uint32_t at = 1; at < 400; at += 7) {
        teardown(state);
        setup(state);
        world.fail_at = at;
        world.fail_times = 30;
        world.fail_error = OTA_E_TIMEOUT;
        assert_true(run_until_connected());
        request(&image, URL_AB);
        for (uint32_t i = 0;
             i < 200000 && world.resets == 0 && count_sent("failed", "") == 0;
             i++) {
            update_client_step(&client);
        }
        assert_int_equal(1, world.resets + count_sent("failed", ""));
    }
}

// The broker has acknowledged "accepted"; the power goes at any call after it,
// and the request does not come again.
static void a_power_cut_at_any_call_loses_no_request(void **state)
{
    for (uint32_t at = 1;; at++) {
        teardown(state);
        setup(state);
        assert_true(run_until_connected());
        world.calls = 0;
        world.fail_at = at;
        world.fail_times = UINT32_MAX - at;
        world.fail_error = OTA_E_TIMEOUT;
        request(&image, URL_AB);
        for (uint32_t i = 0; i < 1000 && world.failed == 0; i++) {
            update_client_step(&client);
        }
        bool is_reset = world.resets > 0;
        bool was_accepted = count_sent("accepted", "") > 0;
        world.fail_at = 0;
        if (is_reset) {
            break;
        }
        start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
        if (!was_accepted) {
            continue; // the operator knows of nothing
        }
        if (!run_until_sent("failed") ||
            count_sent("failed", "\"reason\":\"interrupted\"}") != 1) {
            fail_msg("call %u:\n%s", (unsigned)at, world.log);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(whole_way_is_reported),
        TEST(every_error_at_every_call_ends_the_request),
        TEST(a_power_cut_at_any_call_loses_no_request),
        TEST(a_device_cut_off_at_any_call_reports_when_it_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

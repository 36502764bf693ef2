// The update client's way to the broker, and the reports that wait for it.
//
// SPDX-License-Identifier: Apache-2.0
#include "client_bench.h"

static struct image image;

static int setup(void **state)
{
    bench_setup(state);
    make_image(&image, 2, SIM7600_PART_SIZE * 9u / 4u); // three parts
    serve(0, &image);
    assert_true(run_until_connected());
    return 0;
}

static int teardown(void **state)
{
    free_image(&image);
    return bench_teardown(state);
}

static void a_lost_broker_does_not_stop_the_download(void **state)
{
    (void)state;
    request(&image, URL_A);
    assert_true(run_until_sent("downloading"));
    world.has_no_broker = true;
    for (uint32_t i = 0; i < 3000 && client.work != UPDATE_WORK_READY; i++) {
        update_client_step(&client);
    }
    steps(20);
    world.has_no_broker = false;
    assert_true(run_until_reset());
    // What happened meanwhile was told later, in order.
    assert_int_equal(1, count_sent("downloaded", ""));
    assert_int_equal(1, count_sent("updating", ""));
}

static void reports_do_not_wait_for_a_broker_for_ever(void **state)
{
    (void)state;
    request(&image, URL_A);
    assert_true(run_until_sent("downloading"));
    world.has_no_broker = true;
    assert_true(run_until_reset());
    assert_int_equal(0, count_sent("updating", ""));
}

static void a_lost_network_is_waited_for(void **state)
{
    (void)state;
    request(&image, URL_A);
    assert_true(run_until_sent("downloading"));
    world.is_lonely = true;
    steps(2000);
    assert_int_equal(0, count_sent("failed", ""));
    assert_true(world.restarts > 0);
    world.is_lonely = false;
    assert_true(run_until_reset());
    assert_true(world.urls[0].requests < 8);
}

static void a_silent_modem_gets_its_power_key(void **state)
{
    (void)state;
    uint32_t opens = world.opens;
    world.is_dead = true;
    steps(1000);
    assert_true(world.keys >= 1);
    assert_true(world.opens - opens < 30);
    world.is_dead = false;
    assert_true(run_until_connected());
}

static void a_modem_whose_client_is_stuck_is_restarted_soon(void **state)
{
    (void)state;
    static const uint32_t codes[][2] = {{14, 2}, {19, 2}, {30, 6}};
    for (size_t i = 0; i < 3; i++) {
        teardown(state);
        setup(state);
        world.connect_error = codes[i][0];
        start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
        for (uint32_t k = 0; k < 20000 && world.restarts == 0; k++) {
            update_client_step(&client);
        }
        assert_int_equal(codes[i][1], client.connect_failures);
    }
}

static void devices_do_not_come_back_together(void **state)
{
    uint32_t seen[20];
    for (uint32_t device = 0; device < 20; device++) {
        char id[8];
        teardown(state);
        setup(state);
        snprintf(id, sizeof id, "d%u", (unsigned)device);
        config.device_id = id;
        start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
        assert_true(run_until_connected());
        uint32_t lost_ms = world.now_ms;
        fake_mqtt.is_connected = false;
        steps(2);
        assert_true(run_until_connected());
        seen[device] = (world.now_ms - lost_ms) / 250u;
        assert_true(world.now_ms - lost_ms < 25000);
    }
    uint32_t different = 0;
    for (uint32_t i = 0; i < 20; i++) {
        bool is_first = true;
        for (uint32_t k = 0; k < i; k++) {
            is_first = is_first && seen[k] != seen[i];
        }
        different += is_first;
    }
    assert_true(different > 10);
}

static void a_broker_that_refuses_is_asked_ever_more_seldom(void **state)
{
    (void)state;
    world.has_no_broker = true;
    uint32_t started_ms = world.now_ms;
    while (world.now_ms - started_ms < 3600000u) {
        update_client_step(&client);
    }
    // Six within six minutes, then one in four at the average.
    assert_in_range(client.connect_failures, 14, 26);
    assert_in_range(world.restarts, 2, 4);
    world.has_no_broker = false;
    assert_true(run_until_connected());
    assert_int_equal(0, client.connect_failures);
}

/// Outbox ///

static void the_outbox_drops_progress_first_and_ends_never(void **state)
{
    (void)state;
    struct update_outbox outbox = {.count = 0};
    static const enum update_stage stages[] = {
        UPDATE_FAILED,     UPDATE_ACCEPTED,    UPDATE_DOWNLOADING,
        UPDATE_DOWNLOADED, UPDATE_DOWNLOADING, UPDATE_REFUSED,
        UPDATE_CONFIRMED,  UPDATE_ROLLED_BACK, UPDATE_FAILED,
    };
    for (size_t i = 0; i < 9; i++) {
        struct update_report report = {.stage = stages[i],
                                       .target = (uint32_t)i};
        update_outbox_push(&outbox, &report, false);
    }
    static const uint32_t left[] = {0, 1, 3, 4, 5, 6, 7, 8};
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(left[i], outbox.entries[i].report.target);
    }
    struct update_report last = {.stage = UPDATE_CONFIRMED, .target = 100};
    for (uint32_t i = 0; i < 20; i++) {
        update_outbox_push(&outbox, &last, false);
        assert_int_equal(UPDATE_OUTBOX_SIZE, outbox.count);
    }
    assert_int_equal(0, outbox.entries[0].report.target);
    for (size_t i = 0; i < UPDATE_OUTBOX_SIZE; i++) {
        assert_true(update_stage_is_final(outbox.entries[i].report.stage));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_lost_broker_does_not_stop_the_download),
        TEST(reports_do_not_wait_for_a_broker_for_ever),
        TEST(a_lost_network_is_waited_for),
        TEST(a_silent_modem_gets_its_power_key),
        TEST(a_modem_whose_client_is_stuck_is_restarted_soon),
        TEST(devices_do_not_come_back_together),
        TEST(a_broker_that_refuses_is_asked_ever_more_seldom),
        TEST(the_outbox_drops_progress_first_and_ends_never),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

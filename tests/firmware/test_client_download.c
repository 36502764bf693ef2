// The update client's download: parts, ranges, URLs, room, hashes; and its way
// to the broker.
//
// SPDX-License-Identifier: Apache-2.0
#include "client_bench.h"

#define LARGE (SIM7600_PART_SIZE * 9u / 4u) // three parts

static struct image image;
static char path[OTA_PATH_SIZE];

static void make(uint32_t size)
{
    make_image(&image, 2, size);
    memset(path, 0, sizeof path);
    snprintf(path, sizeof path, "E:/fw_2_%02x%02x%02x%02x.ebin",
             image.info.ebin_hash[0], image.info.ebin_hash[1],
             image.info.ebin_hash[2], image.info.ebin_hash[3]);
    serve(0, &image);
    serve(1, &image);
    serve(2, &image);
    assert_true(run_until_connected());
}

static int setup(void **state)
{
    bench_setup(state);
    make(LARGE);
    return 0;
}

static int teardown(void **state)
{
    free_image(&image);
    return bench_teardown(state);
}

static void again(void **state, uint32_t size)
{
    teardown(state);
    bench_setup(state);
    make(size);
}

static const char *part(uint32_t number)
{
    static char name[OTA_PATH_SIZE];
    memcpy(name, path, sizeof name);
    if (number > 0) {
        name[strlen(name) - 1] = "0123456789abcdef"[number];
    }
    return name;
}

static void expect_failed(const char *reason)
{
    char text[64];
    snprintf(text, sizeof text, "\"reason\":\"%s\"}", reason);
    assert_true(run_until_sent("failed"));
    if (count_sent("failed", text) != 1) {
        fail_msg("expected %s:\n%s", reason, world.log);
    }
    assert_int_equal(0, world.resets);
}

/// Parts ///

static void a_large_file_comes_in_parts_with_its_progress(void **state)
{
    (void)state;
    request(&image, URL_A);
    assert_true(run_until_reset());
    assert_string_equal(path, boot_request.path);
    assert_int_equal(SIM7600_PART_SIZE, find_file(part(0))->size);
    assert_int_equal(SIM7600_PART_SIZE, find_file(part(1))->size);
    assert_int_equal(image.file_size - 2u * SIM7600_PART_SIZE,
                     find_file(part(2))->size);
    assert_int_equal(3, world.urls[0].requests);
    assert_int_equal(1, count_sent("downloading", "\"percent\":0}"));
    assert_int_equal(1, count_sent("downloading", "\"percent\":44}"));
    assert_int_equal(1, count_sent("downloading", "\"percent\":88}"));
}

static void sizes_at_the_edges_of_parts(void **state)
{
    static const uint32_t files[] = {
        SIM7600_PART_SIZE - 112u, // the whole file is shorter by ...
        SIM7600_PART_SIZE - 96u,
        SIM7600_PART_SIZE - 16u,
        SIM7600_PART_SIZE,
        SIM7600_PART_SIZE + 16u,
        SIM7600_PART_SIZE * 2u,
        SIM7600_PART_SIZE * 2u - 112u,
        32u,
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        for (uint32_t bare = 0; bare < 2; bare++) {
            for (uint32_t whole = 0; whole < 2; whole++) {
                again(state, files[i] - 16u);
                assert_int_equal(files[i], image.info.ebin_size);
                world.urls[0].data += bare != 0 ? OTA_FW_INFO_SIZE : 0u;
                world.urls[0].size -= bare != 0 ? OTA_FW_INFO_SIZE : 0u;
                world.urls[0].has_no_ranges = whole != 0;
                request(&image, URL_A);
                if (!run_until_reset()) {
                    fail_msg("%u bytes, bare %u, whole %u:\n%s",
                             (unsigned)files[i], (unsigned)bare,
                             (unsigned)whole, world.log);
                }
                uint32_t size = 0;
                assert_int_equal(OTA_OK,
                                 sim7600_file_size(&fake_modem, path, &size));
                assert_int_equal(world.urls[0].size, size);
            }
        }
    }
}

static void what_is_complete_is_not_fetched_again(void **state)
{
    (void)state;
    put_file(part(0), image.file, SIM7600_PART_SIZE);
    put_file(part(1), image.file + SIM7600_PART_SIZE, SIM7600_PART_SIZE);
    put_file(part(2), image.file, 77); // a torn one
    request(&image, URL_A);
    assert_true(run_until_reset());
    assert_int_equal(1, world.urls[0].requests);
    assert_int_equal(1, count_sent("downloading", "\"percent\":88}"));
}

static void a_complete_file_is_not_fetched_at_all(void **state)
{
    (void)state;
    put_file(path, image.file, image.file_size);
    request(&image, URL_A);
    assert_true(run_until_reset());
    assert_int_equal(0, world.urls[0].requests);
}

static void a_server_without_ranges_gives_one_file(void **state)
{
    (void)state;
    world.urls[0].has_no_ranges = true;
    request(&image, URL_A);
    assert_true(run_until_reset());
    assert_int_equal(image.file_size, find_file(path)->size);
    assert_int_equal(1, world.urls[0].requests);
}

static void ranges_that_end_in_the_middle_begin_again(void **state)
{
    (void)state;
    put_file(part(0), image.file, SIM7600_PART_SIZE);
    world.urls[0].has_no_ranges = true;
    request(&image, URL_A);
    assert_true(run_until_reset());
    assert_int_equal(image.file_size, find_file(path)->size);
    assert_null(find_file(part(1)));
    assert_int_equal(2, world.urls[0].requests);
}

static void parts_behind_the_last_one_go(void **state)
{
    again(state, SIM7600_PART_SIZE - 16u);
    world.urls[0].data += OTA_FW_INFO_SIZE;
    world.urls[0].size -= OTA_FW_INFO_SIZE; // exactly one part
    put_file(part(1), image.file, 500);
    request(&image, URL_A);
    assert_true(run_until_reset());
    assert_null(find_file(part(1)));
}

/// URLs ///

static void a_short_file_is_not_taken(void **state)
{
    (void)state;
    world.urls[0].size -= 16;
    request(&image, URL_A);
    expect_failed("file_size");
    assert_null(find_file(path));
    assert_null(find_file(part(1)));
}

static void a_long_file_is_not_taken(void **state)
{
    (void)state;
    put_file("E:/x", image.file, 1);
    world.urls[0].data = world.flash; // longer than the image
    world.urls[0].size = image.file_size + 16u;
    request(&image, URL_A);
    expect_failed("file_size");
    assert_null(find_file(path));
    assert_non_null(find_file("E:/x"));
}

static void the_other_url_is_tried(void **state)
{
    static const struct {
        const char *name;
        int error;
        uint32_t status;
        uint32_t requests;
    } rows[] = {
        {"not found", OTA_E_HTTP, 404, 1},
        {"moved", OTA_E_HTTP, 301, 1},
        {"no certificate", OTA_E_CERTIFICATE, 0, 1},
        {"broken server", OTA_E_HTTP, 500, UPDATE_DOWNLOAD_ATTEMPTS},
        {"too many requests", OTA_E_HTTP, 429, UPDATE_DOWNLOAD_ATTEMPTS},
        {"no server", OTA_E_NETWORK, 714, UPDATE_DOWNLOAD_ATTEMPTS},
        {"cut answers", OTA_E_SHORT_READ, 206, UPDATE_DOWNLOAD_ATTEMPTS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        again(state, LARGE);
        world.urls[0].error = rows[i].error;
        world.urls[0].status = rows[i].status;
        request(&image, URL_AB);
        if (!run_until_reset() || world.urls[0].requests != rows[i].requests) {
            fail_msg("%s: %u requests\n%s", rows[i].name,
                     (unsigned)world.urls[0].requests, world.log);
        }
        assert_int_equal(3, world.urls[1].requests);
    }
}

static void with_both_urls_bad_the_last_error_is_told(void **state)
{
    (void)state;
    world.urls[0].error = OTA_E_NETWORK;
    world.urls[1].error = OTA_E_HTTP;
    world.urls[1].status = 403;
    request(&image, URL_AB);
    expect_failed("http");
}

static void attempts_are_the_configurations(void **state)
{
    (void)state;
    config.download_attempts = 2;
    world.urls[0].error = OTA_E_NETWORK;
    request(&image, URL_A);
    expect_failed("network");
    assert_int_equal(2, world.urls[0].requests);
}

static void an_alt_url_alone_is_enough(void **state)
{
    (void)state;
    request(&image, "\"url\":\"\",\"alt_url\":\"http://b/f\"");
    assert_true(run_until_reset());
    assert_int_equal(3, world.urls[1].requests);
}

static void a_wrong_file_is_deleted_and_the_other_url_tried(void **state)
{
    uint8_t *wrong = calloc(1, image.file_size);
    (void)state;
    world.urls[0].data = wrong;
    request(&image, URL_AB);
    assert_true(run_until_reset());
    assert_int_equal(3, world.urls[0].requests);
    assert_int_equal(3, world.urls[1].requests);
    assert_memory_equal(image.file, find_file(path)->data, SIM7600_PART_SIZE);
    free(wrong);
}

static void two_wrong_files_are_enough(void **state)
{
    uint8_t *wrong = calloc(1, image.file_size);
    (void)state;
    world.urls[0].data = wrong;
    world.urls[1].data = wrong;
    request(&image, URL_AB);
    expect_failed("cipher_hash");
    assert_null(find_file(path));
    free(wrong);
}

static void one_url_with_a_wrong_file_is_asked_twice(void **state)
{
    uint8_t *wrong = calloc(1, image.file_size);
    (void)state;
    world.urls[0].data = wrong;
    request(&image, URL_A);
    expect_failed("cipher_hash");
    assert_int_equal(6, world.urls[0].requests);
    free(wrong);
}

static void without_a_crypto_port_the_bootloader_looks(void **state)
{
    (void)state;
    config.crypto = NULL;
    image.file[5000] ^= 1;
    request(&image, URL_A);
    assert_true(run_until_reset());
}

static void tls_trouble_leaves_the_broker_for_the_download(void **state)
{
    (void)state;
    world.urls[2].needs_alone = true;
    request(&image, "\"id\":\"r1\",\"url\":\"https://c/f\"");
    assert_true(run_until_reset());
    assert_int_equal(2, world.connects);
    assert_int_equal(4, world.urls[2].requests);
    assert_int_equal(1, count_sent("downloaded", ""));
}

/// Room and kept files ///

static void without_room_nothing_is_fetched(void **state)
{
    (void)state;
    world.space = image.file_size; // not even for the state file
    request(&image, URL_A);
    expect_failed("no_space");
    assert_int_equal(0, world.urls[0].requests);
}

static void room_is_needed_for_the_rest_only(void **state)
{
    (void)state;
    world.space = image.file_size + 5000u;
    put_file(part(0), image.file, SIM7600_PART_SIZE);
    request(&image, URL_A);
    assert_true(run_until_reset());
}

static void keep(const char *name)
{
    start(3, BOOT_REASON_NORMAL, OTA_OK, 0);
    char padded[OTA_PATH_SIZE] = {0};
    memcpy(padded, name, strlen(name));
    boot_status.kept_count = 1;
    boot_status.kept_version[0] = 3;
    boot_status.kept_path_crc[0] = crc32_update(0, padded, sizeof padded);
    boot_status_seal(&boot_status);
    update_client_init(&client, &config);
    assert_true(run_until_connected());
}

#define BACK URL_A ",\"allow_downgrade\":true"

static void the_file_of_a_kept_version_is_used_again(void **state)
{
    (void)state;
    put_file(path, image.file, image.file_size);
    keep(path);
    request(&image, BACK);
    assert_true(run_until_reset());
    assert_string_equal(path, boot_request.path);
    assert_int_equal(0, world.urls[0].requests);
}

static void the_file_of_a_kept_version_is_never_written(void **state)
{
    (void)state;
    char other[OTA_PATH_SIZE] = {0};
    snprintf(other, sizeof other, "%.*sb.ebin", (int)strlen(path) - 5, path);
    for (uint32_t size = 1; size <= image.file_size;
         size += image.file_size - 1u) {
        again(state, LARGE);
        uint8_t *wrong = calloc(1, image.file_size);
        put_file(path, wrong, size);
        keep(path);
        request(&image, BACK);
        assert_true(run_until_reset());
        assert_string_equal(other, boot_request.path);
        assert_int_equal(size, find_file(path)->size);
        assert_memory_equal(wrong, find_file(path)->data, size);
        free(wrong);
    }
}

/// The way to the broker ///

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

static void devices_do_not_come_back_together(void **state)
{
    uint32_t seen[20];
    for (uint32_t device = 0; device < 20; device++) {
        char id[8];
        again(state, 100);
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
        TEST(a_large_file_comes_in_parts_with_its_progress),
        TEST(sizes_at_the_edges_of_parts),
        TEST(what_is_complete_is_not_fetched_again),
        TEST(a_complete_file_is_not_fetched_at_all),
        TEST(a_server_without_ranges_gives_one_file),
        TEST(ranges_that_end_in_the_middle_begin_again),
        TEST(parts_behind_the_last_one_go),
        TEST(a_short_file_is_not_taken),
        TEST(a_long_file_is_not_taken),
        TEST(the_other_url_is_tried),
        TEST(with_both_urls_bad_the_last_error_is_told),
        TEST(attempts_are_the_configurations),
        TEST(an_alt_url_alone_is_enough),
        TEST(a_wrong_file_is_deleted_and_the_other_url_tried),
        TEST(two_wrong_files_are_enough),
        TEST(one_url_with_a_wrong_file_is_asked_twice),
        TEST(without_a_crypto_port_the_bootloader_looks),
        TEST(tls_trouble_leaves_the_broker_for_the_download),
        TEST(without_room_nothing_is_fetched),
        TEST(room_is_needed_for_the_rest_only),
        TEST(the_file_of_a_kept_version_is_used_again),
        TEST(the_file_of_a_kept_version_is_never_written),
        TEST(a_lost_broker_does_not_stop_the_download),
        TEST(reports_do_not_wait_for_a_broker_for_ever),
        TEST(a_lost_network_is_waited_for),
        TEST(a_silent_modem_gets_its_power_key),
        TEST(devices_do_not_come_back_together),
        TEST(a_broker_that_refuses_is_asked_ever_more_seldom),
        TEST(the_outbox_drops_progress_first_and_ends_never),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

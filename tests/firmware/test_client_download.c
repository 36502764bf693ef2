// The update client's download: parts, ranges, URLs, room, hashes.
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

static void more_parts_than_the_file_has_are_something_elses(void **state)
{
    // The whole file is exactly two parts.
    again(state, SIM7600_PART_SIZE * 2u - 128u);
    assert_int_equal(SIM7600_PART_SIZE * 2u, image.file_size);
    for (uint32_t more = 1; more <= SIM7600_PART_SIZE;
         more += SIM7600_PART_SIZE - 1u) {
        again(state, SIM7600_PART_SIZE * 2u - 128u);
        put_file(part(0), image.file, SIM7600_PART_SIZE);
        put_file(part(1), image.file + SIM7600_PART_SIZE, SIM7600_PART_SIZE);
        put_file(part(2), image.file, more);
        request(&image, URL_A);
        assert_true(run_until_reset());
        assert_null(find_file(part(2)));
    }
}

static void a_server_that_has_ranges_now_and_then(void **state)
{
    (void)state;
    world.urls[0].has_one_range = true;
    request(&image, URL_A);
    assert_true(run_until_reset());
    assert_int_equal(3, world.urls[0].requests);
    assert_int_equal(image.file_size, find_file(path)->size);
}

static void a_modem_that_never_deletes_is_given_up(void **state)
{
    (void)state;
    char stuck[OTA_PATH_SIZE];
    put_file(part(0), image.file, 10);
    memcpy(stuck, part(1), sizeof stuck);
    put_file(stuck, image.file, 10);
    world.stuck_path = stuck;
    request(&image, URL_A);
    expect_failed("timeout");
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
        {"not found", OTA_E_HTTP, 404, 2},
        {"moved", OTA_E_HTTP, 301, 2},
        {"no certificate", OTA_E_CERTIFICATE, 0, 1},
        {"a file that is too large", OTA_E_NO_SPACE, 602, 1},
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

static void attempts_count_for_one_part(void **state)
{
    (void)state;
    world.urls[0].fails = UPDATE_DOWNLOAD_ATTEMPTS - 1u;
    request(&image, URL_A);
    assert_true(run_until_reset());
    assert_int_equal(3u * UPDATE_DOWNLOAD_ATTEMPTS, world.urls[0].requests);
}

static void a_full_modem_is_asked_once_for_each_url(void **state)
{
    (void)state;
    world.urls[0].error = OTA_E_NO_SPACE;
    world.urls[1].error = OTA_E_NO_SPACE;
    request(&image, URL_AB);
    expect_failed("no_space");
    assert_int_equal(1, world.urls[0].requests);
    assert_int_equal(1, world.urls[1].requests);
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

static void a_file_that_reads_wrong_once_is_read_again(void **state)
{
    (void)state;
    world.flipped_reads = 1;
    request(&image, URL_A);
    assert_true(run_until_reset());
    assert_int_equal(3, world.urls[0].requests);
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
    put_file(part(1), image.file, 3000); // goes first
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
        TEST(more_parts_than_the_file_has_are_something_elses),
        TEST(a_server_that_has_ranges_now_and_then),
        TEST(a_modem_that_never_deletes_is_given_up),
        TEST(a_short_file_is_not_taken),
        TEST(a_long_file_is_not_taken),
        TEST(the_other_url_is_tried),
        TEST(with_both_urls_bad_the_last_error_is_told),
        TEST(attempts_count_for_one_part),
        TEST(a_full_modem_is_asked_once_for_each_url),
        TEST(attempts_are_the_configurations),
        TEST(an_alt_url_alone_is_enough),
        TEST(a_wrong_file_is_deleted_and_the_other_url_tried),
        TEST(a_file_that_reads_wrong_once_is_read_again),
        TEST(two_wrong_files_are_enough),
        TEST(one_url_with_a_wrong_file_is_asked_twice),
        TEST(without_a_crypto_port_the_bootloader_looks),
        TEST(tls_trouble_leaves_the_broker_for_the_download),
        TEST(without_room_nothing_is_fetched),
        TEST(room_is_needed_for_the_rest_only),
        TEST(the_file_of_a_kept_version_is_used_again),
        TEST(the_file_of_a_kept_version_is_never_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

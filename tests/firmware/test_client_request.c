// How the update client judges what the broker delivers.
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

/// Requests ///

static void expect_refused(const char *id, const char *reason)
{
    char text[128];
    snprintf(text, sizeof text, "\"reason\":\"%s\"}", reason);
    assert_true(run_until_sent("refused"));
    steps(10);
    assert_int_equal(1, count_sent("refused", text));
    snprintf(text, sizeof text, "\"id\":\"%s\"", id);
    assert_int_equal(1, count_sent("refused", text));
    assert_int_equal(0, count_sent("accepted", ""));
    assert_int_equal(0, world.resets);
    assert_null(find_file("E:/ota_state.txt"));
}

static void malformed_ones_are_refused_by_name(void **state)
{
    static const struct {
        const char *text;
        const char *id;
    } rows[] = {
        {"{", ""},
        {"hello", ""},
        {"{\"type\":\"update_fw\",\"id\":\"r9\"}", "r9"},
        {"{\"id\":\"r9\",\"type\":\"update_fw\",\"url\":\"ftp://x\"}", "r9"},
        {"{\"id\":\"has space\",\"type\":\"update_fw\"}", ""},
        {"{\"id\":9,\"type\":\"update_fw\"}", ""},
        {"{\"id\":\"\",\"type\":\"update_fw\"}", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        teardown(state);
        setup(state);
        deliver("ota/device/d7/request", rows[i].text);
        expect_refused(rows[i].id, "request");
    }
}

static void an_empty_message_says_nothing(void **state)
{
    (void)state;
    deliver("ota/device/d7/request", "");
    steps(20);
    assert_int_equal(0, count_sent("refused", ""));
    request(&image, URL_A);
    assert_true(run_until_sent("accepted"));
}

static void sizes_that_do_not_belong_together_are_refused(void **state)
{
    (void)state;
    image.info.ebin_size += 16;
    request(&image, URL_A);
    expect_refused("r1", "size");
}

static void images_for_other_places_are_refused(void **state)
{
    static const uint32_t rows[][2] = {
        {0, 100},
        {APP_START + 0x1000u, 100},
        {HANDSHAKE, 100},
        {APP_START, APP_SIZE + 1u},
        {LOADER_START, LOADER_SIZE + 1u},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        teardown(state);
        setup(state);
        image.info.fp_base = rows[i][0];
        image.info.pbin_size = rows[i][1];
        image.info.ebin_size = (rows[i][1] / 16u + 1u) * 16u;
        request(&image, URL_A);
        expect_refused("r1", "range");
    }
}

static void what_runs_already_is_refused(void **state)
{
    (void)state;
    memcpy(world.flash + APP_START, image.plain, image.info.pbin_size);
    request(&image, URL_A);
    expect_refused("r1", "same");
}

static void without_hashes_the_version_says_what_runs(void **state)
{
    (void)state;
    config.crypto = NULL;
    image.info.version = 1;
    request(&image, URL_A);
    expect_refused("r1", "same");
}

static void the_same_version_with_other_content_is_an_update(void **state)
{
    (void)state;
    image.info.version = 1;
    request(&image, URL_A);
    assert_true(run_until_sent("accepted"));
}

static void an_older_version_needs_permission(void **state)
{
    image.info.version = 0;
    request(&image, URL_A);
    expect_refused("r1", "downgrade");
    teardown(state);
    setup(state);
    image.info.version = 0;
    request(&image, URL_A ",\"allow_downgrade\":false");
    expect_refused("r1", "downgrade");
    teardown(state);
    setup(state);
    image.info.version = 0;
    request(&image, URL_A ",\"allow_downgrade\":true");
    assert_true(run_until_reset());
    assert_int_equal(OTA_REQUEST_ALLOW_DOWNGRADE, boot_request.flags);
}

static void another_one_meanwhile_is_refused_as_busy(void **state)
{
    (void)state;
    request(&image, URL_A);
    request(&image, "\"id\":\"r2\",\"url\":\"http://a/f\"");
    assert_true(run_until_reset());
    assert_int_equal(1, count_sent("refused", "\"reason\":\"busy\"}"));
    assert_int_equal(1, count_sent("refused", "\"id\":\"r2\""));
    assert_int_equal(1, count_sent("accepted", "\"id\":\"r1\""));
}

static void twice_the_same_is_one(void **state)
{
    (void)state;
    request(&image, URL_A);
    request(&image, URL_A);
    assert_true(run_until_sent("accepted"));
    request(&image, URL_A);
    assert_true(run_until_reset());
    assert_int_equal(1, count_sent("accepted", ""));
    assert_int_equal(0, count_sent("refused", ""));
}

static void the_same_after_its_end_is_still_one(void **state)
{
    (void)state;
    world.urls[0].error = OTA_E_HTTP;
    world.urls[0].status = 404;
    request(&image, URL_A);
    assert_true(run_until_sent("failed"));
    request(&image, URL_A);
    steps(20);
    assert_int_equal(1, count_sent("accepted", ""));
    assert_int_equal(0, count_sent("refused", ""));
    // Later it is meant: the operator wants it once more.
    world.now_ms += 61000;
    request(&image, URL_A);
    steps(20);
    assert_int_equal(2, count_sent("accepted", ""));
}

static void on_trial_everything_is_refused(void **state)
{
    (void)state;
    world.may_not_confirm = true;
    start(2, BOOT_REASON_TRIAL, OTA_OK, TOKEN);
    assert_true(run_until_connected());
    image.info.version = 3;
    request(&image, URL_A);
    expect_refused("r1", "unconfirmed");
    world.may_not_confirm = false;
    steps(5);
    request(&image, URL_A);
    assert_true(run_until_sent("accepted"));
}

static void a_message_that_was_lost_is_told(void **state)
{
    (void)state;
    fake_mqtt.dropped++;
    expect_refused("", "link");
}

static void a_group_is_asked_like_a_device(void **state)
{
    (void)state;
    char text[4096];
    write_request(text, sizeof text, &image, "\"url\":\"http://a/f\"");
    deliver("ota/group/g/request", text);
    assert_true(run_until_sent("accepted"));
    // Without an id it is the beginning of the cipher hash.
    char id[32] = "\"id\":\"";
    for (size_t i = 0; i < 8; i++) {
        snprintf(id + 6 + 2 * i, 3, "%02x", image.info.ebin_hash[i]);
    }
    assert_int_equal(1, count_sent("accepted", id));
}

static const struct sim7600_mqtt_message *product_message;

static void product_takes(void *ctx, const struct sim7600_mqtt_message *message)
{
    (void)ctx;
    product_message = message;
    assert_string_equal("other", message->topic);
}

static void other_topics_are_the_products(void **state)
{
    (void)state;
    config.message = product_takes;
    product_message = NULL;
    deliver("other", "hello");
    steps(2);
    assert_non_null(product_message);
    assert_int_equal(0, fake_mqtt.held);
    assert_int_equal(0, world.sent_count);
}

/// Jobs ///

static void deliver_job(const char *topic, const char *id, const char *members)
{
    char document[2048];
    char text[4096];
    write_request(document, sizeof document, &image, members);
    snprintf(text, sizeof text,
             "{\"timestamp\":1,\"execution\":{\"jobId\":\"%s\",\"status\":"
             "\"QUEUED\",\"versionNumber\":1,\"jobDocument\":%s}}",
             id, document);
    deliver(topic, text);
}

#define NEXT "$aws/things/d7/jobs/notify-next"
#define GOT "$aws/things/d7/jobs/$next/get/accepted"

static void start_with_jobs(void)
{
    config.takes_jobs = true;
    start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
    world.sent_count = 0;
    assert_true(run_until_connected());
}

static void jobs_are_asked_for_after_each_connect(void **state)
{
    (void)state;
    start_with_jobs();
    assert_string_equal(NEXT, world.subscribed[2]);
    assert_string_equal(GOT, world.subscribed[3]);
    assert_string_equal("$aws/things/d7/jobs/$next/get", world.topics[0]);
    assert_string_equal("{}", world.sent[0]);
    deliver(GOT, "{\"timestamp\":1}");
    deliver(NEXT, "{\"timestamp\":1,\"execution\":{}}");
    steps(5);
    assert_int_equal(1, world.sent_count);
}

static void a_job_is_an_update_with_a_status(void **state)
{
    (void)state;
    start_with_jobs();
    deliver_job(GOT, "job-1", URL_A);
    assert_true(run_until_reset());
    install(&image);
    start(2, BOOT_REASON_TRIAL, OTA_OK, TOKEN);
    assert_true(run_until_sent("confirmed"));
    steps(3);
    assert_int_equal(1, count_sent("accepted", "\"id\":\"job-1\""));
    static const char *const expected[] = {
        "{\"status\":\"IN_PROGRESS\",\"statusDetails\":"
        "{\"stage\":\"accepted\"}}",
        "{\"status\":\"IN_PROGRESS\",\"statusDetails\":"
        "{\"stage\":\"downloading\",\"percent\":\"0\"}}",
        "{\"status\":\"IN_PROGRESS\",\"statusDetails\":"
        "{\"stage\":\"downloaded\"}}",
        "{\"status\":\"IN_PROGRESS\",\"statusDetails\":"
        "{\"stage\":\"updating\"}}",
        "{\"status\":\"SUCCEEDED\",\"statusDetails\":"
        "{\"stage\":\"confirmed\"}}",
    };
    size_t found = 0;
    for (uint32_t i = 0; i < world.sent_count; i++) {
        if (strcmp(world.topics[i], "$aws/things/d7/jobs/job-1/update") == 0) {
            assert_true(found < 5);
            assert_string_equal(expected[found++], world.sent[i]);
        }
    }
    assert_int_equal(5, found);
}

static void a_report_is_not_repeated_for_the_jobs_sake(void **state)
{
    (void)state;
    start_with_jobs();
    deliver_job(GOT, "job-1", URL_A);
    world.refused_jobs = 3;
    assert_true(run_until_reset());
    assert_int_equal(1, count_sent("accepted", "\"id\":\"job-1\""));
    assert_int_equal(1, count_sent("accepted", "IN_PROGRESS"));
}

static void a_job_that_is_refused_is_rejected(void **state)
{
    (void)state;
    start_with_jobs();
    image.info.version = 0;
    deliver_job(NEXT, "job-2", URL_A);
    assert_true(run_until_sent("refused"));
    steps(3);
    assert_string_equal("{\"status\":\"REJECTED\",\"statusDetails\":{\"stage\":"
                        "\"refused\",\"reason\":\"downgrade\"}}",
                        world.sent[world.sent_count - 1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(malformed_ones_are_refused_by_name),
        TEST(an_empty_message_says_nothing),
        TEST(sizes_that_do_not_belong_together_are_refused),
        TEST(images_for_other_places_are_refused),
        TEST(what_runs_already_is_refused),
        TEST(without_hashes_the_version_says_what_runs),
        TEST(the_same_version_with_other_content_is_an_update),
        TEST(an_older_version_needs_permission),
        TEST(another_one_meanwhile_is_refused_as_busy),
        TEST(twice_the_same_is_one),
        TEST(the_same_after_its_end_is_still_one),
        TEST(on_trial_everything_is_refused),
        TEST(a_message_that_was_lost_is_told),
        TEST(a_group_is_asked_like_a_device),
        TEST(other_topics_are_the_products),
        TEST(jobs_are_asked_for_after_each_connect),
        TEST(a_job_is_an_update_with_a_status),
        TEST(a_report_is_not_repeated_for_the_jobs_sake),
        TEST(a_job_that_is_refused_is_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// The modem misbehaves: the update still gets through, or is given up with the
// reason and the old application runs.
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
    bench_stage(&bench, &new_image, true);
    bench_request(&bench, &new_image);
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

static void expect_update(void)
{
    enum bench_end end = bench_boot_until_start(&bench, BOOT_RESETREAS_SOFT, 3);
    if (end != BENCH_START || bench.status.app_version != 2 ||
        !bench_runs(&bench, &new_image)) {
        fail_msg("no update: end %d\n%s", (int)end, bench.log);
    }
    // The watchdog must be able to be shorter than this, and still not bite.
    assert_true(bench.watchdog_gap_us < 1000ull * BOOT_WATCHDOG_MIN_MS);
}

static void expect_given_up(int error)
{
    enum bench_end end = bench_boot_until_start(&bench, BOOT_RESETREAS_SOFT, 3);
    if (end != BENCH_START || bench.status.reason != BOOT_REASON_FAILED ||
        bench.status.last_error != error) {
        fail_msg("end %d, reason %u, error %d, expected error %d\n%s", (int)end,
                 (unsigned)bench.status.reason, (int)bench.status.last_error,
                 error, bench.log);
    }
    assert_int_equal(1, bench.status.app_version);
    assert_true(bench_runs(&bench, &old_image));
    // The application region was not touched.
    for (uint32_t page = 1; page < 17; page++) {
        assert_int_equal(0, bench.flash.erases[page]);
    }
    // The reason stays until the next update.
    assert_int_equal(BENCH_START, bench_boot(&bench, 0));
    assert_int_equal(BOOT_REASON_NORMAL, bench.status.reason);
    assert_int_equal(error, bench.status.last_error);
}

/// Every fault, in the first and in the middle read, once and thrice ///

static const char *const fault_names[] = {
    "none",     "error",  "silent",      "stall",  "drop_byte",
    "flip_bit", "short",  "reboot",      "header", "too_much",
    "overrun",  "no_end", "wrong_prefix"};

static void run_fault(enum sim_fault fault, uint32_t at, uint32_t count)
{
    void *none = NULL;
    setup(&none);
    bench.modem.fault = fault;
    bench.modem.fault_at = at;
    bench.modem.fault_count = count;
    enum bench_end end = bench_boot_until_start(&bench, BOOT_RESETREAS_SOFT, 3);
    if (end != BENCH_START || bench.status.app_version != 2 ||
        !bench_runs(&bench, &new_image) || bench.modem.faults_fired == 0) {
        fail_msg("fault %s at %u for %u: end %d, fired %u\n%s",
                 fault_names[fault], at, count, (int)end,
                 (unsigned)bench.modem.faults_fired, bench.log);
    }
    assert_true(bench.watchdog_gap_us < 1000ull * BOOT_WATCHDOG_MIN_MS);
    teardown(&none);
}

static void updates_in_spite_of_every_fault(void **state)
{
    (void)state;
    // Read 0 is the header, 1..5 are CHECK, 6.. are PROGRAM's.
    static const uint32_t counts[] = {1, 2, 3};
    teardown(state);
    for (int fault = SIM_FAULT_ERROR; fault <= SIM_FAULT_WRONG_PREFIX;
         fault++) {
        for (uint32_t at = 0; at < 12; at++) {
            for (size_t i = 0; i < 3; i++) {
                // CHECK makes three passes: bad three times is a bad file.
                if (fault == SIM_FAULT_FLIP_BIT && counts[i] == 3 && at < 6) {
                    continue;
                }
                run_fault((enum sim_fault)fault, at, counts[i]);
            }
        }
    }
    setup(state);
}

/// Forms of the answer that the manual or its users know ///

static void accepts_every_form(void **state)
{
    static const char *const forms[] = {"%u", " %u", "%03u", "%05u"};
    static const char *const urcs[] = {NULL, "NO CARRIER",
                                       "+CGEV: ME PDN ACT 1", "+CPIN: READY",
                                       "Autobaud: OK"};
    static const uint32_t chunks[] = {0, 1, 2, 3, 7};
    teardown(state);
    for (uint32_t variant = 0; variant < 4u * 5u * 5u; variant++) {
        setup(state);
        bench.modem.length_form = forms[variant % 4u];
        bench.modem.urc = urcs[variant / 4u % 5u];
        bench.modem.read_chunk = chunks[variant / 20u];
        bench.modem.extra_line_ends = variant % 3u;
        bench.modem.leading_ok = variant % 2u == 1u;
        bench.modem.trailing_ok = variant % 4u == 1u;
        expect_update();
        teardown(state);
    }
    setup(state);
}

static void uses_any_block_size(void **state)
{
    static const uint32_t sizes[] = {32, 100, 511, 1024, 4096};
    teardown(state);
    for (size_t i = 0; i < 5; i++) {
        setup(state);
        bench.modem.block_size = sizes[i];
        expect_update();
        teardown(state);
    }
    setup(state);
}

/// The modem is somewhere else ///

static void finds_the_modem_at_every_rate(void **state)
{
    static const uint32_t rates[] = {115200, 230400, 460800, 921600};
    teardown(state);
    for (size_t i = 0; i < 4; i++) {
        setup(state);
        bench.modem.baud = rates[i];
        expect_update();
        assert_int_equal(rates[i] == 460800 ? 115200 : 460800,
                         bench.modem.fastest);
        assert_int_equal(115200, bench.modem.baud); // as an app expects it
        teardown(state);
    }
    setup(state);
}

static void stays_at_the_rate_when_ipr_is_refused(void **state)
{
    (void)state;
    bench.modem.refuse_ipr = true;
    expect_update();
    assert_int_equal(115200, bench.modem.baud);
}

static void waits_for_a_modem_that_is_booting(void **state)
{
    (void)state;
    sim_modem_restart(&bench.modem, 25000000);
    expect_update();
    assert_int_equal(0, bench.key_presses);
}

static void switches_on_a_modem_that_is_off(void **state)
{
    (void)state;
    bench.modem.is_off = true;
    expect_update();
    assert_true(bench.key_presses > 0);
}

static void power_cycles_a_modem_that_hangs(void **state)
{
    (void)state;
    // Dead until the power key has switched it off and on.
    bench.modem.boot_done_us = UINT64_MAX;
    expect_update();
    assert_true(bench.key_presses >= 3);
}

static void restarts_a_modem_whose_files_hang(void **state)
{
    (void)state;
    bench.modem.fault = SIM_FAULT_SILENT;
    bench.modem.fault_at = 2;
    bench.modem.fault_count = 3;
    expect_update();
    assert_int_equal(1, bench.modem.restarts);
}

static void gives_up_on_a_dead_modem(void **state)
{
    (void)state;
    bench.modem.boot_done_us = UINT64_MAX;
    bench.is_key_dead = true;
    expect_given_up(OTA_E_TIMEOUT);
    assert_true(bench.clock.now_us < 15ull * 60u * 1000000u);
}

/// The file is not what was promised ///

static void refuses_a_missing_file(void **state)
{
    (void)state;
    memset(bench.modem.files, 0, sizeof bench.modem.files);
    expect_given_up(OTA_E_NO_FILE);
}

static void refuses_a_missing_drive(void **state)
{
    (void)state;
    bench.modem.drive = "C:/";
    expect_given_up(OTA_E_NO_FILE);
}

static void refuses_another_size(void **state)
{
    (void)state;
    bench.modem.files[0].size--;
    expect_given_up(OTA_E_FILE_SIZE);
}

static void refuses_another_header(void **state)
{
    (void)state;
    new_image.file[0]++; // version
    expect_given_up(OTA_E_HEADER);
}

static void refuses_a_header_with_a_key(void **state)
{
    (void)state;
    new_image.file[16] = 1;
    expect_given_up(OTA_E_HEADER);
}

static void refuses_a_corrupt_file(void **state)
{
    (void)state;
    new_image.file[OTA_FW_INFO_SIZE + 7000]++;
    expect_given_up(OTA_E_CIPHER_HASH);
}

static void refuses_a_wrong_key(void **state)
{
    (void)state;
    struct journal_image *journal = &new_image.journal;
    journal->info.aes_key[3]++;
    bench_request(&bench, &new_image);
    expect_given_up(OTA_E_PADDING);
}

static void refuses_another_plain_hash(void **state)
{
    (void)state;
    new_image.journal.info.pbin_hash[0]++;
    memcpy(new_image.file, &new_image.journal.info, 16);
    memcpy(new_image.file + 48, new_image.journal.info.pbin_hash, 32);
    bench_request(&bench, &new_image);
    expect_given_up(OTA_E_PLAIN_HASH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(updates_in_spite_of_every_fault),
        TEST(accepts_every_form),
        TEST(uses_any_block_size),
        TEST(finds_the_modem_at_every_rate),
        TEST(stays_at_the_rate_when_ipr_is_refused),
        TEST(waits_for_a_modem_that_is_booting),
        TEST(switches_on_a_modem_that_is_off),
        TEST(power_cycles_a_modem_that_hangs),
        TEST(restarts_a_modem_whose_files_hang),
        TEST(gives_up_on_a_dead_modem),
        TEST(refuses_a_missing_file),
        TEST(refuses_a_missing_drive),
        TEST(refuses_another_size),
        TEST(refuses_another_header),
        TEST(refuses_a_header_with_a_key),
        TEST(refuses_a_corrupt_file),
        TEST(refuses_a_wrong_key),
        TEST(refuses_another_plain_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

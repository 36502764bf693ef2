// Files in parts (SPEC 13), of 8 KB here: measured, read, deleted, updated
// from.
//
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "sim7600.h"

#define PART SIM7600_PART_SIZE

static struct bench bench;
static struct bench_image old_image;
static struct bench_image new_image;
static struct at at;
static struct sim7600 modem;
static uint8_t content[20 * PART];

static const char marks[] = "n123456789abcdef";

static void no_idle(void *ctx)
{
    (void)ctx;
}

static int setup(void **state)
{
    (void)state;
    bench_image_init(&old_image, 1, BENCH_APP, 9000, 1, "");
    bench_image_init(&new_image, 2, BENCH_APP, 20000, 2, "E:/fw_2.ebin");
    bench_init(&bench, &old_image);
    for (size_t i = 0; i < sizeof content; i++) {
        content[i] = (uint8_t)(i * 7u + i / 251u);
    }
    at_init(&at, &bench.modem.port, &bench.clock.port, no_idle, NULL);
    sim7600_init(&modem, &at, bench.modem.baud, 0);
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

static char names[SIM_MODEM_FILES][16];

static struct sim_file *put(const char *name, const uint8_t *data,
                            uint32_t size)
{
    for (uint32_t i = 0; i < SIM_MODEM_FILES; i++) {
        struct sim_file *file = &bench.modem.files[i];
        if (file->name == NULL) {
            (void)snprintf(names[i], sizeof names[i], "%s", name);
            *file = (struct sim_file){names[i], data, size};
            return file;
        }
    }
    fail_msg("no room in the modem");
    return NULL;
}

static bool has_file(const char *name)
{
    for (uint32_t i = 0; i < SIM_MODEM_FILES; i++) {
        const char *other = bench.modem.files[i].name;
        if (other != NULL && strcmp(other, name) == 0) {
            return true;
        }
    }
    return false;
}

// As much as there is, each part as large as it may be.
static uint32_t put_parts(const uint8_t *data, uint32_t size)
{
    uint32_t part = 0;
    for (uint32_t done = 0; done < size; part++) {
        char name[] = "fw_2.ebin";
        name[8] = marks[part];
        uint32_t count = size - done < PART ? size - done : PART;
        put(name, data + done, count);
        done += count;
    }
    return part;
}

static void stage(bool with_header)
{
    uint32_t skip = with_header ? 0 : OTA_FW_INFO_SIZE;
    memset(bench.modem.files, 0, sizeof bench.modem.files);
    uint32_t count =
        put_parts(new_image.file + skip, new_image.file_size - skip);
    assert_int_equal(3, count);
    bench_request(&bench, &new_image);
}

/// Sizes ///

static void the_size_is_that_of_all_parts(void **state)
{
    (void)state;
    static const struct {
        uint32_t sizes[4]; // of n, 1, 2, 3; 0: not there
        uint32_t total;
    } rows[] = {
        {{100}, 100},
        {{PART}, PART},
        {{PART, 5}, PART + 5},
        {{PART, PART}, 2 * PART},
        {{PART, PART, 1}, 2 * PART + 1},
        // Only a file of exactly that size has parts.
        {{PART - 1, PART}, PART - 1},
        {{PART + 1, PART}, PART + 1},
        {{3 * PART, PART}, 3 * PART},
        // A part that is missing or short is the end.
        {{PART, 0, PART}, PART},
        {{PART, 7, PART}, PART + 7},
        {{PART, PART, 7, 9}, 2 * PART + 7},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t size = 0;
        memset(bench.modem.files, 0, sizeof bench.modem.files);
        for (uint32_t k = 0; k < 4; k++) {
            char name[] = "fw_2.ebin";
            name[8] = marks[k];
            if (rows[i].sizes[k] > 0) {
                put(name, content, rows[i].sizes[k]);
            }
        }
        assert_int_equal(OTA_OK,
                         sim7600_file_size(&modem, "E:/fw_2.ebin", &size));
        assert_int_equal(rows[i].total, size);
    }
}

static void a_name_that_ends_like_a_part_has_none(void **state)
{
    (void)state;
    uint32_t size = 0;
    put_parts(content, 3 * PART);
    assert_int_equal(OTA_OK, sim7600_file_size(&modem, "E:/fw_2.ebi1", &size));
    assert_int_equal(PART, size);
    assert_int_equal(OTA_OK, sim7600_file_delete(&modem, "E:/fw_2.ebi1"));
    assert_true(has_file("fw_2.ebin"));
    assert_false(has_file("fw_2.ebi1"));
    assert_true(has_file("fw_2.ebi2"));
}

/// Reading ///

static void reads_at_any_offset_cross_parts(void **state)
{
    (void)state;
    static const uint32_t offsets[] = {
        0,           1,        PART - 4096,    PART - 1,
        PART,        PART + 1, 2 * PART - 100, 2 * PART,
        2 * PART + 9};
    static const uint32_t counts[] = {1, 2, 16, 100, 4095, 4096};
    uint32_t total = 0;
    put_parts(content, 3 * PART - 1000);
    assert_int_equal(OTA_OK, sim7600_file_size(&modem, "E:/fw_2.ebin", &total));
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
            uint8_t data[4096 + 1];
            memset(data, 0xEE, sizeof data);
            assert_int_equal(OTA_OK, sim7600_read_start(&modem, "E:/fw_2.ebin",
                                                        offsets[i], counts[k]));
            assert_int_equal(OTA_OK,
                             sim7600_read_finish(&modem, data, counts[k]));
            assert_memory_equal(content + offsets[i], data, counts[k]);
            assert_int_equal(0xEE, data[counts[k]]);
        }
    }
}

static void a_large_file_that_is_whole_is_read_as_one(void **state)
{
    (void)state;
    uint8_t data[100];
    uint32_t total = 0;
    put("fw_2.ebin", content, 3 * PART);
    put("fw_2.ebi1", content, PART); // of something older
    assert_int_equal(OTA_OK, sim7600_file_size(&modem, "E:/fw_2.ebin", &total));
    assert_int_equal(
        OTA_OK, sim7600_read_start(&modem, "E:/fw_2.ebin", PART - 50, 100));
    assert_int_equal(OTA_OK, sim7600_read_finish(&modem, data, 100));
    assert_memory_equal(content + PART - 50, data, 100);
}

static void a_part_that_went_meanwhile_is_an_error(void **state)
{
    (void)state;
    uint8_t data[100];
    uint32_t total = 0;
    put("fw_2.ebin", content, PART);
    struct sim_file *second = put("fw_2.ebi1", content + PART, PART);
    assert_int_equal(OTA_OK, sim7600_file_size(&modem, "E:/fw_2.ebin", &total));
    memset(second, 0, sizeof *second);
    assert_int_equal(
        OTA_OK, sim7600_read_start(&modem, "E:/fw_2.ebin", PART - 50, 100));
    assert_int_equal(OTA_E_MODEM, sim7600_read_finish(&modem, data, 100));
}

/// Deleting ///

static void a_file_goes_with_its_parts(void **state)
{
    (void)state;
    put_parts(content, 3 * PART);
    put("fw_3.ebin", content, PART);
    assert_int_equal(OTA_OK, sim7600_file_delete(&modem, "E:/fw_2.ebin"));
    assert_false(has_file("fw_2.ebin") || has_file("fw_2.ebi1") ||
                 has_file("fw_2.ebi2"));
    assert_true(has_file("fw_3.ebin"));
}

static void parts_without_a_file_go_too(void **state)
{
    (void)state;
    put("fw_2.ebi2", content, 5);
    put("fw_2.ebif", content, PART);
    assert_int_equal(OTA_OK, sim7600_file_delete(&modem, "E:/fw_2.ebin"));
    assert_false(has_file("fw_2.ebi2") || has_file("fw_2.ebif"));
}

/// Updates ///

static void expect_update(void)
{
    enum bench_end end = bench_boot_until_start(&bench, BOOT_RESETREAS_SOFT, 3);
    if (end != BENCH_START || bench.status.app_version != 2 ||
        !bench_runs(&bench, &new_image)) {
        fail_msg("no update: end %d\n%s", (int)end, bench.log);
    }
}

static void updates_from_parts(void **state)
{
    (void)state;
    stage(true);
    expect_update();
    assert_true(bench_confirm(&bench));
    assert_int_equal(BENCH_START, bench_boot(&bench, 0));
    assert_int_equal(2, bench.status.app_version);
}

static void updates_from_parts_without_a_header(void **state)
{
    (void)state;
    stage(false);
    expect_update();
}

static void updates_from_a_file_of_exactly_one_part(void **state)
{
    teardown(state);
    setup(state);
    bench_image_free(&new_image);
    bench_image_init(&new_image, 2, BENCH_APP, PART - OTA_FW_INFO_SIZE - 5, 3,
                     "E:/fw_2.ebin");
    assert_int_equal(PART, new_image.file_size);
    bench_stage(&bench, &new_image, true);
    bench_request(&bench, &new_image);
    expect_update();
}

static void expect_refused(int error)
{
    enum bench_end end = bench_boot_until_start(&bench, BOOT_RESETREAS_SOFT, 3);
    assert_int_equal(BENCH_START, end);
    assert_int_equal(BOOT_REASON_FAILED, bench.status.reason);
    assert_int_equal(error, bench.status.last_error);
    assert_true(bench_runs(&bench, &old_image));
}

static void a_missing_part_is_refused(void **state)
{
    for (uint32_t part = 1; part < 3; part++) {
        teardown(state);
        setup(state);
        stage(true);
        memset(&bench.modem.files[part], 0, sizeof bench.modem.files[part]);
        expect_refused(OTA_E_FILE_SIZE);
    }
}

static void swapped_parts_are_refused(void **state)
{
    (void)state;
    stage(true);
    const uint8_t *first = bench.modem.files[0].data;
    bench.modem.files[0].data = bench.modem.files[1].data;
    bench.modem.files[1].data = first;
    expect_refused(OTA_E_HEADER);
}

static void every_power_cut_is_survived(void **state)
{
    static const enum sim_cut cuts[] = {SIM_CUT_BEFORE, SIM_CUT_TORN,
                                        SIM_CUT_AFTER, SIM_CUT_UNSTABLE};
    stage(true);
    expect_update();
    uint32_t operations = bench.flash.operations;
    for (uint32_t at_op = 0; at_op < operations; at_op += 61u) {
        for (size_t i = 0; i < 4; i++) {
            teardown(state);
            setup(state);
            stage(true);
            bench.flash.cut = cuts[i];
            bench.flash.cut_at = at_op;
            bench.flash.seed = at_op + 1u;
            assert_int_equal(BENCH_CUT,
                             bench_boot(&bench, BOOT_RESETREAS_SOFT));
            bench.flash.cut = SIM_CUT_NONE;
            enum bench_end end = bench_boot_until_start(&bench, 0, 3);
            bool is_new = bench_runs(&bench, &new_image);
            // Cut before it was written down, the request is gone.
            if (end != BENCH_START ||
                !(is_new || bench_runs(&bench, &old_image)) ||
                (!is_new && at_op > 100)) {
                fail_msg("cut %d at %u: end %d\n%s", (int)cuts[i],
                         (unsigned)at_op, (int)end, bench.log);
            }
        }
    }
}

static void every_fault_of_the_modem_is_survived(void **state)
{
    for (int fault = SIM_FAULT_ERROR; fault <= SIM_FAULT_WRONG_PREFIX;
         fault++) {
        for (uint32_t read = 0; read < 14; read++) {
            teardown(state);
            setup(state);
            stage(true);
            bench.modem.fault = (enum sim_fault)fault;
            bench.modem.fault_at = read;
            bench.modem.fault_count = 1;
            expect_update();
            assert_int_equal(1, bench.modem.faults_fired);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_size_is_that_of_all_parts),
        TEST(a_name_that_ends_like_a_part_has_none),
        TEST(reads_at_any_offset_cross_parts),
        TEST(a_large_file_that_is_whole_is_read_as_one),
        TEST(a_part_that_went_meanwhile_is_an_error),
        TEST(a_file_goes_with_its_parts),
        TEST(parts_without_a_file_go_too),
        TEST(updates_from_parts),
        TEST(updates_from_parts_without_a_header),
        TEST(updates_from_a_file_of_exactly_one_part),
        TEST(a_missing_part_is_refused),
        TEST(swapped_parts_are_refused),
        TEST(every_power_cut_is_survived),
        TEST(every_fault_of_the_modem_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Room in the modem: which files go, in which order, and which never do.
//
// SPDX-License-Identifier: Apache-2.0
#include "crc32.h"
#include "make_space.h"
#include "script.h"
#include "versions.h"

#define FILE_SIZE 1000u

static const uint8_t part_data[SIM7600_PART_SIZE];
static struct at space_at;
static struct sim7600 space_modem;

static void no_idle(void *ctx)
{
    (void)ctx;
}

// A modem whose files have FILE_SIZE bytes each, with room for `free_files`.
static void fill(const char *const *names, uint32_t count, uint32_t free_files)
{
    static const uint8_t data[FILE_SIZE];
    struct sim_modem *sim = &bench.modem;
    memset(sim->files, 0, sizeof sim->files);
    for (uint32_t i = 0; i < count; i++) {
        sim->files[i] = (struct sim_file){names[i], data, FILE_SIZE};
    }
    sim->capacity = (count + free_files) * FILE_SIZE;
    at_init(&space_at, &sim->port, &bench.clock.port, no_idle, NULL);
    sim7600_init(&space_modem, &space_at, sim->baud, 0);
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

// Version 4 runs, 3 is what it goes back to, 2 and 1 are kept as well.
static struct boot_status on_trial(void)
{
    struct boot_status status = {.app_version = 4, .kept_count = 4};
    for (uint32_t i = 0; i < 4; i++) {
        const struct bench_image *image = &images[3 - i];
        status.kept_version[i] = image->journal.info.version;
        status.kept_path_crc[i] =
            crc32_update(0, image->journal.path, OTA_PATH_SIZE);
    }
    return status;
}

static const char *const names[] = {"fw_1.ebin", "fw_2.ebin", "fw_3.ebin",
                                    "fw_4.ebin", "old.ebin",  "notes.txt"};

static int make(const struct boot_status *status, uint32_t files,
                uint32_t *deleted)
{
    return update_make_space(&space_modem, "E:/", status, NULL,
                             files * FILE_SIZE, deleted);
}

static void nothing_goes_while_there_is_room(void **state)
{
    (void)state;
    const struct boot_status status = on_trial();
    uint32_t deleted = 9;
    fill(names, 6, 1);
    assert_int_equal(OTA_OK, make(&status, 1, &deleted));
    assert_int_equal(0, deleted);
}

static void files_that_nobody_lists_go_first_then_the_oldest(void **state)
{
    (void)state;
    static const char *const order[] = {"old.ebin", "fw_1.ebin", "fw_2.ebin"};
    const struct boot_status status = on_trial();
    for (uint32_t wanted = 1; wanted <= 3; wanted++) {
        uint32_t deleted = 0;
        fill(names, 6, 0);
        assert_int_equal(OTA_OK, make(&status, wanted, &deleted));
        assert_int_equal(wanted, deleted);
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(i >= wanted, has_file(order[i]));
        }
    }
}

static void what_runs_and_what_it_goes_back_to_never_go(void **state)
{
    (void)state;
    const struct boot_status status = on_trial();
    uint32_t deleted = 0;
    fill(names, 6, 0);
    assert_int_equal(OTA_E_NO_SPACE, make(&status, 4, &deleted));
    assert_int_equal(3, deleted);
    assert_true(has_file("fw_4.ebin"));
    assert_true(has_file("fw_3.ebin"));
    assert_true(has_file("notes.txt"));
}

static void the_newest_stays_though_the_running_one_has_no_file(void **state)
{
    (void)state;
    struct boot_status status = on_trial();
    uint32_t deleted = 0;
    status.app_version = 5; // programmed by a probe
    fill(names, 6, 0);
    assert_int_equal(OTA_E_NO_SPACE, make(&status, 5, &deleted));
    assert_int_equal(4, deleted);
    assert_true(has_file("fw_4.ebin"));
}

static void a_missing_drive_is_told(void **state)
{
    (void)state;
    const struct boot_status status = on_trial();
    uint32_t deleted = 0;
    fill(names, 6, 0);
    bench.modem.drive = "C:/";
    assert_int_equal(OTA_E_NO_FILE, make(&status, 1, &deleted));
}

// Version 3, which is gone back to, and two that nobody lists are in parts; one
// of the latter has lost its first.
static void the_parts_of_a_file_go_together(void **state)
{
    (void)state;
    static const char *const parts[] = {"fw_3.ebin", "fw_3.ebi1", "old.ebin",
                                        "old.ebi1",  "gone.ebi2", "x.ebi0"};
    const struct boot_status status = on_trial();
    uint32_t deleted = 0;
    fill(parts, 6, 0);
    for (uint32_t i = 0; i < 6; i++) {
        // Only a first part of exactly this size has others.
        bench.modem.files[i].data = part_data;
        bench.modem.files[i].size = SIM7600_PART_SIZE;
    }
    bench.modem.capacity = 6 * SIM7600_PART_SIZE;
    assert_int_equal(OTA_OK,
                     update_make_space(&space_modem, "E:/", &status, NULL,
                                       3 * SIM7600_PART_SIZE, &deleted));
    assert_int_equal(2, deleted);
    assert_false(has_file("old.ebin") || has_file("old.ebi1") ||
                 has_file("gone.ebi2"));
    assert_true(has_file("fw_3.ebin") && has_file("fw_3.ebi1") &&
                has_file("x.ebi0"));
    assert_int_equal(OTA_E_NO_SPACE,
                     update_make_space(&space_modem, "E:/", &status, NULL,
                                       4 * SIM7600_PART_SIZE, &deleted));
    assert_int_equal(0, deleted);
    assert_true(has_file("fw_3.ebin") && has_file("fw_3.ebi1"));
}

// What is being downloaded is in no list yet.
static void a_file_that_is_kept_stays_with_its_parts(void **state)
{
    (void)state;
    static const char *const parts[] = {"new.ebin", "new.ebi1", "old.ebin"};
    const struct boot_status status = on_trial();
    const char keep[OTA_PATH_SIZE] = "E:/new.ebin";
    uint32_t deleted = 0;
    fill(parts, 3, 0);
    assert_int_equal(OTA_E_NO_SPACE,
                     update_make_space(&space_modem, "E:/", &status, keep,
                                       2 * FILE_SIZE, &deleted));
    assert_int_equal(1, deleted);
    assert_true(has_file("new.ebin") && has_file("new.ebi1"));
}

static void bad_answers_delete_nothing(void **state)
{
    (void)state;
    static const char *const memory[] = {
        "\r\n+FSMEM: E:(10, 11)\r\n\r\nOK\r\n",
        "\r\n+FSMEM: E:(10 11)\r\n\r\nOK\r\n",
        "\r\n+FSMEM: E:(10, 5\r\n\r\nOK\r\n",
        "\r\n+FSMEM: E:\r\n\r\nOK\r\n",
        "\r\n+FSMEM: E:(99999999999, 5)\r\n\r\nOK\r\n",
        "\r\nOK\r\n",
    };
    const struct boot_status status = on_trial();
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++) {
        char answer[200];
        uint32_t deleted = 9;
        (void)snprintf(answer, sizeof answer, "\r\n+FSCD: E:/\r\n\r\nOK\r\n|%s",
                       memory[i]);
        begin(answer, strlen(answer), ALL);
        int err =
            update_make_space(&modem, "E:/", &status, NULL, 100, &deleted);
        assert_int_equal(OTA_E_PROTOCOL, err);
        assert_int_equal(0, deleted);
    }
}

static void a_restart_ends_it(void **state)
{
    (void)state;
    static const char answer[] =
        "\r\nOK\r\n|\r\n+FSMEM: E:(10, 5)\r\n\r\nOK\r\n|"
        "\r\n+FSLS: FILES:\r\nold.ebin\r\n\r\nRDY\r\n";
    const struct boot_status status = on_trial();
    uint32_t deleted = 9;
    begin(answer, sizeof answer - 1, ALL);
    int err = update_make_space(&modem, "E:/", &status, NULL, 100, &deleted);
    assert_int_equal(OTA_E_MODEM_REBOOT, err);
    assert_int_equal(0, deleted);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nothing_goes_while_there_is_room),
        TEST(files_that_nobody_lists_go_first_then_the_oldest),
        TEST(what_runs_and_what_it_goes_back_to_never_go),
        TEST(the_newest_stays_though_the_running_one_has_no_file),
        TEST(a_missing_drive_is_told),
        TEST(the_parts_of_a_file_go_together),
        TEST(a_file_that_is_kept_stays_with_its_parts),
        TEST(bad_answers_delete_nothing),
        TEST(a_restart_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

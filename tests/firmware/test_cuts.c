// The power goes at every flash operation: before it, half-way through it,
// after it, and so that it reads differently at each power-up. Whatever
// happens, the board ends up running the old or the new application, verified,
// and once the update is in the journal it is the new one.
//
// A case is named scenario[cut=number:kind,seed]; OTA_CUT=number:kind runs
// only that one of every scenario.
//
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define BOOTS_MAX 14u

enum trial {
    TRIAL_CONFIRMS,
    TRIAL_HANGS, // the watchdog bites in every trial
};

struct scenario {
    const char *name;
    uint32_t new_base;
    uint32_t new_size;
    const char *old_path;
    enum trial trial;
    uint32_t last_version; // what runs when nothing is cut
};

static const struct scenario update = {"update", BENCH_APP,      5000,
                                       "",       TRIAL_CONFIRMS, 2};
static const struct scenario update_keeping_old = {
    "update_keeping_old", BENCH_APP, 4096, "E:/fw_1.ebin", TRIAL_CONFIRMS, 2};
static const struct scenario rollback = {"rollback",     BENCH_APP,   5000,
                                         "E:/fw_1.ebin", TRIAL_HANGS, 1};
static const struct scenario bootloader = {"bootloader", BENCH_BOOTLOADER, 5000,
                                           "",           TRIAL_CONFIRMS,   1};

static struct bench bench;
static struct bench_image old_image;
static struct bench_image new_image;

static void fail_case(const struct scenario *scenario, uint32_t number,
                      enum sim_cut cut, uint32_t seed, const char *why)
{
    fail_msg("%s[cut=%u:%d,seed=%u]: %s\n%s", scenario->name, number, (int)cut,
             seed, why, bench.log);
}

static void set_up(const struct scenario *scenario)
{
    bench_init(&bench, &old_image);
    bench_stage(&bench, &new_image, true);
    if (scenario->old_path[0] != '\0') {
        bench_stage(&bench, &old_image, true);
    }
    bench_request(&bench, &new_image);
}

// What runs is what the status says and what its package holds.
static bool is_verified(void)
{
    bool is_new = bench.status.app_version == new_image.journal.info.version;
    return bench_runs(&bench, is_new ? &new_image : &old_image);
}

// Boots until nothing is left to do. Returns what is wrong, or NULL.
static const char *drive(const struct scenario *scenario)
{
    uint32_t resetreas = BOOT_RESETREAS_SOFT;
    for (uint32_t boots = 0; boots < BOOTS_MAX; boots++) {
        enum bench_end end = bench_boot(&bench, resetreas);
        resetreas = end == BENCH_CUT ? 0 : BOOT_RESETREAS_SOFT;
        if (end == BENCH_CUT) {
            bench.flash.cut = bench.second_cut;
            bench.flash.cut_at = bench.second_cut_at;
            bench.second_cut = SIM_CUT_NONE;
            memset(&bench.request, 0xA5, sizeof bench.request);
        }
        if (end == BENCH_HALT) {
            return "halted";
        }
        if (end != BENCH_START) {
            continue;
        }
        if (!is_verified()) {
            return "started an unverified application";
        }
        if (bench.status.step == OTA_STEP_IDLE) {
            return NULL;
        }
        if (scenario->trial == TRIAL_HANGS) {
            resetreas = BOOT_RESETREAS_WATCHDOG;
        } else if (!bench_confirm(&bench)) {
            resetreas = 0;
        }
    }
    return "too many boots";
}

static bool key_is_in_journal(const struct bench_image *image)
{
    const uint8_t *journal = sim_flash_at(&bench.flash, BENCH_JOURNAL);
    for (uint32_t i = 0; i + 16u <= 2u * OTA_PAGE_SIZE; i += 4) {
        if (memcmp(journal + i, image->journal.info.aes_key, 16) == 0) {
            return true;
        }
    }
    return false;
}

static bool new_runs(const struct scenario *scenario)
{
    if (scenario->new_base == BENCH_BOOTLOADER) {
        return memcmp(sim_flash_at(&bench.flash, BENCH_BOOTLOADER),
                      new_image.plain, new_image.journal.info.pbin_size) == 0;
    }
    return bench.status.app_version == new_image.journal.info.version;
}

// `accepted_at`: operations before the journal has the update for sure.
static void check_end(const struct scenario *scenario, uint32_t number,
                      enum sim_cut cut, uint32_t seed, uint32_t accepted_at)
{
    bool is_new = new_runs(scenario);
    bool is_app = scenario->new_base == BENCH_APP;
    if (scenario->trial == TRIAL_HANGS && is_new) {
        fail_case(scenario, number, cut, seed, "kept what hangs");
    }
    if (scenario->trial == TRIAL_CONFIRMS && !is_new && number > accepted_at) {
        fail_case(scenario, number, cut, seed, "forgot the update");
    }
    // A key stays only while its version runs or can be gone back to.
    if (key_is_in_journal(&new_image) != (is_new && is_app)) {
        fail_case(scenario, number, cut, seed, "key of the new version");
    }
    bool old_is_kept = !is_new || !is_app || scenario->old_path[0] != '\0';
    if (key_is_in_journal(&old_image) != old_is_kept) {
        fail_case(scenario, number, cut, seed, "key of the old version");
    }
}

static void run_case(const struct scenario *scenario, uint32_t number,
                     enum sim_cut cut, uint32_t seed, uint32_t accepted_at)
{
    set_up(scenario);
    bench.flash.cut = cut;
    bench.flash.cut_at = number;
    bench.flash.seed = seed;
    const char *why = drive(scenario);
    if (why != NULL) {
        fail_case(scenario, number, cut, seed, why);
    }
    if (bench.flash.cut != SIM_CUT_NONE) {
        fail_case(scenario, number, cut, seed, "the cut did not fire");
    }
    check_end(scenario, number, cut, seed, accepted_at);
    bench_free(&bench);
}

// The first operations write the journal page that accepts the update: erase,
// snapshot, header; its seal is the last of them.
static uint32_t acceptance_operations(const struct scenario *scenario)
{
    (void)scenario;
    uint32_t snapshot = 46u + 46u + 4u;
    return 1u + snapshot + 4u + 1u;
}

static uint32_t run_uncut(const struct scenario *scenario)
{
    set_up(scenario);
    const char *why = drive(scenario);
    if (why != NULL) {
        fail_case(scenario, 0, SIM_CUT_NONE, 0, why);
    }
    assert_int_equal(scenario->last_version, bench.status.app_version);
    uint32_t operations = bench.flash.operations;
    bench_free(&bench);
    return operations;
}

static bool is_selected(uint32_t number, enum sim_cut cut)
{
    const char *only = getenv("OTA_CUT");
    unsigned wanted_number;
    int wanted_cut;
    return only == NULL ||
           (sscanf(only, "%u:%d", &wanted_number, &wanted_cut) == 2 &&
            wanted_number == number && wanted_cut == (int)cut);
}

static void make_images(const struct scenario *scenario)
{
    bench_image_init(&old_image, 1, BENCH_APP, 3000, 1, scenario->old_path);
    bench_image_init(&new_image, 2, scenario->new_base, scenario->new_size, 2,
                     "E:/fw_2.ebin");
}

static void free_images(void)
{
    bench_image_free(&old_image);
    bench_image_free(&new_image);
}

static void run_all_cuts(const struct scenario *scenario)
{
    make_images(scenario);
    uint32_t operations = run_uncut(scenario);
    uint32_t accepted_at = acceptance_operations(scenario);
    uint32_t cases = 0;
    for (uint32_t number = 0; number < operations; number++) {
        for (int cut = SIM_CUT_BEFORE; cut <= SIM_CUT_UNSTABLE; cut++) {
            if (is_selected(number, (enum sim_cut)cut)) {
                run_case(scenario, number, (enum sim_cut)cut, number * 7u + 1u,
                         accepted_at);
                cases++;
            }
        }
    }
    print_message("%s: %u operations, %u cases\n", scenario->name,
                  (unsigned)operations, (unsigned)cases);
    free_images();
}

// The second cut hits the recovery from the first.
static void run_pair(const struct scenario *scenario, uint32_t seed,
                     uint32_t operations)
{
    uint32_t random = seed * 2654435761u;
    uint32_t first = (random >> 8) % operations;
    enum sim_cut kind = (enum sim_cut)(SIM_CUT_BEFORE + (int)(seed % 4u));
    set_up(scenario);
    bench.flash.cut = kind;
    bench.flash.cut_at = first;
    bench.flash.seed = seed;
    bench.second_cut = (enum sim_cut)(SIM_CUT_BEFORE + (int)(seed / 4u % 3u));
    // Half of them soon after, where recovery is at work.
    uint32_t distance = seed % 2u == 0 ? 400u : operations;
    bench.second_cut_at = first + 1u + (random >> 3) % distance;
    const char *why = drive(scenario);
    if (why != NULL) {
        fail_case(scenario, first, kind, seed, why);
    }
    check_end(scenario, first, kind, seed, UINT32_MAX);
    bench_free(&bench);
}

static void pairs_of_cuts_are_survived(void **state)
{
    (void)state;
    static const struct scenario *const all[] = {&update, &update_keeping_old,
                                                 &rollback, &bootloader};
    for (size_t i = 0; i < 4; i++) {
        make_images(all[i]);
        uint32_t operations = run_uncut(all[i]);
        for (uint32_t seed = 1; seed <= 600; seed++) {
            run_pair(all[i], seed, operations);
        }
        free_images();
    }
}

static void update_survives_every_cut(void **state)
{
    (void)state;
    run_all_cuts(&update);
}

static void update_keeping_old_survives_every_cut(void **state)
{
    (void)state;
    run_all_cuts(&update_keeping_old);
}

static void rollback_survives_every_cut(void **state)
{
    (void)state;
    run_all_cuts(&rollback);
}

static void bootloader_update_survives_every_cut(void **state)
{
    (void)state;
    run_all_cuts(&bootloader);
}

// One test's name as argument runs only that: they are slow enough to be run
// side by side.
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(update_survives_every_cut),
        cmocka_unit_test(update_keeping_old_survives_every_cut),
        cmocka_unit_test(rollback_survives_every_cut),
        cmocka_unit_test(bootloader_update_survives_every_cut),
        cmocka_unit_test(pairs_of_cuts_are_survived),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

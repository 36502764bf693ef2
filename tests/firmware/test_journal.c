// The journal: what is written is read back, a torn write never loses what was
// valid, and the bytes are those of SPEC 7.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "bench.h"
#include "crc32.h"

static struct sim_flash flash;
static struct journal journal;
static jmp_buf power_off;

static void make_image(struct journal_image *image, uint32_t version)
{
    memset(image, 0, sizeof *image);
    image->info.version = version;
    image->info.pbin_size = 100 * version;
    memset(image->info.aes_key, (int)version, 16);
    memcpy(image->path, "E:/fw_0.ebin", 12);
    image->path[6] = (char)('0' + version % 10u);
}

// A first page made by the journal itself, from nothing.
static int setup(void **state)
{
    (void)state;
    sim_flash_init(&flash, BENCH_JOURNAL, 2 * OTA_PAGE_SIZE);
    flash.power_off = &power_off;
    memset(&journal, 0, sizeof journal);
    journal.flash = &flash.port;
    journal.start_addr = BENCH_JOURNAL;
    journal.page = 1;
    make_image(&journal.current, 1);
    journal.has_current = true;
    assert_int_equal(OTA_OK, journal_save(&journal));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sim_flash_free(&flash);
    return 0;
}

static int load(struct journal *loaded)
{
    return journal_load(loaded, &flash.port, BENCH_JOURNAL);
}

static uint32_t word_at(uint32_t page, uint32_t offset)
{
    uint32_t word;
    memcpy(&word,
           sim_flash_at(&flash, BENCH_JOURNAL + page * OTA_PAGE_SIZE + offset),
           4);
    return word;
}

// The decoded states are the same.
static bool is_same(const struct journal *a, const struct journal *b)
{
    return a->has_pending == b->has_pending &&
           a->previous_count == b->previous_count &&
           memcmp(&a->current, &b->current, sizeof a->current) == 0 &&
           (!a->has_pending ||
            memcmp(&a->pending, &b->pending, sizeof a->pending) == 0) &&
           memcmp(a->previous, b->previous,
                  a->previous_count * sizeof a->previous[0]) == 0 &&
           a->step == b->step && a->error == b->error &&
           a->pages_done == b->pages_done && a->token == b->token &&
           a->attempts == b->attempts &&
           memcmp(a->attempt_reason, b->attempt_reason, a->attempts * 4u) == 0;
}

static void the_first_page_is_spec_7(void **state)
{
    (void)state;
    assert_int_equal(0x4A41544F, word_at(0, 0));
    assert_int_equal(1, word_at(0, 4));
    assert_int_equal(184 + 16, word_at(0, 8));
    assert_int_equal(0, word_at(0, 16));
    assert_int_equal(0xFFFFFFFF, word_at(0, 20));
    assert_int_equal(0xFFFFFFFF, word_at(0, 28));
    assert_int_equal(1u | 176u << 16, word_at(0, 32));
    assert_int_equal(4u | 8u << 16, word_at(0, 32 + 184));
    const uint8_t *page = sim_flash_at(&flash, BENCH_JOURNAL);
    uint32_t crc = crc32_update(crc32_update(0, page, 12), page + 32, 200);
    assert_int_equal(crc, word_at(0, 12));
    assert_int_equal(crc32_update(0, page + 32, 180), word_at(0, 32 + 180));
    // The page that was before it is blank.
    assert_int_equal(0xFFFFFFFF, word_at(1, 0));
}

static void all_of_the_state_comes_back(void **state)
{
    (void)state;
    struct journal loaded;
    journal.has_pending = true;
    make_image(&journal.pending, 2);
    journal.previous_count = 2;
    make_image(&journal.previous[0], 4);
    make_image(&journal.previous[1], 3);
    journal.token = 77;
    assert_int_equal(OTA_OK, journal_save(&journal));
    assert_int_equal(OTA_OK, journal_set_step(&journal, OTA_STEP_PROGRAM, -25));
    assert_int_equal(OTA_OK, journal_page_done(&journal, 0));
    assert_int_equal(OTA_OK, journal_page_done(&journal, 1));
    assert_int_equal(OTA_OK, journal_attempt(&journal, 4));
    assert_int_equal(OTA_OK, journal_attempt(&journal, 2));
    assert_int_equal(2, journal.pages_done);
    assert_int_equal(OTA_OK, load(&loaded));
    assert_true(is_same(&journal, &loaded));
    // And out of a snapshot.
    assert_int_equal(OTA_OK, journal_save(&loaded));
    assert_int_equal(OTA_OK, load(&loaded));
    assert_true(is_same(&journal, &loaded));
    assert_int_equal(3, loaded.sequence);
}

static void a_step_empties_marks_and_attempts(void **state)
{
    (void)state;
    struct journal loaded;
    assert_int_equal(OTA_OK, journal_page_done(&journal, 5));
    assert_int_equal(OTA_OK, journal_attempt(&journal, 2));
    assert_int_equal(OTA_OK, journal_set_step(&journal, OTA_STEP_VERIFY, 0));
    assert_int_equal(OTA_OK, load(&loaded));
    assert_int_equal(OTA_STEP_VERIFY, loaded.step);
    assert_int_equal(0, loaded.pages_done);
    assert_int_equal(0, loaded.attempts);
}

static void a_boot_writes_to_a_fresh_page_first(void **state)
{
    (void)state;
    struct journal loaded;
    assert_int_equal(OTA_OK, load(&loaded));
    assert_int_equal(0, loaded.page);
    assert_int_equal(OTA_OK, journal_page_done(&loaded, 0));
    assert_int_equal(1, loaded.page);
    assert_int_equal(0xFFFFFFFF, word_at(0, 0));
    uint32_t before = flash.operations;
    assert_int_equal(OTA_OK, journal_page_done(&loaded, 1));
    assert_int_equal(before + 3, flash.operations);
}

static void a_full_page_is_compacted(void **state)
{
    (void)state;
    struct journal loaded;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(OTA_OK, journal_page_done(&journal, i));
    }
    assert_in_range(journal.sequence, 3, 6);
    assert_int_equal(OTA_OK, load(&loaded));
    assert_int_equal(1000, loaded.pages_done);
    assert_true(is_same(&journal, &loaded));
}

static void attempts_stop_at_the_limit(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(OTA_OK, journal_attempt(&journal, i));
    }
    assert_int_equal(JOURNAL_ATTEMPTS_MAX, journal.attempts);
    uint32_t before = flash.operations;
    assert_int_equal(OTA_OK, journal_attempt(&journal, 1));
    assert_int_equal(before, flash.operations);
}

/// Pages that are not what they should be ///

static void no_usable_page_is_an_error(void **state)
{
    (void)state;
    struct journal loaded;
    flash.bytes[40] ^= 1; // in the snapshot of the only page
    assert_int_equal(OTA_E_JOURNAL, load(&loaded));
}

static void a_journal_without_current_is_an_error(void **state)
{
    (void)state;
    struct journal loaded;
    uint32_t page[12];
    memset(page, 0xFF, sizeof page);
    page[8] = 4u | 8u << 16;
    page[9] = 0;
    page[10] = 0;
    page[11] = crc32_update(0, &page[8], 12);
    page[0] = 0x4A41544F;
    page[1] = 1;
    page[2] = 16;
    page[3] = crc32_update(crc32_update(0, page, 12), &page[8], 16);
    page[4] = 0;
    sim_flash_load(&flash, BENCH_JOURNAL, page, sizeof page);
    assert_int_equal(OTA_E_JOURNAL, load(&loaded));
}

// Copies page 0 to page 1 as `sequence`, sealed or not.
static void clone_page(uint32_t sequence, uint32_t sealed, uint32_t size)
{
    uint8_t copy[OTA_PAGE_SIZE];
    memcpy(copy, flash.bytes, sizeof copy);
    memcpy(copy + 4, &sequence, 4);
    uint32_t snapshot;
    memcpy(&snapshot, copy + 8, 4);
    uint32_t crc = crc32_update(crc32_update(0, copy, 12), copy + 32, snapshot);
    memcpy(copy + 12, &crc, 4);
    memcpy(copy + 16, &sealed, 4);
    memset(copy + size, 0xFF, sizeof copy - size);
    sim_flash_load(&flash, BENCH_JOURNAL + OTA_PAGE_SIZE, copy, sizeof copy);
}

static void the_newer_page_counts_when_it_is_sealed(void **state)
{
    (void)state;
    struct journal loaded;
    clone_page(2, 0, 232);
    assert_int_equal(OTA_OK, load(&loaded));
    assert_int_equal(2, loaded.sequence);
    assert_int_equal(0xFFFFFFFF, word_at(0, 0)); // the other one is erased
    // Its seal may have been torn: there is a second one now.
    assert_int_equal(0, word_at(1, 20));
    assert_int_equal(0xFFFFFFFF, word_at(1, 24));
}

static void any_seal_counts(void **state)
{
    (void)state;
    struct journal loaded;
    uint32_t sealed = 0;
    clone_page(2, 0x1000, 232);
    assert_int_equal(
        OTA_OK, flash.port.write(&flash, BENCH_JOURNAL + OTA_PAGE_SIZE + 24u,
                                 &sealed, 1));
    assert_int_equal(OTA_OK, load(&loaded));
    assert_int_equal(2, loaded.sequence);
}

static void the_newer_page_waits_for_its_seal(void **state)
{
    (void)state;
    struct journal loaded;
    clone_page(2, 0xFFFFFFFF, 232);
    assert_int_equal(OTA_OK, load(&loaded));
    assert_int_equal(1, loaded.sequence);
    assert_int_equal(0xFFFFFFFF, word_at(1, 0));
}

static void the_newer_page_counts_when_it_was_appended_to(void **state)
{
    (void)state;
    struct journal loaded;
    assert_int_equal(OTA_OK, journal_set_step(&journal, OTA_STEP_CHECK, 0));
    clone_page(2, 0x1000, 232 + 16);
    assert_int_equal(OTA_OK, load(&loaded));
    assert_int_equal(2, loaded.sequence);
}

static void the_last_sequence_is_refused(void **state)
{
    (void)state;
    journal.sequence = 0xFFFFFFFF;
    assert_int_equal(OTA_E_JOURNAL_FULL, journal_save(&journal));
}

static void more_previous_versions_than_room_keeps_the_newest(void **state)
{
    (void)state;
    uint32_t page[4 + 4 + 4 * 46];
    uint32_t *record = &page[8];
    memset(page, 0xFF, sizeof page);
    for (uint32_t i = 0; i < 4; i++) {
        struct journal_image image;
        make_image(&image, i + 1);
        record[0] = (i == 0 ? 1u : 3u) | 176u << 16;
        memcpy(&record[1], &image, sizeof image);
        record[45] = crc32_update(0, record, 180);
        record += 46;
    }
    page[0] = 0x4A41544F;
    page[1] = 9;
    page[2] = 4 * 184;
    page[3] = crc32_update(crc32_update(0, page, 12), &page[8], page[2]);
    page[4] = 0;
    sim_flash_load(&flash, BENCH_JOURNAL, page, sizeof page);
    struct journal loaded;
    assert_int_equal(OTA_OK, load(&loaded));
    assert_int_equal(2, loaded.previous_count);
    assert_int_equal(4, loaded.previous[0].info.version);
    assert_int_equal(3, loaded.previous[1].info.version);
}

/// Cuts: after each, either the state before or the state after is there ///

static int write_step(struct journal *j)
{
    return journal_set_step(j, OTA_STEP_PROGRAM, 0);
}

static int write_mark(struct journal *j)
{
    return journal_page_done(j, 7);
}

static int write_commit(struct journal *j)
{
    j->current.info.version = 9;
    j->token = 5;
    j->step = OTA_STEP_IDLE;
    return journal_save(j);
}

static void cut_one(int (*change)(struct journal *j),
                    const struct sim_flash *before, uint32_t number,
                    enum sim_cut cut, uint32_t seed, bool *fired)
{
    struct journal old;
    struct journal wanted;
    struct journal loaded;
    sim_flash_copy(&flash, before);
    assert_int_equal(OTA_OK, load(&old));
    static struct journal work; // not in the frame that the jump leaves
    work = old;
    flash.operations = 0;
    flash.cut = cut;
    flash.cut_at = number;
    flash.seed = seed;
    *fired = setjmp(power_off) != 0;
    if (!*fired) {
        assert_int_equal(OTA_OK, change(&work));
    }
    flash.cut = SIM_CUT_NONE;
    assert_int_equal(OTA_OK, load(&loaded));
    // What was to be, from a run without a cut.
    struct sim_flash after;
    sim_flash_init(&after, BENCH_JOURNAL, 2 * OTA_PAGE_SIZE);
    sim_flash_copy(&after, before);
    assert_int_equal(OTA_OK, journal_load(&wanted, &after.port, BENCH_JOURNAL));
    assert_int_equal(OTA_OK, change(&wanted));
    sim_flash_free(&after);
    if (!is_same(&loaded, &old) && !is_same(&loaded, &wanted)) {
        fail_msg("journal[cut=%u:%d,seed=%u]", (unsigned)number, (int)cut,
                 (unsigned)seed);
    }
    // The journal can be written again, whatever the cut left.
    assert_int_equal(OTA_OK, journal_page_done(&loaded, 30));
    assert_int_equal(OTA_OK, load(&wanted));
    assert_int_equal(31, wanted.pages_done);
}

static void cut_everywhere(int (*change)(struct journal *j))
{
    struct sim_flash before;
    sim_flash_init(&before, BENCH_JOURNAL, 2 * OTA_PAGE_SIZE);
    sim_flash_copy(&before, &flash);
    for (uint32_t seed = 0; seed < 5; seed++) {
        bool fired = true;
        for (uint32_t number = 0; fired; number++) {
            for (int cut = SIM_CUT_BEFORE; cut <= SIM_CUT_AFTER; cut++) {
                cut_one(change, &before, number, (enum sim_cut)cut,
                        seed * 1000u + number, &fired);
            }
        }
    }
    sim_flash_free(&before);
}

static void a_step_survives_every_cut(void **state)
{
    (void)state;
    cut_everywhere(write_step);
}

static void a_mark_survives_every_cut(void **state)
{
    (void)state;
    assert_int_equal(OTA_OK, journal_set_step(&journal, OTA_STEP_PROGRAM, 0));
    assert_int_equal(OTA_OK, journal_page_done(&journal, 6));
    cut_everywhere(write_mark);
}

static void a_commit_survives_every_cut(void **state)
{
    (void)state;
    journal.previous_count = 2;
    make_image(&journal.previous[0], 4);
    make_image(&journal.previous[1], 3);
    assert_int_equal(OTA_OK, journal_save(&journal));
    cut_everywhere(write_commit);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_page_is_spec_7),
        TEST(all_of_the_state_comes_back),
        TEST(a_step_empties_marks_and_attempts),
        TEST(a_boot_writes_to_a_fresh_page_first),
        TEST(a_full_page_is_compacted),
        TEST(attempts_stop_at_the_limit),
        TEST(no_usable_page_is_an_error),
        TEST(a_journal_without_current_is_an_error),
        TEST(the_newer_page_counts_when_it_is_sealed),
        TEST(any_seal_counts),
        TEST(the_newer_page_waits_for_its_seal),
        TEST(the_newer_page_counts_when_it_was_appended_to),
        TEST(the_last_sequence_is_refused),
        TEST(more_previous_versions_than_room_keeps_the_newest),
        TEST(a_step_survives_every_cut),
        TEST(a_mark_survives_every_cut),
        TEST(a_commit_survives_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

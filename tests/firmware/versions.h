// A board and five versions of its application, for tests of trial and
// rollback.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_TEST_VERSIONS_H
#define OTA_TEST_VERSIONS_H

#include <string.h>

#include "bench.h"

static struct bench bench;
static struct bench_image images[5]; // version = index + 1

static inline int setup(void **state)
{
    (void)state;
    static const char *const paths[] = {"E:/fw_1.ebin", "E:/fw_2.ebin",
                                        "E:/fw_3.ebin", "E:/fw_4.ebin",
                                        "E:/fw_5.ebin"};
    for (uint32_t i = 0; i < 5; i++) {
        bench_image_init(&images[i], i + 1, BENCH_APP, 6000 + 1000 * i, i + 1,
                         paths[i]);
    }
    bench_init(&bench, &images[0]);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    bench_free(&bench);
    for (uint32_t i = 0; i < 5; i++) {
        bench_image_free(&images[i]);
    }
    return 0;
}

static inline void boot_to(uint32_t resetreas, enum boot_reason reason,
                           uint32_t version)
{
    enum bench_end end = bench_boot_until_start(&bench, resetreas, 3);
    if (end != BENCH_START || bench.status.reason != (uint32_t)reason ||
        bench.status.app_version != version) {
        fail_msg("end %d, reason %u, version %u; expected reason %u, "
                 "version %u\n%s",
                 (int)end, (unsigned)bench.status.reason,
                 (unsigned)bench.status.app_version, (unsigned)reason,
                 (unsigned)version, bench.log);
    }
    assert_true(bench_runs(&bench, &images[version - 1]));
}

static inline void start_trial(uint32_t version)
{
    bench_request(&bench, &images[version - 1]);
    boot_to(BOOT_RESETREAS_SOFT, BOOT_REASON_TRIAL, version);
    assert_true(bench.status.confirm_token != 0);
}

static inline void update_to(uint32_t version)
{
    bench_stage(&bench, &images[version - 1], true);
    start_trial(version);
    assert_true(bench_confirm(&bench));
    boot_to(BOOT_RESETREAS_SOFT, BOOT_REASON_NORMAL, version);
}

static inline bool has_key(const void *memory, size_t size, uint32_t version)
{
    const uint8_t *bytes = memory;
    for (size_t i = 0; i + 16u <= size; i++) {
        if (memcmp(bytes + i, images[version - 1].journal.info.aes_key, 16) ==
            0) {
            return true;
        }
    }
    return false;
}

#endif

// Deadlines: a modem that never stops talking, whatever it says, holds nobody
// longer than the exchange may take.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "bench.h"
#include "sim7600.h"

#define BYTE_NS 86806u // 10 bits at 115,200 baud
#define SLACK_MS 2200u // a write, a drain and a slice

struct talker {
    struct uart_port uart;
    struct time_port time;
    const char *says; // over and over
    size_t size;
    size_t position;
    uint64_t now_ns;
    uint32_t sent; // commands
};

struct pattern {
    const char *name;
    const char *says;
    size_t size;
};

#define PATTERN(text)                                                          \
    {                                                                          \
#text, text, sizeof(text) - 1u                                         \
    }

static const struct pattern patterns[] = {
    PATTERN("x"),
    PATTERN("\0"),
    PATTERN("\r\n"),
    PATTERN("\r\n+CGEV: NW DETACH\r\n"),
    PATTERN("\r\nOK\r\n"),
    PATTERN("AT\r\r\nO"),
    PATTERN("\r\n+FSATTRI: 1, x\r\n"),
    PATTERN("\r\n+CFTRANTX: DATA,1\r\nx"),
    PATTERN("\r\n+CFTRANTX: DATA,4\r\nabcd\r\n"),
    PATTERN("\r\n+CFTRANTX: DATA,4294967295\r\n"),
    PATTERN("\r\n+CFTRANTX: 0\r\n"),
    PATTERN("\r\n+CME ERROR: 0\r"),
};
#define PATTERNS (sizeof patterns / sizeof patterns[0])

static struct talker talker;
static struct at at;
static struct sim7600 modem;

static int talker_write(void *ctx, const void *data, size_t size,
                        uint32_t timeout_ms)
{
    struct talker *me = ctx;
    (void)data;
    (void)timeout_ms;
    me->now_ns += size * (uint64_t)BYTE_NS;
    me->sent++;
    return OTA_OK;
}

static int talker_read(void *ctx, void *data, size_t capacity,
                       uint32_t timeout_ms)
{
    struct talker *me = ctx;
    uint8_t *bytes = data;
    (void)timeout_ms;
    for (size_t i = 0; i < capacity; i++) {
        bytes[i] = (uint8_t)me->says[me->position++ % me->size];
    }
    me->now_ns += capacity * (uint64_t)BYTE_NS;
    return (int)capacity;
}

static int talker_set_baud(void *ctx, uint32_t baud)
{
    (void)ctx;
    (void)baud;
    return OTA_OK;
}

static uint32_t talker_now_ms(void *ctx)
{
    return (uint32_t)(((struct talker *)ctx)->now_ns / 1000000u);
}

static void talker_sleep(void *ctx, uint32_t duration_ms)
{
    ((struct talker *)ctx)->now_ns += 1000000ull * duration_ms;
}

static void no_idle(void *ctx)
{
    (void)ctx;
}

static void begin(const struct pattern *pattern)
{
    memset(&talker, 0, sizeof talker);
    talker.uart =
        (struct uart_port){&talker, talker_write, talker_read, talker_set_baud};
    talker.time = (struct time_port){&talker, talker_now_ms, talker_sleep};
    talker.says = pattern->says;
    talker.size = pattern->size;
    at_init(&at, &talker.uart, &talker.time, no_idle, NULL);
    sim7600_init(&modem, &at, 115200, 460800);
}

static void expect_within(const struct pattern *pattern, uint32_t started_ms,
                          uint32_t limit_ms)
{
    uint32_t took_ms = talker_now_ms(&talker) - started_ms;
    if (took_ms > limit_ms) {
        fail_msg("%s for ever: %u ms, expected at most %u ms", pattern->name,
                 (unsigned)took_ms, (unsigned)limit_ms);
    }
}

static void a_command_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < PATTERNS; i++) {
        char value[8];
        begin(&patterns[i]);
        int err = at_command(&at, 1000, "AT+X?", "+CGEV:", value, sizeof value);
        assert_true(err <= 0);
        expect_within(&patterns[i], 0, 1000 + SLACK_MS);
        assert_true(strlen(value) < sizeof value);
    }
}

static void a_drain_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < PATTERNS; i++) {
        begin(&patterns[i]);
        at_drain(&at, 300, 5000);
        expect_within(&patterns[i], 0, 5000 + SLACK_MS);
    }
}

static void a_file_size_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < PATTERNS; i++) {
        uint32_t size = 0;
        begin(&patterns[i]);
        int err = sim7600_file_size(&modem, "E:/f.ebin", &size);
        assert_true(err <= 0);
        expect_within(&patterns[i], 0, 2 * (SIM7600_FILE_MS + SLACK_MS));
    }
}

static void a_read_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < PATTERNS; i++) {
        // In memory of its own, so that one byte too many is seen.
        uint8_t *data = test_malloc(SIM7600_READ_MAX);
        begin(&patterns[i]);
        int err = sim7600_read_start(&modem, "E:/f", 0, SIM7600_READ_MAX);
        assert_int_equal(OTA_OK, err);
        err = sim7600_read_finish(&modem, data, SIM7600_READ_MAX);
        assert_true(err <= 0);
        expect_within(&patterns[i], 0,
                      SIM7600_COMMAND_MS + SIM7600_READ_MAX * 20u / 115u +
                          SLACK_MS);
        test_free(data);
    }
}

static void looking_for_the_modem_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < PATTERNS; i++) {
        begin(&patterns[i]);
        int err = sim7600_open(&modem, 10000);
        assert_true(err <= 0);
        // The drain, the wait, one more round over five rates, four commands.
        expect_within(&patterns[i], 0,
                      5000 + 10000 + 15 * (300 + 400) + 4 * 3400 + SLACK_MS);
    }
}

static void saying_goodbye_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < PATTERNS; i++) {
        begin(&patterns[i]);
        modem.baud = 460800;
        sim7600_close(&modem);
        expect_within(&patterns[i], 0, SIM7600_COMMAND_MS + 4 * SLACK_MS);
    }
}

// Of a whole boot: the old application starts, CHECK being the only step that
// may give up.
static void a_boot_ends(void **state)
{
    (void)state;
    static struct bench bench;
    struct bench_image old_image;
    struct bench_image new_image;
    bench_image_init(&old_image, 1, BENCH_APP, 9000, 1, "");
    bench_image_init(&new_image, 2, BENCH_APP, 20000, 2, "E:/fw_2.ebin");
    for (size_t i = 0; i < PATTERNS; i++) {
        bench_init(&bench, &old_image);
        bench_request(&bench, &new_image);
        begin(&patterns[i]);
        bench.ports.uart = &talker.uart;
        bench.ports.time = &talker.time;
        enum bench_end end =
            bench_boot_until_start(&bench, BOOT_RESETREAS_SOFT, 10);
        if (end != BENCH_START || bench.status.app_version != 1u) {
            fail_msg("%s for ever: end %d\n%s", patterns[i].name, (int)end,
                     bench.log);
        }
        assert_int_equal(OTA_STEP_IDLE, bench.status.step);
        expect_within(&patterns[i], 0, 30u * 60u * 1000u);
        bench_free(&bench);
    }
    bench_image_free(&old_image);
    bench_image_free(&new_image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_ends),
        cmocka_unit_test(a_drain_ends),
        cmocka_unit_test(a_file_size_ends),
        cmocka_unit_test(a_read_ends),
        cmocka_unit_test(looking_for_the_modem_ends),
        cmocka_unit_test(saying_goodbye_ends),
        cmocka_unit_test(a_boot_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// The watchdog: an application may have left one running whose period is much
// shorter than ours. Nothing that the modem does may let it run out, and
// nothing may keep it fed for ever.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "bench.h"

// The longest time between two feeds: well below an inherited period of 2 s.
#define GAP_US 1200000u

static struct bench bench;
static struct bench_image old_image;
static struct bench_image new_image;
static struct uart_port line; // between the modem's port and the engine
static uint64_t noise_until_us;
static int noise_result; // of a read: a count of bytes, or an error
static uint32_t noise_us;

static int write_line(void *ctx, const void *data, size_t size,
                      uint32_t timeout_ms)
{
    return bench.modem.port.write(ctx, data, size, timeout_ms);
}

// A write that never ends, as with a modem that never says it is ready.
static int write_blocked(void *ctx, const void *data, size_t size,
                         uint32_t timeout_ms)
{
    (void)ctx;
    (void)data;
    (void)size;
    bench.clock.now_us += 1000ull * timeout_ms;
    return OTA_E_TIMEOUT;
}

static int read_line(void *ctx, void *data, size_t capacity,
                     uint32_t timeout_ms)
{
    if (bench.clock.now_us >= noise_until_us) {
        return bench.modem.port.read(ctx, data, capacity, timeout_ms);
    }
    bench.clock.now_us += noise_us;
    if (noise_result > 0) {
        memset(data, 'U', capacity);
        return (int)capacity;
    }
    return noise_result;
}

static int set_line_baud(void *ctx, uint32_t baud)
{
    return bench.modem.port.set_baud(ctx, baud);
}

static int setup(void **state)
{
    (void)state;
    bench_image_init(&old_image, 1, BENCH_APP, 9000, 1, "");
    bench_image_init(&new_image, 2, BENCH_APP, 20000, 2, "E:/fw_2.ebin");
    bench_init(&bench, &old_image);
    bench_stage(&bench, &new_image, true);
    bench_request(&bench, &new_image);
    bench.watchdog_runs = true;
    line = (struct uart_port){
        .ctx = bench.modem.port.ctx,
        .write = write_line,
        .read = read_line,
        .set_baud = set_line_baud,
    };
    bench.ports.uart = &line;
    noise_until_us = 0;
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

static void expect(uint32_t version)
{
    enum bench_end end = bench_boot_until_start(&bench, BOOT_RESETREAS_SOFT, 3);
    if (end != BENCH_START || bench.status.app_version != version) {
        fail_msg("end %d, version %u\n%s", (int)end,
                 (unsigned)bench.status.app_version, bench.log);
    }
    if (bench.watchdog_gap_us > GAP_US) {
        fail_msg("not fed for %u ms\n%s",
                 (unsigned)(bench.watchdog_gap_us / 1000u), bench.log);
    }
}

static void noise(int result, uint32_t read_us, uint64_t seconds)
{
    noise_result = result;
    noise_us = read_us;
    noise_until_us = seconds * 1000000u;
}

static void is_fed_while_the_modem_is_off(void **state)
{
    (void)state;
    bench.is_key_dead = true;
    sim_modem_power_key(&bench.modem, 3000);
    expect(1);
    assert_true(bench.key_presses >= 3); // the last one switches off, 3 s long
}

static void is_fed_while_a_line_held_low_breaks(void **state)
{
    (void)state;
    noise(OTA_E_LINK, 100000, UINT32_MAX);
    expect(1);
    assert_true(bench.key_presses >= 3); // the whole ladder was climbed
}

static void is_fed_while_the_line_is_flooded(void **state)
{
    (void)state;
    noise(1, 44000, UINT32_MAX); // 512 bytes at 115,200 baud
    expect(1);
    assert_true(bench.key_presses >= 3);
}

static void is_fed_while_the_modem_takes_no_bytes(void **state)
{
    (void)state;
    line.write = write_blocked;
    expect(1);
    assert_true(bench.key_presses >= 3);
}

static void update_goes_on_after_half_a_minute_of_noise(void **state)
{
    (void)state;
    noise(OTA_E_LINK, 100000, 30);
    expect(2);
}

static void update_with_a_good_modem(void **state)
{
    (void)state;
    expect(2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(is_fed_while_the_modem_is_off),
        TEST(is_fed_while_a_line_held_low_breaks),
        TEST(is_fed_while_the_line_is_flooded),
        TEST(is_fed_while_the_modem_takes_no_bytes),
        TEST(update_goes_on_after_half_a_minute_of_noise),
        TEST(update_with_a_good_modem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

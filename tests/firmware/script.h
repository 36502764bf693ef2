// A UART that answers commands with fixed texts, in chunks of a given size.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_TEST_SCRIPT_H
#define OTA_TEST_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "at.h"
#include "sim7600.h"

#define ALL 100000u
#define PAUSE_MS 50u

// A UART that answers the first command with a fixed text.
struct script {
    struct uart_port uart;
    struct time_port time;
    const char *answer;
    size_t size; // of the answer
    size_t chunk;
    size_t position;
    size_t limit; // end of the answer to the present command
    bool sent;
    bool is_open;      // a command whose CR has not come yet
    size_t pause_at;   // position of a pause of PAUSE_MS, 0: none
    bool endless;      // a line without end, for ever
    int link_error_at; // position of an overrun, -1: none
    uint64_t now_ms;
    bool clock_stands;
    uint32_t idles;
    uint64_t idle_ms;  // of the last call
    uint64_t idle_gap; // longest time between two of them
    char command[700];
    size_t command_size;
    char log[6000]; // all that was sent
    size_t log_size;
};

static struct script script;

// The answers of several commands are divided by '|'.
static void next_answer(void)
{
    const char *bar =
        memchr(script.answer + script.limit, '|', script.size - script.limit);
    if (script.limit > 0 && bar != NULL) {
        script.position = script.limit + 1;
        bar = memchr(bar + 1, '|', script.size - script.position);
    }
    script.limit = bar != NULL ? (size_t)(bar - script.answer) : script.size;
}

// A command ends with CR, however many pieces it has; what is sent after a
// prompt is one piece.
static int script_write(void *ctx, const void *data, size_t size,
                        uint32_t timeout_ms)
{
    (void)ctx;
    (void)timeout_ms;
    bool is_data = script.sent && script.limit > 0 && !script.is_open &&
                   script.answer[script.limit - 1] == '>';
    if (!script.is_open) {
        script.command_size = 0;
    }
    assert_true(script.command_size + size < sizeof script.command);
    assert_true(script.log_size + size < sizeof script.log);
    memcpy(script.command + script.command_size, data, size);
    memcpy(script.log + script.log_size, data, size);
    script.command_size += size;
    script.log_size += size;
    script.command[script.command_size] = '\0';
    script.log[script.log_size] = '\0';
    script.is_open =
        !is_data && script.command[script.command_size - 1] != '\r';
    if (!script.is_open) {
        script.sent = true;
        next_answer();
    }
    return OTA_OK;
}

static int script_read(void *ctx, void *data, size_t capacity,
                       uint32_t timeout_ms)
{
    (void)ctx;
    if (script.link_error_at >= 0 && script.sent &&
        script.position >= (size_t)script.link_error_at) {
        script.link_error_at = -1;
        return OTA_E_LINK;
    }
    if (script.endless && script.sent) {
        memset(data, 'x', capacity);
        script.now_ms += script.clock_stands ? 0u : 10u;
        return (int)capacity;
    }
    if (script.sent && script.pause_at > 0 &&
        script.position == script.pause_at) {
        script.pause_at = 0;
        script.now_ms += timeout_ms < PAUSE_MS ? timeout_ms : PAUSE_MS;
        return 0;
    }
    size_t left = script.sent ? script.limit - script.position : 0;
    if (script.pause_at > script.position &&
        script.pause_at - script.position < left) {
        left = script.pause_at - script.position;
    }
    if (left == 0) {
        script.now_ms += script.clock_stands ? 0u : timeout_ms;
        return 0;
    }
    size_t count = left < script.chunk ? left : script.chunk;
    count = count < capacity ? count : capacity;
    memcpy(data, script.answer + script.position, count);
    script.position += count;
    return (int)count;
}

static int script_set_baud(void *ctx, uint32_t baud)
{
    (void)ctx;
    (void)baud;
    return OTA_OK;
}

static uint32_t script_now(void *ctx)
{
    return (uint32_t)((struct script *)ctx)->now_ms;
}

static void script_sleep(void *ctx, uint32_t duration_ms)
{
    ((struct script *)ctx)->now_ms += duration_ms;
}

static void script_idle(void *ctx)
{
    (void)ctx;
    uint64_t gap = script.now_ms - script.idle_ms;
    script.idle_gap = gap > script.idle_gap ? gap : script.idle_gap;
    script.idle_ms = script.now_ms;
    script.idles++;
}

static struct at at;
static struct sim7600 modem;

static void begin(const char *answer, size_t size, size_t chunk)
{
    memset(&script, 0, sizeof script);
    script.uart =
        (struct uart_port){&script, script_write, script_read, script_set_baud};
    script.time = (struct time_port){&script, script_now, script_sleep};
    script.answer = answer;
    script.size = size;
    script.chunk = chunk;
    script.link_error_at = -1;
    // Near the wrap of the 32-bit clock.
    script.now_ms = 0xFFFFFF00u;
    script.idle_ms = script.now_ms;
    at_init(&at, &script.uart, &script.time, script_idle, &script);
    sim7600_init(&modem, &at, 115200, 0);
}

// The answer up to the first '|' is there before a command is sent.
static void __attribute__((unused)) arrive(void)
{
    script.sent = true;
    next_answer();
}

static const size_t chunks[] = {1, 2, 3, 7, ALL};

#endif

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
    bool endless;      // a line without end, for ever
    int link_error_at; // position of an overrun, -1: none
    uint64_t now_ms;
    bool clock_stands;
    uint32_t idles;
    char command[200];
};

static int script_write(void *ctx, const void *data, size_t size,
                        uint32_t timeout_ms)
{
    struct script *script = ctx;
    (void)timeout_ms;
    assert_true(size < sizeof script->command);
    memcpy(script->command, data, size);
    script->command[size] = '\0';
    script->sent = true;
    // The answers of several commands are divided by '|'.
    const char *bar = memchr(script->answer + script->limit, '|',
                             script->size - script->limit);
    if (script->limit > 0 && bar != NULL) {
        script->position = script->limit + 1;
        bar = memchr(bar + 1, '|', script->size - script->position);
    }
    script->limit = bar != NULL ? (size_t)(bar - script->answer) : script->size;
    return OTA_OK;
}

static int script_read(void *ctx, void *data, size_t capacity,
                       uint32_t timeout_ms)
{
    struct script *script = ctx;
    if (script->link_error_at >= 0 && script->sent &&
        script->position >= (size_t)script->link_error_at) {
        script->link_error_at = -1;
        return OTA_E_LINK;
    }
    if (script->endless && script->sent) {
        memset(data, 'x', capacity);
        script->now_ms += script->clock_stands ? 0u : 10u;
        return (int)capacity;
    }
    size_t left = script->sent ? script->limit - script->position : 0;
    if (left == 0) {
        script->now_ms += script->clock_stands ? 0u : timeout_ms;
        return 0;
    }
    size_t count = left < script->chunk ? left : script->chunk;
    count = count < capacity ? count : capacity;
    memcpy(data, script->answer + script->position, count);
    script->position += count;
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
    ((struct script *)ctx)->idles++;
}

static struct script script;
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
    at_init(&at, &script.uart, &script.time, script_idle, &script);
    sim7600_init(&modem, &at, 115200, 0);
}

static const size_t chunks[] = {1, 2, 3, 7, ALL};

#endif

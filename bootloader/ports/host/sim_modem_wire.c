// A small SIM7600E, the wire: clock, bytes in their time, the UART port. See
// sim_modem.h.
//
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_modem_parts.h"

/// Clock ///

static uint32_t now_ms(void *ctx)
{
    const struct sim_clock *clock = ctx;
    return (uint32_t)(clock->now_us / 1000u);
}

static void sleep_ms(void *ctx, uint32_t duration_ms)
{
    struct sim_clock *clock = ctx;
    clock->now_us += (uint64_t)duration_ms * 1000u;
}

void sim_clock_init(struct sim_clock *clock)
{
    clock->now_us = 0;
    clock->port = (struct time_port){clock, now_ms, sleep_ms};
}

void sim_clock_elapse(void *ctx, uint32_t microseconds)
{
    struct sim_clock *clock = ctx;
    clock->now_us += microseconds;
}

/// Wire ///

static uint64_t byte_us(uint32_t baud)
{
    return 10000000u / baud;
}

static void send_byte(struct sim_modem *modem, uint8_t byte)
{
    if (modem->queue_count == SIM_MODEM_QUEUE) {
        fprintf(stderr, "sim_modem: queue full\n");
        abort();
    }
    if (modem->wire_free_us < modem->clock->now_us) {
        modem->wire_free_us = modem->clock->now_us;
    }
    modem->wire_free_us += byte_us(modem->baud);
    uint32_t tail = (modem->queue_head + modem->queue_count) % SIM_MODEM_QUEUE;
    bool is_noise = modem->baud != modem->host_baud;
    modem->queue[tail] = is_noise ? (uint8_t)(byte ^ 0xA5u) : byte;
    modem->queue_at_us[tail] = modem->wire_free_us;
    modem->queue_count++;
}

void sim_modem_send(struct sim_modem *modem, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        send_byte(modem, ((const uint8_t *)data)[i]);
    }
}

void sim_modem_line(struct sim_modem *modem, const char *format, ...)
{
    char text[700];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (modem->urc != NULL) {
        sim_modem_send(modem, "\r\n", 2);
        sim_modem_send(modem, modem->urc, strlen(modem->urc));
        sim_modem_send(modem, "\r\n", 2);
    }
    sim_modem_send(modem, "\r\n", 2);
    sim_modem_send(modem, text, (size_t)length);
    sim_modem_send(modem, "\r\n", 2);
}

/// Port ///

static void start_up(struct sim_modem *modem)
{
    if (modem->rdy_due && modem->clock->now_us >= modem->boot_done_us) {
        modem->rdy_due = false;
        sim_modem_line(modem, "RDY");
        sim_modem_line(modem, "+CPIN: READY");
        sim_modem_line(modem, "SMS DONE");
        sim_modem_line(modem, "PB DONE");
    }
}

static bool is_dead(const struct sim_modem *modem)
{
    return modem->is_off || modem->clock->now_us < modem->boot_done_us;
}

static int port_write(void *ctx, const void *data, size_t size,
                      uint32_t timeout_ms)
{
    struct sim_modem *modem = ctx;
    (void)timeout_ms;
    start_up(modem);
    modem->clock->now_us += size * byte_us(modem->host_baud);
    for (size_t i = 0; i < size && !is_dead(modem); i++) {
        if (modem->host_baud == modem->baud) {
            sim_modem_take(modem, ((const uint8_t *)data)[i]);
        } else {
            modem->command_length = 0; // framing errors
        }
    }
    return OTA_OK;
}

static uint32_t arrived(const struct sim_modem *modem)
{
    uint32_t count = 0;
    while (count < modem->queue_count &&
           modem->queue_at_us[(modem->queue_head + count) % SIM_MODEM_QUEUE] <=
               modem->clock->now_us) {
        count++;
    }
    return count;
}

static void drop(struct sim_modem *modem, uint32_t count)
{
    modem->queue_head = (modem->queue_head + count) % SIM_MODEM_QUEUE;
    modem->queue_count -= count;
}

// Waits for the first byte, at most `timeout_ms`.
static uint32_t wait_for_bytes(struct sim_modem *modem, uint32_t timeout_ms)
{
    uint64_t limit_us = modem->clock->now_us + (uint64_t)timeout_ms * 1000u;
    if (modem->rdy_due && modem->boot_done_us <= limit_us &&
        modem->clock->now_us < modem->boot_done_us && modem->queue_count == 0) {
        modem->clock->now_us = modem->boot_done_us;
    }
    start_up(modem);
    if (arrived(modem) == 0) {
        uint64_t first_us = modem->queue_count > 0
                                ? modem->queue_at_us[modem->queue_head]
                                : UINT64_MAX;
        modem->clock->now_us = first_us < limit_us ? first_us : limit_us;
    }
    return arrived(modem);
}

static int port_read(void *ctx, void *data, size_t capacity,
                     uint32_t timeout_ms)
{
    struct sim_modem *modem = ctx;
    uint32_t count = wait_for_bytes(modem, timeout_ms);
    if (count > SIM_MODEM_HOLD || (modem->overrun && count > 0)) {
        modem->overrun = false;
        drop(modem, count);
        return OTA_E_LINK;
    }
    count = count < capacity ? count : (uint32_t)capacity;
    if (modem->read_chunk != 0 && count > modem->read_chunk) {
        count = modem->read_chunk;
    }
    for (uint32_t i = 0; i < count; i++) {
        ((uint8_t *)data)[i] =
            modem->queue[(modem->queue_head + i) % SIM_MODEM_QUEUE];
    }
    drop(modem, count);
    return (int)count;
}

static int port_set_baud(void *ctx, uint32_t baud)
{
    struct sim_modem *modem = ctx;
    modem->host_baud = baud;
    modem->overrun = false;
    drop(modem, arrived(modem));
    return OTA_OK;
}

struct uart_port sim_modem_port(struct sim_modem *modem)
{
    return (struct uart_port){modem, port_write, port_read, port_set_baud};
}

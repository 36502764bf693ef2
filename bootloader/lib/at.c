// AT exchanges: see at.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "at.h"

#include <stdarg.h>
#include <string.h>

#include "format.h"

void at_begin(struct at *at, uint32_t timeout_ms)
{
    at->started_ms = at->time->now_ms(at->time->ctx);
    at->timeout_ms = timeout_ms;
    at->slices_left = timeout_ms / AT_SLICE_MS + 2u;
}

// Milliseconds until the deadline, 0 when it has passed.
static uint32_t remaining_ms(const struct at *at)
{
    uint32_t passed = at->time->now_ms(at->time->ctx) - at->started_ms;
    return passed < at->timeout_ms ? at->timeout_ms - passed : 0;
}

// Once per AT_SLICE_MS, whatever the line does: noise can keep a wait busy for
// as long as silence.
static void report_idle(struct at *at)
{
    uint32_t now_ms = at->time->now_ms(at->time->ctx);
    if (now_ms - at->idle_ms >= AT_SLICE_MS) {
        at->idle_ms = now_ms;
        at->idle(at->idle_ctx);
    }
}

// Makes at least one byte available.
static int fill(struct at *at)
{
    while (at->rx_position == at->rx_count) {
        uint32_t wait_ms = remaining_ms(at);
        if (wait_ms == 0 || at->slices_left == 0) {
            return OTA_E_TIMEOUT;
        }
        wait_ms = wait_ms < AT_SLICE_MS ? wait_ms : AT_SLICE_MS;
        int count =
            at->uart->read(at->uart->ctx, at->rx, sizeof at->rx, wait_ms);
        report_idle(at);
        if (count < 0) {
            return count;
        }
        if (count == 0) {
            at->slices_left--;
        }
        at->rx_position = 0;
        at->rx_count = (size_t)count;
    }
    return OTA_OK;
}

void at_init(struct at *at, const struct uart_port *uart,
             const struct time_port *time, void (*idle)(void *ctx),
             void *idle_ctx)
{
    memset(at, 0, sizeof *at);
    at->uart = uart;
    at->time = time;
    at->idle = idle;
    at->idle_ctx = idle_ctx;
}

void at_drain(struct at *at, uint32_t quiet_ms, uint32_t limit_ms)
{
    if (at->hand_over != NULL) {
        at->hand_over(at, quiet_ms, limit_ms);
        return;
    }
    at_begin(at, limit_ms);
    at->rx_position = 0;
    at->rx_count = 0;
    uint32_t quiet_since = at->started_ms;
    uint32_t slice = quiet_ms < AT_SLICE_MS ? quiet_ms : AT_SLICE_MS;
    // Left when it is quiet; at the limit, by the clock or by the number of
    // waits, when it never is. An overrun is dropped like the bytes around it.
    while (remaining_ms(at) > 0 && at->slices_left > 0) {
        int count = at->uart->read(at->uart->ctx, at->rx, sizeof at->rx, slice);
        uint32_t now = at->time->now_ms(at->time->ctx);
        report_idle(at);
        if (count != 0) {
            quiet_since = now;
            continue;
        }
        if (now - quiet_since >= quiet_ms) {
            return;
        }
        at->slices_left--;
    }
}

int at_send(struct at *at, uint32_t timeout_ms, const char *format, ...)
{
    char command[AT_COMMAND_SIZE];
    va_list args;
    va_start(args, format);
    size_t length = format_text_v(command, sizeof command - 1, format, args);
    va_end(args);
    command[length++] = '\r';
    at_drain(at, 0, AT_SLICE_MS);
    at_begin(at, timeout_ms);
    return at->uart->write(at->uart->ctx, command, length, AT_WRITE_MS);
}

int at_send_pieces(struct at *at, uint32_t timeout_ms,
                   const char *const *pieces)
{
    at_drain(at, 0, AT_SLICE_MS);
    at_begin(at, timeout_ms);
    int err = OTA_OK;
    while (err == OTA_OK && *pieces != NULL) {
        err = at_send_data(at, *pieces, strlen(*pieces));
        pieces++;
    }
    return err == OTA_OK ? at_send_data(at, "\r", 1) : err;
}

int at_send_data(struct at *at, const void *data, size_t size)
{
    if (size == 0) {
        return OTA_OK;
    }
    return at->uart->write(at->uart->ctx, data, size, AT_WRITE_MS);
}

// What the line means for the exchange it is read in.
static int classify(const char *line, bool *is_ok)
{
    *is_ok = strcmp(line, "OK") == 0;
    if (strcmp(line, "ERROR") == 0 || at_after(line, "+CME ERROR:") != NULL ||
        at_after(line, "+CMS ERROR:") != NULL) {
        return OTA_E_MODEM;
    }
    return strcmp(line, "RDY") == 0 ? OTA_E_MODEM_REBOOT : OTA_OK;
}

int at_read_line(struct at *at, bool *is_ok)
{
    at->line_length = 0;
    for (;;) {
        int err = fill(at);
        if (err != OTA_OK) {
            return err;
        }
        char c = (char)at->rx[at->rx_position++];
        if (c == '\r') {
            continue;
        }
        if (c != '\n') {
            // A NUL would hide the rest of the line; it is never text.
            if (at->line_length < AT_LINE_SIZE) {
                at->line[at->line_length++] = c == '\0' ? '?' : c;
            }
            continue;
        }
        // A full buffer is a line that is too long: drop it.
        if (at->line_length > 0 && at->line_length < AT_LINE_SIZE) {
            at->line[at->line_length] = '\0';
            err = classify(at->line, is_ok);
            if (at->unsolicited != NULL && at->unsolicited(at->owner)) {
                at->line[0] = '\0';
            }
            return err;
        }
        at->line_length = 0;
    }
}

int at_read_data(struct at *at, uint8_t *data, size_t size)
{
    while (size > 0) {
        int err = fill(at);
        if (err != OTA_OK) {
            return err;
        }
        size_t count = at->rx_count - at->rx_position;
        count = count < size ? count : size;
        memcpy(data, at->rx + at->rx_position, count);
        at->rx_position += count;
        data += count;
        size -= count;
    }
    return OTA_OK;
}

int at_read_counted(struct at *at, void *data, size_t size, uint32_t timeout_ms)
{
    uint32_t started_ms = at->started_ms;
    uint32_t outer_ms = at->timeout_ms;
    uint32_t slices_left = at->slices_left;
    uint8_t skipped[32];
    int err = OTA_OK;
    at_begin(at, timeout_ms);
    if (data != NULL) {
        err = at_read_data(at, data, size);
        size = 0;
    }
    while (err == OTA_OK && size > 0) {
        size_t count = size < sizeof skipped ? size : sizeof skipped;
        err = at_read_data(at, skipped, count);
        size -= count;
    }
    at->started_ms = started_ms;
    at->timeout_ms = outer_ms;
    at->slices_left = slices_left;
    return err;
}

int at_read_prompt(struct at *at, bool *is_prompt)
{
    bool is_ok;
    *is_prompt = false;
    for (;;) {
        int err = fill(at);
        if (err != OTA_OK) {
            return err;
        }
        uint8_t next = at->rx[at->rx_position];
        if (next != '>' && next != '\r' && next != '\n') {
            err = at_read_line(at, &is_ok);
            return err == OTA_OK && is_ok ? OTA_E_PROTOCOL : err;
        }
        at->rx_position++;
        if (next == '>') {
            *is_prompt = true;
            return OTA_OK;
        }
    }
}

static void keep_value(char *value, size_t value_size, const char *text)
{
    (void)format_text(value, value_size, "%s", text); // cut is harmless
}

int at_command(struct at *at, uint32_t timeout_ms, const char *command,
               const char *prefix, char *value, size_t value_size)
{
    if (prefix != NULL) {
        value[0] = '\0';
    }
    int err = at_send(at, timeout_ms, "%s", command);
    while (err == OTA_OK) {
        bool is_ok;
        err = at_read_line(at, &is_ok);
        if (err != OTA_OK || is_ok) {
            break;
        }
        const char *rest = prefix != NULL ? at_after(at->line, prefix) : NULL;
        if (rest != NULL) {
            keep_value(value, value_size, rest);
        }
    }
    return err;
}

/// Lines that belong to no exchange ///

// What `first_ms` brings and, as long as there is no pause of `quiet_ms`, what
// follows it, for about `limit_ms`.
static int take_lines(struct at *at, uint32_t first_ms, uint32_t quiet_ms,
                      uint32_t limit_ms)
{
    uint32_t started_ms = at->time->now_ms(at->time->ctx);
    uint32_t wait_ms = first_ms;
    // A line has at least one byte: this also ends when the clock stands.
    for (uint32_t left = AT_POLL_LINES; left > 0; left--) {
        // Looks at the UART at least once.
        at_begin(at, wait_ms > 0 ? wait_ms : 1);
        int err = fill(at);
        while (err == OTA_OK && at->rx_position < at->rx_count &&
               (at->rx[at->rx_position] == '\r' ||
                at->rx[at->rx_position] == '\n')) {
            at->rx_position++;
        }
        if (err != OTA_OK) {
            return err == OTA_E_TIMEOUT ? OTA_OK : err;
        }
        if (at->rx_position < at->rx_count) {
            bool is_ok;
            at_begin(at, AT_LINE_MS);
            err = at_read_line(at, &is_ok);
            // Late final results and half lines are nobody's.
            if (err == OTA_E_LINK || err == OTA_E_MODEM_REBOOT) {
                return err;
            }
        }
        if (at->time->now_ms(at->time->ctx) - started_ms >= limit_ms) {
            break;
        }
        wait_ms = quiet_ms;
    }
    return OTA_OK;
}

static void hand_over(struct at *at, uint32_t quiet_ms, uint32_t limit_ms)
{
    uint32_t started_ms = at->time->now_ms(at->time->ctx);
    // What was lost or ended early does not matter here: what comes after it
    // may be a message again.
    for (uint32_t tries = AT_POLL_LINES; tries > 0; tries--) {
        uint32_t passed = at->time->now_ms(at->time->ctx) - started_ms;
        if (passed >= limit_ms ||
            take_lines(at, quiet_ms, quiet_ms, limit_ms - passed) == OTA_OK) {
            return;
        }
    }
}

void at_listen(struct at *at, bool (*unsolicited)(void *owner), void *owner)
{
    at->unsolicited = unsolicited;
    at->owner = owner;
    at->hand_over = unsolicited != NULL ? hand_over : NULL;
}

int at_poll(struct at *at, uint32_t wait_ms)
{
    return take_lines(at, wait_ms, 0, wait_ms + AT_LINE_MS);
}

const char *at_after(const char *line, const char *prefix)
{
    size_t length = strlen(prefix);
    if (strncmp(line, prefix, length) != 0) {
        return NULL;
    }
    line += length;
    while (*line == ' ') {
        line++;
    }
    return line;
}

bool at_number(const char **text, uint32_t *number)
{
    const char *c = *text;
    uint32_t value = 0;
    while (*c >= '0' && *c <= '9') {
        uint32_t digit = (uint32_t)(*c - '0');
        if (value > (INT32_MAX - digit) / 10u) {
            return false;
        }
        value = value * 10u + digit;
        c++;
    }
    bool found = c != *text;
    *text = c;
    *number = value;
    return found;
}

// AT exchanges with a modem: lines, counted data, deadlines.
//
// Laws (SIM7500/SIM7600 AT command manual, and what modems really do):
//  - one command at a time, and one deadline for the whole exchange, however
//    many unsolicited lines arrive meanwhile;
//  - what was received before a command is dropped before the command is sent;
//  - echo, blank lines, unsolicited and over-long lines are skipped;
//  - counted data never meets the line parser; its count comes from the header
//    and is checked by the caller before a byte is stored;
//  - final results are exact lines (OK, ERROR) or prefixes (+CME ERROR:,
//    +CMS ERROR:), never something found in the middle of the stream;
//  - RDY means that the modem restarted: the exchange is over.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_AT_H
#define OTA_AT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ota/ports.h"

#define AT_LINE_SIZE 608u // longest line is 559 + echo slack; longer: dropped
#define AT_COMMAND_SIZE 128u
#define AT_SLICE_MS 100u // `idle` is called about this often
// A command takes 11 ms at 115,200 baud; longer means that flow control stops
// it.
#define AT_WRITE_MS 1000u

struct at {
    const struct uart_port *uart;
    const struct time_port *time;
    // Called during waits, at most once per AT_SLICE_MS of the clock and never
    // after the deadline, so that a stopped clock cannot keep a watchdog fed.
    void (*idle)(void *ctx);
    void *idle_ctx;
    uint32_t idle_ms; // of the last call
    uint32_t started_ms;
    uint32_t timeout_ms;
    uint32_t slices_left;
    size_t rx_position;
    size_t rx_count;
    size_t line_length;
    uint8_t rx[512];
    char line[AT_LINE_SIZE];
};

enum at_line {
    AT_LINE_OTHER, // a response line, an echo or something unsolicited
    AT_LINE_OK,
    AT_LINE_ERROR,
    AT_LINE_REBOOT,
};

void at_init(struct at *at, const struct uart_port *uart,
             const struct time_port *time, void (*idle)(void *ctx),
             void *idle_ctx);

// Drops what was received, sends the command (with its CR) and starts the
// deadline of the exchange.
OTA_CHECKED int at_send(struct at *at, uint32_t timeout_ms, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

// Waits for the next line that is not empty; it is then in at->line, without
// line end, and its kind in `kind`. OTA_E_TIMEOUT, OTA_E_LINK.
OTA_CHECKED int at_read_line(struct at *at, enum at_line *kind);

// Takes exactly `size` raw bytes.
OTA_CHECKED int at_read_data(struct at *at, uint8_t *data, size_t size);

// A whole exchange: sends `command` and waits for the final result. When
// `prefix` is not NULL, the rest of the last line that began with it, spaces
// skipped, is copied to `value` (NUL terminated), which is empty without one.
// OTA_E_MODEM for ERROR, OTA_E_MODEM_REBOOT, OTA_E_TIMEOUT, OTA_E_LINK.
OTA_CHECKED int at_command(struct at *at, uint32_t timeout_ms,
                           const char *command, const char *prefix, char *value,
                           size_t value_size);

// Drops what arrives until nothing did for `quiet_ms`, at most `limit_ms`.
void at_drain(struct at *at, uint32_t quiet_ms, uint32_t limit_ms);

// The text after `prefix` and spaces when the line begins with it, else NULL.
const char *at_after(const char *line, const char *prefix);

// Reads a decimal number (leading zeros allowed, at most 2^31 - 1) and moves
// `text` behind it; false when there is none or it is too large.
bool at_number(const char **text, uint32_t *number);

#endif

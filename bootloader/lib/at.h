// AT exchanges with a modem: lines, counted data, deadlines.
//
// Laws (SIM7500/SIM7600 AT command manual, and what modems really do):
//  - one command at a time, and one deadline for the whole exchange, however
//    many unsolicited lines arrive meanwhile;
//  - what was received before a command is dropped before the command is sent,
//    or handed to the listener when there is one (at_listen);
//  - echo, blank lines and over-long lines are skipped, and so is what nobody
//    asked for, except what the listener takes;
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
#define AT_LINE_MS 200u    // the rest of a line that has begun
#define AT_POLL_LINES 500u // most that one look at the UART takes

struct at {
    const struct uart_port *uart;
    const struct time_port *time;
    // Called during waits, at most once per AT_SLICE_MS of the clock and never
    // after the deadline, so that a stopped clock cannot keep a watchdog fed.
    void (*idle)(void *ctx);
    void *idle_ctx;
    uint32_t idle_ms; // of the last call
    // See at_listen. `hand_over` is what takes the place of dropping.
    bool (*unsolicited)(void *owner);
    void *owner;
    void (*hand_over)(struct at *at, uint32_t quiet_ms, uint32_t limit_ms);
    uint32_t started_ms;
    uint32_t timeout_ms;
    uint32_t slices_left;
    size_t rx_position;
    size_t rx_count;
    size_t line_length;
    uint8_t rx[512];
    char line[AT_LINE_SIZE];
};

void at_init(struct at *at, const struct uart_port *uart,
             const struct time_port *time, void (*idle)(void *ctx),
             void *idle_ctx);

// Drops what was received, sends the command (with its CR) and starts the
// deadline of the exchange.
OTA_CHECKED int at_send(struct at *at, uint32_t timeout_ms, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

// Starts a new deadline for what is read next.
void at_begin(struct at *at, uint32_t timeout_ms);

// Waits for the next line that is not empty; it is then in at->line, without
// line end (empty when the listener took it). `is_ok` tells an OK.
// OTA_E_MODEM for ERROR and +CM* ERROR, OTA_E_MODEM_REBOOT for RDY; without a
// line OTA_E_TIMEOUT, OTA_E_LINK.
OTA_CHECKED int at_read_line(struct at *at, bool *is_ok);

// Takes exactly `size` raw bytes.
OTA_CHECKED int at_read_data(struct at *at, uint8_t *data, size_t size);

// The same with a deadline of its own, for data that belongs to no exchange;
// the bytes are dropped when `data` is NULL.
OTA_CHECKED int at_read_counted(struct at *at, void *data, size_t size,
                                uint32_t timeout_ms);

// Waits for the prompt of a command that takes data ('>', the first byte of a
// line that does not end) or for a line, which is then as after at_read_line.
// OTA_E_PROTOCOL for OK: a modem that wants no data.
OTA_CHECKED int at_read_prompt(struct at *at, bool *is_prompt);

// Sends a command in pieces, the last one followed by NULL, for those that are
// longer than AT_COMMAND_SIZE; otherwise as at_send.
OTA_CHECKED int at_send_pieces(struct at *at, uint32_t timeout_ms,
                               const char *const *pieces);

// Sends raw bytes within an exchange: what a prompt asked for.
OTA_CHECKED int at_send_data(struct at *at, const void *data, size_t size);

// Offers every line to `unsolicited` from now on, whenever it arrives; NULL
// ends that. The line is in at->line. True takes it: nobody else sees it. It
// takes only what can never be the answer to a command, and may take the
// counted data that follows the line with at_read_counted; it must not start an
// exchange.
void at_listen(struct at *at, bool (*unsolicited)(void *owner), void *owner);

// For the time between exchanges: waits up to `wait_ms` for a line, then takes
// all that is there. OTA_OK also when nothing came; OTA_E_LINK,
// OTA_E_MODEM_REBOOT.
OTA_CHECKED int at_poll(struct at *at, uint32_t wait_ms);

// A whole exchange: sends `command` and waits for the final result. When
// `prefix` is not NULL, the rest of the last line that began with it, spaces
// skipped, is copied to `value` (NUL terminated), which is empty without one.
// OTA_E_MODEM for ERROR, OTA_E_MODEM_REBOOT, OTA_E_TIMEOUT, OTA_E_LINK.
OTA_CHECKED int at_command(struct at *at, uint32_t timeout_ms,
                           const char *command, const char *prefix, char *value,
                           size_t value_size);

// Drops what arrives, or hands it to the listener, until nothing did for
// `quiet_ms`, at most `limit_ms`.
void at_drain(struct at *at, uint32_t quiet_ms, uint32_t limit_ms);

// The text after `prefix` and spaces when the line begins with it, else NULL.
const char *at_after(const char *line, const char *prefix);

// Reads a decimal number (leading zeros allowed, at most 2^31 - 1) and moves
// `text` behind it; false when there is none or it is too large.
bool at_number(const char **text, uint32_t *number);

#endif

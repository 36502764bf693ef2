// What the network commands have in common: results in two lines, text in
// quotes.
//
// Laws: OK and the result line come in either order; a result of something else
// (another client, an exchange that was given up) is not taken for it; ERROR
// ends the exchange at once, but its code may come just before or just after.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_AT_RESULT_H
#define OTA_AT_RESULT_H

#include "at.h"

#define AT_RESULT_SIZE 32u
#define AT_RESULT_LATE_MS 200u // a code that follows its ERROR

struct at_result {
    const char *prefix; // "+CMQTTPUB:"
    const char *head;   // how the values have to begin, "0,"; "" for any
    const bool *needs;  // given up once it is false; NULL: nothing is needed
    char value[AT_RESULT_SIZE]; // what follows the head; empty: no result line
};

// Waits for both. OTA_E_MODEM for ERROR, OTA_E_BROKER when `needs` became
// false; see at_read_line for the rest. `value` is kept in each case.
OTA_CHECKED int at_read_result(struct at *at, struct at_result *result);

// Waits for OK; see at_read_line for the rest.
OTA_CHECKED int at_read_ok(struct at *at);

// The same; a code that comes with ERROR is kept.
OTA_CHECKED int at_read_plain(struct at *at, struct at_result *result);

// After a command that takes data was sent: waits for its prompt and sends the
// bytes. A code that comes with ERROR is kept.
OTA_CHECKED int at_give(struct at *at, const void *data, size_t size,
                        struct at_result *result);

// The end of an exchange whose prompt took `size` bytes. A modem that has seen
// fewer, or whose prompt was lost, would take the next commands for the rest:
// after OTA_E_TIMEOUT and OTA_E_LINK it gets as many CR, which are data to it
// or empty commands. Returns `err`.
OTA_CHECKED int at_end_data(struct at *at, size_t size, int err);

// at_send_pieces and at_read_result.
OTA_CHECKED int at_exchange(struct at *at, uint32_t timeout_ms,
                            const char *const *pieces,
                            struct at_result *result);

// True for at most `size_max` printable ASCII characters without quotes: what
// can stand between quotes without becoming another command. NULL is not.
bool at_is_quotable(const char *text, size_t size_max);

// NULL and "" both mean that nothing was given.
bool at_is_given(const char *text);

#endif

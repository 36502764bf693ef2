// A SIM7600E on a UART, small, for native tests of the engine: simulated time,
// AT framing, one folder of files, and a public plan of faults.
//
// Laws: it has its own parser and shares nothing with lib/; bytes take their
// time on the wire; bytes sent at another rate than the receiver's arrive as
// noise; bytes that the host leaves unread beyond SIM_MODEM_HOLD are lost, and
// the port says so.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_SIM_MODEM_H
#define OTA_SIM_MODEM_H

#include <stdbool.h>

#include "ota/ports.h"

#define SIM_MODEM_HOLD 8192u // what the UART port keeps for the engine
#define SIM_MODEM_QUEUE 16384u
#define SIM_MODEM_FILES 8u

struct sim_clock {
    struct time_port port;
    uint64_t now_us;
};

void sim_clock_init(struct sim_clock *clock);
// For sim_flash.elapse.
void sim_clock_elapse(void *clock, uint32_t microseconds);

// What goes wrong in one CFTRANTX answer.
enum sim_fault {
    SIM_FAULT_NONE,
    SIM_FAULT_ERROR,       // ERROR instead of data
    SIM_FAULT_SILENT,      // no answer at all
    SIM_FAULT_STALL,       // stops in the middle of a block
    SIM_FAULT_DROP_BYTE,   // one byte is missing on the wire
    SIM_FAULT_FLIP_BIT,    // in the data
    SIM_FAULT_SHORT,       // ends one block early, with 0 and OK
    SIM_FAULT_REBOOT,      // RDY in the middle of a block, rate is back
    SIM_FAULT_HEADER,      // a letter in the count
    SIM_FAULT_TOO_MUCH,    // a count beyond what was asked for
    SIM_FAULT_OVERRUN,     // the port lost bytes
    SIM_FAULT_NO_END,      // the final OK never comes
    SIM_FAULT_WRONG_PREFIX // +HTTPREAD: DATA instead
};

struct sim_file {
    const char *name; // without drive
    const uint8_t *data;
    uint32_t size;
};

struct sim_modem {
    struct uart_port port;
    struct sim_clock *clock;
    // The modem
    struct sim_file files[SIM_MODEM_FILES];
    const char *drive; // "E:/"
    uint32_t capacity; // of the drive, in bytes; nothing enforces it
    uint32_t baud;
    uint32_t baud_start;
    bool is_off;
    bool echo;
    bool is_in_folder;
    uint64_t boot_done_us; // dead until then; RDY comes at that time
    bool rdy_due;
    char command[600];
    uint32_t command_length;
    // The wire
    uint32_t host_baud;
    uint8_t queue[SIM_MODEM_QUEUE];
    uint64_t queue_at_us[SIM_MODEM_QUEUE];
    uint32_t queue_head;
    uint32_t queue_count;
    uint64_t wire_free_us; // the modem's transmitter
    bool overrun;
    uint32_t read_chunk; // at most so many bytes per port read; 0: any
    // The plan
    uint32_t latency_us;
    uint32_t block_size;      // bytes per DATA line, 512
    const char *length_form;  // printf form of the count: "%u", " %u", "%03u"
    uint32_t extra_line_ends; // after the data of a block
    bool leading_ok;          // OK before the first DATA ...
    bool trailing_ok;         // ... and again at the end
    bool refuse_ipr;
    const char *urc; // sent before every response line, NULL: none
    enum sim_fault fault;
    uint32_t fault_at;    // number of the CFTRANTX it starts at, from 0
    uint32_t fault_count; // for so many of them
    // Seen
    uint32_t reads; // CFTRANTX so far
    uint32_t faults_fired;
    uint32_t restarts;
    uint32_t commands;
    uint32_t fastest; // highest AT+IPR that was taken
};

void sim_modem_init(struct sim_modem *modem, struct sim_clock *clock,
                    uint32_t baud);
// Off and on again after `dead_us`; the rate is the start rate again.
void sim_modem_restart(struct sim_modem *modem, uint64_t dead_us);
// The power key, held for `duration_ms`: 500 switches on, 2500 off.
void sim_modem_power_key(struct sim_modem *modem, uint32_t duration_ms);

#endif

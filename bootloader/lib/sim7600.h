// SIM7600 driver: finding the modem at any baud rate, file size, file reading.
//
// Laws: the baud rate that the modem starts with is never changed for good
// (AT+IPR is volatile, AT+IPREX is not used); every command has a deadline;
// a read is one AT+CFTRANTX of at most SIM7600_READ_MAX bytes, and between
// sim7600_read_start and sim7600_read_finish the caller may do something else,
// since the UART port keeps what arrives. A file in parts (SPEC 13) is read and
// measured as one, and a read may cross from one part into the next.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_SIM7600_H
#define OTA_SIM7600_H

#include "at.h"
#include "ota/fw_info.h"

#define SIM7600_READ_MAX 4096u
#ifndef SIM7600_PART_SIZE
#define SIM7600_PART_SIZE 131072u // of each part but the last (SPEC 13)
#endif
#define SIM7600_PARTS_MAX 16u
#define SIM7600_COMMAND_MS 3000u // short commands
#define SIM7600_FILE_MS 10000u   // file system commands

struct sim7600 {
    struct at *at;
    uint32_t baud_start; // what the modem starts with, usually 115200
    uint32_t baud_fast;  // raised to after it was found; 0: stay
    uint32_t baud;       // the host's present rate
    // The read in work.
    const char *path;
    uint32_t offset;
    uint32_t asked;    // bytes of it that the modem was asked for
    bool is_in_parts;  // the file whose size was asked for last
    bool is_pin_asked; // +CPIN is an answer, not a restart (applications)
};

// `at` must outlive `modem`.
void sim7600_init(struct sim7600 *modem, struct at *at, uint32_t baud_start,
                  uint32_t baud_fast);

// Finds the modem: drains, then tries AT at the present, the fast, the start
// and every other rate that both sides know, for at least `wait_ms`; then ATE0,
// AT+CMEE=1, AT+CATR=1 and the volatile rate. OTA_E_TIMEOUT when nothing
// answers.
OTA_CHECKED int sim7600_open(struct sim7600 *modem, uint32_t wait_ms);

// Goes back to the rate that the modem starts with, for whoever talks to it
// next. Nothing can be done when that fails: sim7600_open finds it anyway.
void sim7600_close(struct sim7600 *modem);

// AT+CRESET. The modem answers again 10 to 30 s later, at its start rate.
OTA_CHECKED int sim7600_restart(struct sim7600 *modem);

// Size of the file at `path` (checked by ota_path_check), all parts together.
// OTA_E_NO_FILE when the folder or the file is not there. To be called before
// the file is read: it finds out whether there are parts.
OTA_CHECKED int sim7600_file_size(struct sim7600 *modem, const char *path,
                                  uint32_t *size);

// Deletes the file and its parts, the last one first, so that a cut leaves a
// file that is too short and no part without a file; parts without a file go,
// too. OTA_OK also when there is nothing (it is looked for first: deleting a
// missing file upsets some firmware).
OTA_CHECKED int sim7600_file_delete(struct sim7600 *modem, const char *path);

// The same for this one file, whatever it is a part of.
OTA_CHECKED int sim7600_part_size(struct sim7600 *modem, const char *path,
                                  uint32_t *size);
OTA_CHECKED int sim7600_part_delete(struct sim7600 *modem, const char *path);

// Asks for `size` (1..SIM7600_READ_MAX) bytes at `offset` of the file whose
// size was asked for last. `path` must stay until the read is finished.
OTA_CHECKED int sim7600_read_start(struct sim7600 *modem, const char *path,
                                   uint32_t offset, uint32_t size);

// Takes what was asked for: exactly `size` bytes or an error. OTA_E_SHORT_READ
// when the modem ended early, OTA_E_PROTOCOL for a header that the manual does
// not allow or a count beyond what was asked for; see at_command for the rest.
// After an error the stream is out of step: call sim7600_open.
OTA_CHECKED int sim7600_read_finish(struct sim7600 *modem, uint8_t *data,
                                    uint32_t size);

#endif

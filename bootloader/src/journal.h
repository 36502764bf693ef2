// Journal: what the device knows across resets (SPEC 7).
//
// Laws:
//  - the state is held decoded in `struct journal`; flash has one page of
//    records that says the same;
//  - the other page is written completely and sealed before this one is erased;
//  - a page written by an earlier boot is never appended to: its last word may
//    have been torn. The first change of a boot goes to a fresh page;
//  - a page is erased before it is written, also when it reads blank.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_JOURNAL_H
#define OTA_JOURNAL_H

#include "config.h"
#include "ota/boot_status.h"
#include "ota/fw_info.h"
#include "ota/ports.h"

#define JOURNAL_MAGIC 0x4A41544Fu // "OTAJ"
#define JOURNAL_RECORDS_AT 32u
#define JOURNAL_PAYLOAD_MAX 512u

enum journal_type {
    JOURNAL_CURRENT = 1,
    JOURNAL_PENDING = 2,
    JOURNAL_PREVIOUS = 3,
    JOURNAL_STEP = 4,
    JOURNAL_PAGE_DONE = 5,
    JOURNAL_ATTEMPT = 6,
    JOURNAL_TOKEN = 7,
};

// Payload of CURRENT, PENDING and PREVIOUS.
struct journal_image {
    struct fw_info info;
    char path[OTA_PATH_SIZE]; // empty: not in the modem
};
_Static_assert(sizeof(struct journal_image) == 176, "SPEC 7.2");

struct journal {
    const struct flash_port *flash;
    uint32_t start_addr;
    uint32_t page;     // the page that holds the state: 0 or 1
    uint32_t sequence; // its sequence
    uint32_t used;     // bytes of it that are written
    bool is_fresh;     // written by this boot: may be appended to

    bool has_current;
    bool has_pending;
    uint32_t previous_count;
    struct journal_image current;
    struct journal_image pending;
    struct journal_image previous[JOURNAL_PREVIOUS_MAX]; // newest first
    uint32_t step;                                       // enum ota_step
    int32_t error;                                       // why it is this step
    uint32_t pages_done;                                 // highest index + 1
    uint32_t token;
    uint32_t attempts;
    uint32_t attempt_reason[JOURNAL_ATTEMPTS_MAX];

    uint32_t record[2u + JOURNAL_PAYLOAD_MAX / 4u]; // scratch
};

// Reads the state and finishes what a cut left (erases the page that is not
// taken). OTA_E_JOURNAL when no page is usable or there is no CURRENT.
OTA_CHECKED int journal_load(struct journal *journal,
                             const struct flash_port *flash,
                             uint32_t start_addr);

// Writes the whole state to the other page and erases this one: one atomic
// change, and nothing of the earlier state stays in flash.
OTA_CHECKED int journal_save(struct journal *journal);

// Single changes: decoded state and one record. Each is atomic.
OTA_CHECKED int journal_set_step(struct journal *journal, enum ota_step step,
                                 int error);
OTA_CHECKED int journal_page_done(struct journal *journal, uint32_t page_index);
OTA_CHECKED int journal_attempt(struct journal *journal, uint32_t resetreas);

#endif

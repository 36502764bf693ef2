// Reports that wait for the broker, in order.
//
// Laws: bounded; when it is full, progress goes first, then the oldest report
// that is not the last one of a request; the last one of a request stays until
// it was acknowledged.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_UPDATE_OUTBOX_H
#define OTA_UPDATE_OUTBOX_H

#include <stdbool.h>

#include "update_report.h"

#define UPDATE_OUTBOX_SIZE 8u

struct update_outbox_entry {
    struct update_report report;
    bool is_job;  // goes to AWS IoT Jobs, too
    bool is_sent; // the report is; the job's status is not yet
};

struct update_outbox {
    struct update_outbox_entry entries[UPDATE_OUTBOX_SIZE];
    size_t count;
};

// The last report of a request that was accepted.
bool update_stage_is_final(enum update_stage stage);

void update_outbox_push(struct update_outbox *outbox,
                        const struct update_report *report, bool is_job);

// Forgets the oldest.
void update_outbox_pop(struct update_outbox *outbox);

#endif

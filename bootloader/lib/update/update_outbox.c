// Reports that wait: see update_outbox.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "update_outbox.h"

#include <string.h>

bool update_stage_is_final(enum update_stage stage)
{
    return stage == UPDATE_CONFIRMED || stage == UPDATE_ROLLED_BACK ||
           stage == UPDATE_FAILED;
}

static void remove_at(struct update_outbox *outbox, size_t index)
{
    outbox->count--;
    memmove(&outbox->entries[index], &outbox->entries[index + 1],
            (outbox->count - index) * sizeof outbox->entries[0]);
}

// Where the report is that can be missed best; `count` when there is none.
static size_t find_least(const struct update_outbox *outbox)
{
    for (size_t i = 0; i < outbox->count; i++) {
        if (outbox->entries[i].report.stage == UPDATE_DOWNLOADING) {
            return i;
        }
    }
    for (size_t i = 0; i < outbox->count; i++) {
        if (!update_stage_is_final(outbox->entries[i].report.stage)) {
            return i;
        }
    }
    return outbox->count;
}

void update_outbox_push(struct update_outbox *outbox,
                        const struct update_report *report, bool is_job)
{
    if (outbox->count == UPDATE_OUTBOX_SIZE) {
        size_t least = find_least(outbox);
        if (least == outbox->count) {
            return; // nothing but last reports: the state file has this one
        }
        remove_at(outbox, least);
    }
    outbox->entries[outbox->count++] = (struct update_outbox_entry){
        .report = *report,
        .is_job = is_job,
    };
}

void update_outbox_pop(struct update_outbox *outbox)
{
    if (outbox->count > 0) {
        remove_at(outbox, 0);
    }
}

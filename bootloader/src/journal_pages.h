// What reading and writing the journal share. Nothing else includes this.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_JOURNAL_PAGES_H
#define OTA_JOURNAL_PAGES_H

#include "journal.h"

#define HEADER_WORDS 4u // magic, sequence, snapshot_size, crc
#define SEALED_AT 16u
#define RECORD_OVERHEAD 8u // head and crc

// Puts one record into the decoded state. Unknown types, and known types of
// another length, are skipped.
void journal_apply(struct journal *journal, uint32_t type,
                   const uint32_t *payload, uint32_t length);

#endif

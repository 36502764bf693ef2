// Journal, writing: records, snapshots, and the change from page to page. See
// journal.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "journal_pages.h"

#include <string.h>

#include "crc32.h"

struct writer {
    struct journal *journal;
    uint32_t addr; // 0: only count and check
    uint32_t size;
    uint32_t crc;
    int err;
};

static void put_record(struct writer *writer, uint32_t type,
                       const void *payload, uint32_t length)
{
    uint32_t *record = writer->journal->record;
    const struct flash_port *flash = writer->journal->flash;
    uint32_t size = length + RECORD_OVERHEAD;
    record[0] = type | length << 16;
    memcpy(&record[1], payload, length);
    record[size / 4u - 1u] = crc32_update(0, record, size - 4u);
    writer->crc = crc32_update(writer->crc, record, size);
    if (writer->addr != 0 && writer->err == OTA_OK) {
        writer->err = flash->write(flash->ctx, writer->addr + writer->size,
                                   record, size / 4u);
    }
    writer->size += size;
}

static void put_snapshot(struct writer *writer)
{
    struct journal *journal = writer->journal;
    put_record(writer, JOURNAL_CURRENT, &journal->current,
               sizeof journal->current);
    if (journal->has_pending) {
        put_record(writer, JOURNAL_PENDING, &journal->pending,
                   sizeof journal->pending);
    }
    for (uint32_t i = journal->previous_count; i > 0; i--) {
        put_record(writer, JOURNAL_PREVIOUS, &journal->previous[i - 1u],
                   sizeof journal->previous[0]);
    }
    const uint32_t step[2] = {journal->step, (uint32_t)journal->error};
    put_record(writer, JOURNAL_STEP, step, sizeof step);
    if (journal->token != 0) {
        put_record(writer, JOURNAL_TOKEN, &journal->token, 4);
    }
    if (journal->pages_done != 0) {
        uint32_t highest = journal->pages_done - 1u;
        put_record(writer, JOURNAL_PAGE_DONE, &highest, 4);
    }
    for (uint32_t i = 0; i < journal->attempts; i++) {
        put_record(writer, JOURNAL_ATTEMPT, &journal->attempt_reason[i], 4);
    }
}

int journal_save(struct journal *journal)
{
    const struct flash_port *flash = journal->flash;
    uint32_t old_addr = journal->start_addr + journal->page * OTA_PAGE_SIZE;
    uint32_t page = 1u - journal->page;
    uint32_t addr = journal->start_addr + page * OTA_PAGE_SIZE;
    struct writer count = {journal, 0, 0, 0, OTA_OK};
    put_snapshot(&count);
    if (journal->sequence == UINT32_MAX ||
        count.size > OTA_PAGE_SIZE - JOURNAL_RECORDS_AT) {
        return OTA_E_JOURNAL_FULL;
    }
    uint32_t header[HEADER_WORDS] = {JOURNAL_MAGIC, journal->sequence + 1u,
                                     count.size, 0};
    struct writer writer = {journal, addr + JOURNAL_RECORDS_AT, 0,
                            crc32_update(0, header, 12), OTA_OK};
    writer.err = flash->erase_page(flash->ctx, addr);
    put_snapshot(&writer);
    header[3] = writer.crc;
    const uint32_t sealed = 0;
    int err = writer.err;
    if (err == OTA_OK) {
        err = flash->write(flash->ctx, addr, header, HEADER_WORDS);
    }
    if (err == OTA_OK) {
        err = flash->write(flash->ctx, addr + SEALED_AT, &sealed, 1);
    }
    if (err == OTA_OK) {
        err = flash->erase_page(flash->ctx, old_addr);
    }
    if (err == OTA_OK) {
        journal->page = page;
        journal->sequence++;
        journal->used = JOURNAL_RECORDS_AT + count.size;
        journal->is_fresh = true;
    }
    return err;
}

// Applies the change, then makes flash say the same: by one record, or by a
// whole new page when this one may not be appended to or is full.
static int append(struct journal *journal, enum journal_type type,
                  const uint32_t *payload, uint32_t length)
{
    uint32_t addr = journal->start_addr + journal->page * OTA_PAGE_SIZE;
    journal_apply(journal, type, payload, length);
    if (!journal->is_fresh ||
        journal->used + length + RECORD_OVERHEAD > OTA_PAGE_SIZE) {
        return journal_save(journal);
    }
    struct writer writer = {journal, addr + journal->used, 0, 0, OTA_OK};
    put_record(&writer, type, payload, length);
    journal->used += writer.size;
    if (writer.err != OTA_OK) {
        // The page has a bad record now: what follows it would not be read.
        return journal_save(journal);
    }
    return OTA_OK;
}

int journal_set_step(struct journal *journal, enum ota_step step, int error)
{
    const uint32_t payload[2] = {(uint32_t)step, (uint32_t)error};
    return append(journal, JOURNAL_STEP, payload, sizeof payload);
}

int journal_page_done(struct journal *journal, uint32_t page_index)
{
    return append(journal, JOURNAL_PAGE_DONE, &page_index, 4);
}

int journal_attempt(struct journal *journal, uint32_t resetreas)
{
    if (journal->attempts >= JOURNAL_ATTEMPTS_MAX) {
        return OTA_OK;
    }
    return append(journal, JOURNAL_ATTEMPT, &resetreas, 4);
}

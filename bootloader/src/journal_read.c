// Journal, reading: which page holds the state, and what it says. See
// journal.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "journal_pages.h"

#include <string.h>

#include "crc32.h"

/// Records to state ///

static struct journal_image *room_for_previous(struct journal *journal)
{
    memmove(&journal->previous[1], &journal->previous[0],
            sizeof journal->previous - sizeof journal->previous[0]);
    if (journal->previous_count < JOURNAL_PREVIOUS_MAX) {
        journal->previous_count++;
    }
    return &journal->previous[0];
}

static void apply_step(struct journal *journal, uint32_t step, uint32_t error)
{
    journal->step = step;
    journal->error = (int32_t)error;
    journal->pages_done = 0;
    journal->attempts = 0;
}

// Straight to its place: keys are not left on the stack.
static void apply_image(struct journal *journal, uint32_t type,
                        const uint32_t *payload)
{
    struct journal_image *image;
    if (type == JOURNAL_CURRENT) {
        image = &journal->current;
        journal->has_current = true;
    } else if (type == JOURNAL_PENDING) {
        image = &journal->pending;
        journal->has_pending = true;
    } else if (type == JOURNAL_PREVIOUS) {
        image = room_for_previous(journal);
    } else {
        return;
    }
    memcpy(image, payload, sizeof *image);
    image->path[OTA_PATH_SIZE - 1u] = '\0';
}

static void apply_words(struct journal *journal, uint32_t type,
                        const uint32_t *words)
{
    if (type == JOURNAL_PAGE_DONE && words[0] < UINT32_MAX &&
        words[0] >= journal->pages_done) {
        journal->pages_done = words[0] + 1u;
    } else if (type == JOURNAL_ATTEMPT &&
               journal->attempts < JOURNAL_ATTEMPTS_MAX) {
        journal->attempt_reason[journal->attempts++] = words[0];
    } else if (type == JOURNAL_TOKEN) {
        journal->token = words[0];
    }
}

void journal_apply(struct journal *journal, uint32_t type,
                   const uint32_t *payload, uint32_t length)
{
    if (length == sizeof(struct journal_image)) {
        apply_image(journal, type, payload);
    } else if (type == JOURNAL_STEP && length == 8) {
        apply_step(journal, payload[0], payload[1]);
    } else if (length == 4) {
        apply_words(journal, type, payload);
    }
}

struct page_info {
    bool is_usable;
    bool is_blank;
    bool is_firm; // sealed, or something was appended after the snapshot
    uint32_t sequence;
    uint32_t used; // end of the valid records
};

/// Reading ///

// Reads the record at `offset` into journal->record; the record's size in
// bytes, 0 when there is none, negative when flash could not be read.
static int read_record(struct journal *journal, uint32_t page_addr,
                       uint32_t offset)
{
    const struct flash_port *flash = journal->flash;
    uint32_t *record = journal->record;
    if (offset + RECORD_OVERHEAD > OTA_PAGE_SIZE) {
        return 0;
    }
    int err = flash->read(flash->ctx, page_addr + offset, record, 4);
    if (err != OTA_OK) {
        return err;
    }
    uint32_t length = record[0] >> 16;
    uint32_t size = length + RECORD_OVERHEAD;
    if ((record[0] & 0xFF00u) != 0 || (record[0] & 0xFFu) == 0 ||
        length % 4u != 0 || length > JOURNAL_PAYLOAD_MAX ||
        offset + size > OTA_PAGE_SIZE) {
        return 0;
    }
    err = flash->read(flash->ctx, page_addr + offset, record, size);
    if (err != OTA_OK) {
        return err;
    }
    bool is_valid =
        crc32_update(0, record, size - 4u) == record[size / 4u - 1u];
    return is_valid ? (int)size : 0;
}

// Walks the records of a page from `offset`; with `applied`, into the state.
// Sets `end` behind the last valid one.
static int walk(struct journal *journal, uint32_t page_addr, uint32_t offset,
                bool applied, uint32_t *end)
{
    int size;
    while ((size = read_record(journal, page_addr, offset)) > 0) {
        if (applied) {
            journal_apply(journal, journal->record[0] & 0xFFu,
                          &journal->record[1], journal->record[0] >> 16);
        }
        offset += (uint32_t)size;
    }
    *end = offset;
    return size;
}

// CRC of the header's first three words and the snapshot in flash.
static int snapshot_crc(struct journal *journal, uint32_t page_addr,
                        const uint32_t *header, uint32_t *crc)
{
    const struct flash_port *flash = journal->flash;
    uint32_t offset = JOURNAL_RECORDS_AT;
    uint32_t end = offset + header[2];
    *crc = crc32_update(0, header, 12);
    while (offset < end) {
        uint32_t size = end - offset;
        size = size < sizeof journal->record ? size : sizeof journal->record;
        int err =
            flash->read(flash->ctx, page_addr + offset, journal->record, size);
        if (err != OTA_OK) {
            return err;
        }
        *crc = crc32_update(*crc, journal->record, size);
        offset += size;
    }
    return OTA_OK;
}

static int page_is_blank(struct journal *journal, uint32_t page_addr,
                         bool *is_blank)
{
    const struct flash_port *flash = journal->flash;
    *is_blank = true;
    for (uint32_t offset = 0; offset < OTA_PAGE_SIZE && *is_blank;
         offset += 512u) {
        int err =
            flash->read(flash->ctx, page_addr + offset, journal->record, 512);
        if (err != OTA_OK) {
            return err;
        }
        for (uint32_t i = 0; i < 128u; i++) {
            *is_blank = *is_blank && journal->record[i] == UINT32_MAX;
        }
    }
    return OTA_OK;
}

static int inspect(struct journal *journal, uint32_t page,
                   struct page_info *info)
{
    const struct flash_port *flash = journal->flash;
    uint32_t page_addr = journal->start_addr + page * OTA_PAGE_SIZE;
    uint32_t header[JOURNAL_RECORDS_AT / 4u];
    uint32_t crc;
    memset(info, 0, sizeof *info);
    int err = page_is_blank(journal, page_addr, &info->is_blank);
    if (err == OTA_OK) {
        err = flash->read(flash->ctx, page_addr, header, sizeof header);
    }
    if (err != OTA_OK || header[0] != JOURNAL_MAGIC || header[1] == 0 ||
        header[2] > OTA_PAGE_SIZE - JOURNAL_RECORDS_AT || header[2] % 4u != 0) {
        return err;
    }
    uint32_t snapshot_end = JOURNAL_RECORDS_AT + header[2];
    err = snapshot_crc(journal, page_addr, header, &crc);
    if (err == OTA_OK) {
        err = walk(journal, page_addr, JOURNAL_RECORDS_AT, false, &info->used);
    }
    info->sequence = header[1];
    info->is_usable =
        err == OTA_OK && crc == header[3] && info->used >= snapshot_end;
    info->is_firm = info->used > snapshot_end;
    for (uint32_t i = SEALED_AT / 4u; i < JOURNAL_RECORDS_AT / 4u; i++) {
        info->is_firm = info->is_firm || header[i] == 0;
    }
    return err;
}

// Which page holds the state, or -1. The newer one counts as soon as it is
// firm; an older one that is still there was the truth until then.
static int choose(const struct page_info info[2])
{
    if (!info[0].is_usable || !info[1].is_usable) {
        return info[0].is_usable ? 0 : info[1].is_usable ? 1 : -1;
    }
    int newer = info[1].sequence > info[0].sequence ? 1 : 0;
    return info[newer].is_firm ? newer : 1 - newer;
}

// A cut may have left the newer page with a seal that reads right in this boot
// only. Before the older page goes, one of the spare words is made 0, by a
// write that this boot completes.
static int seal_again(struct journal *journal, uint32_t page_addr)
{
    const struct flash_port *flash = journal->flash;
    uint32_t words[JOURNAL_RECORDS_AT / 4u];
    const uint32_t sealed = 0;
    int err = flash->read(flash->ctx, page_addr, words, sizeof words);
    for (uint32_t i = SEALED_AT / 4u + 1u;
         err == OTA_OK && i < JOURNAL_RECORDS_AT / 4u; i++) {
        if (words[i] == UINT32_MAX) {
            return flash->write(flash->ctx, page_addr + 4u * i, &sealed, 1);
        }
    }
    return err;
}

int journal_load(struct journal *journal, const struct flash_port *flash,
                 uint32_t start_addr)
{
    struct page_info info[2];
    memset(journal, 0, sizeof *journal);
    journal->flash = flash;
    journal->start_addr = start_addr;
    for (uint32_t page = 0; page < 2u; page++) {
        int err = inspect(journal, page, &info[page]);
        if (err != OTA_OK) {
            return err;
        }
    }
    int taken = choose(info);
    if (taken < 0) {
        return OTA_E_JOURNAL;
    }
    journal->page = (uint32_t)taken;
    journal->sequence = info[taken].sequence;
    uint32_t page_addr = start_addr + journal->page * OTA_PAGE_SIZE;
    int err =
        walk(journal, page_addr, JOURNAL_RECORDS_AT, true, &journal->used);
    if (err == OTA_OK && !journal->has_current) {
        return OTA_E_JOURNAL;
    }
    if (err == OTA_OK && info[1 - taken].is_usable &&
        info[taken].sequence > info[1 - taken].sequence) {
        err = seal_again(journal, page_addr);
    }
    // A cut left the other page: keys in it must not outlive their version.
    if (err == OTA_OK && !info[1 - taken].is_blank) {
        err = flash->erase_page(flash->ctx, start_addr + (uint32_t)(1 - taken) *
                                                             OTA_PAGE_SIZE);
    }
    return err;
}

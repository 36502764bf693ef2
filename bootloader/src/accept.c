// ACCEPT: a boot request from RAM becomes a pending update in the journal.
//
// Laws: a request is cleared whatever comes of it, but only after the journal
// has it; a request that is refused changes nothing in flash; a request that
// comes while another update is in work is refused (on trial: until the
// application confirmed itself), except the one that is in work already.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "engine.h"

static int check_not_same(struct boot *boot, const struct fw_info *info)
{
    const struct fw_info *current = &boot->journal.current.info;
    if (boot_is_bootloader(boot, info)) {
        int err = boot_verify_flash(boot, info->fp_base, info->pbin_size,
                                    info->pbin_hash);
        if (err == OTA_E_PLAIN_HASH) {
            return OTA_OK;
        }
        return err == OTA_OK ? OTA_E_SAME : err;
    }
    bool is_same = info->pbin_size == current->pbin_size &&
                   memcmp(info->pbin_hash, current->pbin_hash,
                          sizeof info->pbin_hash) == 0;
    return is_same ? OTA_E_SAME : OTA_OK;
}

// The journal knows no version of the bootloader: only applications are
// compared.
static int check_version(const struct boot *boot,
                         const struct boot_request *request)
{
    bool is_older =
        !boot_is_bootloader(boot, &request->fw_info) &&
        request->fw_info.version < boot->journal.current.info.version;
    bool may_be = (request->flags & OTA_REQUEST_ALLOW_DOWNGRADE) != 0;
    return is_older && !may_be ? OTA_E_DOWNGRADE : OTA_OK;
}

static bool is_in_work(const struct journal *journal,
                       const struct boot_request *request)
{
    return journal->has_pending &&
           memcmp(&journal->pending.info, &request->fw_info,
                  sizeof request->fw_info) == 0 &&
           memcmp(journal->pending.path, request->path, OTA_PATH_SIZE) == 0;
}

static int enqueue(struct boot *boot, const struct boot_request *request)
{
    struct journal *journal = &boot->journal;
    journal->pending.info = request->fw_info;
    memcpy(journal->pending.path, request->path, OTA_PATH_SIZE);
    journal->has_pending = true;
    journal->step = OTA_STEP_CHECK;
    journal->error = OTA_OK;
    int err = journal_save(journal);
    if (err != OTA_OK) {
        journal->has_pending = false;
        journal->step = OTA_STEP_IDLE;
        return err;
    }
    boot->started_ms = boot->ports->time->now_ms(boot->ports->time->ctx);
    boot->is_timed = true;
    return OTA_OK;
}

static int accept(struct boot *boot, const struct boot_request *request)
{
    const struct journal *journal = &boot->journal;
    int err = boot_request_check(request);
    if (err != OTA_OK) {
        return err;
    }
    if (journal->step != OTA_STEP_IDLE) {
        // The power went, or a reset came, before it was cleared.
        if (is_in_work(journal, request)) {
            return OTA_OK;
        }
        return journal->step == OTA_STEP_TRIAL ? OTA_E_UNCONFIRMED
                                               : OTA_E_REQUEST;
    }
    err = boot_check_range(boot, &request->fw_info);
    if (err == OTA_OK) {
        err = check_not_same(boot, &request->fw_info);
    }
    if (err == OTA_OK) {
        err = check_version(boot, request);
    }
    if (err == OTA_OK) {
        err = enqueue(boot, request);
    }
    return err;
}

void boot_accept(struct boot *boot)
{
    struct boot_request *slot = boot->config->request;
    struct boot_request request;
    memcpy(&request, slot, sizeof request);
    if (request.magic != OTA_REQUEST_MAGIC) {
        return;
    }
    int err = accept(boot, &request);
    // The key must not stay in RAM, where the application can read it.
    memset(&request, 0, sizeof request);
    memset(slot, 0, sizeof *slot);
    __asm__ volatile("" : : "r"(&request), "r"(slot) : "memory");
    if (err != OTA_OK) {
        boot_log(boot, "request refused, error %d", err);
        boot->reason = BOOT_REASON_REFUSED;
        boot->last_error = err;
    }
}

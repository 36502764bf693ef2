// The update client's parts among themselves: see update_client.h.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_CLIENT_PARTS_H
#define OTA_CLIENT_PARTS_H

#include "update_client.h"

/// client_tools.c ///

uint32_t client_now_ms(const struct update_client *client);
void client_log(const struct update_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Waits: between `base_ms` / 2 and `base_ms`, doubled for each of `failures`
// beyond the first, five minutes at most, by the device's own random sequence.
void client_wait(struct update_client *client, struct update_wait *wait,
                 uint32_t base_ms, uint32_t failures);
void client_wait_exactly(struct update_client *client, struct update_wait *wait,
                         uint32_t duration_ms);
bool client_is_waiting(const struct update_client *client,
                       struct update_wait *wait);

// True for errors after which the modem has to be found again; then the link is
// closed, unless it is already.
bool client_lost_modem(struct update_client *client, int err);

// Queues a report about the request in work, or that of the state file.
void client_report(struct update_client *client, enum update_stage stage,
                   int error);

// True when flash holds this image; `otherwise` when that cannot be known.
bool client_runs(struct update_client *client, uint32_t fp_base, uint32_t size,
                 const uint8_t hash[32], bool otherwise);

/// client_link.c ///

void client_link_step(struct update_client *client);
// Leaves the broker; the link is then attached.
void client_leave_broker(struct update_client *client);

/// client_request.c ///

void client_take_message(struct update_client *client);

/// client_download.c ///

void client_fetch(struct update_client *client);

/// client_file.c ///

uint32_t client_bare_size(const struct update_client *client);
uint32_t client_full_size(const struct update_client *client);
bool client_is_complete(const struct update_client *client, uint32_t size);
uint32_t client_percent(const struct update_client *client);
// Part 0 is the file itself; the others differ in the last character.
void client_part_path(const struct update_client *client, uint32_t part,
                      char path[OTA_PATH_SIZE]);
// Deletes the parts from `part` on.
OTA_CHECKED int client_delete_parts(struct update_client *client,
                                    uint32_t part);
// Counts an attempt and starts the wait before it; false when there were
// enough.
bool client_may_try_again(struct update_client *client, uint32_t retry_ms);
void client_begin_hash(struct update_client *client);
void client_prepare(struct update_client *client);
void client_hash(struct update_client *client);

/// client_install.c ///

void client_accept(struct update_client *client);
void client_fail(struct update_client *client, int error);
void client_recall(struct update_client *client);
void client_again(struct update_client *client);
void client_ready(struct update_client *client);
void client_arm(struct update_client *client);
void client_leave(struct update_client *client);
void client_confirm(struct update_client *client);
// What is to be done with the state file.
void client_keep_state(struct update_client *client);
// The broker has acknowledged the last report of the request `id`.
void client_acknowledged(struct update_client *client, const char *id);

#endif

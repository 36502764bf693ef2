// The update client: from the broker's request to the boot request, and the
// reports about it (SPEC 3, 10, 11, 13, 14).
//
// Laws: one caller-owned struct, no heap, no globals; update_client_step does
// one step of the link and one of the work and returns, after a few exchanges
// with the modem (the longest is a download of 128 KB); every retry is bounded
// or backs off with jitter; every request that was accepted ends in confirmed,
// rolled_back or failed; keys are wiped as soon as the bootloader has them.
//
// PORTING.md says what a product has to bring.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_UPDATE_CLIENT_H
#define OTA_UPDATE_CLIENT_H

#include "ota/boot_request.h"
#include "ota/boot_status.h"
#include "sim7600_http.h"
#include "sim7600_mqtt.h"
#include "update_outbox.h"
#include "update_request.h"
#include "update_state.h"

#define UPDATE_VARIANTS 5u  // of a file name, beside those of kept versions
#define UPDATE_POLL_MS 200u // longest wait of a step that has nothing to do
#define UPDATE_DOWNLOAD_ATTEMPTS 6u
#define UPDATE_READ_SIZE 2048u

struct update_region {
    uint32_t start;
    uint32_t size; // of the largest image that the bootloader takes
};

struct update_client_config {
    // Who and where. Topics are complete; an empty one is not used.
    const char *device_id;
    const char *topic_request;
    const char *topic_group;
    const char *topic_report;
    bool takes_jobs; // AWS IoT Jobs of the thing `device_id`
    struct sim7600_mqtt_config broker;
    const struct sim7600_tls *https; // for https URLs; NULL: not verified
    const char *apn;
    uint32_t download_attempts; // per URL; 0: UPDATE_DOWNLOAD_ATTEMPTS

    // The device.
    uint32_t version; // used only when there is no boot status
    struct update_region app;
    struct update_region bootloader;
    const struct boot_status *boot_status; // in RAM, as the bootloader left it
    struct boot_request *boot_request;
    uint32_t handshake_addr;
    struct sim7600 *modem; // initialised, with its AT session
    struct sim7600_mqtt *mqtt;
    // Reads both regions, writes the hand-shake page.
    const struct flash_port *flash;
    // SHA-256 only. NULL: versions tell what runs, the bootloader checks files.
    const struct crypto_port *crypto;

    // The product. All get `ctx`; only `reset` has to be there.
    void *ctx;
    void (*reset)(void *ctx);
    // Asked once the broker is connected: does this version work? NULL: yes.
    bool (*may_confirm)(void *ctx);
    // Asked until it is true: may the device stop now, for a minute or two?
    bool (*may_update)(void *ctx);
    // Presses the modem's power key as its manual says; the last resort.
    void (*power_key)(void *ctx);
    // A message on any other topic that the product subscribed.
    void (*message)(void *ctx, const struct sim7600_mqtt_message *message);
    void (*log)(void *ctx, const char *line);
};

enum update_link {
    UPDATE_LINK_CLOSED,    // nothing is known of the modem
    UPDATE_LINK_OPEN,      // it answers
    UPDATE_LINK_ATTACHED,  // it has a network
    UPDATE_LINK_CONNECTED, // the broker knows us, topics are subscribed
};

enum update_work {
    UPDATE_WORK_RECALL,  // what was before the reset?
    UPDATE_WORK_IDLE,    // waiting for a request
    UPDATE_WORK_AGAIN,   // waiting for a request that a reset took away
    UPDATE_WORK_PREPARE, // drive, parts that are there, room
    UPDATE_WORK_FETCH,   // a part of the file
    UPDATE_WORK_HASH,    // a piece of the file, read back
    UPDATE_WORK_READY,   // waiting for the product
    UPDATE_WORK_ARM,     // state file
    UPDATE_WORK_LEAVE,   // last reports, then the boot request and the reset
    UPDATE_WORK_TRIAL,   // new version: waiting to be confirmed
    UPDATE_WORK_RESET,   // `reset` was called and came back
};

struct update_download {
    char path[OTA_PATH_SIZE];
    uint32_t part;    // that is fetched next
    uint32_t offset;  // bytes that are complete
    uint32_t total;   // of the complete file
    bool is_kept;     // the file of a version to go back to: never written
    bool is_measured; // the driver knows whether it is in parts
    bool is_alone;    // the server knows no ranges
    bool is_alt;      // alt_url is used
    bool is_offline;  // the broker was left for TLS
    uint32_t variant; // of the file name
    uint32_t rounds;  // of preparation
    uint32_t attempts;
    uint32_t refusals;  // by the server, of the present URL
    bool is_read_again; // after a hash that was wrong
    uint32_t hash_failures;
    uint32_t reported; // percent
    uint32_t hashed;
    struct sha256_ctx sha;
};

struct update_wait {
    uint32_t since_ms;
    uint32_t duration_ms; // 0: not waiting
};

enum update_todo { UPDATE_TODO_NONE, UPDATE_TODO_SAVE, UPDATE_TODO_DELETE };

struct update_client {
    const struct update_client_config *config;
    struct boot_status status;
    uint32_t version; // that runs
    bool is_confirmed;
    uint32_t random;

    enum update_link link;
    struct update_wait link_wait;
    uint32_t open_failures; // each in a row
    uint32_t attach_failures;
    uint32_t connect_failures;
    uint32_t checked_ms; // when the network was looked at
    uint32_t connects;   // since the start
    uint32_t dropped;    // messages that the driver could not hold

    enum update_work work;
    struct update_wait work_wait;
    struct update_request request;  // in work
    struct update_request incoming; // being judged
    uint8_t last_hash[32];          // of the last request that ended
    char last_id[UPDATE_ID_SIZE];
    bool is_last_known;   // the two above are set
    bool is_last_forever; // it rolled back: never again in this session
    uint32_t last_ms;
    const char *drive;
    struct update_download download;
    struct update_state state;
    enum update_todo todo; // with the state file
    uint32_t todo_failures;
    struct update_outbox outbox;
    uint8_t buffer[UPDATE_READ_SIZE];
};

// `config` and what it points to must outlive `client`.
void update_client_init(struct update_client *client,
                        const struct update_client_config *config);

// To be called again and again, for ever.
void update_client_step(struct update_client *client);

bool update_client_is_connected(const struct update_client *client);

// Publishes for the product. OTA_E_BROKER when not connected; the message is
// not kept.
OTA_CHECKED int update_client_publish(struct update_client *client,
                                      const char *topic, const char *text,
                                      size_t size);

#endif

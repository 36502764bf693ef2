// The modem's drivers as fakes that stand in for the real ones at link time,
// and the world behind them: network, broker, web server, files, a clock.
//
// Every call of a driver is counted; `fail_at` makes one of them fail.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_FAKE_DRIVERS_H
#define OTA_FAKE_DRIVERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crc32.h"
#include "host_crypto.h"
#include "make_space.h"
#include "ota/confirm.h"
#include "update_client.h"

#define FLASH_SIZE 0x100000u
#define APP_START 0x1000u
#define APP_SIZE 0xEF000u
#define LOADER_START 0xF6000u
#define LOADER_SIZE 0x6000u
#define HANDSHAKE 0xFF000u
#define TOKEN 0x1234u
#define FILES 24u
#define URLS 3u
#define SENT 96u

struct fake_file {
    char path[OTA_PATH_SIZE];
    uint8_t *data;
    uint32_t size;
};

struct fake_url {
    const char *url;
    const uint8_t *data;
    uint32_t size;
    bool has_no_ranges;
    int error;          // instead of the file, for ever
    uint32_t status;    // beside it
    bool needs_alone;   // fails while the broker is connected
    bool has_one_range; // only the first part; then everything
    uint32_t fails;     // this many requests before each that succeeds
    uint32_t failed;
    uint32_t requests; // how many there were
};

struct world {
    uint32_t now_ms;
    uint32_t calls;
    uint32_t fail_at; // the number of a call; 0: none
    uint32_t fail_times;
    int fail_error;
    uint32_t failed; // how many did
    // Modem and network
    bool is_dead;
    bool is_lonely; // no network
    bool has_no_broker;
    bool has_no_drive_e;
    uint32_t flipped_reads; // one bit each
    uint32_t connect_error; // of the modem's MQTT client
    uint32_t refused_jobs;  // publications to jobs that the broker refuses
    const char *stuck_path; // cannot be deleted: the modem does not answer
    uint32_t keys;
    uint32_t restarts;
    uint32_t opens;
    uint32_t connects;
    uint32_t space; // of the drive
    struct fake_file files[FILES];
    const char *measured; // file whose size was asked for last
    const char *read_path;
    uint32_t read_offset;
    // Server
    struct fake_url urls[URLS];
    // Broker
    char subscribed[8][SIM7600_MQTT_TOPIC_MAX + 1u];
    uint32_t subscriptions;
    char topics[SENT][SIM7600_MQTT_TOPIC_MAX + 1u];
    char sent[SENT][UPDATE_REPORT_SIZE];
    uint32_t sent_count;
    uint8_t flash[FLASH_SIZE];
    uint32_t resets;
    bool may_not_confirm;
    bool may_not_update;
    char log[16384];
};

static struct world world;
static struct time_port fake_time;
static struct at fake_at;
static struct sim7600 fake_modem;
static struct sim7600_mqtt fake_mqtt;

// One call of a driver: takes time, may be the one that fails.
static int call(void)
{
    world.calls++;
    world.now_ms += 50;
    if (world.is_dead) {
        world.now_ms += 3000;
        return OTA_E_TIMEOUT;
    }
    if (world.fail_at != 0 && world.calls >= world.fail_at &&
        world.calls < world.fail_at + world.fail_times) {
        world.failed++;
        if (world.fail_error == OTA_E_MODEM_REBOOT) {
            fake_mqtt.is_connected = false;
        }
        return world.fail_error;
    }
    return OTA_OK;
}

/// Modem and network ///

int sim7600_open(struct sim7600 *modem, uint32_t wait_ms)
{
    (void)modem;
    world.opens++;
    world.now_ms += world.is_dead ? wait_ms : 0;
    return call();
}

void sim7600_close(struct sim7600 *modem)
{
    (void)modem;
}

int sim7600_restart(struct sim7600 *modem)
{
    (void)modem;
    world.restarts++;
    fake_mqtt.is_connected = false;
    return call();
}

int sim7600_attach(struct sim7600 *modem, const char *apn, uint32_t wait_ms)
{
    (void)modem;
    assert_string_equal("internet", apn);
    int err = call();
    if (err == OTA_OK && world.is_lonely) {
        world.now_ms += wait_ms;
        return OTA_E_NETWORK;
    }
    return err;
}

int sim7600_is_attached(struct sim7600 *modem, bool *attached)
{
    (void)modem;
    *attached = !world.is_lonely;
    return call();
}

/// Files ///

static struct fake_file *find_file(const char *path)
{
    for (size_t i = 0; i < FILES; i++) {
        if (world.files[i].data != NULL &&
            strcmp(world.files[i].path, path) == 0) {
            return &world.files[i];
        }
    }
    return NULL;
}

static void remove_file(const char *path)
{
    struct fake_file *file = find_file(path);
    if (file != NULL) {
        free(file->data);
        memset(file, 0, sizeof *file);
    }
}

static void put_file(const char *path, const void *data, uint32_t size)
{
    remove_file(path);
    for (size_t i = 0; i < FILES; i++) {
        struct fake_file *file = &world.files[i];
        if (file->data == NULL) {
            assert_true(strlen(path) < sizeof file->path);
            memcpy(file->path, path, strlen(path));
            file->data = malloc(size);
            assert_non_null(file->data);
            memcpy(file->data, data, size);
            file->size = size;
            return;
        }
    }
    fail_msg("no room for another file");
}

static uint32_t used_space(void)
{
    uint32_t used = 0;
    for (size_t i = 0; i < FILES; i++) {
        used += world.files[i].size;
    }
    return used;
}

int sim7600_find_drive(struct sim7600 *modem, const char **drive)
{
    (void)modem;
    *drive = world.has_no_drive_e ? "F:/" : "E:/";
    return call();
}

int sim7600_part_size(struct sim7600 *modem, const char *path, uint32_t *size)
{
    (void)modem;
    int err = call();
    const struct fake_file *file = find_file(path);
    if (err == OTA_OK && file == NULL) {
        return OTA_E_NO_FILE;
    }
    *size = err == OTA_OK ? file->size : 0;
    return err;
}

int sim7600_file_size(struct sim7600 *modem, const char *path, uint32_t *size)
{
    char part[OTA_PATH_SIZE] = {0};
    uint32_t more = 0;
    int err = sim7600_part_size(modem, path, &more);
    *size = more;
    memcpy(part, path, strlen(path));
    for (uint32_t i = 1; err == OTA_OK && more == SIM7600_PART_SIZE; i++) {
        part[strlen(part) - 1] = "0123456789abcdef"[i];
        if (find_file(part) == NULL) {
            break;
        }
        more = find_file(part)->size;
        *size += more;
    }
    world.measured = err == OTA_OK ? path : NULL;
    return err;
}

int sim7600_part_delete(struct sim7600 *modem, const char *path)
{
    (void)modem;
    int err = call();
    if (err == OTA_OK && world.stuck_path != NULL &&
        strcmp(world.stuck_path, path) == 0) {
        return OTA_E_TIMEOUT;
    }
    if (err == OTA_OK) {
        remove_file(path);
    }
    return err;
}

int sim7600_file_delete(struct sim7600 *modem, const char *path)
{
    return sim7600_part_delete(modem, path);
}

int sim7600_file_write(struct sim7600 *modem, const char *path,
                       const void *data, uint32_t size)
{
    (void)modem;
    int err = call();
    world.measured = NULL;
    remove_file(path); // the old one is gone before the new one is there
    if (err == OTA_OK) {
        put_file(path, data, size);
    }
    return err;
}

int sim7600_file_read(struct sim7600 *modem, const char *path, void *data,
                      uint32_t capacity, uint32_t *size)
{
    (void)modem;
    int err = call();
    world.measured = NULL;
    const struct fake_file *file = find_file(path);
    if (err == OTA_OK && file == NULL) {
        return OTA_E_NO_FILE;
    }
    if (err == OTA_OK && file->size > capacity) {
        return OTA_E_SIZE;
    }
    if (err == OTA_OK) {
        memcpy(data, file->data, file->size);
        *size = file->size;
    }
    return err;
}

int sim7600_read_start(struct sim7600 *modem, const char *path, uint32_t offset,
                       uint32_t size)
{
    (void)modem;
    (void)size;
    assert_ptr_equal(world.measured, path);
    world.read_path = path;
    world.read_offset = offset;
    return call();
}

int sim7600_read_finish(struct sim7600 *modem, uint8_t *data, uint32_t size)
{
    (void)modem;
    int err = call();
    char path[OTA_PATH_SIZE] = {0};
    memcpy(path, world.read_path, strlen(world.read_path));
    for (uint32_t i = 0; err == OTA_OK && i < size; i++) {
        uint32_t offset = world.read_offset + i;
        const struct fake_file *file = find_file(world.read_path);
        assert_non_null(file);
        if (file->size == SIM7600_PART_SIZE && offset >= SIM7600_PART_SIZE) {
            path[strlen(path) - 1] =
                "0123456789abcdef"[offset / SIM7600_PART_SIZE];
            file = find_file(path);
            offset %= SIM7600_PART_SIZE;
        }
        if (file == NULL || offset >= file->size) {
            return OTA_E_SHORT_READ;
        }
        data[i] = file->data[offset];
    }
    if (err == OTA_OK && world.flipped_reads > 0) {
        world.flipped_reads--;
        data[0] ^= 0x20;
    }
    return err;
}

int update_make_space(struct sim7600 *modem, const char *folder,
                      const struct boot_status *status, const char *keep,
                      uint32_t needed, uint32_t *deleted)
{
    (void)modem;
    (void)status;
    assert_string_equal(world.has_no_drive_e ? "F:/" : "E:/", folder);
    assert_non_null(keep);
    *deleted = 0;
    int err = call();
    return err == OTA_OK && used_space() + needed > world.space ? OTA_E_NO_SPACE
                                                                : err;
}

/// Server ///

int sim7600_http_fetch(struct sim7600 *modem,
                       const struct sim7600_http_get *get,
                       struct sim7600_http_result *result)
{
    (void)modem;
    memset(result, 0, sizeof *result);
    remove_file(get->path);
    world.now_ms += 1000;
    int err = call();
    for (size_t i = 0; err == OTA_OK && i < URLS; i++) {
        struct fake_url *url = &world.urls[i];
        if (url->url == NULL || strcmp(url->url, get->url) != 0) {
            continue;
        }
        url->requests++;
        result->status = url->status;
        if (url->error != OTA_OK) {
            return url->error;
        }
        if (url->needs_alone && fake_mqtt.is_connected) {
            return OTA_E_TLS;
        }
        if (url->failed < url->fails) {
            url->failed++;
            return OTA_E_NETWORK;
        }
        url->failed = 0;
        bool is_range = get->last != 0 && !url->has_no_ranges &&
                        !(url->has_one_range && get->first > 0);
        uint32_t first = is_range ? get->first : 0;
        uint32_t last =
            is_range && get->last < url->size ? get->last : url->size - 1u;
        if (first >= url->size) {
            result->status = 416;
            return OTA_E_HTTP;
        }
        result->status = is_range ? 206 : 200;
        result->size = last - first + 1u;
        put_file(get->path, url->data + first, result->size);
        return OTA_OK;
    }
    return err == OTA_OK ? OTA_E_NETWORK : err;
}

/// Broker ///

int sim7600_mqtt_connect(struct sim7600_mqtt *mqtt,
                         const struct sim7600_mqtt_config *broker)
{
    assert_false(broker->clean_session);
    int err = call();
    mqtt->error = world.connect_error;
    if (err == OTA_OK && (world.has_no_broker || world.connect_error != 0)) {
        return OTA_E_BROKER;
    }
    mqtt->is_connected = err == OTA_OK;
    world.subscriptions = 0;
    world.connects++;
    return err;
}

int sim7600_mqtt_subscribe(struct sim7600_mqtt *mqtt, const char *topic)
{
    (void)mqtt;
    int err = call();
    if (err == OTA_OK) {
        memcpy(world.subscribed[world.subscriptions++], topic,
               strlen(topic) + 1u);
    }
    return err;
}

int sim7600_mqtt_publish(struct sim7600_mqtt *mqtt, const char *topic,
                         const char *payload, size_t size)
{
    int err = call();
    if (err == OTA_OK && world.refused_jobs > 0 &&
        strstr(topic, "/update") != NULL) {
        world.refused_jobs--;
        return OTA_E_BROKER;
    }
    if (err == OTA_OK && (!mqtt->is_connected || world.has_no_broker)) {
        mqtt->is_connected = false;
        return OTA_E_BROKER;
    }
    if (err == OTA_OK) {
        assert_true(world.sent_count < SENT && size < UPDATE_REPORT_SIZE);
        memcpy(world.topics[world.sent_count], topic, strlen(topic) + 1u);
        memcpy(world.sent[world.sent_count++], payload, size);
    }
    return err;
}

int sim7600_mqtt_poll(struct sim7600_mqtt *mqtt, uint32_t wait_ms)
{
    world.now_ms += wait_ms;
    if (world.has_no_broker || world.is_lonely) {
        mqtt->is_connected = false;
    }
    return call();
}

const struct sim7600_mqtt_message *
sim7600_mqtt_message(const struct sim7600_mqtt *mqtt)
{
    return mqtt->held > 0 ? &mqtt->messages[0] : NULL;
}

void sim7600_mqtt_release(struct sim7600_mqtt *mqtt)
{
    if (mqtt->held > 0) {
        mqtt->held--;
        mqtt->messages[0] = mqtt->messages[1];
        memset(&mqtt->messages[1], 0, sizeof mqtt->messages[1]);
    }
}

void sim7600_mqtt_disconnect(struct sim7600_mqtt *mqtt)
{
    mqtt->is_connected = false;
}

#endif

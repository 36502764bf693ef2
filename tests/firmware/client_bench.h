// A device for the update client, in the world of fake_drivers.h: flash, boot
// status, product; images, requests, and what was sent.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_CLIENT_BENCH_H
#define OTA_CLIENT_BENCH_H

#include "fake_drivers.h"

struct image {
    struct fw_info info;
    uint8_t *plain;
    uint8_t *file; // header and cipher text
    uint32_t file_size;
};

static struct boot_status boot_status;
static struct boot_request boot_request;
static struct update_client_config config;
static struct update_client client;

/// The device ///

static uint32_t fake_now_ms(void *ctx)
{
    (void)ctx;
    return world.now_ms;
}

static void fake_sleep_ms(void *ctx, uint32_t duration_ms)
{
    (void)ctx;
    world.now_ms += duration_ms;
}

static int flash_read(void *ctx, uint32_t addr, void *data, size_t size)
{
    (void)ctx;
    memcpy(data, world.flash + addr, size);
    return OTA_OK;
}

static int flash_erase(void *ctx, uint32_t page_addr)
{
    (void)ctx;
    memset(world.flash + page_addr, 0xFF, 4096);
    return OTA_OK;
}

static int flash_write(void *ctx, uint32_t addr, const uint32_t *words,
                       size_t count)
{
    (void)ctx;
    memcpy(world.flash + addr, words, count * sizeof *words);
    return OTA_OK;
}

static const struct flash_port fake_flash = {NULL, flash_read, flash_erase,
                                             flash_write};

static void product_reset(void *ctx)
{
    (void)ctx;
    world.resets++;
}

static bool product_may_confirm(void *ctx)
{
    (void)ctx;
    return !world.may_not_confirm;
}

static bool product_may_update(void *ctx)
{
    (void)ctx;
    return !world.may_not_update;
}

static void product_power_key(void *ctx)
{
    (void)ctx;
    world.keys++;
}

static void product_log(void *ctx, const char *line)
{
    (void)ctx;
    size_t length = strlen(world.log);
    if (length + strlen(line) + 2u < sizeof world.log) {
        snprintf(world.log + length, sizeof world.log - length, "%s\n", line);
    }
}

// Starts the application again, with what the bootloader says about it.
static void start(uint32_t version, enum boot_reason reason, int error,
                  uint32_t token)
{
    boot_status = (struct boot_status){.bootloader_version = 100,
                                       .app_version = version,
                                       .reason = reason,
                                       .last_error = error,
                                       .confirm_token = token};
    boot_status_seal(&boot_status);
    memset(&fake_mqtt, 0, sizeof fake_mqtt);
    world.subscriptions = 0;
    update_client_init(&client, &config);
}

static void make_config(void)
{
    config = (struct update_client_config){
        .device_id = "d7",
        .topic_request = "ota/device/d7/request",
        .topic_group = "ota/group/g/request",
        .topic_report = "ota/device/d7/report",
        .broker = {.host = "broker", .port = 1883, .client_id = "d7"},
        .apn = "internet",
        .version = 1,
        .app = {APP_START, APP_SIZE},
        .bootloader = {LOADER_START, LOADER_SIZE},
        .boot_status = &boot_status,
        .boot_request = &boot_request,
        .handshake_addr = HANDSHAKE,
        .modem = &fake_modem,
        .mqtt = &fake_mqtt,
        .flash = &fake_flash,
        .crypto = &host_crypto,
        .reset = product_reset,
        .may_confirm = product_may_confirm,
        .may_update = product_may_update,
        .power_key = product_power_key,
        .log = product_log,
    };
}

static int bench_teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        free(world.files[i].data);
        world.files[i].data = NULL;
    }
    return 0;
}

static int bench_setup(void **state)
{
    bench_teardown(state);
    memset(&world, 0, sizeof world);
    memset(world.flash, 0xFF, sizeof world.flash);
    world.now_ms = 0xFFFFF000u; // near the wrap of the clock
    world.space = 4000000;
    fake_time = (struct time_port){NULL, fake_now_ms, fake_sleep_ms};
    memset(&fake_at, 0, sizeof fake_at);
    fake_at.time = &fake_time;
    fake_modem.at = &fake_at;
    memset(&boot_request, 0, sizeof boot_request);
    make_config();
    start(1, BOOT_REASON_NORMAL, OTA_OK, 0);
    return 0;
}

/// Images and requests ///

static void hash(const void *data, size_t size, uint8_t digest[32])
{
    struct sha256_ctx sha;
    assert_int_equal(OTA_OK, host_crypto.sha256_init(NULL, &sha));
    assert_int_equal(OTA_OK, host_crypto.sha256_update(NULL, &sha, data, size));
    assert_int_equal(OTA_OK, host_crypto.sha256_final(NULL, &sha, digest));
}

// What the client sees of a package: sizes and hashes. Its cipher text is
// random; whether it can be decrypted is the bootloader's business.
static void make_image(struct image *image, uint32_t version, uint32_t size)
{
    uint32_t x = version * 7919u + size + 1u;
    memset(image, 0, sizeof *image);
    image->info.version = version;
    image->info.fp_base = APP_START;
    image->info.pbin_size = size;
    image->info.ebin_size = (size / 16u + 1u) * 16u;
    image->file_size = image->info.ebin_size + OTA_FW_INFO_SIZE;
    image->plain = malloc(size);
    image->file = malloc(image->file_size);
    assert_true(image->plain != NULL && image->file != NULL);
    for (uint32_t i = 0; i < image->file_size; i++) {
        x = x * 1664525u + 1013904223u;
        image->file[i] = (uint8_t)(x >> 24);
        if (i < size) {
            image->plain[i] = (uint8_t)(x >> 16);
        }
    }
    memset(image->info.aes_key, 0xA5, sizeof image->info.aes_key);
    hash(image->plain, size, image->info.pbin_hash);
    hash(image->file + OTA_FW_INFO_SIZE, image->info.ebin_size,
         image->info.ebin_hash);
}

static void free_image(struct image *image)
{
    free(image->plain);
    free(image->file);
}

static inline void write_request(char *text, size_t size,
                                 const struct image *image, const char *members)
{
    char hex[225];
    for (size_t i = 0; i < sizeof image->info; i++) {
        snprintf(hex + 2 * i, 3, "%02x", ((const uint8_t *)&image->info)[i]);
    }
    snprintf(text, size, "{\"type\":\"update_fw\",%s,\"fw_info\":\"%s\"}",
             members, hex);
}

static inline void deliver(const char *topic, const char *payload)
{
    assert_true(fake_mqtt.held < SIM7600_MQTT_HELD);
    struct sim7600_mqtt_message *message = &fake_mqtt.messages[fake_mqtt.held];
    memcpy(message->topic, topic, strlen(topic) + 1u);
    memcpy(message->payload, payload, strlen(payload) + 1u);
    message->topic_size = strlen(topic);
    message->payload_size = strlen(payload);
    fake_mqtt.held++;
}

static inline void request(const struct image *image, const char *members)
{
    char text[SIM7600_MQTT_PAYLOAD_MAX];
    write_request(text, sizeof text, image, members);
    deliver("ota/device/d7/request", text);
}

// Serves the image's file at "http://a/f" (0) or "http://b/f" (1).
static inline void serve(uint32_t place, const struct image *image)
{
    static const char *const names[] = {"http://a/f", "http://b/f",
                                        "https://c/f"};
    world.urls[place] = (struct fake_url){
        .url = names[place], .data = image->file, .size = image->file_size};
}

#define URL_A "\"id\":\"r1\",\"url\":\"http://a/f\""
#define URL_AB URL_A ",\"alt_url\":\"http://b/f\""

/// Running and looking ///

static inline void steps(uint32_t count)
{
    while (count-- > 0) {
        update_client_step(&client);
    }
}

// How often a report with this stage, and this text in it, was sent.
static inline uint32_t count_sent(const char *stage, const char *text)
{
    char wanted[64];
    uint32_t found = 0;
    snprintf(wanted, sizeof wanted, "\"stage\":\"%s\"", stage);
    for (uint32_t i = 0; i < world.sent_count; i++) {
        found += strstr(world.sent[i], wanted) != NULL &&
                 strstr(world.sent[i], text) != NULL;
    }
    return found;
}

static inline bool run_until_sent(const char *stage)
{
    for (uint32_t i = 0; i < 20000; i++) {
        if (count_sent(stage, "") > 0) {
            return true;
        }
        update_client_step(&client);
    }
    return false;
}

static inline bool run_until_reset(void)
{
    for (uint32_t i = 0; i < 20000 && world.resets == 0; i++) {
        update_client_step(&client);
    }
    return world.resets == 1;
}

static inline bool run_until_connected(void)
{
    for (uint32_t i = 0; i < 100000; i++) {
        if (update_client_is_connected(&client)) {
            return true;
        }
        update_client_step(&client);
    }
    return false;
}

// What the bootloader does with a good request.
static inline void install(const struct image *image)
{
    assert_int_equal(OTA_OK, boot_request_check(&boot_request));
    assert_memory_equal(&image->info, &boot_request.fw_info,
                        sizeof image->info);
    memcpy(world.flash + image->info.fp_base, image->plain,
           image->info.pbin_size);
    memset(&boot_request, 0, sizeof boot_request);
    world.resets = 0;
}

#endif

// The cloud file as configuration: see cloud.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "cloud.h"

#include <string.h>

#include "app_flash.h"
#include "board_config.h"
#include "cloud_config.h"
#include "crypto.h"
#include "memory_layout.h"
#include "platform.h"
#include "temp.h"

#define MODEM_START_MS 30000u
#define MARK "{id}"

// The AWS, TLS 1.2 and store names are those of the cloud file.
static const struct sim7600_tls broker_tls = {
    .ca = CLOUD_CA_FILE,
    .cert = CLOUD_CERT_FILE,
    .key = CLOUD_KEY_FILE,
    .verify_dates = CLOUD_VERIFY_DATES != 0,
};
static const struct sim7600_tls https_tls = {
    .ca = CLOUD_HTTPS_CA_FILE,
    .cert = "",
    .key = "",
    .verify_dates = CLOUD_VERIFY_DATES != 0,
};

// Copies `pattern` with the id in the place of each {id}; what does not fit is
// cut, which a broker then refuses.
static void expand(char *text, size_t size, const char *pattern, const char *id)
{
    size_t length = 0;
    while (*pattern != '\0' && length + 1u < size) {
        if (strncmp(pattern, MARK, sizeof MARK - 1u) != 0) {
            text[length++] = *pattern++;
            continue;
        }
        pattern += sizeof MARK - 1u;
        for (const char *c = id; *c != '\0' && length + 1u < size; c++) {
            text[length++] = *c;
        }
    }
    text[length] = '\0';
}

static void ask_for_imei(struct cloud *cloud)
{
    char imei[SIM7600_IMEI_SIZE];
    for (;;) {
        int err = sim7600_open(&cloud->modem, MODEM_START_MS);
        if (err == OTA_OK) {
            err = sim7600_imei(&cloud->modem, imei);
        }
        if (err == OTA_OK) {
            memcpy(cloud->id, imei, sizeof imei);
            return;
        }
        platform_line("app: no IMEI, error %d", err);
        platform_modem_power_key();
    }
}

static void find_id(struct cloud *cloud)
{
    switch (CLOUD_ID_SOURCE) {
    case CLOUD_ID_IMEI:
        ask_for_imei(cloud);
        break;
    case CLOUD_ID_CHIP:
        platform_chip_id(cloud->id);
        break;
    default:
        expand(cloud->id, sizeof cloud->id, CLOUD_DEVICE_ID, "");
        break;
    }
}

// What the AT session and the MQTT client have read may still hold the key.
static void reset(void *ctx)
{
    struct cloud *cloud = ctx;
    memset(&cloud->at, 0, sizeof cloud->at);
    memset(&cloud->mqtt, 0, sizeof cloud->mqtt);
    __asm volatile("" : : "r"(cloud) : "memory");
    platform_reset();
}

static void power_key(void *ctx)
{
    (void)ctx;
    platform_modem_power_key();
}

static void configure(struct cloud *cloud, const struct cloud_product *product)
{
    cloud->config = (struct update_client_config){
        .device_id = cloud->id,
        .topic_request = cloud->request,
        .topic_group = cloud->group,
        .topic_report = cloud->report,
        .takes_jobs = CLOUD_JOBS != 0,
        .broker = {.host = CLOUD_HOST,
                   .port = CLOUD_PORT,
                   .client_id = cloud->client_id,
                   .user = CLOUD_USER,
                   .password = CLOUD_PASSWORD,
                   .keepalive_s = CLOUD_KEEPALIVE_S,
                   .clean_session = false,
                   .tls = CLOUD_TLS != 0 ? &broker_tls : NULL},
        .https = CLOUD_HTTPS_CA_FILE[0] != '\0' ? &https_tls : NULL,
        .apn = CLOUD_APN,
        .version = product->version,
        .app = {OTA_APP_START, OTA_APP_SIZE},
        .bootloader = {OTA_BOOTLOADER_START,
                       OTA_BOOTLOADER_SIZE < OTA_STAGING_SIZE
                           ? OTA_BOOTLOADER_SIZE
                           : OTA_STAGING_SIZE},
        .boot_status = (const struct boot_status *)OTA_RAM_BOOT_STATUS_START,
        .boot_request = (struct boot_request *)OTA_RAM_BOOT_REQUEST_START,
        .handshake_addr = OTA_HANDSHAKE_START,
        .modem = &cloud->modem,
        .mqtt = &cloud->mqtt,
        .flash = &app_flash,
        .crypto = &crypto_port,
        .ctx = cloud,
        .reset = reset,
        .may_confirm = product->may_confirm,
        .may_update = product->may_update,
        .power_key = power_key,
        .log = product->log,
    };
}

void cloud_start(struct cloud *cloud, const struct cloud_product *product)
{
    memset(cloud, 0, sizeof *cloud);
    at_init(&cloud->at, &platform_modem_uart, &platform_time, product->idle,
            NULL);
    sim7600_init(&cloud->modem, &cloud->at, OTA_MODEM_BAUD,
                 OTA_MODEM_BAUD_FAST);
    sim7600_mqtt_init(&cloud->mqtt, &cloud->modem);
    find_id(cloud);
    expand(cloud->client_id, sizeof cloud->client_id, CLOUD_CLIENT_ID,
           cloud->id);
    expand(cloud->request, sizeof cloud->request, CLOUD_TOPIC_REQUEST,
           cloud->id);
    expand(cloud->group, sizeof cloud->group, CLOUD_TOPIC_GROUP, cloud->id);
    expand(cloud->report, sizeof cloud->report, CLOUD_TOPIC_REPORT, cloud->id);
    expand(cloud->telemetry, sizeof cloud->telemetry, CLOUD_TOPIC_TELEMETRY,
           cloud->id);
    configure(cloud, product);
    platform_line("app: device %s", cloud->id);
    update_client_init(&cloud->client, &cloud->config);
}

static void send_telemetry(struct cloud *cloud)
{
    char text[UPDATE_REPORT_SIZE];
    int32_t centidegrees = 0;
    uint32_t passed_ms = platform_now_ms() - cloud->telemetry_ms;
    if (!update_client_is_connected(&cloud->client) ||
        cloud->telemetry[0] == '\0' ||
        (cloud->connects == cloud->client.connects &&
         passed_ms < CLOUD_TELEMETRY_S * 1000u)) {
        return;
    }
    cloud->connects = cloud->client.connects;
    cloud->telemetry_ms = platform_now_ms();
    int err = temp_measure(&centidegrees);
    if (err == OTA_OK) {
        size_t size = update_telemetry_format(
            text, cloud->id, cloud->client.version, centidegrees);
        err =
            update_client_publish(&cloud->client, cloud->telemetry, text, size);
    }
    if (err != OTA_OK) {
        platform_line("app: no telemetry, error %d", err);
    }
}

void cloud_step(struct cloud *cloud)
{
    update_client_step(&cloud->client);
    send_telemetry(cloud);
}

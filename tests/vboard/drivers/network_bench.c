// The modem's network drivers, one call a job. Texts are given as strings one
// behind the other at `source`.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "bench.h"
#include "clock.h"
#include "sim7600_files.h"
#include "sim7600_http.h"
#include "sim7600_mqtt.h"
#include "timebase.h"
#include "uarte.h"

enum {
    OPEN = 1,
    ATTACH = 2,
    IMEI = 3,
    CONNECT = 4, // host, id, user, password, CA, certificate, key
    SUBSCRIBE = 5,
    PUBLISH = 6, // topic, payload
    POLL = 7,
    TAKE = 8,   // topic and payload to `destination`
    FETCH = 9,  // URL, path, CA; range: size, step
    WRITE = 10, // path; data at `destination`
    READ = 11,  // path; data to `destination`
    CONNECTED = 12,
    DROPPED = 13,
    ERROR_CODE = 14,
    DISCONNECT = 15,
    IDLE_GAP = 16, // longest time between two calls of `idle`
    DRIVE = 17,
};

#define NO_PIN 0xFFFFFFFFu

static struct uarte uart;
static uint8_t ring[2 * UARTE_RX_HALF] __attribute__((aligned(4)));
static struct timebase timebase;
static struct at at;
static struct sim7600 modem;
static struct sim7600_mqtt mqtt;
static uint32_t idle_at_ms;
static uint32_t idle_gap_ms;

static int port_write(void *ctx, const void *data, size_t size,
                      uint32_t timeout_ms)
{
    return uarte_write(ctx, data, size, timeout_ms);
}

static int port_read(void *ctx, void *data, size_t capacity,
                     uint32_t timeout_ms)
{
    return uarte_read(ctx, data, capacity, timeout_ms);
}

static int port_set_baud(void *ctx, uint32_t baud)
{
    return uarte_set_baud(ctx, baud);
}

static uint32_t now_ms(void *ctx)
{
    return timebase_now_ms(ctx);
}

static void sleep_ms(void *ctx, uint32_t duration_ms)
{
    (void)ctx;
    timebase_sleep_ms(duration_ms);
}

static void idle(void *ctx)
{
    uint32_t now = now_ms(ctx);
    uint32_t gap = now - idle_at_ms;
    idle_gap_ms = gap > idle_gap_ms ? gap : idle_gap_ms;
    idle_at_ms = now;
}

void bench_open(void)
{
    static const struct uart_port uart_port = {&uart, port_write, port_read,
                                               port_set_baud};
    static const struct time_port time_port = {&timebase, now_ms, sleep_ms};
    static const struct uarte_config config = {
        .instance = 1,
        .txd = 34,
        .rxd = 33,
        .rts = NO_PIN,
        .cts = NO_PIN,
        .baud = 115200,
    };
    timebase_start(&timebase);
    clock_start_hfxo();
    job.result = uarte_open(&uart, &config, ring);
    at_init(&at, &uart_port, &time_port, idle, &timebase);
    sim7600_init(&modem, &at, 115200, 460800);
    sim7600_mqtt_init(&mqtt, &modem);
}

// The text number `index` at `source`.
static const char *text_of(const struct job *work, uint32_t index)
{
    const char *text = (const char *)work->source;
    while (index-- > 0) {
        text += strlen(text) + 1;
    }
    return text;
}

static int32_t connect(const struct job *work)
{
    const struct sim7600_tls tls = {.ca = text_of(work, 4),
                                    .cert = text_of(work, 5),
                                    .key = text_of(work, 6)};
    const struct sim7600_mqtt_config config = {
        .host = text_of(work, 0),
        .port = (uint16_t)work->size,
        .client_id = text_of(work, 1),
        .user = text_of(work, 2),
        .password = text_of(work, 3),
        .keepalive_s = 60,
        .tls = tls.ca[0] != '\0' ? &tls : NULL,
    };
    return sim7600_mqtt_connect(&mqtt, &config);
}

// Topic and payload, each with a NUL; the length of the payload.
static int32_t take(const struct job *work)
{
    char *target = (char *)work->destination;
    const struct sim7600_mqtt_message *message = sim7600_mqtt_message(&mqtt);
    if (message == NULL) {
        return -1000;
    }
    int32_t size = (int32_t)message->payload_size;
    memcpy(target, message->topic, message->topic_size + 1);
    memcpy(target + message->topic_size + 1, message->payload,
           message->payload_size + 1);
    sim7600_mqtt_release(&mqtt);
    return size;
}

static int32_t fetch(struct job *work)
{
    const struct sim7600_tls tls = {.ca = text_of(work, 2)};
    const struct sim7600_http_get get = {
        .url = text_of(work, 0),
        .path = text_of(work, 1),
        .first = work->size,
        .last = work->step,
        .tls = tls.ca[0] != '\0' ? &tls : NULL,
    };
    struct sim7600_http_result result;
    int err = sim7600_http_fetch(&modem, &get, &result);
    memcpy(work->digest, &result.status, 4);
    memcpy(work->digest + 4, &result.size, 4);
    return err;
}

static int32_t read_file(struct job *work)
{
    uint32_t size = 0;
    int err = sim7600_file_read(&modem, text_of(work, 0),
                                (void *)work->destination, work->size, &size);
    return err == OTA_OK ? (int32_t)size : err;
}

static int32_t drive(struct job *work)
{
    const char *name;
    int err = sim7600_find_drive(&modem, &name);
    memcpy(work->digest, err == OTA_OK ? name : "", 4);
    return err;
}

static int32_t poll(const struct job *work)
{
    uint32_t started_ms = now_ms(&timebase);
    int err = OTA_OK;
    while (err == OTA_OK && sim7600_mqtt_message(&mqtt) == NULL &&
           mqtt.is_connected && now_ms(&timebase) - started_ms < work->size) {
        err = sim7600_mqtt_poll(&mqtt, 1000);
    }
    return err;
}

static int32_t run_mqtt(struct job *work)
{
    switch (work->operation) {
    case CONNECT:
        return connect(work);
    case SUBSCRIBE:
        return sim7600_mqtt_subscribe(&mqtt, text_of(work, 0));
    case PUBLISH:
        return sim7600_mqtt_publish(&mqtt, text_of(work, 0), text_of(work, 1),
                                    strlen(text_of(work, 1)));
    case POLL:
        return poll(work);
    case TAKE:
        return take(work);
    case CONNECTED:
        return mqtt.is_connected ? 1 : 0;
    case DROPPED:
        return (int32_t)mqtt.dropped;
    case ERROR_CODE:
        return (int32_t)mqtt.error;
    default:
        sim7600_mqtt_disconnect(&mqtt);
        return OTA_OK;
    }
}

int32_t bench_run(struct job *work)
{
    idle_at_ms = now_ms(&timebase);
    switch (work->operation) {
    case OPEN:
        return sim7600_open(&modem, 30000);
    case ATTACH:
        return sim7600_attach(&modem, text_of(work, 0), work->size);
    case IMEI:
        return sim7600_imei(&modem, (char *)work->digest);
    case FETCH:
        return fetch(work);
    case WRITE:
        return sim7600_file_write(&modem, text_of(work, 0),
                                  (const void *)work->destination, work->size);
    case READ:
        return read_file(work);
    case DRIVE:
        return drive(work);
    case IDLE_GAP:
        return (int32_t)idle_gap_ms;
    default:
        return run_mqtt(work);
    }
}

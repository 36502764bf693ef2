// Files from the network: see sim7600_http.h. Sources: SIM7500/SIM7600 AT
// command manual V3.00, chapter 13 (HTTP(S)), and the HTTP(S) application note.
//
// SPDX-License-Identifier: Apache-2.0
#include "sim7600_http.h"

#include <string.h>

#include "at_result.h"
#include "format.h"

#define URL_MAX 512u
#define NAME_SIZE_MAX 64u
#define SERVICE_MS 125000u // HTTPINIT, HTTPTERM: the manual allows 120 s
// A whole image at 20 kbit/s, and the 120 s that connecting may take.
#define ACTION_MS 600000u
#define STORE_MS 125000u
#define SERVER_S 60u // RECVTO and RESPTO: slow servers

static int command(struct sim7600 *modem, const char *text)
{
    return at_command(modem->at, SIM7600_COMMAND_MS, text, NULL, NULL, 0);
}

static bool begins(const char *text, const char *head)
{
    return strncmp(text, head, strlen(head)) == 0;
}

static bool is_https(const char *url)
{
    return begins(url, "https://");
}

// The number that AT+HTTPREADFILE has for the drive; 0 for none.
static uint32_t drive_number(const char *path)
{
    return begins(path, "E:/")   ? 3u
           : begins(path, "F:/") ? 1u
           : begins(path, "D:/") ? 2u
                                 : 0u;
}

// The command stores in the root of a drive only.
static int check(const struct sim7600_http_get *get)
{
    const char *name = get->path + (drive_number(get->path) != 0 ? 3 : 0);
    if (!at_is_quotable(get->url, URL_MAX) ||
        !(begins(get->url, "http://") || is_https(get->url)) ||
        strchr(get->url, ' ') != NULL) {
        return OTA_E_REQUEST;
    }
    if (drive_number(get->path) == 0 || !at_is_quotable(name, NAME_SIZE_MAX) ||
        name[0] == '\0' || strlen(get->path) >= OTA_PATH_SIZE ||
        strpbrk(name, "/\\:*?<>|,; ") != NULL) {
        return OTA_E_PATH;
    }
    return get->first <= get->last ? OTA_OK : OTA_E_RANGE;
}

static int set_number(struct sim7600 *modem, const char *key, uint32_t value)
{
    char text[48];
    (void)format_text(text, sizeof text, "AT+HTTPPARA=\"%s\",%u", key,
                      (unsigned)value); // fits
    return command(modem, text);
}

static int set_url(struct sim7600 *modem, const char *url)
{
    const char *const pieces[] = {"AT+HTTPPARA=\"URL\",\"", url, "\"", NULL};
    int err = at_send_pieces(modem->at, SIM7600_COMMAND_MS, pieces);
    return err == OTA_OK ? at_read_ok(modem->at) : err;
}

// The modem takes first > last for "to the end"; that is also how a single
// byte, the last one of a file, has to be asked for.
static int set_range(struct sim7600 *modem, uint32_t first, uint32_t last)
{
    int err = set_number(modem, "BREAK", first);
    return err == OTA_OK
               ? set_number(modem, "BREAKEND", first < last ? last : 0)
               : err;
}

static int set_tls(struct sim7600 *modem, const struct sim7600_http_get *get)
{
    static const struct sim7600_tls unverified = {0};
    int err = sim7600_tls_configure(modem, SIM7600_TLS_HTTP,
                                    get->tls != NULL ? get->tls : &unverified);
    return err == OTA_OK ? set_number(modem, "SSLCFG", SIM7600_TLS_HTTP) : err;
}

static int prepare(struct sim7600 *modem, const struct sim7600_http_get *get)
{
    int err = at_command(modem->at, SERVICE_MS, "AT+HTTPINIT", NULL, NULL, 0);
    if (err == OTA_OK) {
        err = set_url(modem, get->url);
    }
    if (err == OTA_OK && is_https(get->url)) {
        err = set_tls(modem, get);
    }
    if (err == OTA_OK) {
        err = set_number(modem, "RECVTO", SERVER_S);
    }
    if (err == OTA_OK) {
        err = set_number(modem, "RESPTO", SERVER_S);
    }
    if (err == OTA_OK) {
        err = set_range(modem, get->first, get->last);
        // Firmware without ranges has none to forget.
        if (err == OTA_E_MODEM && get->last == 0) {
            err = OTA_OK;
        }
    }
    return err;
}

// What a status or an error code of the modem means.
static int meaning(uint32_t status)
{
    switch (status) {
    case 200:
    case 206:
        return OTA_OK;
    case 602: // no memory
    case 707: // file or memory
        return OTA_E_NO_SPACE;
    case 710: // session
    case 715: // handshake
        return OTA_E_TLS;
    case 719: // CA missing
        return OTA_E_CERTIFICATE;
    case 601:
    case 603: // DNS
    case 604: // stack busy
    case 704: // closed
    case 705: // timeout
    case 706: // send or receive
    case 709:
    case 712: // socket
    case 713: // DNS
    case 714: // connect
    case 716: // close
    case 717: // no network
    case 718: // send timeout
    case 720: // no response
        return OTA_E_NETWORK;
    default:
        return OTA_E_HTTP;
    }
}

// "<status>,<length>"
static int act(struct sim7600 *modem, uint32_t *status, uint32_t *length)
{
    static const char *const pieces[] = {"AT+HTTPACTION=0", NULL};
    struct at_result result = {.prefix = "+HTTPACTION:", .head = "0,"};
    int err = at_exchange(modem->at, ACTION_MS, pieces, &result);
    if (err != OTA_OK && (err != OTA_E_MODEM || result.value[0] == '\0')) {
        return err;
    }
    const char *rest = result.value;
    if (!at_number(&rest, status) || *rest != ',') {
        return OTA_E_PROTOCOL;
    }
    rest = at_after(rest, ",");
    if (!at_number(&rest, length) || *rest != '\0') {
        return OTA_E_PROTOCOL;
    }
    // ERROR with a good status would be neither.
    return meaning(*status) == OTA_OK ? err : meaning(*status);
}

static int store(struct sim7600 *modem, const char *path)
{
    char number[16];
    uint32_t code;
    const char *const pieces[] = {"AT+HTTPREADFILE=\"", path + 3, number, NULL};
    struct at_result result = {.prefix = "+HTTPREADFILE:", .head = ""};
    (void)format_text(number, sizeof number, "\",%u",
                      (unsigned)drive_number(path)); // fits
    int err = at_exchange(modem->at, STORE_MS, pieces, &result);
    const char *rest = result.value;
    if ((err == OTA_OK || err == OTA_E_MODEM) && at_number(&rest, &code) &&
        code != 0) {
        return meaning(code);
    }
    return err;
}

// The answer into the file, and the file believed by its length.
static int keep(struct sim7600 *modem, const char *path, uint32_t length,
                uint32_t *size)
{
    int err = store(modem, path);
    if (err == OTA_OK) {
        err = sim7600_part_size(modem, path, size);
    }
    return err == OTA_OK && *size != length ? OTA_E_SHORT_READ : err;
}

static int fetch(struct sim7600 *modem, const struct sim7600_http_get *get,
                 struct sim7600_http_result *result)
{
    uint32_t length = 0;
    int err = prepare(modem, get);
    if (err == OTA_OK) {
        err = act(modem, &result->status, &length);
    }
    return err == OTA_OK ? keep(modem, get->path, length, &result->size) : err;
}

// ERROR says that there is nothing to end.
static int end_service(struct sim7600 *modem)
{
    int err = at_command(modem->at, SERVICE_MS, "AT+HTTPTERM", NULL, NULL, 0);
    return err == OTA_E_MODEM ? OTA_OK : err;
}

// The modem restarted: there is nothing to clean up, and nothing that answers.
// Otherwise what fails here has failed before, and that is reported.
static void clean_up(struct sim7600 *modem, const struct sim7600_http_get *get,
                     int err)
{
    if (err == OTA_E_MODEM_REBOOT) {
        return;
    }
    int ended = OTA_OK;
    if (get->last != 0) {
        // HTTPTERM forgets the range in the manual's examples, not in its text.
        ended = set_range(modem, 0, 0);
    }
    ended = end_service(modem);
    if (err != OTA_OK && ended == OTA_OK) {
        // Half a file is none.
        ended = sim7600_part_delete(modem, get->path);
    }
    (void)ended;
}

int sim7600_http_fetch(struct sim7600 *modem,
                       const struct sim7600_http_get *get,
                       struct sim7600_http_result *result)
{
    memset(result, 0, sizeof *result);
    int err = check(get);
    if (err == OTA_OK) {
        // What an exchange before a reset left.
        err = end_service(modem);
    }
    if (err == OTA_OK) {
        err = sim7600_part_delete(modem, get->path);
    }
    if (err == OTA_OK) {
        err = fetch(modem, get, result);
        clean_up(modem, get, err);
    }
    result->size = err == OTA_OK ? result->size : 0;
    return err;
}

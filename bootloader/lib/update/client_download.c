// The update client's download: URLs, ranges, attempts (SPEC 13).
//
// Laws: attempts are counted, and forgotten when a part is complete; what is of
// the wrong length is deleted before the other URL is tried.
//
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "client_parts.h"

#define FETCH_RETRY_MS 5000u
// A byte of the URL that is lost on the way to the modem looks like "not
// found".
#define REFUSALS_MAX 2u

#define HTTP_OK 200u
#define HTTP_REQUEST_TIMEOUT 408u
#define HTTP_RANGE_NOT_SATISFIABLE 416u
#define HTTP_TOO_MANY_REQUESTS 429u
#define MODEM_TIMEOUT 705u
#define MODEM_NO_RESPONSE 720u

static const char *present_url(const struct update_client *client)
{
    return client->download.is_alt ? client->request.alt_url
                                   : client->request.url;
}

static void report_progress(struct update_client *client)
{
    struct update_download *download = &client->download;
    uint32_t percent = client_percent(client);
    if (percent / 25u > download->reported / 25u) {
        download->reported = percent;
        client_report(client, UPDATE_DOWNLOADING, OTA_OK);
    }
}

static bool is_https(const char *url)
{
    return strncmp(url, "https", 5) == 0;
}

// Goes on with the other URL, or gives up.
static void next_url(struct update_client *client, int error)
{
    struct update_download *download = &client->download;
    if (download->is_alt || client->request.alt_url[0] == '\0') {
        client_fail(client, error);
        return;
    }
    client_log(client, "url failed, %s: alt_url", ota_status_name(error));
    download->is_alt = true;
    download->is_alone = false;
    download->is_offline = false;
    download->attempts = 0;
    download->refusals = 0;
    client->work_wait.duration_ms = 0;
    client->work = UPDATE_WORK_PREPARE;
}

static bool is_final_status(uint32_t status)
{
    return status >= 300 && status < 500 && status != HTTP_REQUEST_TIMEOUT &&
           status != HTTP_TOO_MANY_REQUESTS;
}

// TLS may need what the broker's connection takes of the modem.
static bool is_tls_trouble(const struct update_client *client, int err,
                           uint32_t status)
{
    return is_https(present_url(client)) &&
           client->link == UPDATE_LINK_CONNECTED &&
           (err == OTA_E_TLS || err == OTA_E_TIMEOUT ||
            status == MODEM_TIMEOUT || status == MODEM_NO_RESPONSE);
}

static void fetch_failed(struct update_client *client, int err, uint32_t status)
{
    client_log(client, "download: %s, status %u", ota_status_name(err),
               (unsigned)status);
    if (err == OTA_E_CERTIFICATE ||
        // There was room for the file that was asked for.
        err == OTA_E_NO_SPACE ||
        (err == OTA_E_HTTP && is_final_status(status) &&
         ++client->download.refusals == REFUSALS_MAX)) {
        next_url(client, err);
    } else {
        if (is_tls_trouble(client, err, status)) {
            client_log(client, "leaving the broker for the download");
            client_leave_broker(client);
            client->download.is_offline = true;
        }
        if (err != OTA_E_SHORT_READ) { // of the file, not of an answer
            (void)client_lost_modem(client, err);
        }
        if (!client_may_try_again(client, FETCH_RETRY_MS)) {
            next_url(client, err);
        }
    }
}

// Nothing of what this URL gave can be used.
static void wrong_file(struct update_client *client, int error)
{
    int err = client_delete_parts(client, 0);
    (void)client_lost_modem(client, err); // the survey deletes what is left
    next_url(client, error);
}

// The survey has deleted whatever could be taken for more of the file.
static void complete(struct update_client *client, uint32_t total)
{
    if (!client_is_complete(client, total)) {
        wrong_file(client, OTA_E_FILE_SIZE);
        return;
    }
    client->download.total = total;
    client_begin_hash(client);
}

// The server gave the whole file though a part was asked for.
static void got_everything(struct update_client *client, uint32_t size)
{
    struct update_download *download = &client->download;
    if (download->part == 0) {
        complete(client, size);
        return;
    }
    // It is in the place of a part: all of it again, into one file.
    int err = client_delete_parts(client, 0);
    download->is_alone = true;
    client->work = UPDATE_WORK_PREPARE;
    if (client_lost_modem(client, err) || err != OTA_OK) {
        fetch_failed(client, err, 0);
    }
}

static void got_part(struct update_client *client, uint32_t size)
{
    struct update_download *download = &client->download;
    download->offset += size;
    if (size < SIM7600_PART_SIZE ||
        download->offset == client_full_size(client)) {
        complete(client, download->offset);
        return;
    }
    if (size > SIM7600_PART_SIZE ||
        download->offset > client_full_size(client)) {
        wrong_file(client, OTA_E_FILE_SIZE);
        return;
    }
    download->part++;
    download->attempts = 0;
    report_progress(client);
}

void client_fetch(struct update_client *client)
{
    struct update_download *download = &client->download;
    char path[OTA_PATH_SIZE];
    bool is_one =
        download->is_alone || client_full_size(client) <= SIM7600_PART_SIZE;
    struct sim7600_http_result result = {0};
    client_part_path(client, download->part, path);
    struct sim7600_http_get get = {
        .url = present_url(client),
        .path = path,
        .tls = client->config->https,
    };
    if (!is_one) {
        get.first = download->part * SIM7600_PART_SIZE;
        get.last = get.first + SIM7600_PART_SIZE - 1u;
    }
    int err = sim7600_http_fetch(client->config->modem, &get, &result);
    if (err == OTA_E_HTTP && result.status == HTTP_RANGE_NOT_SATISFIABLE &&
        download->part > 0 && download->offset == client_bare_size(client)) {
        // The file ends with its last part.
        complete(client, download->offset);
    } else if (err != OTA_OK) {
        fetch_failed(client, err, result.status);
    } else if (is_one || result.status == HTTP_OK) {
        got_everything(client, result.size);
    } else {
        got_part(client, result.size);
    }
}

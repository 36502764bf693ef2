// SIM, registration, identity, certificates: see sim7600_net.h. Sources:
// SIM7500/SIM7600 AT command manual V3.00, chapters 3 (network), 4 (status
// control), 5 (packet domain), 19 (SSL).
//
// SPDX-License-Identifier: Apache-2.0
#include "sim7600_net.h"

#include <string.h>

#include "at_result.h"
#include "format.h"

#define ATTACH_PAUSE_MS 500u
#define APN_MAX 100u
#define CERTIFICATE_NAME_MAX 128u

static int command(struct sim7600 *modem, const char *text)
{
    return at_command(modem->at, SIM7600_COMMAND_MS, text, NULL, NULL, 0);
}

static int is_sim_ready(struct sim7600 *modem, bool *is_ready)
{
    char value[16];
    // Here +CPIN is an answer; anywhere else it means that the modem restarted.
    modem->is_pin_asked = true;
    int err = at_command(modem->at, SIM7600_FILE_MS, "AT+CPIN?",
                         "+CPIN:", value, sizeof value);
    modem->is_pin_asked = false;
    *is_ready = err == OTA_OK && strcmp(value, "READY") == 0;
    // No SIM, a busy SIM, a SIM that wants a PIN: all of them may change.
    return err == OTA_E_MODEM ? OTA_OK : err;
}

// "<n>,<stat>[,...]"; a report that was not asked for is "<stat>[,...]", and
// its next field, if any, is in quotes.
static bool is_registered(const char *value)
{
    uint32_t stat;
    uint32_t second;
    if (!at_number(&value, &stat)) {
        return false;
    }
    if (*value == ',') {
        value = at_after(value, ",");
        if (at_number(&value, &second)) {
            stat = second;
        }
    }
    return stat == 1u || stat == 5u;
}

static int look(struct sim7600 *modem, const char *text, const char *prefix,
                bool *attached)
{
    char value[32];
    int err = at_command(modem->at, SIM7600_COMMAND_MS, text, prefix, value,
                         sizeof value);
    if (err == OTA_OK && is_registered(value)) {
        *attached = true;
    }
    return err == OTA_E_MODEM ? OTA_OK : err;
}

int sim7600_is_attached(struct sim7600 *modem, bool *attached)
{
    *attached = false;
    int err = look(modem, "AT+CEREG?", "+CEREG:", attached);
    // GSM and UMTS.
    return err == OTA_OK && !*attached
               ? look(modem, "AT+CGREG?", "+CGREG:", attached)
               : err;
}

static int set_apn(struct sim7600 *modem, const char *apn)
{
    if (!at_is_given(apn)) {
        return OTA_OK;
    }
    if (!at_is_quotable(apn, APN_MAX)) {
        return OTA_E_REQUEST;
    }
    int err = at_send(modem->at, SIM7600_COMMAND_MS,
                      "AT+CGDCONT=1,\"IP\",\"%s\"", apn);
    return err == OTA_OK ? at_read_ok(modem->at) : err;
}

int sim7600_pause(struct sim7600 *modem, uint32_t pause_ms)
{
    const struct time_port *time = modem->at->time;
    uint32_t started_ms = time->now_ms(time->ctx);
    uint32_t passed_ms = 0;
    for (uint32_t look = 0; passed_ms < pause_ms && look < pause_ms; look++) {
        int err = at_poll(modem->at, pause_ms - passed_ms);
        if (err != OTA_OK) {
            return err;
        }
        passed_ms = time->now_ms(time->ctx) - started_ms;
    }
    return OTA_OK;
}

int sim7600_attach(struct sim7600 *modem, const char *apn, uint32_t wait_ms)
{
    const struct time_port *time = modem->at->time;
    uint32_t started_ms = time->now_ms(time->ctx);
    bool is_ready = false;
    bool attached = false;
    // The round limit ends this also when the clock stands still.
    for (uint32_t round = 0; round <= wait_ms / ATTACH_PAUSE_MS; round++) {
        int err = OTA_OK;
        if (!is_ready) {
            err = is_sim_ready(modem, &is_ready);
            if (err == OTA_OK && is_ready) {
                err = set_apn(modem, apn);
            }
        }
        if (err == OTA_OK && is_ready) {
            err = sim7600_is_attached(modem, &attached);
        }
        if (err != OTA_OK || attached) {
            return err;
        }
        if (time->now_ms(time->ctx) - started_ms >= wait_ms) {
            break;
        }
        err = sim7600_pause(modem, ATTACH_PAUSE_MS);
        if (err != OTA_OK) {
            return err;
        }
    }
    return OTA_E_NETWORK;
}

static bool is_imei(const char *line)
{
    size_t digits = 0;
    while (line[digits] >= '0' && line[digits] <= '9') {
        digits++;
    }
    return digits == SIM7600_IMEI_SIZE - 1u && line[digits] == '\0';
}

int sim7600_imei(struct sim7600 *modem, char imei[SIM7600_IMEI_SIZE])
{
    bool is_ok = false;
    bool is_found = false;
    int err = at_send(modem->at, SIM7600_COMMAND_MS, "AT+CGSN");
    while (err == OTA_OK && !is_ok) {
        err = at_read_line(modem->at, &is_ok);
        if (err == OTA_OK && is_imei(modem->at->line)) {
            memcpy(imei, modem->at->line, SIM7600_IMEI_SIZE);
            is_found = true;
        }
    }
    return err == OTA_OK && !is_found ? OTA_E_PROTOCOL : err;
}

/// Certificates ///

// True for a line of the list that names the file: +CCERTLIST: "ca.pem".
static bool is_named(const char *line, const char *name)
{
    const char *rest = at_after(line, "+CCERTLIST:");
    size_t size = strlen(name);
    return rest != NULL && rest[0] == '"' &&
           strncmp(rest + 1, name, size) == 0 &&
           strcmp(rest + 1 + size, "\"") == 0;
}

static int find_files(struct sim7600 *modem, const char *const names[3])
{
    bool found[3];
    bool is_ok = false;
    for (size_t i = 0; i < 3; i++) {
        found[i] = !at_is_given(names[i]);
        if (!found[i] && !at_is_quotable(names[i], CERTIFICATE_NAME_MAX)) {
            return OTA_E_CERTIFICATE;
        }
    }
    if (found[0] && found[1] && found[2]) {
        return OTA_OK;
    }
    int err = at_send(modem->at, SIM7600_FILE_MS, "AT+CCERTLIST");
    while (err == OTA_OK && !is_ok) {
        err = at_read_line(modem->at, &is_ok);
        for (size_t i = 0; err == OTA_OK && i < 3; i++) {
            found[i] = found[i] || is_named(modem->at->line, names[i]);
        }
    }
    return err == OTA_OK && !(found[0] && found[1] && found[2])
               ? OTA_E_CERTIFICATE
               : err;
}

static int set_number(struct sim7600 *modem, const char *key, uint32_t context,
                      uint32_t value)
{
    char text[64];
    (void)format_text(text, sizeof text, "AT+CSSLCFG=\"%s\",%u,%u", key,
                      (unsigned)context, (unsigned)value); // fits
    return command(modem, text);
}

static int set_file(struct sim7600 *modem, const char *key, uint32_t context,
                    const char *name)
{
    char head[48];
    const char *pieces[] = {head, name, "\"", NULL};
    if (!at_is_given(name)) {
        return OTA_OK;
    }
    (void)format_text(head, sizeof head, "AT+CSSLCFG=\"%s\",%u,\"", key,
                      (unsigned)context); // fits
    int err = at_send_pieces(modem->at, SIM7600_COMMAND_MS, pieces);
    return err == OTA_OK ? at_read_ok(modem->at) : err;
}

int sim7600_tls_configure(struct sim7600 *modem, uint32_t context,
                          const struct sim7600_tls *tls)
{
    const char *const names[3] = {tls->ca, tls->cert, tls->key};
    bool has_ca = at_is_given(tls->ca);
    bool has_cert = at_is_given(tls->cert);
    // 0 nobody, 1 server, 2 both, 3 client.
    uint32_t authmode = has_ca ? (has_cert ? 2u : 1u) : (has_cert ? 3u : 0u);
    if (has_cert != at_is_given(tls->key)) {
        return OTA_E_CERTIFICATE;
    }
    int err = find_files(modem, names);
    if (err == OTA_OK) {
        err = set_number(modem, "sslversion", context, 3); // TLS 1.2
    }
    if (err == OTA_OK) {
        err = set_file(modem, "cacert", context, tls->ca);
    }
    if (err == OTA_OK) {
        err = set_file(modem, "clientcert", context, tls->cert);
    }
    if (err == OTA_OK) {
        err = set_file(modem, "clientkey", context, tls->key);
    }
    if (err == OTA_OK) {
        err = set_number(modem, "authmode", context, authmode);
    }
    if (err == OTA_OK) {
        err = set_number(modem, "ignorelocaltime", context,
                         tls->verify_dates ? 0u : 1u);
    }
    return err == OTA_OK ? set_number(modem, "enableSNI", context, 1) : err;
}

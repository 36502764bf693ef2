// Results of network commands: see at_result.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "at_result.h"

#include <string.h>

#include "format.h"

#define AT_FILL_QUIET_MS 300u // what a modem says about the filler
#define AT_FILL_MS 2000u

static void keep(const struct at *at, struct at_result *result)
{
    const char *rest = at_after(at->line, result->prefix);
    size_t head = strlen(result->head);
    if (rest != NULL && strncmp(rest, result->head, head) == 0) {
        (void)format_text(result->value, sizeof result->value, "%s",
                          rest + head); // cut is harmless
    }
}

static void read_late_code(struct at *at, struct at_result *result)
{
    int err = OTA_OK;
    at_begin(at, AT_RESULT_LATE_MS);
    while (err == OTA_OK && result->value[0] == '\0') {
        bool is_ok;
        err = at_read_line(at, &is_ok);
        if (err == OTA_OK) {
            keep(at, result);
        }
    }
}

int at_read_plain(struct at *at, struct at_result *result)
{
    bool is_ok = false;
    int err = OTA_OK;
    result->value[0] = '\0';
    while (err == OTA_OK && !is_ok) {
        err = at_read_line(at, &is_ok);
        if (err == OTA_OK) {
            keep(at, result);
        }
    }
    if (err == OTA_E_MODEM) {
        read_late_code(at, result);
    }
    return err;
}

int at_give(struct at *at, const void *data, size_t size,
            struct at_result *result)
{
    bool is_prompt = false;
    result->value[0] = '\0';
    while (!is_prompt) {
        int err = at_read_prompt(at, &is_prompt);
        if (err == OTA_E_MODEM) {
            read_late_code(at, result);
        }
        if (err != OTA_OK) {
            return err;
        }
        if (!is_prompt) {
            keep(at, result);
        }
    }
    return at_send_data(at, data, size);
}

int at_end_data(struct at *at, size_t size, int err)
{
    static const char filler[] = "\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r";
    int filled = OTA_OK;
    if (err != OTA_E_TIMEOUT && err != OTA_E_LINK) {
        return err;
    }
    while (filled == OTA_OK && size > 0) {
        size_t count = size < sizeof filler - 1u ? size : sizeof filler - 1u;
        filled = at_send_data(at, filler, count);
        size -= count;
    }
    at_drain(at, AT_FILL_QUIET_MS, AT_FILL_MS);
    return err;
}

int at_read_result(struct at *at, struct at_result *result)
{
    bool ok_seen = false;
    result->value[0] = '\0';
    while (!ok_seen || result->value[0] == '\0') {
        bool is_ok;
        int err = at_read_line(at, &is_ok);
        if (err == OTA_E_MODEM) {
            read_late_code(at, result);
        }
        if (err != OTA_OK) {
            return err;
        }
        ok_seen = ok_seen || is_ok;
        keep(at, result);
        if (result->needs != NULL && !*result->needs) {
            return OTA_E_BROKER;
        }
    }
    return OTA_OK;
}

int at_read_ok(struct at *at)
{
    bool is_ok = false;
    int err = OTA_OK;
    while (err == OTA_OK && !is_ok) {
        err = at_read_line(at, &is_ok);
    }
    return err;
}

int at_exchange(struct at *at, uint32_t timeout_ms, const char *const *pieces,
                struct at_result *result)
{
    result->value[0] = '\0';
    int err = at_send_pieces(at, timeout_ms, pieces);
    return err == OTA_OK ? at_read_result(at, result) : err;
}

bool at_is_quotable(const char *text, size_t size_max)
{
    size_t size = 0;
    if (text == NULL) {
        return false;
    }
    for (; text[size] != '\0'; size++) {
        char c = text[size];
        if (size == size_max || c < ' ' || c > '~' || c == '"') {
            return false;
        }
    }
    return true;
}

bool at_is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

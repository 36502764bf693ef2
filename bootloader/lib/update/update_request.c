// ota.json to an update request: see update_request.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "update_request.h"

#include <string.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

#define HEX_SIZE (2u * OTA_FW_INFO_SIZE)

struct members {
    const jsmntok_t *type;
    const jsmntok_t *url;
    const jsmntok_t *alt_url;
    const jsmntok_t *fw_info;
};

static size_t token_size(const jsmntok_t *token)
{
    return (size_t)(token->end - token->start);
}

static bool token_is(const char *text, const jsmntok_t *token,
                     const char *expected)
{
    size_t size = strlen(expected);
    return token->type == JSMN_STRING && token_size(token) == size &&
           memcmp(text + token->start, expected, size) == 0;
}

static int hex_value(char c)
{
    char lower = (char)(c | 0x20);
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Undoes one JSON escape of a character that a URL may have; 0 for others.
// `*c` is at the backslash and moves to the escape's last character.
static char unescape(const char **c, const char *end)
{
    size_t left = (size_t)(end - *c);
    if (left >= 2 && ((*c)[1] == '/' || (*c)[1] == '\\')) {
        *c += 1;
        return **c;
    }
    if (left < 6 || (*c)[1] != 'u') {
        return '\0';
    }
    int code = 0;
    for (int i = 2; i < 6; i++) {
        int digit = hex_value((*c)[i]);
        if (digit < 0) {
            return '\0';
        }
        code = code * 16 + digit;
    }
    *c += 5;
    return code < 0x7F ? (char)code : '\0';
}

// A URL goes between quotes into an AT command, so it is printable ASCII
// without a quote; it begins with http:// or https://, or is empty.
static int copy_url(const char *text, const jsmntok_t *token, char *url)
{
    size_t length = 0;
    url[0] = '\0';
    if (token == NULL) {
        return OTA_OK;
    }
    const char *end = text + token->end;
    for (const char *c = text + token->start; c < end; c++) {
        char plain = *c == '\\' ? unescape(&c, end) : *c;
        if (plain <= ' ' || plain > '~' || plain == '"' ||
            length == UPDATE_REQUEST_URL_MAX) {
            return OTA_E_REQUEST;
        }
        url[length++] = plain;
    }
    url[length] = '\0';
    bool good = length == 0 ||
                (strncmp(url, "http://", 7) == 0 && length > 7) ||
                (strncmp(url, "https://", 8) == 0 && length > 8);
    return good ? OTA_OK : OTA_E_REQUEST;
}

// Where the value of a known name is kept, NULL for an unknown name.
static const jsmntok_t **slot_for(const char *text, const jsmntok_t *name,
                                  struct members *members)
{
    if (token_is(text, name, "type")) {
        return &members->type;
    }
    if (token_is(text, name, "url")) {
        return &members->url;
    }
    if (token_is(text, name, "alt_url")) {
        return &members->alt_url;
    }
    return token_is(text, name, "fw_info") ? &members->fw_info : NULL;
}

// Finds the known members of the outer object, tokens[0].
static int find_members(const char *text, const jsmntok_t *tokens, int count,
                        struct members *members)
{
    if (count < 1 || tokens[0].type != JSMN_OBJECT) {
        return OTA_E_REQUEST;
    }
    for (int i = 1; i < count; i++) {
        const jsmntok_t *name = &tokens[i];
        if (name->parent != 0) {
            if (name->parent < 0) {
                return OTA_E_REQUEST; // a second value after the object
            }
            continue;
        }
        // A name is a string that has exactly one value.
        if (name->type != JSMN_STRING || name->size != 1 || i + 1 == count) {
            return OTA_E_REQUEST;
        }
        const jsmntok_t **slot = slot_for(text, name, members);
        if (slot == NULL) {
            continue;
        }
        const jsmntok_t *value = &tokens[i + 1];
        if (*slot != NULL || value->type != JSMN_STRING) {
            return OTA_E_REQUEST;
        }
        *slot = value;
    }
    return OTA_OK;
}

static int read_members(const char *text, const struct members *members,
                        struct update_request *request)
{
    if (members->type == NULL || !token_is(text, members->type, "update_fw") ||
        members->fw_info == NULL || token_size(members->fw_info) != HEX_SIZE) {
        return OTA_E_REQUEST;
    }
    int err = copy_url(text, members->url, request->url);
    if (err == OTA_OK) {
        err = copy_url(text, members->alt_url, request->alt_url);
    }
    if (err == OTA_OK && request->url[0] == '\0' &&
        request->alt_url[0] == '\0') {
        err = OTA_E_REQUEST;
    }
    if (err == OTA_OK) {
        err = fw_info_from_hex(text + members->fw_info->start, &request->info);
    }
    return err == OTA_OK ? fw_info_check_sizes(&request->info) : err;
}

int update_request_parse(const char *text, size_t size,
                         struct update_request *request)
{
    jsmntok_t tokens[UPDATE_REQUEST_TOKENS];
    jsmn_parser parser;
    struct members members = {NULL, NULL, NULL, NULL};
    int err = OTA_E_REQUEST;
    memset(request, 0, sizeof *request);
    if (size <= UPDATE_REQUEST_TEXT_MAX) {
        jsmn_init(&parser);
        int count =
            jsmn_parse(&parser, text, size, tokens, UPDATE_REQUEST_TOKENS);
        err = find_members(text, tokens, count, &members);
    }
    if (err == OTA_OK) {
        err = read_members(text, &members, request);
    }
    if (err != OTA_OK) {
        memset(request, 0, sizeof *request);
    }
    return err;
}

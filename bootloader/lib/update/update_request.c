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

enum member { TYPE, ID, URL, ALT_URL, FW_INFO, ALLOW_DOWNGRADE, MEMBERS };

static const char *const names[MEMBERS] = {
    "type", "id", "url", "alt_url", "fw_info", "allow_downgrade"};

// A JSON text and its values. `tokens[object]` is the object that is read.
struct json {
    const char *text;
    int count;
    jsmntok_t tokens[UPDATE_REQUEST_TOKENS];
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
    if (token->type != JSMN_STRING) {
        return OTA_E_REQUEST;
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

static bool is_id_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int copy_id(const char *text, const jsmntok_t *token,
                   char id[UPDATE_ID_SIZE])
{
    size_t size = token_size(token);
    bool good =
        token->type == JSMN_STRING && size >= 1 && size <= UPDATE_ID_MAX;
    for (size_t i = 0; good && i < size; i++) {
        good = is_id_character(text[token->start + (int)i]);
    }
    if (!good) {
        return OTA_E_REQUEST;
    }
    memcpy(id, text + token->start, size);
    id[size] = '\0';
    return OTA_OK;
}

// The first 16 digits of the cipher hash.
static void default_id(const struct fw_info *info, char id[UPDATE_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 8; i++) {
        id[2 * i] = digits[info->ebin_hash[i] >> 4];
        id[2 * i + 1] = digits[info->ebin_hash[i] & 15u];
    }
    id[16] = '\0';
}

// Finds the values of `count` known names in the object tokens[object]; those
// that are missing are NULL.
static int find_members(const struct json *json, int object,
                        const char *const *wanted, size_t count,
                        const jsmntok_t **found)
{
    memset(found, 0, count * sizeof *found);
    for (int i = object + 1; i < json->count; i++) {
        const jsmntok_t *name = &json->tokens[i];
        if (name->parent != object) {
            continue;
        }
        // A name is a string that has exactly one value.
        if (name->type != JSMN_STRING || name->size != 1 ||
            i + 1 == json->count) {
            return OTA_E_REQUEST;
        }
        for (size_t k = 0; k < count; k++) {
            if (!token_is(json->text, name, wanted[k])) {
                continue;
            }
            if (found[k] != NULL) {
                return OTA_E_REQUEST;
            }
            found[k] = &json->tokens[i + 1];
        }
    }
    return OTA_OK;
}

static int read_flag(const char *text, const jsmntok_t *token, bool *flag)
{
    *flag = false;
    if (token == NULL) {
        return OTA_OK;
    }
    size_t size = token_size(token);
    const char *value = text + token->start;
    *flag = size == 4 && memcmp(value, "true", 4) == 0;
    bool good = token->type == JSMN_PRIMITIVE &&
                (*flag || (size == 5 && memcmp(value, "false", 5) == 0));
    return good ? OTA_OK : OTA_E_REQUEST;
}

static int read_urls(const char *text, const jsmntok_t *const *found,
                     struct update_request *request)
{
    int err = copy_url(text, found[URL], request->url);
    if (err == OTA_OK) {
        err = copy_url(text, found[ALT_URL], request->alt_url);
    }
    if (err == OTA_OK && request->url[0] == '\0' &&
        request->alt_url[0] == '\0') {
        err = OTA_E_REQUEST;
    }
    return err;
}

// Reads SPEC 3 from the object tokens[object]. An id that the caller has set
// goes before the one in the text.
static int read_request(const struct json *json, int object,
                        struct update_request *request)
{
    const jsmntok_t *found[MEMBERS];
    const char *text = json->text;
    int err = find_members(json, object, names, MEMBERS, found);
    if (err == OTA_OK && found[ID] != NULL && request->id[0] == '\0') {
        err = copy_id(text, found[ID], request->id);
    }
    if (err == OTA_OK &&
        (found[TYPE] == NULL || !token_is(text, found[TYPE], "update_fw") ||
         found[FW_INFO] == NULL || found[FW_INFO]->type != JSMN_STRING ||
         token_size(found[FW_INFO]) != HEX_SIZE)) {
        err = OTA_E_REQUEST;
    }
    if (err == OTA_OK) {
        err = read_urls(text, found, request);
    }
    if (err == OTA_OK) {
        err =
            read_flag(text, found[ALLOW_DOWNGRADE], &request->allow_downgrade);
    }
    if (err == OTA_OK) {
        err = fw_info_from_hex(text + found[FW_INFO]->start, &request->info);
    }
    if (err == OTA_OK && request->id[0] == '\0') {
        default_id(&request->info, request->id);
    }
    return err == OTA_OK ? fw_info_check_sizes(&request->info) : err;
}

// The whole text is one object and nothing else.
static int read_json(struct json *json, const char *text, size_t size,
                     size_t limit)
{
    jsmn_parser parser;
    json->text = text;
    json->count = 0;
    if (size > limit) {
        return OTA_E_REQUEST;
    }
    jsmn_init(&parser);
    json->count =
        jsmn_parse(&parser, text, size, json->tokens, UPDATE_REQUEST_TOKENS);
    if (json->count < 1 || json->tokens[0].type != JSMN_OBJECT) {
        return OTA_E_REQUEST;
    }
    for (int i = 1; i < json->count; i++) {
        if (json->tokens[i].parent < 0) {
            return OTA_E_REQUEST; // a second value after the object
        }
    }
    return OTA_OK;
}

static int finish(struct update_request *request, int err)
{
    if (err != OTA_OK) {
        char id[UPDATE_ID_SIZE];
        bool is_job = request->is_job;
        memcpy(id, request->id, sizeof id);
        update_request_wipe(request);
        memcpy(request->id, id, sizeof id);
        request->is_job = is_job;
    }
    return err;
}

int update_request_parse(const char *text, size_t size,
                         struct update_request *request)
{
    struct json json;
    memset(request, 0, sizeof *request);
    int err = read_json(&json, text, size, UPDATE_REQUEST_TEXT_MAX);
    if (err == OTA_OK) {
        err = read_request(&json, 0, request);
    }
    return finish(request, err);
}

static int read_job(const struct json *json, struct update_request *request)
{
    static const char *const outer[] = {"execution"};
    static const char *const inner[] = {"jobId", "jobDocument"};
    const jsmntok_t *execution;
    const jsmntok_t *found[2];
    int err = find_members(json, 0, outer, 1, &execution);
    // AWS says "no job" by leaving the execution out, or empty.
    if (err != OTA_OK || execution == NULL ||
        (execution->type == JSMN_OBJECT && execution->size == 0)) {
        return err;
    }
    if (execution->type != JSMN_OBJECT) {
        return OTA_E_REQUEST;
    }
    request->is_job = true;
    err = find_members(json, (int)(execution - json->tokens), inner, 2, found);
    if (err == OTA_OK) {
        err = found[0] == NULL ? OTA_E_REQUEST
                               : copy_id(json->text, found[0], request->id);
    }
    if (err == OTA_OK && (found[1] == NULL || found[1]->type != JSMN_OBJECT ||
                          token_size(found[1]) > UPDATE_REQUEST_TEXT_MAX)) {
        err = OTA_E_REQUEST;
    }
    return err == OTA_OK
               ? read_request(json, (int)(found[1] - json->tokens), request)
               : err;
}

int update_request_parse_job(const char *text, size_t size,
                             struct update_request *request)
{
    struct json json;
    memset(request, 0, sizeof *request);
    int err = read_json(&json, text, size, UPDATE_JOB_TEXT_MAX);
    if (err == OTA_OK) {
        err = read_job(&json, request);
    }
    return finish(request, err);
}

void update_request_wipe(struct update_request *request)
{
    memset(request, 0, sizeof *request);
    __asm__ volatile("" : : "r"(request) : "memory");
}

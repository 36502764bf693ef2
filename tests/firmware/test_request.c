// What comes from outside in one piece: fw_info, headers, paths, boot request,
// boot status, ota.json.
//
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "crc32.h"
#include "format.h"
#include "ota/boot_request.h"
#include "ota/boot_status.h"
#include "update_request.h"

// The example of SPEC 1's ancestor: version 0, base 0x1000, 67512 plain bytes.
static struct fw_info make_info(void)
{
    struct fw_info info;
    for (size_t i = 0; i < sizeof info; i++) {
        ((uint8_t *)&info)[i] = (uint8_t)i;
    }
    info.version = 0;
    info.fp_base = 0x1000;
    info.pbin_size = 67512;
    info.ebin_size = 67520;
    return info;
}

static void crc32_is_zlibs(void **state)
{
    (void)state;
    // python3 -c "import zlib; print(hex(zlib.crc32(b'123456789')))"
    assert_int_equal(0xCBF43926, crc32_update(0, "123456789", 9));
    uint32_t first = crc32_update(0, "1234", 4);
    assert_int_equal(0xCBF43926, crc32_update(first, "56789", 5));
}

static void text_is_formatted_and_cut(void **state)
{
    (void)state;
    char text[32];
    assert_int_equal(19, format_text(text, sizeof text, "%s %u %d %d", "a", 0u,
                                     -2147483647 - 1, 429));
    assert_string_equal("a 0 -2147483648 429", text);
    assert_int_equal(3, format_text(text, 4, "%u", 4294967295u));
    assert_string_equal("429", text);
    assert_int_equal(0, format_text(text, 1, "x"));
    assert_string_equal("", text);
}

static void sizes_belong_together(void **state)
{
    (void)state;
    static const uint32_t rows[][3] = {
        {1, 16, 1},
        {15, 16, 1},
        {16, 32, 1},
        {17, 32, 1},
        {67512, 67520, 1},
        {0, 0, 0},
        {0, 16, 0},
        {16, 16, 0},
        {15, 32, 0},
        {1, 0, 0},
        {0xFFFFFFFF, 0, 0},
        {0xFFFFFFF0, 0, 0},
        {0xFFFFFF00, 0xFFFFFF10, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fw_info info = make_info();
        info.pbin_size = rows[i][0];
        info.ebin_size = rows[i][1];
        assert_int_equal(rows[i][2] ? OTA_OK : OTA_E_SIZE,
                         fw_info_check_sizes(&info));
    }
}

static void every_byte_of_a_header_counts(void **state)
{
    (void)state;
    struct fw_info info = make_info();
    struct fw_info header = info;
    memset(header.aes_key, 0, 32);
    assert_int_equal(OTA_OK, fw_info_check_header(&header, &info));
    for (size_t i = 0; i < sizeof header; i++) {
        ((uint8_t *)&header)[i] ^= 0x80;
        assert_int_equal(OTA_E_HEADER, fw_info_check_header(&header, &info));
        ((uint8_t *)&header)[i] ^= 0x80;
    }
}

static void paths(void **state)
{
    (void)state;
    static const char *const good[] = {
        "E:/fw_2.ebin", "c:/a", "F:/dir/sub/f-1.bin", "D:/0",
        "E:/abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij"};
    static const char *const bad[] = {
        "",        "E:",      "E:/",       "E/f",    "/fw",    "EE:/f",
        "B:/f",    "G:/f",    "1:/f",      "E:/f/",  "E:/f.",  "E:/.f",
        "E://f",   "E:/a//b", "E:/a\"b",   "E:/a b", "E:/a,b", "E:/a\rb",
        "E:/../f", "E:/\x80", "E:/a/../b", "E:/-f",  "E:f",    "E:\\f"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char path[OTA_PATH_SIZE] = "";
        memcpy(path, good[i], strlen(good[i]));
        if (ota_path_check(path) != OTA_OK) {
            fail_msg("'%s' is refused", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char path[OTA_PATH_SIZE] = "";
        memcpy(path, bad[i], strlen(bad[i]));
        if (ota_path_check(path) != OTA_E_PATH) {
            fail_msg("'%s' is taken", bad[i]);
        }
    }
    char full[OTA_PATH_SIZE];
    memset(full, 'a', sizeof full);
    memcpy(full, "E:/", 3);
    assert_int_equal(OTA_E_PATH, ota_path_check(full));
}

static void a_boot_request_is_spec_4(void **state)
{
    (void)state;
    struct boot_request request;
    struct fw_info info = make_info();
    assert_int_equal(OTA_OK, boot_request_write(&request, &info, "E:/f", 0));
    const uint8_t head[] = {'O', 'T', 'A', 'R', 1, 0, 196, 0, 1, 0, 0, 0};
    assert_memory_equal(head, &request, sizeof head);
    assert_memory_equal(&info, (uint8_t *)&request + 12, 112);
    assert_string_equal("E:/f", (char *)&request + 128);
    assert_int_equal(crc32_update(0, &request, 192), request.crc);
    assert_int_equal(OTA_OK, boot_request_check(&request));
    for (size_t bit = 0; bit < 8 * sizeof request; bit++) {
        ((uint8_t *)&request)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(OTA_E_REQUEST, boot_request_check(&request));
        ((uint8_t *)&request)[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void a_boot_request_has_one_flag(void **state)
{
    (void)state;
    struct boot_request request;
    struct fw_info info = make_info();
    assert_int_equal(OTA_OK, boot_request_write(&request, &info, "E:/f",
                                                OTA_REQUEST_ALLOW_DOWNGRADE));
    const uint8_t flags[] = {1, 0, 0, 0};
    assert_memory_equal(flags, (uint8_t *)&request + 124, sizeof flags);
    assert_int_equal(OTA_OK, boot_request_check(&request));
    for (uint32_t bit = 1; bit < 32; bit++) {
        request.flags = OTA_REQUEST_ALLOW_DOWNGRADE | 1u << bit;
        request.crc = crc32_update(0, &request, 192);
        assert_int_equal(OTA_E_REQUEST, boot_request_check(&request));
        assert_int_equal(OTA_E_REQUEST, boot_request_write(&request, &info,
                                                           "E:/f", 1u << bit));
    }
}

static void a_boot_request_that_would_be_refused_is_not_written(void **state)
{
    (void)state;
    struct boot_request request;
    struct boot_request before;
    struct fw_info info = make_info();
    memset(&request, 0x5A, sizeof request);
    before = request;
    assert_int_equal(OTA_E_PATH, boot_request_write(&request, &info, "fw", 0));
    char path[OTA_PATH_SIZE + 2];
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(OTA_E_PATH, boot_request_write(&request, &info, path, 0));
    info.ebin_size = 0;
    assert_int_equal(OTA_E_SIZE,
                     boot_request_write(&request, &info, "E:/f", 0));
    assert_memory_equal(&before, &request, sizeof request);
}

static void a_boot_status_is_spec_5(void **state)
{
    (void)state;
    struct boot_status status;
    struct boot_status read;
    memset(&status, 0, sizeof status);
    status.app_version = 7;
    boot_status_seal(&status);
    const uint8_t head[] = {'O', 'T', 'A', 'S', 1, 0, 128, 0};
    assert_memory_equal(head, &status, sizeof head);
    assert_int_equal(crc32_update(0, &status, 124), status.crc);
    assert_int_equal(OTA_OK, boot_status_read(&status, &read));
    assert_int_equal(7, read.app_version);
    status.app_version = 8;
    assert_int_equal(OTA_E_REQUEST, boot_status_read(&status, &read));
}

/// ota.json ///

static char hex[225];

static int make_hex(void **state)
{
    (void)state;
    struct fw_info info = make_info();
    for (size_t i = 0; i < sizeof info; i++) {
        snprintf(hex + 2 * i, 3, "%02x", ((const uint8_t *)&info)[i]);
    }
    return 0;
}

static int parse(const char *format, struct update_request *request)
{
    char text[4096];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int size = snprintf(text, sizeof text, format, hex);
#pragma GCC diagnostic pop
    return update_request_parse(text, (size_t)size, request);
}

#define INFO "\"fw_info\":\"%s\""
#define URL "\"url\":\"http://h/f\""
#define TYPE "\"type\":\"update_fw\""

static void ota_json_is_read(void **state)
{
    (void)state;
    struct update_request request;
    struct fw_info info = make_info();
    static const char *const rows[] = {
        "{" TYPE "," URL ",\"alt_url\":\"\"," INFO "}",
        "{" INFO ",\"alt_url\":\"\"," URL "," TYPE "}",
        "{" TYPE "," URL "," INFO "}",
        " {\n" TYPE " , " URL " , " INFO " }\n",
        "{" TYPE ",\"x\":{\"url\":1,\"type\":[1,{\"fw_info\":2}]}," URL "," INFO
        ",\"y\":null,\"z\":[],\"n\":-1.5e3}",
        "{" TYPE ",\"url\":\"http:\\/\\/h\\u002ff\"," INFO "}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (parse(rows[i], &request) != OTA_OK) {
            fail_msg("refused: %s", rows[i]);
        }
        assert_string_equal("http://h/f", request.url);
        assert_string_equal("", request.alt_url);
        assert_memory_equal(&info, &request.info, sizeof info);
    }
    assert_int_equal(OTA_OK, parse("{" TYPE ",\"url\":\"\",\"alt_url\":"
                                   "\"https://h/f?a=1\\u0026b\"," INFO "}",
                                   &request));
    assert_string_equal("https://h/f?a=1&b", request.alt_url);
    assert_string_equal("", request.url);
}

static void ota_json_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "{",
        "{}",
        "[]",
        "\"update_fw\"",
        "{" URL "," INFO "}",
        "{" TYPE "," URL "}",
        "{" TYPE "," INFO "}",
        "{" TYPE ",\"url\":\"\"," INFO "}",
        "{" TYPE "," URL "," URL "," INFO "}",
        "{\"type\":\"update\"," URL "," INFO "}",
        "{\"type\":1," URL "," INFO "}",
        "{" TYPE ",\"url\":1," INFO "}",
        "{" TYPE ",\"url\":[\"http://h/f\"]," INFO "}",
        "{" TYPE ",\"url\":\"ftp://h/f\"," INFO "}",
        "{" TYPE ",\"url\":\"http://\"," INFO "}",
        "{" TYPE ",\"url\":\"http://h/ f\"," INFO "}",
        "{" TYPE ",\"url\":\"http://h/\\\"f\"," INFO "}",
        "{" TYPE ",\"url\":\"http://h/\\u0022f\"," INFO "}",
        "{" TYPE ",\"url\":\"http://h/\\u00e4\"," INFO "}",
        "{" TYPE ",\"url\":\"http://h/\\n\"," INFO "}",
        "{" TYPE ",\"url\":\"http://h/\xc3\xa4\"," INFO "}",
        "{" TYPE "," URL ",\"fw_info\":\"%s0\"}",
        "{" TYPE "," URL ",\"fw_info\":\"\"}",
        "{" TYPE "," URL "," INFO "}{}",
        "{" TYPE "," URL "," INFO,
        "{\"x\":{" TYPE "," URL "," INFO "}}",
        "{" TYPE ":1," URL "," INFO "}",
    };
    struct update_request request;
    static const struct update_request nothing;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (parse(rows[i], &request) != OTA_E_REQUEST) {
            fail_msg("row %u is taken: %s", (unsigned)i, rows[i]);
        }
        assert_memory_equal(&nothing, &request, sizeof request);
    }
}

static void ota_json_limits(void **state)
{
    (void)state;
    struct update_request request;
    char text[4096];
    for (size_t length = 511; length <= 513; length++) {
        char url[514];
        memset(url, 'a', sizeof url);
        memcpy(url, "http://", 7);
        url[length] = '\0';
        int size = snprintf(text, sizeof text,
                            "{" TYPE ",\"url\":\"%s\"," INFO "}", url, hex);
        assert_int_equal(length <= 512 ? OTA_OK : OTA_E_REQUEST,
                         update_request_parse(text, (size_t)size, &request));
    }
    // Spaces up to the limit, and one more.
    memset(text, ' ', sizeof text);
    int size = snprintf(text, sizeof text, "{" TYPE "," URL "," INFO "}", hex);
    text[size] = ' ';
    assert_int_equal(OTA_OK, update_request_parse(text, 2048, &request));
    assert_int_equal(OTA_E_REQUEST, update_request_parse(text, 2049, &request));
}

static void ota_json_needs_good_sizes_and_digits(void **state)
{
    (void)state;
    struct update_request request;
    char kept = hex[16];
    hex[16] = 'f'; // pbin_size
    assert_int_equal(OTA_E_SIZE,
                     parse("{" TYPE "," URL "," INFO "}", &request));
    hex[16] = 'g';
    assert_int_equal(OTA_E_REQUEST,
                     parse("{" TYPE "," URL "," INFO "}", &request));
    hex[16] = kept;
    // Upper case is accepted.
    for (size_t i = 0; i < 224; i++) {
        hex[i] = (char)(hex[i] >= 'a' ? hex[i] - 32 : hex[i]);
    }
    assert_int_equal(OTA_OK, parse("{" TYPE "," URL "," INFO "}", &request));
    make_hex(state);
}

static void ota_json_has_an_id_and_may_allow_a_downgrade(void **state)
{
    (void)state;
    struct update_request request;
    assert_int_equal(OTA_OK, parse("{" TYPE "," URL "," INFO "}", &request));
    assert_string_equal("5051525354555657", request.id); // of ebin_hash
    assert_false(request.allow_downgrade);
    assert_int_equal(OTA_OK,
                     parse("{" TYPE "," URL "," INFO ",\"id\":\"A-z_09\","
                           "\"allow_downgrade\":true}",
                           &request));
    assert_string_equal("A-z_09", request.id);
    assert_true(request.allow_downgrade);
    assert_false(request.is_job);
    static const char *const bad[] = {
        ",\"id\":\"\"",
        ",\"id\":\"a b\"",
        ",\"id\":\"a\\u0041\"",
        ",\"id\":\"a/b\"",
        ",\"id\":7",
        ",\"id\":\"a\",\"id\":\"a\"",
        ",\"id\":\"12345678901234567890123456789012"
        "345678901234567890123456789012345\"",
        ",\"allow_downgrade\":\"true\"",
        ",\"allow_downgrade\":1",
        ",\"allow_downgrade\":null",
        ",\"allow_downgrade\":true,\"allow_downgrade\":true",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "{" TYPE "," URL "," INFO "%s}", "%s",
                 bad[i]);
        if (parse(text, &request) != OTA_E_REQUEST) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

static void a_refused_request_keeps_nothing_but_its_id(void **state)
{
    (void)state;
    struct update_request request;
    struct update_request expected = {.id = "r1"};
    assert_int_equal(OTA_E_REQUEST,
                     parse("{\"id\":\"r1\"," TYPE "," INFO "}", &request));
    assert_memory_equal(&expected, &request, sizeof request);
}

static int parse_job(const char *format, struct update_request *request)
{
    char text[4096];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int size = snprintf(text, sizeof text, format, hex);
#pragma GCC diagnostic pop
    return update_request_parse_job(text, (size_t)size, request);
}

static void a_job_holds_a_request(void **state)
{
    (void)state;
    struct update_request request;
    static const char job[] =
        "{\"timestamp\":1,\"execution\":{\"jobId\":\"j-1\",\"status\":"
        "\"QUEUED\",\"queuedAt\":1,\"lastUpdatedAt\":1,\"versionNumber\":1,"
        "\"jobDocument\":{" TYPE "," URL "," INFO
        ",\"id\":\"other\",\"allow_downgrade\":true}}}";
    assert_int_equal(OTA_OK, parse_job(job, &request));
    assert_string_equal("j-1", request.id);
    assert_string_equal("http://h/f", request.url);
    assert_true(request.is_job && request.allow_downgrade);
    static const char *const none[] = {
        "{}", "{\"timestamp\":1}", "{\"execution\":{}}",
        "{\"clientToken\":\"x\",\"timestamp\":1,\"execution\":{}}"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(OTA_OK, parse_job(none[i], &request));
        assert_false(request.is_job);
        assert_string_equal("", request.id);
    }
}

static void a_job_is_refused(void **state)
{
    (void)state;
    struct update_request request;
    static const struct {
        const char *text;
        const char *id;
    } rows[] = {
        {"", ""},
        {"[]", ""},
        {"{\"execution\":1}", ""},
        {"{\"execution\":[]}", ""},
        {"{\"execution\":{\"status\":1}}", ""},
        {"{\"execution\":{\"jobId\":1}}", ""},
        {"{\"execution\":{\"jobId\":\"a b\"}}", ""},
        {"{\"execution\":{\"jobId\":\"j\"}}", "j"},
        {"{\"execution\":{\"jobId\":\"j\",\"jobDocument\":\"x\"}}", "j"},
        {"{\"execution\":{\"jobId\":\"j\",\"jobDocument\":{}}}", "j"},
        {"{\"execution\":{\"jobId\":\"j\",\"jobDocument\":{" TYPE "," INFO
         "}}}",
         "j"},
        {"{\"execution\":{\"jobId\":\"j\"},\"execution\":{}}", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (parse_job(rows[i].text, &request) != OTA_E_REQUEST) {
            fail_msg("taken: %s", rows[i].text);
        }
        assert_string_equal(rows[i].id, request.id);
        assert_int_equal(0, request.info.pbin_size);
    }
}

static void every_prefix_of_ota_json_is_refused(void **state)
{
    (void)state;
    struct update_request request;
    char text[600];
    int size = snprintf(text, sizeof text, "{" TYPE "," URL "," INFO "}", hex);
    for (size_t cut = 0; cut < (size_t)size; cut++) {
        assert_int_equal(OTA_E_REQUEST,
                         update_request_parse(text, cut, &request));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32_is_zlibs),
        cmocka_unit_test(text_is_formatted_and_cut),
        cmocka_unit_test(sizes_belong_together),
        cmocka_unit_test(every_byte_of_a_header_counts),
        cmocka_unit_test(paths),
        cmocka_unit_test(a_boot_request_is_spec_4),
        cmocka_unit_test(a_boot_request_has_one_flag),
        cmocka_unit_test(a_boot_request_that_would_be_refused_is_not_written),
        cmocka_unit_test(a_boot_status_is_spec_5),
        cmocka_unit_test(ota_json_is_read),
        cmocka_unit_test(ota_json_is_refused),
        cmocka_unit_test(ota_json_limits),
        cmocka_unit_test(ota_json_needs_good_sizes_and_digits),
        cmocka_unit_test(ota_json_has_an_id_and_may_allow_a_downgrade),
        cmocka_unit_test(a_refused_request_keeps_nothing_but_its_id),
        cmocka_unit_test(a_job_holds_a_request),
        cmocka_unit_test(a_job_is_refused),
        cmocka_unit_test(every_prefix_of_ota_json_is_refused),
    };
    return cmocka_run_group_tests(tests, make_hex, NULL);
}

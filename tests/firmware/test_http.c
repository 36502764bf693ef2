// The HTTP client: what is sent, every order of answers, every error code, and
// MQTT messages that arrive meanwhile.
//
// SPDX-License-Identifier: Apache-2.0
#include "script.h"
#include "sim7600_http.h"
#include "sim7600_mqtt.h"

static struct sim7600_mqtt mqtt;

#define OK "\r\nOK\r\n"
#define ERROR "\r\nERROR\r\n"
#define R(text) "\r\n" text "\r\n"
#define BAR "|"
#define MESSAGE                                                                \
    "\r\n+CMQTTRXSTART: 0,3,6\r\n\r\n+CMQTTRXTOPIC: 0,3\r\na/b"                \
    "\r\n+CMQTTRXPAYLOAD: 0,6\r\n\r\nOK\r\n\r\n+CMQTTRXEND: 0\r\n"

// HTTPTERM, FSCD, FSATTRI: no file; HTTPINIT, URL, RECVTO, RESPTO, BREAK,
// BREAKEND.
#define FIRST ERROR BAR OK BAR ERROR BAR
#define READY FIRST OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR
#define FETCHED READY OK R("+HTTPACTION: 0,200,1000") BAR
#define STORED FETCHED OK R("+HTTPREADFILE: 0") BAR
#define SIZE(n) OK BAR R("+FSATTRI: " #n ", 2026/01/06 10:24:46 Tue") OK BAR

struct row {
    const char *name;
    const char *answer;
    int result;
    uint32_t status;
};

static const struct row rows[] = {
    {"good", STORED SIZE(1000) OK, OTA_OK, 200},
    {"result_first",
     READY R("+HTTPACTION: 0,200,1000") OK BAR R("+HTTPREADFILE: 0")
         OK BAR SIZE(1000) OK,
     OTA_OK, 200},
    {"no_spaces",
     READY OK R("+HTTPACTION:0,200,1000") BAR OK R("+HTTPREADFILE:0")
         BAR SIZE(1000) OK,
     OTA_OK, 200},
    {"peer_closed_between",
     READY OK R("+HTTP_PEER_CLOSED") R("+HTTPACTION: 0,200,1000")
         R("+HTTP_PEER_CLOSED") BAR OK R("+HTTPREADFILE: 0") BAR SIZE(1000) OK,
     OTA_OK, 200},
    {"a_message_meanwhile",
     READY OK MESSAGE R("+HTTPACTION: 0,200,1000") BAR OK R("+HTTPREADFILE: 0")
         BAR SIZE(1000) OK,
     OTA_OK, 200},
    {"another_methods_result",
     READY OK R("+HTTPACTION: 1,404,0") R("+HTTPACTION: 0,200,1000")
         BAR OK R("+HTTPREADFILE: 0") BAR SIZE(1000) OK,
     OTA_OK, 200},
    {"firmware_without_ranges",
     FIRST OK BAR OK BAR OK BAR OK BAR ERROR BAR OK R("+HTTPACTION: 0,200,1000")
         BAR OK R("+HTTPREADFILE: 0") BAR SIZE(1000) OK,
     OTA_OK, 200},
    {"not_found", READY OK R("+HTTPACTION: 0,404,9") BAR OK, OTA_E_HTTP, 404},
    {"redirect", READY OK R("+HTTPACTION: 0,302,0") BAR OK, OTA_E_HTTP, 302},
    {"no_content", READY OK R("+HTTPACTION: 0,204,0") BAR OK, OTA_E_HTTP, 204},
    {"code_with_error", READY R("+HTTPACTION: 0,714,0") ERROR BAR OK,
     OTA_E_NETWORK, 714},
    {"action_refused", READY ERROR BAR OK, OTA_E_MODEM, 0},
    {"action_without_result", READY OK, OTA_E_TIMEOUT, 0},
    {"letters_for_a_status", READY OK R("+HTTPACTION: 0,abc,0") BAR OK,
     OTA_E_PROTOCOL, 0},
    {"no_length", READY OK R("+HTTPACTION: 0,200") BAR OK, OTA_E_PROTOCOL, 200},
    {"more_behind_the_length", READY OK R("+HTTPACTION: 0,200,1,1") BAR OK,
     OTA_E_PROTOCOL, 200},
    {"huge_length", READY OK R("+HTTPACTION: 0,200,99999999999") BAR OK,
     OTA_E_PROTOCOL, 200},
    {"restart", READY OK R("RDY"), OTA_E_MODEM_REBOOT, 0},
    {"no_service", FIRST ERROR BAR OK, OTA_E_MODEM, 0},
    {"url_refused", FIRST OK BAR ERROR BAR OK, OTA_E_MODEM, 0},
    {"full", FETCHED R("+HTTPREADFILE: 707") ERROR BAR OK, OTA_E_NO_SPACE, 200},
    {"full_code_behind", FETCHED ERROR R("+HTTPREADFILE: 602") BAR OK,
     OTA_E_NO_SPACE, 200},
    {"full_with_ok", FETCHED OK R("+HTTPREADFILE: 707") BAR OK, OTA_E_NO_SPACE,
     200},
    {"not_stored", FETCHED ERROR BAR OK, OTA_E_MODEM, 200},
    {"shorter_than_told", STORED SIZE(999) OK, OTA_E_SHORT_READ, 200},
    {"longer_than_told", STORED SIZE(1001) OK, OTA_E_SHORT_READ, 200},
    {"stored_but_not_there", STORED OK BAR ERROR BAR OK, OTA_E_NO_FILE, 200},
};

static struct sim7600_http_get get = {
    .url = "http://host.example:8080/fw/2.ebin?a=b&c=d",
    .path = "E:/fw_2.ebin",
};

static void fetches_in_every_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        for (size_t k = 0; k < 5; k++) {
            struct sim7600_http_result result = {9, 9};
            begin(row->answer, strlen(row->answer), chunks[k]);
            sim7600_mqtt_init(&mqtt, &modem);
            int err = sim7600_http_fetch(&modem, &get, &result);
            if (err != row->result || result.status != row->status ||
                result.size != (err == OTA_OK ? 1000u : 0u) ||
                mqtt.held != (strstr(row->name, "message") != NULL)) {
                fail_msg("%s in chunks of %u: %d, status %u, size %u\n%s",
                         row->name, (unsigned)chunks[k], err,
                         (unsigned)result.status, (unsigned)result.size,
                         script.log);
            }
            // Ended, whatever happened: once before, once after.
            const char *term = strstr(script.log, "AT+HTTPTERM\r");
            assert_ptr_equal(script.log, term);
            assert_int_equal(err != OTA_E_MODEM_REBOOT,
                             strstr(term + 1, "AT+HTTPTERM\r") != NULL);
        }
    }
}

static void half_a_file_is_deleted(void **state)
{
    (void)state;
    static const char *const answers[] = {
        STORED SIZE(999) OK BAR OK BAR R("+FSATTRI: 999, x") OK BAR OK,
        FETCHED R("+HTTPREADFILE: 707")
            ERROR BAR OK BAR OK BAR R("+FSATTRI: 999, x") OK BAR OK,
    };
    for (size_t i = 0; i < 2; i++) {
        struct sim7600_http_result result;
        begin(answers[i], strlen(answers[i]), ALL);
        assert_int_not_equal(OTA_OK, sim7600_http_fetch(&modem, &get, &result));
        assert_non_null(strstr(script.log,
                               "AT+HTTPTERM\rAT+FSCD=E:/\r"
                               "AT+FSATTRI=fw_2.ebin\rAT+FSDEL=fw_2.ebin\r"));
    }
}

static void what_is_sent(void **state)
{
    (void)state;
    struct sim7600_http_result result;
    begin(rows[0].answer, strlen(rows[0].answer), ALL);
    assert_int_equal(OTA_OK, sim7600_http_fetch(&modem, &get, &result));
    assert_string_equal(
        "AT+HTTPTERM\rAT+FSCD=E:/\rAT+FSATTRI=fw_2.ebin\rAT+HTTPINIT\r"
        "AT+HTTPPARA=\"URL\",\"http://host.example:8080/fw/2.ebin?a=b&c=d\"\r"
        "AT+HTTPPARA=\"RECVTO\",60\rAT+HTTPPARA=\"RESPTO\",60\r"
        "AT+HTTPPARA=\"BREAK\",0\rAT+HTTPPARA=\"BREAKEND\",0\r"
        "AT+HTTPACTION=0\rAT+HTTPREADFILE=\"fw_2.ebin\",3\r"
        "AT+FSCD=E:/\rAT+FSATTRI=fw_2.ebin\rAT+HTTPTERM\r",
        script.log);
}

static void an_older_file_goes_first(void **state)
{
    (void)state;
    // A part of the same size as all parts: only itself may go.
    static const char answer[] = ERROR BAR OK BAR R("+FSATTRI: 131072,x")
        OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK R(
            "+HTTPACTION: 0,200,1000") BAR OK R("+HTTPREADFILE: 0")
            BAR SIZE(1000) OK;
    struct sim7600_http_get part = get;
    struct sim7600_http_result result;
    part.path = "F:/fw_2.ebi1";
    begin(answer, sizeof answer - 1, ALL);
    assert_int_equal(OTA_OK, sim7600_http_fetch(&modem, &part, &result));
    assert_non_null(strstr(script.log, "AT+FSCD=F:/\rAT+FSATTRI=fw_2.ebi1\r"
                                       "AT+FSDEL=fw_2.ebi1\rAT+HTTPINIT\r"));
    assert_non_null(strstr(script.log, "AT+HTTPREADFILE=\"fw_2.ebi1\",1\r"));
}

static void ranges_are_set_and_taken_back(void **state)
{
    (void)state;
    static const struct {
        uint32_t first;
        uint32_t last;
        const char *sent;
    } ranges[] = {
        {131072, 262143,
         "=\"BREAK\",131072\rAT+HTTPPARA=\"BREAKEND\",262143\r"},
        {0, 131071, "=\"BREAK\",0\rAT+HTTPPARA=\"BREAKEND\",131071\r"},
        // The last byte of a file: to the end.
        {131072, 131072, "=\"BREAK\",131072\rAT+HTTPPARA=\"BREAKEND\",0\r"},
    };
    static const char answer[] = READY OK R("+HTTPACTION: 0,206,1000")
        BAR OK R("+HTTPREADFILE: 0") BAR SIZE(1000) OK BAR OK BAR OK;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        struct sim7600_http_get range = get;
        struct sim7600_http_result result;
        range.first = ranges[i].first;
        range.last = ranges[i].last;
        begin(answer, sizeof answer - 1, ALL);
        assert_int_equal(OTA_OK, sim7600_http_fetch(&modem, &range, &result));
        assert_int_equal(206, result.status);
        assert_non_null(strstr(script.log, ranges[i].sent));
        assert_non_null(strstr(
            script.log, "AT+HTTPPARA=\"BREAK\",0\rAT+HTTPPARA=\"BREAKEND\",0\r"
                        "AT+HTTPTERM\r"));
    }
}

static void https_has_its_own_context(void **state)
{
    (void)state;
    static const struct sim7600_tls tls = {.ca = "ca.pem",
                                           .verify_dates = true};
    static const char verified[] =
        FIRST OK BAR OK BAR R("+CCERTLIST: \"ca.pem\"")
            OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK
                BAR OK BAR OK R("+HTTPACTION: 0,715,0") BAR OK;
    static const char unverified[] =
        FIRST OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK
            BAR OK BAR OK R("+HTTPACTION: 0,715,0") BAR OK;
    struct sim7600_http_get secure = get;
    struct sim7600_http_result result;
    secure.url = "https://host.example/2.ebin";
    secure.tls = &tls;
    begin(verified, sizeof verified - 1, ALL);
    assert_int_equal(OTA_E_TLS, sim7600_http_fetch(&modem, &secure, &result));
    assert_non_null(
        strstr(script.log,
               "AT+CCERTLIST\rAT+CSSLCFG=\"sslversion\",1,3\r"
               "AT+CSSLCFG=\"cacert\",1,\"ca.pem\"\r"
               "AT+CSSLCFG=\"authmode\",1,1\r"
               "AT+CSSLCFG=\"ignorelocaltime\",1,0\r"
               "AT+CSSLCFG=\"enableSNI\",1,1\rAT+HTTPPARA=\"SSLCFG\",1\r"));
    secure.tls = NULL;
    begin(unverified, sizeof unverified - 1, ALL);
    assert_int_equal(OTA_E_TLS, sim7600_http_fetch(&modem, &secure, &result));
    assert_non_null(strstr(script.log, "AT+CSSLCFG=\"authmode\",1,0\r"));
}

static void every_code_has_its_meaning(void **state)
{
    (void)state;
    static const struct {
        int result;
        uint16_t codes[16];
    } meanings[] = {
        {OTA_E_NETWORK,
         {601, 603, 604, 704, 705, 706, 709, 712, 713, 714, 716, 717, 718,
          720}},
        {OTA_E_TLS, {710, 715}},
        {OTA_E_CERTIFICATE, {719}},
        {OTA_E_NO_SPACE, {602, 707}},
        {OTA_E_HTTP,
         {600, 701, 702, 703, 708, 711, 301, 400, 401, 403, 416, 500, 503}},
    };
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        for (const uint16_t *code = meanings[i].codes; *code != 0; code++) {
            char answer[400];
            struct sim7600_http_result result;
            (void)snprintf(answer, sizeof answer,
                           READY OK R("+HTTPACTION: 0,%u,0") BAR OK,
                           (unsigned)*code);
            begin(answer, strlen(answer), ALL);
            assert_int_equal(meanings[i].result,
                             sim7600_http_fetch(&modem, &get, &result));
            assert_int_equal(*code, result.status);
        }
    }
}

static void a_presigned_url_of_512_characters_is_sent_whole(void **state)
{
    (void)state;
    char url[514];
    struct sim7600_http_get big = get;
    struct sim7600_http_result result;
    memset(url, 'q', sizeof url);
    url[512] = '\0';
    memcpy(url, "http://h/?", 10);
    big.url = url;
    begin(rows[0].answer, strlen(rows[0].answer), ALL);
    assert_int_equal(OTA_OK, sim7600_http_fetch(&modem, &big, &result));
    assert_non_null(strstr(script.log, url));
    url[512] = 'q';
    url[513] = '\0';
    assert_int_equal(OTA_E_REQUEST, sim7600_http_fetch(&modem, &big, &result));
}

static void what_cannot_work_is_not_sent(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *path;
        int result;
    } bad[] = {
        {"ftp://h/f", "E:/f", OTA_E_REQUEST},
        {"", "E:/f", OTA_E_REQUEST},
        {NULL, "E:/f", OTA_E_REQUEST},
        {"http://h/\"\rAT+CFUN=6\r", "E:/f", OTA_E_REQUEST},
        {"http://h/a b", "E:/f", OTA_E_REQUEST},
        {"http://h/\xc3\xa9", "E:/f", OTA_E_REQUEST},
        {"http://h/f", "C:/f", OTA_E_PATH},
        {"http://h/f", "E:", OTA_E_PATH},
        {"http://h/f", "", OTA_E_PATH},
        {"http://h/f", "E:/", OTA_E_PATH},
        {"http://h/f", "E:/folder/f", OTA_E_PATH},
        {"http://h/f", "E:/a\"b", OTA_E_PATH},
        {"http://h/f", "E:/a,b", OTA_E_PATH},
        {"http://h/f",
         "E:/012345678901234567890123456789012345678901234567890123456789012",
         OTA_E_PATH},
    };
    struct sim7600_http_result result;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct sim7600_http_get one = {.url = bad[i].url,
                                             .path = bad[i].path};
        begin("", 0, ALL);
        assert_int_equal(bad[i].result,
                         sim7600_http_fetch(&modem, &one, &result));
        assert_string_equal("", script.log);
    }
    struct sim7600_http_get one = get;
    one.first = 2;
    one.last = 1;
    assert_int_equal(OTA_E_RANGE, sim7600_http_fetch(&modem, &one, &result));
}

static void the_watchdog_is_fed_while_the_server_is_slow(void **state)
{
    (void)state;
    struct sim7600_http_result result;
    static const char answer[] = READY OK;
    begin(answer, sizeof answer - 1, ALL);
    sim7600_mqtt_init(&mqtt, &modem);
    assert_int_equal(OTA_E_TIMEOUT, sim7600_http_fetch(&modem, &get, &result));
    assert_true(script.now_ms - 0xFFFFFF00u > 600000u);
    assert_in_range(script.idle_gap, 1, 2 * AT_SLICE_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fetches_in_every_order),
        cmocka_unit_test(half_a_file_is_deleted),
        cmocka_unit_test(what_is_sent),
        cmocka_unit_test(an_older_file_goes_first),
        cmocka_unit_test(ranges_are_set_and_taken_back),
        cmocka_unit_test(https_has_its_own_context),
        cmocka_unit_test(every_code_has_its_meaning),
        cmocka_unit_test(a_presigned_url_of_512_characters_is_sent_whole),
        cmocka_unit_test(what_cannot_work_is_not_sent),
        cmocka_unit_test(the_watchdog_is_fed_while_the_server_is_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

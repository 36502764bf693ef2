// SIM, registration, identity, certificates; small files and drives.
//
// SPDX-License-Identifier: Apache-2.0
#include "script.h"
#include "sim7600_files.h"
#include "sim7600_net.h"

#define OK "\r\nOK\r\n"
#define ERROR "\r\nERROR\r\n"
#define R(text) "\r\n" text "\r\n"
#define BAR "|"
#define READY R("+CPIN: READY") OK BAR

/// Attaching ///

struct row {
    const char *name;
    const char *answer;
    int result;
    const char *sent;
};

static const struct row attaches[] = {
    {"lte_at_home", READY R("+CEREG: 0,1") OK, OTA_OK, "AT+CPIN?\rAT+CEREG?\r"},
    {"lte_roaming", READY R("+CEREG: 0,5") OK, OTA_OK, "AT+CPIN?\rAT+CEREG?\r"},
    {"with_cell", READY R("+CEREG: 2,1,\"1A2B\",\"0012\",7") OK, OTA_OK,
     "AT+CPIN?\rAT+CEREG?\r"},
    {"gsm_only", READY R("+CEREG: 0,4") OK BAR R("+CGREG: 0,1") OK, OTA_OK,
     "AT+CPIN?\rAT+CEREG?\rAT+CGREG?\r"},
    {"lte_command_unknown", READY ERROR BAR R("+CGREG: 0,5") OK, OTA_OK,
     "AT+CPIN?\rAT+CEREG?\rAT+CGREG?\r"},
    {"report_in_between", READY R("+CEREG: 0,2") R("+CEREG: 1") OK, OTA_OK,
     "AT+CPIN?\rAT+CEREG?\r"},
    {"sim_comes_late",
     R("+CME ERROR: 14") BAR R("+CPIN: SIM PIN") OK BAR READY R("+CEREG: 0,1")
         OK,
     OTA_OK, "AT+CPIN?\rAT+CPIN?\rAT+CPIN?\rAT+CEREG?\r"},
    {"registers_late",
     READY R("+CEREG: 0,2") OK BAR R("+CGREG: 0,0") OK BAR R("+CEREG: 0,1") OK,
     OTA_OK, "AT+CPIN?\rAT+CEREG?\rAT+CGREG?\rAT+CEREG?\r"},
    {"restart", READY R("RDY"), OTA_E_MODEM_REBOOT, "AT+CPIN?\rAT+CEREG?\r"},
    {"silence", "", OTA_E_TIMEOUT, "AT+CPIN?\r"},
};

static void attaches_when_registered(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof attaches / sizeof attaches[0]; i++) {
        const struct row *row = &attaches[i];
        for (size_t k = 0; k < 5; k++) {
            begin(row->answer, strlen(row->answer), chunks[k]);
            int err = sim7600_attach(&modem, NULL, 5000);
            if (err != row->result || strcmp(script.log, row->sent) != 0) {
                fail_msg("%s: %d\n%s", row->name, err, script.log);
            }
        }
    }
}

static void gives_up_in_time(void **state)
{
    (void)state;
    static char answer[20000];
    static const char *const never[] = {
        R("+CME ERROR: 10") BAR,
        R("+CPIN: SIM PUK") OK BAR,
    };
    for (size_t i = 0; i < 2; i++) {
        answer[0] = '\0';
        for (int k = 0; k < 200; k++) {
            strcat(answer, never[i]);
        }
        begin(answer, strlen(answer), ALL);
        assert_int_equal(OTA_E_NETWORK, sim7600_attach(&modem, "apn", 10000));
        assert_in_range(script.now_ms - 0xFFFFFF00u, 9500, 11000);
        assert_in_range(script.idle_gap, 1, 2 * AT_SLICE_MS);
        // Also when the clock does not move.
        begin(answer, strlen(answer), ALL);
        script.clock_stands = true;
        assert_int_equal(OTA_E_NETWORK, sim7600_attach(&modem, "apn", 10000));
    }
}

static void the_apn_is_set_once(void **state)
{
    (void)state;
    static const char answer[] = READY OK BAR R("+CEREG: 0,0")
        OK BAR R("+CGREG: 0,0") OK BAR R("+CEREG: 0,1") OK;
    begin(answer, sizeof answer - 1, ALL);
    assert_int_equal(OTA_OK, sim7600_attach(&modem, "iot.example", 5000));
    assert_string_equal("AT+CPIN?\rAT+CGDCONT=1,\"IP\",\"iot.example\"\r"
                        "AT+CEREG?\rAT+CGREG?\rAT+CEREG?\r",
                        script.log);
    begin(answer, sizeof answer - 1, ALL);
    assert_int_equal(OTA_E_REQUEST, sim7600_attach(&modem, "a\"b", 5000));
}

static void whether_it_is_attached(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        bool attached;
    } rows[] = {
        {R("+CEREG: 0,1") OK, true},
        {R("+CEREG: 0,3") OK BAR R("+CGREG: 0,3") OK, false},
        {R("+CEREG: 0,11") OK BAR R("+CGREG: 0,15") OK, false},
        {R("+CEREG: x") OK BAR OK, false},
        {ERROR BAR ERROR, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool attached = !rows[i].attached;
        begin(rows[i].answer, strlen(rows[i].answer), 3);
        assert_int_equal(OTA_OK, sim7600_is_attached(&modem, &attached));
        assert_int_equal(rows[i].attached, attached);
    }
}

/// Identity ///

static void the_imei_is_fifteen_digits(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int result;
    } rows[] = {
        {R("867648040000015") OK, OTA_OK},
        {R("+CGEV: X") R("867648040000015") R("SMS DONE") OK, OTA_OK},
        {R("86764804000001") OK, OTA_E_PROTOCOL},
        {R("8676480400000155") OK, OTA_E_PROTOCOL},
        {R("86764804000001x") OK, OTA_E_PROTOCOL},
        {OK, OTA_E_PROTOCOL},
        {ERROR, OTA_E_MODEM},
        {R("867648040000015"), OTA_E_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char imei[SIM7600_IMEI_SIZE] = "";
        begin(rows[i].answer, strlen(rows[i].answer), 2);
        assert_int_equal(rows[i].result, sim7600_imei(&modem, imei));
        if (rows[i].result == OTA_OK) {
            assert_string_equal("867648040000015", imei);
        }
    }
}

/// Certificates ///

static void certificates_decide_the_mode(void **state)
{
    (void)state;
    static const char answer[] = R("+CCERTLIST: \"ca.pem\"")
        R("+CCERTLIST: \"c.pem\"") R("+CCERTLIST: \"k.pem\"")
            OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK BAR OK;
    static const struct {
        struct sim7600_tls tls;
        int result;
        const char *mode;
    } rows[] = {
        {{"ca.pem", NULL, "", false}, OTA_OK, "\"authmode\",7,1"},
        {{"ca.pem", "c.pem", "k.pem", false}, OTA_OK, "\"authmode\",7,2"},
        {{NULL, "c.pem", "k.pem", true}, OTA_OK, "\"authmode\",7,3"},
        {{"ca.pem", "c.pem", NULL, false}, OTA_E_CERTIFICATE, NULL},
        {{"ca.pem", NULL, "k.pem", false}, OTA_E_CERTIFICATE, NULL},
        {{"a.pem", NULL, NULL, false}, OTA_E_CERTIFICATE, NULL},
        {{"ca.pe", NULL, NULL, false}, OTA_E_CERTIFICATE, NULL},
        {{"ca\".pem", NULL, NULL, false}, OTA_E_CERTIFICATE, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(answer, sizeof answer - 1, ALL);
        assert_int_equal(rows[i].result,
                         sim7600_tls_configure(&modem, 7, &rows[i].tls));
        assert_int_equal(rows[i].mode != NULL,
                         rows[i].mode != NULL &&
                             strstr(script.log, rows[i].mode) != NULL);
    }
    // Without files the store is not asked.
    const struct sim7600_tls none = {0};
    begin(OK BAR OK BAR OK BAR OK, 27, ALL);
    assert_int_equal(OTA_OK, sim7600_tls_configure(&modem, 1, &none));
    assert_null(strstr(script.log, "CCERTLIST"));
    assert_non_null(strstr(script.log, "\"authmode\",1,0\r"));
}

/// Small files ///

static void small_files_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *answer;
        int result;
    } rows[] = {
        {"new",
         OK BAR OK BAR ERROR BAR "\r\n>|" OK BAR OK BAR R("+FSATTRI: 5") OK,
         OTA_OK},
        {"older_goes_first",
         OK BAR OK BAR R("+FSATTRI: 9") OK BAR OK BAR
         "\r\n>|" OK BAR OK BAR R("+FSATTRI: 5") OK,
         OTA_OK},
        {"no_drive", ERROR, OTA_E_NO_FILE},
        {"refused", OK BAR OK BAR ERROR BAR ERROR, OTA_E_MODEM},
        {"full", OK BAR OK BAR ERROR BAR "\r\n>|" ERROR, OTA_E_MODEM},
        {"byte_lost", OK BAR OK BAR ERROR BAR "\r\n>|", OTA_E_TIMEOUT},
        {"half_of_it",
         OK BAR OK BAR ERROR BAR "\r\n>|" OK BAR OK BAR R("+FSATTRI: 4") OK,
         OTA_E_SHORT_READ},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t k = 0; k < 5; k++) {
            begin(rows[i].answer, strlen(rows[i].answer), chunks[k]);
            int err =
                sim7600_file_write(&modem, "E:/ota_state.txt", "\r\nOK\n", 5);
            if (err != rows[i].result) {
                fail_msg("%s: %d\n%s", rows[i].name, err, script.log);
            }
        }
    }
    begin(rows[0].answer, strlen(rows[0].answer), ALL);
    assert_int_equal(
        OTA_OK, sim7600_file_write(&modem, "E:/ota_state.txt", "\r\nOK\n", 5));
    assert_non_null(strstr(
        script.log, "AT+CFTRANRX=\"E:/ota_state.txt\",5\r\r\nOK\nAT+FSCD"));
}

static void small_files_have_bounds(void **state)
{
    (void)state;
    uint8_t data[300] = {0};
    uint32_t size;
    begin("", 0, ALL);
    assert_int_equal(OTA_E_SIZE, sim7600_file_write(&modem, "E:/f", data, 0));
    assert_int_equal(OTA_E_SIZE, sim7600_file_write(&modem, "E:/f", data, 257));
    assert_int_equal(OTA_E_PATH, sim7600_file_write(&modem, "f", data, 1));
    assert_int_equal(OTA_E_PATH, sim7600_file_write(&modem, "E:/\"f", data, 1));
    assert_int_equal(OTA_E_PATH, sim7600_file_read(&modem, "", data, 1, &size));
    assert_string_equal("", script.log);
}

static void small_files_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int result;
        uint32_t size;
    } rows[] = {
        {OK BAR R("+FSATTRI: 5")
             OK BAR R("+CFTRANTX: DATA,5") "\r\nOK\n\r\n" R("+CFTRANTX: 0") OK,
         OTA_OK, 5},
        {OK BAR R("+FSATTRI: 0") OK, OTA_OK, 0},
        {OK BAR R("+FSATTRI: 9") OK, OTA_E_SIZE, 9},
        {OK BAR ERROR, OTA_E_NO_FILE, 0},
        {OK BAR R("+FSATTRI: 5") OK BAR ERROR, OTA_E_MODEM, 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t data[8] = {0};
        uint32_t size = 0;
        begin(rows[i].answer, strlen(rows[i].answer), 1);
        assert_int_equal(
            rows[i].result,
            sim7600_file_read(&modem, "E:/s.txt", data, sizeof data, &size));
        assert_int_equal(rows[i].size, size);
        if (rows[i].result == OTA_OK && size > 0) {
            assert_memory_equal("\r\nOK\n", data, 5);
        }
    }
}

static void the_first_drive_that_is_there_is_taken(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int result;
        const char *drive;
    } rows[] = {
        {R("+FSCD: E:/") OK, OTA_OK, "E:/"},
        {ERROR BAR R("+FSCD: F:/") OK, OTA_OK, "F:/"},
        {ERROR BAR ERROR, OTA_E_NO_FILE, NULL},
        {ERROR BAR R("RDY"), OTA_E_MODEM_REBOOT, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *drive = NULL;
        begin(rows[i].answer, strlen(rows[i].answer), 1);
        assert_int_equal(rows[i].result, sim7600_find_drive(&modem, &drive));
        if (rows[i].result == OTA_OK) {
            assert_string_equal(rows[i].drive, drive);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attaches_when_registered),
        cmocka_unit_test(gives_up_in_time),
        cmocka_unit_test(the_apn_is_set_once),
        cmocka_unit_test(whether_it_is_attached),
        cmocka_unit_test(the_imei_is_fifteen_digits),
        cmocka_unit_test(certificates_decide_the_mode),
        cmocka_unit_test(small_files_are_written),
        cmocka_unit_test(small_files_have_bounds),
        cmocka_unit_test(small_files_are_read),
        cmocka_unit_test(the_first_drive_that_is_there_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

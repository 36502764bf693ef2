// SIM7600: the modem's HTTP(S) client (AT+HTTP*, AT command manual chapter
// "HTTP(S)"): a file from a URL into the modem's storage.
//
// Laws: the modem does not follow redirects, so anything but 200 and 206 is an
// error; a file is believed by its length (AT+FSATTRI) after it was stored; the
// HTTP service is ended (HTTPTERM) whatever happened.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_SIM7600_HTTP_H
#define OTA_SIM7600_HTTP_H

#include "sim7600_net.h"

struct sim7600_http_get {
    const char *url;  // http:// or https://, up to 512 characters
    const char *path; // "E:/fw_2.ebin"; drive E, F or D
    uint32_t first;   // byte range, inclusive; both 0: all of it
    uint32_t last;
    const struct sim7600_tls *tls; // for https; NULL: server not verified
};

struct sim7600_http_result {
    uint32_t status; // HTTP status, or the modem's code 600..720; 0 for none
    uint32_t size;   // bytes that are in the file now
};

// Fetches and stores; a file that was there is deleted first. With a range, a
// server that ignores it answers 200 with everything: `status` tells.
// OTA_E_HTTP: status is neither 200 nor 206 (no file then); OTA_E_NETWORK: 601,
// 603, 604, 704..706, 709, 712..714, 716..718, 720 (worth another try);
// OTA_E_TLS: 710, 715; OTA_E_CERTIFICATE: 719; OTA_E_NO_SPACE: 602, 707;
// OTA_E_SHORT_READ: the file is not as long as the body said; see at_command
// for the rest.
OTA_CHECKED int sim7600_http_fetch(struct sim7600 *modem,
                                   const struct sim7600_http_get *get,
                                   struct sim7600_http_result *result);

#endif

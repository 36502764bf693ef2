// SIM7600: SIM, registration, clock, identity, certificates.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_SIM7600_NET_H
#define OTA_SIM7600_NET_H

#include "sim7600.h"

#define SIM7600_IMEI_SIZE 16u // 15 digits and NUL

// Which TLS context belongs to what (AT+CSSLCFG, 0..9).
#define SIM7600_TLS_MQTT 0u
#define SIM7600_TLS_HTTP 1u

// How a TLS context shall verify and identify itself. File names are those in
// the modem's certificate store (*.pem), NULL or "" for none.
struct sim7600_tls {
    const char *ca;    // none: the server is not verified
    const char *cert;  // none: no client certificate
    const char *key;   // goes with cert
    bool verify_dates; // needs the modem's clock
};

// Waits until the SIM is ready, sets the APN of context 1 (NULL or "": as it
// is) and waits until the modem is registered, at home or roaming, in CGREG or
// CEREG. OTA_E_NETWORK when that did not happen within `wait_ms`; see
// at_command for the rest.
OTA_CHECKED int sim7600_attach(struct sim7600 *modem, const char *apn,
                               uint32_t wait_ms);

// True in `attached` while the modem is registered (one exchange).
OTA_CHECKED int sim7600_is_attached(struct sim7600 *modem, bool *attached);

// Waits between exchanges: keeps the watchdog fed and takes what arrives.
// OTA_E_LINK, OTA_E_MODEM_REBOOT.
OTA_CHECKED int sim7600_pause(struct sim7600 *modem, uint32_t pause_ms);

// AT+CGSN: 15 digits. OTA_E_PROTOCOL when the answer is anything else.
OTA_CHECKED int sim7600_imei(struct sim7600 *modem,
                             char imei[SIM7600_IMEI_SIZE]);

// Configures TLS context `context` (0..9): version, authmode from which files
// are given, SNI on. Forgotten by the modem when it restarts.
// OTA_E_CERTIFICATE when one of the files is not in the modem (AT+CCERTLIST).
OTA_CHECKED int sim7600_tls_configure(struct sim7600 *modem, uint32_t context,
                                      const struct sim7600_tls *tls);

#endif

// Status codes of the whole device: one enum for every module.
//
// 0 is success, negative is an error; a positive value appears only where a
// function documents a count. Values are never reused: they travel in the boot
// status and in reports.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_STATUS_H
#define OTA_STATUS_H

#define OTA_CHECKED __attribute__((warn_unused_result))

enum ota_status {
    OTA_OK = 0,

    // Link and modem
    OTA_E_TIMEOUT = -1,      // the deadline of the exchange passed
    OTA_E_LINK = -2,         // bytes were lost or garbled on the UART
    OTA_E_MODEM = -3,        // the modem answered ERROR
    OTA_E_MODEM_REBOOT = -4, // the modem restarted during the exchange
    OTA_E_NO_FILE = -5,      // the file is not in the modem's storage
    OTA_E_SHORT_READ = -6,   // the modem sent fewer bytes than it has
    OTA_E_PROTOCOL = -7,     // the modem's reply is not what the manual allows
    OTA_E_NO_SPACE = -8,     // the modem's storage has no room for the file

    // The request and the image
    OTA_E_REQUEST = -20,     // boot request malformed
    OTA_E_RANGE = -21,       // fp_base or size outside the allowed region
    OTA_E_SIZE = -22,        // pbin_size and ebin_size do not belong together
    OTA_E_SAME = -23,        // this very image already runs
    OTA_E_FILE_SIZE = -24,   // file size matches neither form of the .ebin
    OTA_E_HEADER = -25,      // public header differs from the fw_info
    OTA_E_CIPHER_HASH = -26, // SHA-256 of the cipher text differs
    OTA_E_PLAIN_HASH = -27,  // SHA-256 of the flash differs after programming
    OTA_E_PADDING = -28,     // PKCS#7 padding is wrong (wrong key)
    OTA_E_PATH = -29,        // path is not drive:/name
    OTA_E_DOWNGRADE = -30,   // older than what runs, and that is not allowed

    // Flash, journal, crypto
    OTA_E_FLASH = -40,        // a write or erase did not read back
    OTA_E_FLASH_RANGE = -41,  // address outside what this port may touch
    OTA_E_JOURNAL = -42,      // neither journal page is usable
    OTA_E_JOURNAL_FULL = -43, // the record does not fit even after compaction
    OTA_E_CRYPTO = -44,       // the crypto engine reported an error or hung

    // Trial
    OTA_E_UNCONFIRMED = -60, // the trial application never confirmed
    OTA_E_NO_PREVIOUS = -61, // there is no version to go back to

    // Network, broker and download (applications)
    OTA_E_NETWORK = -70,     // no SIM, not registered, or no data connection
    OTA_E_BROKER = -71,      // the broker or the modem's MQTT client refused
    OTA_E_HTTP = -72,        // the server's status is neither 200 nor 206
    OTA_E_CERTIFICATE = -73, // a certificate is missing in the modem
    OTA_E_BUSY = -74,        // another update is in work
    OTA_E_INTERRUPTED = -75, // a reset lost the request before it was taken
    OTA_E_TLS = -76,         // the TLS session could not be made
};

#endif

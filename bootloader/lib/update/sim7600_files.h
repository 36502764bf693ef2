// SIM7600: small files that the application keeps in the modem, and the drives.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_SIM7600_FILES_H
#define OTA_SIM7600_FILES_H

#include "sim7600.h"

// Largest file that sim7600_file_write sends in one go: the modem's FIFO holds
// 512 bytes, and it need not be paced below half of that.
#define SIM7600_SMALL_FILE_MAX 256u

// Writes a whole file of 1..SIM7600_SMALL_FILE_MAX bytes (AT+CFTRANRX); an
// older one is deleted first. OTA_E_NO_FILE when there is no such drive.
OTA_CHECKED int sim7600_file_write(struct sim7600 *modem, const char *path,
                                   const void *data, uint32_t size);

// Reads a whole file of at most `capacity` (up to SIM7600_SMALL_FILE_MAX)
// bytes; `size` is its length. OTA_E_NO_FILE, OTA_E_SIZE when it is longer.
OTA_CHECKED int sim7600_file_read(struct sim7600 *modem, const char *path,
                                  void *data, uint32_t capacity,
                                  uint32_t *size);

// The drive for updates: the first of E:/ and F:/ that is there ("E:/"). Both
// can be the target of AT+HTTPREADFILE. OTA_E_NO_FILE when there is neither.
OTA_CHECKED int sim7600_find_drive(struct sim7600 *modem, const char **drive);

#endif

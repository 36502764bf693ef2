// fw_info: what an image is, where it goes and how to decrypt it (SPEC 1).
//
// Laws: the struct is the wire format, byte for byte; all targets are
// little-endian, which is asserted here. It holds the key: whoever copies it
// is responsible for wiping it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_FW_INFO_H
#define OTA_FW_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ota/status.h"

#define OTA_FW_INFO_SIZE 112u
#define OTA_PATH_SIZE 64u
#define OTA_AES_BLOCK 16u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the wire structs are little-endian");

struct fw_info {
    uint32_t version;
    uint32_t fp_base;
    uint32_t pbin_size;
    uint32_t ebin_size;
    uint8_t aes_key[16];
    uint8_t aes_iv[16];
    uint8_t pbin_hash[32];
    uint8_t ebin_hash[32];
};

_Static_assert(sizeof(struct fw_info) == OTA_FW_INFO_SIZE, "SPEC 1");
_Static_assert(offsetof(struct fw_info, fp_base) == 4, "SPEC 1");
_Static_assert(offsetof(struct fw_info, pbin_size) == 8, "SPEC 1");
_Static_assert(offsetof(struct fw_info, ebin_size) == 12, "SPEC 1");
_Static_assert(offsetof(struct fw_info, aes_key) == 16, "SPEC 1");
_Static_assert(offsetof(struct fw_info, aes_iv) == 32, "SPEC 1");
_Static_assert(offsetof(struct fw_info, pbin_hash) == 48, "SPEC 1");
_Static_assert(offsetof(struct fw_info, ebin_hash) == 80, "SPEC 1");

// OTA_E_SIZE unless pbin_size >= 1 and ebin_size is pbin_size padded by PKCS#7.
OTA_CHECKED int fw_info_check_sizes(const struct fw_info *info);

// Compares the public header of an .ebin (SPEC 2) with the trusted fw_info:
// every public field equal, key and IV all zero; else OTA_E_HEADER.
OTA_CHECKED int fw_info_check_header(const struct fw_info *header,
                                     const struct fw_info *trusted);

// OTA_E_PATH unless `path` is drive:/name, NUL terminated and NUL padded, with
// names made of letters, digits and "_.-" in folders separated by '/'.
OTA_CHECKED int ota_path_check(const char path[OTA_PATH_SIZE]);

// Decodes exactly 224 hex digits (either case) at `hex`; OTA_E_REQUEST when
// one of them is not a hex digit.
OTA_CHECKED int fw_info_from_hex(const char *hex, struct fw_info *info);

#endif

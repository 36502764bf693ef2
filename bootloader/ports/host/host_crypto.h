// The crypto port on the host: OpenSSL's libcrypto.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_HOST_CRYPTO_H
#define OTA_HOST_CRYPTO_H

#include "ota/ports.h"

extern const struct crypto_port host_crypto;

#endif

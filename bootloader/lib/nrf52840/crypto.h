// The crypto port that CMake chose (OTA_CRYPTO).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef CRYPTO_H
#define CRYPTO_H

#include "ota/ports.h"

extern const struct crypto_port crypto_port;

#endif

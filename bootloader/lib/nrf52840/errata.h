// Anomalies of the chip that matter right after a reset.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef ERRATA_H
#define ERRATA_H

#include <stdint.h>

// Applies what the vendor's start-up code applies. Once, first thing.
void errata_apply(void);

// Returns POWER.RESETREAS and clears it (erratum 136 respected).
uint32_t errata_take_resetreas(void);

#endif

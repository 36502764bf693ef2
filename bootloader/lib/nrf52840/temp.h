// Temperature sensor (product specification, TEMP).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef TEMP_H
#define TEMP_H

#include <stdint.h>

#include "ota/status.h"

// Measures the chip's own temperature, in hundredths of a degree; the sensor
// has steps of 0.25. A time base and, for its accuracy, the crystal must run;
// errata_apply has loaded the calibration (erratum 66). OTA_E_TIMEOUT when the
// sensor does not answer.
OTA_CHECKED int temp_measure(int32_t *centidegrees);

#endif

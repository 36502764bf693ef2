// SPDX-License-Identifier: Apache-2.0
#include "temp.h"

#include "nrf52840_regs.h"
#include "timebase.h"

#define TEMP_INT_DATARDY 1u
#define MEASURE_MAX_US 1000u // data sheet, t_TEMP: 36 us
#define STEPS_PER_DEGREE 4

int temp_measure(int32_t *centidegrees)
{
    NRF_TEMP->EVENTS_DATARDY = 0;
    NRF_TEMP->INTENSET = TEMP_INT_DATARDY;
    NRF_TEMP->TASKS_START = 1u;
    bool is_ready = timebase_wait(&NRF_TEMP->EVENTS_DATARDY, TEMP_IRQn,
                                  timebase_now_us() + MEASURE_MAX_US);
    NRF_TEMP->INTENCLR = TEMP_INT_DATARDY;
    *centidegrees = NRF_TEMP->TEMP * 100 / STEPS_PER_DEGREE;
    NRF_TEMP->TASKS_STOP = 1u;
    NRF_TEMP->EVENTS_DATARDY = 0;
    return is_ready ? OTA_OK : OTA_E_TIMEOUT;
}

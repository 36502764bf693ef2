// Pins. A pin is port * 32 + number, as the PSEL registers take it; GPIO_NONE
// is "not connected": every function ignores it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef GPIO_H
#define GPIO_H

#include <stdbool.h>
#include <stdint.h>

#define GPIO_NONE 0xFFFFFFFFu

enum gpio_pull { GPIO_PULL_NONE = 0, GPIO_PULL_DOWN = 1, GPIO_PULL_UP = 3 };

// Drives the pin; the level is set before the driver is switched on.
void gpio_output(uint32_t pin, bool level);
void gpio_input(uint32_t pin, enum gpio_pull pull);
void gpio_write(uint32_t pin, bool level);
// Level of an input; true for GPIO_NONE.
bool gpio_read(uint32_t pin);
// Back to the reset state: input buffer and driver disconnected.
void gpio_release(uint32_t pin);

#endif

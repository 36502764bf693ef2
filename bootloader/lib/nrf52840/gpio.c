// Pins (product specification, GPIO).
//
// SPDX-License-Identifier: Apache-2.0
#include "gpio.h"

#include "nrf52840_regs.h"

#define PIN_CNF_OUTPUT 3u  // direction output, input buffer disconnected
#define PIN_CNF_INPUT 0u   // direction input, input buffer connected
#define PIN_CNF_RELEASE 2u // reset value
#define PIN_CNF_PULL_Pos 2u

static NRF_GPIO_Type *port_of(uint32_t pin)
{
    return pin < 32u ? NRF_P0 : NRF_P1;
}

static void configure(uint32_t pin, uint32_t config)
{
    port_of(pin)->PIN_CNF[pin % 32u] = config;
}

void gpio_output(uint32_t pin, bool level)
{
    if (pin != GPIO_NONE) {
        gpio_write(pin, level);
        configure(pin, PIN_CNF_OUTPUT);
    }
}

void gpio_input(uint32_t pin, enum gpio_pull pull)
{
    if (pin != GPIO_NONE) {
        configure(pin, PIN_CNF_INPUT | ((uint32_t)pull << PIN_CNF_PULL_Pos));
    }
}

void gpio_write(uint32_t pin, bool level)
{
    if (pin == GPIO_NONE) {
        return;
    }
    if (level) {
        port_of(pin)->OUTSET = 1u << (pin % 32u);
    } else {
        port_of(pin)->OUTCLR = 1u << (pin % 32u);
    }
}

bool gpio_read(uint32_t pin)
{
    return pin == GPIO_NONE || ((port_of(pin)->IN >> (pin % 32u)) & 1u) != 0;
}

void gpio_release(uint32_t pin)
{
    if (pin != GPIO_NONE) {
        configure(pin, PIN_CNF_RELEASE);
    }
}

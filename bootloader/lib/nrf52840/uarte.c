// UARTE: opening, closing and sending. Reception is in uarte_rx.c.
//
// SPDX-License-Identifier: Apache-2.0
#include "uarte.h"

#include <string.h>

#include "gpio.h"
#include "timebase.h"
#include "uarte_rx.h"

#define UARTE_ENABLED 8u
#define UARTE_INT_ENDTX (1u << 8)
#define CONFIG_HWFC 1u
#define STOP_TIMEOUT_US 20000u

static const struct {
    uint32_t baud;
    uint32_t value;
} baud_values[] = {
    {1200, 0x0004F000},   {2400, 0x0009D000},   {4800, 0x0013B000},
    {9600, 0x00275000},   {14400, 0x003AF000},  {19200, 0x004EA000},
    {28800, 0x0075C000},  {31250, 0x00800000},  {38400, 0x009D0000},
    {56000, 0x00E50000},  {57600, 0x00EB0000},  {76800, 0x013A9000},
    {115200, 0x01D60000}, {230400, 0x03B00000}, {250000, 0x04000000},
    {460800, 0x07400000}, {921600, 0x0F000000}, {1000000, 0x10000000},
};

static uint32_t baud_value(uint32_t baud)
{
    for (size_t i = 0; i < sizeof(baud_values) / sizeof(baud_values[0]); i++) {
        if (baud_values[i].baud == baud) {
            return baud_values[i].value;
        }
    }
    return 0;
}

static void open_pins(const struct uarte_config *config)
{
    gpio_output(config->txd, true);
    gpio_input(config->rxd, GPIO_PULL_UP);
    if (config->flow_control) {
        gpio_output(config->rts, true);
        gpio_input(config->cts, GPIO_PULL_UP);
    }
}

int uarte_open(struct uarte *uart, const struct uarte_config *config,
               uint8_t *ring)
{
    uint32_t value = baud_value(config->baud);
    if (value == 0) {
        return OTA_E_LINK;
    }
    uart->config = *config;
    uart->regs = config->instance == 0 ? NRF_UARTE0 : NRF_UARTE1;
    uart->irq = config->instance == 0 ? UARTE0_UART0_IRQn : UARTE1_IRQn;
    uart->ring = ring;
    open_pins(config);

    NRF_UARTE_Type *regs = uart->regs;
    regs->ENABLE = 0;
    regs->PSEL.TXD = config->txd;
    regs->PSEL.RXD = config->rxd;
    regs->PSEL.RTS = config->flow_control ? config->rts : GPIO_NONE;
    regs->PSEL.CTS = config->flow_control ? config->cts : GPIO_NONE;
    regs->CONFIG = config->flow_control ? CONFIG_HWFC : 0;
    regs->BAUDRATE = value;
    regs->ENABLE = UARTE_ENABLED;
    return ring != NULL ? uarte_rx_start(uart) : OTA_OK;
}

// Transmission must be stopped before a sleep, else the clock stays on.
static void stop_tx(struct uarte *uart)
{
    NRF_UARTE_Type *regs = uart->regs;
    uint32_t until_us = timebase_now_us() + STOP_TIMEOUT_US;
    regs->EVENTS_TXSTOPPED = 0;
    regs->TASKS_STOPTX = 1u;
    while (!regs->EVENTS_TXSTOPPED && !timebase_is_past(until_us)) {
    }
    regs->EVENTS_TXSTOPPED = 0;
}

void uarte_close(struct uarte *uart)
{
    if (uart->regs == NULL) {
        return; // never opened
    }
    if (uart->ring != NULL) {
        uarte_rx_stop(uart);
    }
    stop_tx(uart);
    uart->regs->INTENCLR = 0xFFFFFFFFu;
    uart->regs->ENABLE = 0;
    uart->regs->PSEL.TXD = GPIO_NONE;
    uart->regs->PSEL.RXD = GPIO_NONE;
    uart->regs->PSEL.RTS = GPIO_NONE;
    uart->regs->PSEL.CTS = GPIO_NONE;
    gpio_release(uart->config.txd);
    gpio_release(uart->config.rxd);
    gpio_release(uart->config.rts);
    gpio_release(uart->config.cts);
    uart->regs = NULL;
}

static int send_chunk(struct uarte *uart, size_t size, uint32_t until_us)
{
    NRF_UARTE_Type *regs = uart->regs;
    regs->EVENTS_ENDTX = 0;
    regs->TXD.PTR = (uint32_t)uart->tx;
    regs->TXD.MAXCNT = (uint32_t)size;
    regs->INTENSET = UARTE_INT_ENDTX;
    regs->TASKS_STARTTX = 1u;
    bool sent = timebase_wait(&regs->EVENTS_ENDTX, uart->irq, until_us);
    regs->INTENCLR = UARTE_INT_ENDTX;
    regs->EVENTS_ENDTX = 0;
    return sent ? OTA_OK : OTA_E_TIMEOUT;
}

int uarte_write(struct uarte *uart, const void *data, size_t size,
                uint32_t timeout_ms)
{
    const uint8_t *bytes = data;
    uint32_t until_us = timebase_now_us() + timeout_ms * 1000u;
    int error = OTA_OK;
    while (size > 0 && error == OTA_OK) {
        size_t part = size < UARTE_TX_CHUNK ? size : UARTE_TX_CHUNK;
        memcpy(uart->tx, bytes, part);
        error = send_chunk(uart, part, until_us);
        bytes += part;
        size -= part;
    }
    stop_tx(uart);
    return error;
}

int uarte_set_baud(struct uarte *uart, uint32_t baud)
{
    uint32_t value = baud_value(baud);
    if (value == 0) {
        return OTA_E_LINK;
    }
    if (uart->ring != NULL) {
        uarte_rx_stop(uart);
    }
    uart->config.baud = baud;
    uart->regs->BAUDRATE = value;
    return uart->ring != NULL ? uarte_rx_start(uart) : OTA_OK;
}

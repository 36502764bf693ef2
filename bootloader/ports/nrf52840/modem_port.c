// The modem's UART. It is opened by its first use: a boot without an update
// never touches the modem.
//
// SPDX-License-Identifier: Apache-2.0
#include "board.h"
#include "board_config.h"

static uint8_t ring[2u * UARTE_RX_HALF] __attribute__((section(".noinit")));

static int modem_open(struct board *board)
{
    if (board->modem.regs != NULL) {
        return OTA_OK;
    }
    static const struct uarte_config config = {
        .instance = OTA_MODEM_UART,
        .txd = OTA_MODEM_TXD,
        .rxd = OTA_MODEM_RXD,
        .rts = OTA_MODEM_RTS,
        .cts = OTA_MODEM_CTS,
        .flow_control = OTA_MODEM_FLOW_CONTROL != 0,
        .baud = OTA_MODEM_BAUD,
    };
    return uarte_open(&board->modem, &config, ring);
}

static int modem_write(void *ctx, const void *data, size_t size,
                       uint32_t timeout_ms)
{
    struct board *board = ctx;
    int error = modem_open(board);
    return error != OTA_OK ? error
                           : uarte_write(&board->modem, data, size, timeout_ms);
}

static int modem_read(void *ctx, void *data, size_t capacity,
                      uint32_t timeout_ms)
{
    struct board *board = ctx;
    int error = modem_open(board);
    return error != OTA_OK
               ? error
               : uarte_read(&board->modem, data, capacity, timeout_ms);
}

static int modem_set_baud(void *ctx, uint32_t baud)
{
    struct board *board = ctx;
    int error = modem_open(board);
    return error != OTA_OK ? error : uarte_set_baud(&board->modem, baud);
}

struct uart_port modem_port_make(struct board *board)
{
    return (struct uart_port){
        .ctx = board,
        .write = modem_write,
        .read = modem_read,
        .set_baud = modem_set_baud,
    };
}

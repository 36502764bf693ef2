// Ports of the bootloader on the nRF52840, put together.
//
// SPDX-License-Identifier: Apache-2.0
#include "board.h"

#include "clock.h"

static uint32_t now_ms(void *ctx)
{
    return timebase_now_ms(ctx);
}

static void sleep_ms(void *ctx, uint32_t duration_ms)
{
    (void)ctx;
    timebase_sleep_ms(duration_ms);
}

void board_open(struct board *board)
{
    timebase_start(&board->time);
    clock_start_hfxo();
    board->flash_port = flash_port_make();
    board->uart_port = modem_port_make(board);
    board->system_port = system_port_make(board);
    board->time_port = (struct time_port){
        .ctx = &board->time,
        .now_ms = now_ms,
        .sleep_ms = sleep_ms,
    };
    board->ports = (struct ports){
        .flash = &board->flash_port,
        .crypto = &crypto_port,
        .uart = &board->uart_port,
        .time = &board->time_port,
        .system = &board->system_port,
    };
}

void board_close(struct board *board)
{
    uarte_close(&board->modem);
    uarte_close(&board->console);
    timebase_stop();
    clock_stop_hfxo();
}

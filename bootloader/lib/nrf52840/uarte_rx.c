// Reception. Laws:
//  - byte number n (counted from the start of reception) is at ring[n % size]:
//    halves are filled completely and in turn (short ENDRX -> STARTRX), and a
//    half's address is put into RXD.PTR when the half before it starts;
//  - TIMER1 counts RXDRDY through PPI channel 0. RXDRDY comes before the byte
//  is
//    in RAM, so the newest bytes are read only once the line was quiet;
//  - after any error the count may be off by the lost bytes: everything is
//    dropped and reception starts again from byte 0.
//
// SPDX-License-Identifier: Apache-2.0
#include "uarte_rx.h"

#include <string.h>

#include "gpio.h"
#include "timebase.h"

#define RING_SIZE (2u * UARTE_RX_HALF)
#define FIFO_BYTES 8u // more than the hardware has (product specification: 4)
#define PPI_CHANNEL 0u
#define TIMER_MODE_COUNTER 1u
#define TIMER_BITMODE_32 3u
#define SHORT_ENDRX_STARTRX (1u << 5)
#define UARTE_INT_RXDRDY (1u << 2)
#define STOP_TIMEOUT_US 20000u

// A read ends when the line was quiet for this many byte times.
#define QUIET_BYTES 12u
#define QUIET_MIN_US 500u
// While bytes come back to back it waits for more of them, so that bulk data
// costs few wake-ups; the limit bounds how late the end of a reply is noticed.
#define ENOUGH_BYTES 2048u
#define STREAM_MAX_US 8000u
#define BITS_PER_BYTE 10u
#define BREAK_POLL_US 10000u

// Sleeps until `*event`, for 20 ms at most; clears it.
static bool wait_for(const struct uarte *uart, volatile uint32_t *event)
{
    // The interrupt of an event is the bit of its place among the events.
    uint32_t interrupt = 1u << (event - &uart->regs->EVENTS_CTS);
    uart->regs->INTENSET = interrupt;
    bool happened =
        timebase_wait(event, uart->irq, timebase_now_us() + STOP_TIMEOUT_US);
    uart->regs->INTENCLR = interrupt;
    *event = 0;
    return happened;
}

static void start_counter(const NRF_UARTE_Type *regs)
{
    NRF_TIMER1->TASKS_STOP = 1u;
    NRF_TIMER1->MODE = TIMER_MODE_COUNTER;
    NRF_TIMER1->BITMODE = TIMER_BITMODE_32;
    NRF_TIMER1->TASKS_CLEAR = 1u;
    NRF_TIMER1->TASKS_START = 1u;
    NRF_PPI->CH[PPI_CHANNEL].EEP = (uint32_t)&regs->EVENTS_RXDRDY;
    NRF_PPI->CH[PPI_CHANNEL].TEP = (uint32_t)&NRF_TIMER1->TASKS_COUNT;
    NRF_PPI->CHENSET = 1u << PPI_CHANNEL;
}

static void stop_counter(void)
{
    NRF_PPI->CHENCLR = 1u << PPI_CHANNEL;
    NRF_PPI->CH[PPI_CHANNEL].EEP = 0;
    NRF_PPI->CH[PPI_CHANNEL].TEP = 0;
    NRF_TIMER1->TASKS_SHUTDOWN = 1u;
}

static void set_next_half(struct uarte *uart, uint32_t half)
{
    uart->next_half = half;
    uart->regs->RXD.PTR = (uint32_t)(uart->ring + (half % 2u) * UARTE_RX_HALF);
    uart->regs->RXD.MAXCNT = UARTE_RX_HALF;
}

int uarte_rx_start(struct uarte *uart)
{
    NRF_UARTE_Type *regs = uart->regs;
    start_counter(regs);
    uart->taken = 0;
    uart->lost = false;
    regs->ERRORSRC = regs->ERRORSRC;
    regs->EVENTS_ERROR = 0;
    regs->EVENTS_ENDRX = 0;
    regs->EVENTS_RXDRDY = 0;
    regs->EVENTS_RXSTARTED = 0;
    regs->SHORTS = SHORT_ENDRX_STARTRX;
    set_next_half(uart, 0);
    regs->TASKS_STARTRX = 1u;
    if (!wait_for(uart, &regs->EVENTS_RXSTARTED)) {
        return OTA_E_LINK;
    }
    set_next_half(uart, 1);
    return OTA_OK;
}

void uarte_rx_stop(struct uarte *uart)
{
    NRF_UARTE_Type *regs = uart->regs;
    regs->SHORTS = 0;
    regs->EVENTS_RXTO = 0;
    regs->TASKS_STOPRX = 1u;
    (void)wait_for(uart,
                   &regs->EVENTS_RXTO); // bounded; the flush below is harmless
    // What is left in the FIFO would come, uncounted, first at the next start.
    regs->EVENTS_ENDRX = 0;
    set_next_half(uart, 0);
    regs->TASKS_FLUSHRX = 1u;
    (void)wait_for(uart, &regs->EVENTS_ENDRX);
    regs->EVENTS_RXSTARTED = 0;
    stop_counter();
}

// Bytes received and not taken; sets `lost` when some are gone.
static uint32_t available(struct uarte *uart)
{
    NRF_UARTE_Type *regs = uart->regs;
    NRF_TIMER1->TASKS_CAPTURE[0] = 1u;
    uint32_t count = NRF_TIMER1->CC[0];
    if (regs->EVENTS_RXSTARTED) {
        regs->EVENTS_RXSTARTED = 0;
        set_next_half(uart, uart->next_half + 1u);
    }
    if (regs->EVENTS_ERROR) {
        uart->lost = true;
    }
    // A half was started before it got its address, or unread bytes were
    // overwritten.
    if (count / UARTE_RX_HALF > uart->next_half ||
        count - uart->taken > RING_SIZE - FIFO_BYTES) {
        uart->lost = true;
    }
    return count - uart->taken;
}

static void take(struct uarte *uart, uint8_t *data, uint32_t size)
{
    uint32_t at = uart->taken % RING_SIZE;
    uint32_t first = size < RING_SIZE - at ? size : RING_SIZE - at;
    memcpy(data, uart->ring + at, first);
    memcpy(data + first, uart->ring, size - first);
    uart->taken += size;
}

// Starts over after an error. A modem that is off holds the line low, which is
// one break after the other: wait for the line first.
static int recover(struct uarte *uart, uint32_t until_us)
{
    while (!gpio_read(uart->config.rxd) && !timebase_is_past(until_us)) {
        (void)timebase_wait(NULL, 0, timebase_now_us() + BREAK_POLL_US);
    }
    uarte_rx_stop(uart);
    int error = uarte_rx_start(uart);
    return error != OTA_OK ? error : OTA_E_LINK;
}

static void wait_first_byte(struct uarte *uart, uint32_t until_us)
{
    NRF_UARTE_Type *regs = uart->regs;
    regs->EVENTS_RXDRDY = 0;
    if (available(uart) == 0 && !uart->lost) {
        regs->INTENSET = UARTE_INT_RXDRDY;
        (void)timebase_wait(&regs->EVENTS_RXDRDY, uart->irq, until_us);
        regs->INTENCLR = UARTE_INT_RXDRDY;
    }
}

// Waits until the line is quiet or enough has come; returns how many bytes can
// be read.
static uint32_t gather(struct uarte *uart)
{
    uint32_t byte_us = BITS_PER_BYTE * 1000000u / uart->config.baud + 1u;
    uint32_t quiet_us = QUIET_BYTES * byte_us;
    quiet_us = quiet_us > QUIET_MIN_US ? quiet_us : QUIET_MIN_US;
    uint32_t window_us = quiet_us;
    uint32_t before = available(uart);
    while (!uart->lost && before < ENOUGH_BYTES + FIFO_BYTES) {
        (void)timebase_wait(NULL, 0, timebase_now_us() + window_us);
        uint32_t now = available(uart);
        if (now == before) {
            return now;
        }
        // At three quarters of the line's rate or more it is a stream.
        bool is_stream = (now - before) * byte_us > window_us * 3u / 4u;
        uint32_t rest_us = (ENOUGH_BYTES + FIFO_BYTES - now) * byte_us;
        window_us = !is_stream || now >= ENOUGH_BYTES ? quiet_us
                    : rest_us < STREAM_MAX_US         ? rest_us
                                                      : STREAM_MAX_US;
        before = now;
    }
    return before > FIFO_BYTES ? before - FIFO_BYTES : 0;
}

int uarte_read(struct uarte *uart, void *data, size_t capacity,
               uint32_t timeout_ms)
{
    uint32_t until_us = timebase_now_us() + timeout_ms * 1000u;
    if (available(uart) == 0 && !uart->lost) {
        wait_first_byte(uart, until_us);
        if (available(uart) == 0 && !uart->lost) {
            return 0;
        }
    }
    uint32_t count = gather(uart);
    if (uart->lost) {
        return recover(uart, until_us);
    }
    uint32_t size = count < capacity ? count : (uint32_t)capacity;
    take(uart, data, size);
    return (int)size;
}

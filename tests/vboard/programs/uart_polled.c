// Legacy UART0, polled: answers every line with the same line in capitals.
// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#define UART(offset) REG(0x40002000 + (offset))

static void put(uint8_t byte)
{
    UART(0x11C) = 0;
    UART(0x51C) = byte;
    while (UART(0x11C) == 0) {
    }
}

static uint8_t get(void)
{
    while (UART(0x108) == 0) {
    }
    UART(0x108) = 0;
    return (uint8_t)UART(0x518);
}

int main(void)
{
    uint8_t line[32];
    uint32_t length = 0;

    UART(0x50C) = 6; // PSEL.TXD
    UART(0x514) = 8; // PSEL.RXD
    UART(0x524) = 0x01D7E000;
    UART(0x500) = 4;
    UART(0x008) = 1;
    UART(0x000) = 1;
    put('>');
    for (;;) {
        uint8_t byte = get();
        if (byte >= 'a' && byte <= 'z') {
            byte = (uint8_t)(byte - 32);
        }
        line[length++] = byte;
        if (byte == '\n' || length == sizeof line) {
            MAILBOX[0]++;
            for (uint32_t i = 0; i < length; i++) {
                put(line[i]);
            }
            length = 0;
        }
    }
}

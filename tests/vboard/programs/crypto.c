// Drives the CryptoCell: SHA-256 polled and by interrupt, AES-128-CBC in place.
// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#define CC(offset) REG(0x5002B000 + (offset))
#define BULK 4096u

static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372,
                                    0xa54ff53a, 0x510e527f, 0x9b05688c,
                                    0x1f83d9ab, 0x5be0cd19};
static uint8_t buffer[BULK + 64];
static volatile uint32_t interrupts;

void irq_42(void);
void irq_42(void)
{
    interrupts++;
    CC(0xA04) = 0xFFFFFFFF;
    CC(0xA08) = CC(0xA00);
}

static void hash_setup(const uint32_t *state, uint32_t length)
{
    CC(0x818) = 1;
    CC(0x900) = 7;
    CC(0x7C4) = 1;
    CC(0x7CC) = length;
    CC(0x7D0) = 0;
    CC(0x7C0) = 2;
    for (int i = 7; i >= 0; i--) {
        CC(0x640 + 4 * i) = state[i];
    }
}

static void hash_data(const void *data, uint32_t size, uint32_t mask)
{
    CC(0xA08) = 0xFFFFFFFF;
    CC(0xA04) = mask;
    CC(0xC28) = (uint32_t)data;
    CC(0xC2C) = size;
}

static void wait_bit(uint32_t bit)
{
    while ((CC(0xA00) & bit) == 0) {
    }
    CC(0xA08) = bit;
    while ((CC(0x910) | CC(0xC20)) != 0) {
    }
}

static void report_digest(uint32_t slot)
{
    for (uint32_t i = 0; i < 8; i++) {
        MAILBOX[slot + i] = CC(0x640 + 4 * i);
    }
    CC(0x684) = 0;
    CC(0x818) = 0;
}

static void aes(uint32_t control, uint32_t size)
{
    CC(0x810) = 1;
    CC(0x900) = 1;
    CC(0x4BC) = 0;
    CC(0x4C0) = control;
    for (uint32_t i = 0; i < 4; i++) {
        CC(0x400 + 4 * i) = 0x03020100u + 0x04040404u * i;
        CC(0x440 + 4 * i) = 0;
    }
    CC(0xA08) = 0xFFFFFFFF;
    CC(0xD28) = (uint32_t)buffer;
    CC(0xD2C) = size;
    CC(0xC28) = (uint32_t)buffer;
    CC(0xC2C) = size;
    wait_bit(1u << 7);
    CC(0x810) = 0;
}

int main(void)
{
    uint32_t middle[8];

    for (uint32_t i = 0; i < sizeof buffer; i++) {
        buffer[i] = (uint8_t)(i * 7u);
    }
    MAILBOX[0] = CC(0xA24); // still off
    REG(0x5002A500) = 1;
    while (CC(0xA24) != 0x20E00000u) {
    }

    // 64 blocks, then the rest, with the state carried by hand.
    hash_setup(initial, 0);
    hash_data(buffer, BULK, 0xFFFFFFFF);
    wait_bit(1u << 6);
    for (uint32_t i = 0; i < 8; i++) {
        middle[i] = CC(0x640 + 4 * i);
    }
    REG(0x5002A500) = 0;
    REG(0x5002A500) = 1;
    hash_setup(middle, BULK);
    CC(0x684) = 1;
    hash_data(buffer + BULK, 33, 0xFFFFFFFF);
    wait_bit(1u << 6);
    report_digest(1);

    // By interrupt.
    REG(0xE000E104) = 1u << (42 - 32);
    hash_setup(initial, 0);
    CC(0x684) = 1;
    hash_data(buffer, 3, 0xFFFFFFBF);
    while (interrupts == 0) {
    }
    report_digest(9);
    MAILBOX[17] = interrupts;
    REG(0xE000E184) = 1u << (42 - 32);

    aes(4, BULK);
    MAILBOX[18] = *(uint32_t *)(buffer + BULK - 16);
    aes(5, BULK);
    MAILBOX[19] = *(uint32_t *)(buffer + BULK - 16);
    REG(0x5002A500) = 0;
    return 0;
}

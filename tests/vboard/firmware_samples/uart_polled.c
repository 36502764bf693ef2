// SPDX-License-Identifier: Apache-2.0
// Polled drivers and newlib: printf with floats on UARTE0 by EasyDMA, LFXO
// start, RTC delay, TIMER stop watch, RNG, TEMP, flash erase and write.

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define REG(address) (*(volatile uint32_t *)(address))

int _write(int file, const char *text, int length)
{
    static char buffer[128]; // EasyDMA reads RAM only
    (void)file;
    int count = length > (int)sizeof buffer ? (int)sizeof buffer : length;
    memcpy(buffer, text, (size_t)count);
    REG(0x40002120) = 0;
    REG(0x40002544) = (uint32_t)buffer;
    REG(0x40002548) = (uint32_t)count;
    REG(0x40002008) = 1;
    while (REG(0x40002120) == 0) {
    }
    return count;
}

static void uart_init(void)
{
    REG(0x50000508) = 1u << 6;
    REG(0x50000518) = 1u << 6;
    REG(0x4000250C) = 6;
    REG(0x40002514) = 8;
    REG(0x40002524) = 0x01D60000;
    REG(0x40002500) = 8;
}

static void lfclk_start(void)
{
    REG(0x40000518) = 1;
    REG(0x40000104) = 0;
    REG(0x40000008) = 1;
    while (REG(0x40000104) == 0) {
    }
}

static void rtc_wait(uint32_t ticks)
{
    REG(0x4000B508) = 0;
    REG(0x4000B008) = 1;
    REG(0x4000B000) = 1;
    while (REG(0x4000B504) < ticks) {
    }
    REG(0x4000B004) = 1;
}

static void nvmc_ready(void)
{
    while (REG(0x4001E400) == 0) {
    }
}

static void flash_test(uint32_t page)
{
    REG(0x4001E504) = 2;
    nvmc_ready();
    REG(0x4001E508) = page;
    nvmc_ready();
    REG(0x4001E504) = 1;
    nvmc_ready();
    for (uint32_t i = 0; i < 1024; i++) {
        REG(page + 4 * i) = i * 0x01010101u;
        nvmc_ready();
    }
    REG(0x4001E504) = 0;
    nvmc_ready();
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 128);
    uart_init();
    lfclk_start();
    printf("hello from newlib, pi is about %.4f\n", (double)atanf(1.0f) * 4.0);

    REG(0x40008508) = 3; // TIMER0: 32 bits at 1 MHz
    REG(0x40008510) = 4;
    REG(0x40008000) = 1;
    rtc_wait(3277);
    REG(0x40008040) = 1;
    printf("0.1 s took %u us\n", (unsigned)REG(0x40008540));

    REG(0x4000D000) = 1;
    uint32_t seen = 0;
    for (int i = 0; i < 8; i++) {
        REG(0x4000D100) = 0;
        while (REG(0x4000D100) == 0) {
        }
        seen |= REG(0x4000D508);
    }
    REG(0x4000D004) = 1;
    REG(0x4000C000) = 1;
    while (REG(0x4000C100) == 0) {
    }
    printf("random %s, temperature %.2f\n", seen ? "yes" : "no",
           (double)(int32_t)REG(0x4000C508) * 0.25);

    flash_test(0x80000);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 1024; i++) {
        sum += REG(0x80000 + 4 * i);
    }
    printf("flash sum %08lx\n", (unsigned long)sum);
    printf("polled sample done\n");
    return 0;
}

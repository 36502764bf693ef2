// A boot record of another make, as Nordic's is documented to behave: what it
// reads at boot (2.3: UICR only; 2.4: its own words first), forwarding with
// VTOR 0, the service at SVC 0x18, and a bootloader copy that is stored as 16
// words at +0x80 and a header of 8 at +0, is not resumed page by page and does
// not feed a watchdog.
//
// SPDX-License-Identifier: Apache-2.0
#include "sdk.h"

#ifndef OWN_WORDS
#define OWN_WORDS 0
#endif

#define NONE 0xFFFFFFFFu
#define FLASH_END 0x100000u
#define PAGE 0x1000u
#define FORWARD REG(0x20000000)
#define HEADER 0x0C0FFEE0u
#define READY REG(0x4001E400)
#define CONFIG REG(0x4001E504)
#define ERASEPAGE REG(0x4001E508)

static uint32_t word_of(uint32_t own, uint32_t uicr)
{
    uint32_t value = OWN_WORDS ? REG(own) : NONE;
    return value != NONE ? value : REG(uicr);
}

static uint32_t bootloader(void)
{
    return word_of(0xFF8, 0x10001014);
}

static uint32_t params(void)
{
    return word_of(0xFFC, 0x10001018);
}

static void reset(void)
{
    __asm volatile("dsb");
    SCB_AIRCR = 0x05FA0004u;
    __asm volatile("dsb");
    for (;;) {
    }
}

static void protect(unsigned region, uint32_t start, uint32_t end)
{
    REG(0x4001E800u + 16u * region) = start;
    REG(0x4001E804u + 16u * region) = end - start;
    REG(0x4001E808u + 16u * region) = 2;
}

static void erase(uint32_t page)
{
    CONFIG = 2;
    ERASEPAGE = page;
    while (!READY) {
    }
    CONFIG = 0;
}

static void write(uint32_t addr, const uint32_t *words, uint32_t count)
{
    CONFIG = 1;
    for (uint32_t i = 0; i < count; i++) {
        REG(addr + 4u * i) = words[i];
        while (!READY) {
        }
    }
    CONFIG = 0;
}

static bool same(uint32_t a, uint32_t b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (REG(a + 4u * i) != REG(b + 4u * i)) {
            return false;
        }
    }
    return true;
}

static uint32_t copy_bl(uint32_t source, uint32_t count)
{
    uint32_t page = params();
    if (bootloader() == NONE) {
        return 15; // FORBIDDEN
    }
    if (page == NONE) {
        return 4; // NO_MEM
    }
    if (source >= FLASH_END || count > (FLASH_END - source) / 4u) {
        return 9; // INVALID_LENGTH
    }
    uint32_t words[16] = {HEADER, source, count};
    protect(0, 0, page);
    protect(1, page + PAGE, FLASH_END);
    erase(page);
    write(page + 0x80u, words, 16);
    write(page, words, 8);
    reset();
    return 0;
}

static void resume_copy(uint32_t page)
{
    uint32_t source = REG(page + 4u);
    uint32_t count = REG(page + 8u);
    uint32_t target = bootloader();
    uint32_t end = (target + 4u * count + PAGE - 1u) & ~(PAGE - 1u);
    if (same(target, source, count)) {
        protect(0, 0, page);
        protect(1, page + PAGE, FLASH_END);
        erase(page);
        reset();
    }
    protect(0, 0, target);
    protect(1, end, FLASH_END);
    for (uint32_t at = target; at < end; at += PAGE) {
        erase(at);
    }
    write(target, (const uint32_t *)source, count);
    reset();
}

void mbr_svc(uint32_t *frame);
void mbr_svc(uint32_t *frame)
{
    const uint32_t *command = (const uint32_t *)frame[0];
    switch (command[0]) {
    case SD_MBR_COMMAND_COPY_BL:
        frame[0] = copy_bl(command[1], command[2]);
        break;
    case SD_MBR_COMMAND_COMPARE:
        frame[0] = same(command[1], command[2], command[3]) ? 0 : 14;
        break;
    case SD_MBR_COMMAND_IRQ_FORWARD_ADDRESS_SET:
        FORWARD = command[1];
        frame[0] = 0;
        break;
    default:
        frame[0] = 7;
    }
}

void mbr_main(void);
void mbr_main(void)
{
    uint32_t page = params();
    if (page != NONE && REG(page) == HEADER && REG(page + 0x80u) == HEADER) {
        resume_copy(page);
    }
    uint32_t table = bootloader() != NONE ? bootloader() : MBR_SIZE;
    FORWARD = table;
    __asm volatile("ldr r1, [%0]\n ldr r2, [%0, #4]\n"
                   "msr msp, r1\n mov lr, #-1\n bx r2"
                   :
                   : "r"(table)
                   : "r1", "r2");
}

__attribute__((naked)) void forward(void);
void forward(void)
{
    __asm volatile("push {r0-r2}\n"
                   "mrs r0, ipsr\n"
                   "mov r1, #0x20000000\n"
                   "ldr r1, [r1]\n"
                   "ldr r0, [r1, r0, lsl #2]\n"
                   "str r0, [sp, #8]\n"
                   "pop {r0, r1, pc}");
}

// An SVC for others gets there with r0 to r3 gone.
__attribute__((naked)) void svc_entry(void);
void svc_entry(void)
{
    __asm volatile("tst lr, #4\n ite eq\n mrseq r1, msp\n mrsne r1, psp\n"
                   "ldr r2, [r1, #24]\n"
                   "ldrb r0, [r2, #-2]\n"
                   "movs r3, #0\n"
                   "cmp r0, #0x18\n"
                   "bne forward\n"
                   "mov r0, r1\n"
                   "b mbr_svc");
}

__attribute__((section(".vectors"),
               used)) static const void *const vectors[64] = {
    [0] = (const void *)0x20008000, [1] = mbr_main,
    [2 ... 10] = forward,           [11] = svc_entry,
    [12 ... 63] = forward,
};

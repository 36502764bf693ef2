// What bootloaders and applications made with Nordic's SDK have in common: the
// boot record's call as they declare it, their start-up, their way to start an
// application. Written from the published interface; nothing of the product is
// in here.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SDK_H
#define SDK_H

#include <stdbool.h>
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define MBR_SIZE 0x1000u

#define NVIC_ISER(n) REG(0xE000E100u + 4u * (n))
#define NVIC_ICER(n) REG(0xE000E180u + 4u * (n))
#define NVIC_ISPR(n) REG(0xE000E200u + 4u * (n))
#define NVIC_ICPR(n) REG(0xE000E280u + 4u * (n))
#define NVIC_PRIORITY(n) (*(volatile uint8_t *)(0xE000E400u + (n)))
#define SCB_VTOR REG(0xE000ED08)
#define SCB_AIRCR REG(0xE000ED0C)
#define SYSTICK_CTRL REG(0xE000E010)
#define SYSTICK_LOAD REG(0xE000E014)

enum {
    SD_MBR_COMMAND_COPY_BL,
    SD_MBR_COMMAND_COPY_SD,
    SD_MBR_COMMAND_INIT_SD,
    SD_MBR_COMMAND_COMPARE,
    SD_MBR_COMMAND_VECTOR_TABLE_BASE_SET,
    SD_MBR_COMMAND_RESERVED,
    SD_MBR_COMMAND_IRQ_FORWARD_ADDRESS_SET,
};

typedef struct {
    uint32_t command;
    union {
        struct {
            uint32_t *bl_src;
            uint32_t bl_len;
        } copy_bl;
        struct {
            uint32_t *src, *dst;
            uint32_t len;
        } copy_sd;
        struct {
            uint32_t *ptr1, *ptr2;
            uint32_t len;
        } compare;
        struct {
            uint32_t address;
        } base_set, irq_forward_address_set;
        uint32_t words[3];
    } params;
} sd_mbr_command_t;

// `svc #0x18`: r0 in and out, the rest as a function call.
uint32_t sd_mbr_command(sd_mbr_command_t *param);

// What a test and a program tell each other, in RAM that no start-up clears.
// Survives soft resets.
struct box {
    // The test's.
    uint32_t magic; // BOX_MAGIC: the request below is to be carried out, once
    uint32_t context;
    sd_mbr_command_t command;
    // The program's.
    uint32_t done;
    uint32_t boots;
    uint32_t who; // IDENTITY of the program that ran last
    uint32_t result;
    uint32_t entry[6]; // LR, MSP, CONTROL, PRIMASK, IPSR, VTOR
    uint32_t values[40];
};
#define BOX ((volatile struct box *)0x20030000)
#define BOX_MAGIC 0xB0C5B0C5u
#define BOX_DONE 0x600D600Du

enum context { FROM_THREAD_MSP, FROM_THREAD_PSP, FROM_HANDLER };

int main(void);
// Calls the boot record as the box says and leaves the result there.
void box_call(void);

#endif

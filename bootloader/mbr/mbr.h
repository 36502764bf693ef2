// The boot record: what its files share. Laws:
//  - RAM: the two words at the start of RAM, plus the stack it is called on;
//  - nothing of the chip is set up: clocks, NVIC, VTOR, RESETREAS, GPREGRET and
//    the watchdog stay as they are (a running watchdog is fed while copying);
//  - what it starts is checked first.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef MBR_H
#define MBR_H

#include <stdbool.h>
#include <stdint.h>

#define MBR_NONE 0xFFFFFFFFu

// Commands of `svc #0x18`, r0 -> {command, parameters ...}
enum mbr_command {
    MBR_COPY_BL = 0,
    MBR_COPY_SD = 1,
    MBR_INIT_SD = 2,
    MBR_COMPARE = 3,
    MBR_VECTOR_TABLE_BASE_SET = 4,
    MBR_IRQ_FORWARD_ADDRESS_SET = 6,
};

// Results, as the SoftDevice's nrf_error.h numbers them
enum mbr_result {
    MBR_SUCCESS = 0,
    MBR_INTERNAL = 3,
    MBR_NO_MEM = 4,         // there is no parameter page
    MBR_INVALID_PARAM = 7,  // no such command
    MBR_INVALID_LENGTH = 9, // a range leaves its memory
    MBR_NULL = 14,          // compared memories differ
    MBR_FORBIDDEN = 15,     // there is no bootloader
    MBR_INVALID_ADDR = 16,
};

// The word every exception is forwarded through: [RAM start].
extern volatile uint32_t mbr_forward_address;

// Where a command that outlives a reset is kept (params.c).
struct mbr_record {
    uint32_t command;
    uint32_t source;
    uint32_t destination;
    uint32_t len_words;
    uint32_t source_crc;   // CRC-32 of the source when the command was given
    uint32_t vector_table; // persistent vector table base, or MBR_NONE
    uint32_t crc;          // CRC-32 of the words before
    uint32_t commit;       // written last
};

// words.c: bootloader address and parameter page from the boot record's own
// words, else from UICR; MBR_NONE when neither names a usable one.
uint32_t mbr_bootloader_address(void);
uint32_t mbr_params_page(void);

// check.c
bool mbr_in_flash(uint32_t addr, uint32_t len_words);
bool mbr_in_ram(uint32_t addr, uint32_t len_words);
// True when a vector table at `table` can be started: its stack is in RAM, its
// reset vector is a Thumb address in [image, end of flash).
bool mbr_table_ok(uint32_t table, uint32_t image);
uint32_t mbr_crc32(uint32_t addr, uint32_t size);

// params.c
// The stored command, or NULL; `*armed` tells whether it was marked as begun.
const struct mbr_record *mbr_params_find(uint32_t page, bool *armed);
// Persistent vector table base, or MBR_NONE.
uint32_t mbr_params_vector_table(uint32_t page);
// Replaces what is stored; an empty page when `record` is NULL.
int mbr_params_store(uint32_t page, struct mbr_record *record);
// Repeats `record` in a fresh place before the first destructive step.
int mbr_params_arm(uint32_t page, const struct mbr_record *record);

// One mark for each page of a copy that is finished, at the end of the
// parameter page.
bool mbr_params_page_done(uint32_t page, uint32_t number);
int mbr_params_mark_page(uint32_t page, uint32_t number);

// copy.c
// Makes `size` bytes (within one page) at `destination` equal to `source`:
// erases the page, writes and compares; feeds a running watchdog. With `trust`
// a page that already reads equal is left alone.
int mbr_copy_page(uint32_t destination, uint32_t source, uint32_t size,
                  bool trust);
// How many of `left` bytes lie in the page of `destination`.
uint32_t mbr_page_part(uint32_t destination, uint32_t left);

// svc.c
void mbr_reset(void) __attribute__((noreturn));

// vectors.S
void mbr_start(uint32_t table) __attribute__((noreturn));

#endif

// Flash in RAM with the rules of NOR flash, for native tests.
//
// Laws: a write only clears bits; a word is written at most twice between
// erases; a page is erased whole; everything outside the array, unaligned, or
// against these rules aborts the test. Every erase and every word written is a
// numbered operation; one of them can be cut before, half-way (torn bits from a
// seed) or after, by a jump out of the engine. After an unstable cut the word
// or page reads as if it were done, old, or a mixture, anew at each power-up,
// until its page is erased.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_SIM_FLASH_H
#define OTA_SIM_FLASH_H

#include <setjmp.h>
#include <stdbool.h>

#include "ota/ports.h"

#define SIM_PAGE_SIZE 4096u

enum sim_cut {
    SIM_CUT_NONE,
    SIM_CUT_BEFORE,
    SIM_CUT_TORN,
    SIM_CUT_AFTER,
    SIM_CUT_UNSTABLE,
};

struct sim_flash {
    struct flash_port port;
    uint32_t base;
    uint32_t size;
    uint8_t *bytes;      // `size`
    uint8_t *writes;     // per word, since the erase
    uint32_t *erases;    // per page, in total
    uint32_t operations; // so far
    uint32_t cut_at;     // operation number, from 0
    enum sim_cut cut;
    uint32_t seed;            // of the torn bits
    jmp_buf *power_off;       // where a cut goes to
    uint32_t fail_addr;       // a write to this word does not take; 0: none
    uint32_t fail_count;      // how many times
    uint32_t unstable_offset; // what an unstable cut left
    uint32_t unstable_size;   // 0: nothing, 4 or a page
    uint8_t unstable_old[SIM_PAGE_SIZE];
    uint8_t unstable_new[SIM_PAGE_SIZE];
    void (*elapse)(void *ctx, uint32_t microseconds); // may be NULL
    void *elapse_ctx;
};

// `base` and `size` are page aligned; all blank. Aborts without memory.
void sim_flash_init(struct sim_flash *flash, uint32_t base, uint32_t size);
void sim_flash_free(struct sim_flash *flash);
// To be called before each boot.
void sim_flash_power_up(struct sim_flash *flash);
// A copy of contents and wear, for a cut that starts from here.
void sim_flash_copy(struct sim_flash *to, const struct sim_flash *from);
// Puts bytes in place as a programmer does: erased pages, one write per word.
void sim_flash_load(struct sim_flash *flash, uint32_t addr, const void *data,
                    uint32_t size);
const uint8_t *sim_flash_at(const struct sim_flash *flash, uint32_t addr);

#endif

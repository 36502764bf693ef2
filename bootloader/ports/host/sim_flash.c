// Flash in RAM: see sim_flash.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "sim_flash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERASE_US 85000u // data sheet, NVMC: page erase
#define WRITE_US 41u    // data sheet, NVMC: one word

static void must(bool holds, const char *law, uint32_t addr)
{
    if (!holds) {
        fprintf(stderr, "sim_flash: %s at 0x%08x\n", law, (unsigned)addr);
        abort();
    }
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state ^ *state >> 15;
}

static uint32_t offset_of(const struct sim_flash *flash, uint32_t addr,
                          size_t size)
{
    must(addr >= flash->base && size <= flash->size &&
             addr - flash->base <= flash->size - size,
         "access outside flash", addr);
    return addr - flash->base;
}

static void elapse(struct sim_flash *flash, uint32_t microseconds)
{
    if (flash->elapse != NULL) {
        flash->elapse(flash->elapse_ctx, microseconds);
    }
}

// True when this operation is the one to be cut.
static bool count_operation(struct sim_flash *flash)
{
    uint32_t number = flash->operations++;
    return flash->cut != SIM_CUT_NONE && number == flash->cut_at;
}

static void power_off(struct sim_flash *flash)
{
    flash->cut = SIM_CUT_NONE;
    longjmp(*flash->power_off, 1);
}

// Keeps what was and what was to be, and ends the boot.
static void cut_unstable(struct sim_flash *flash, uint32_t offset,
                         const void *new, uint32_t size)
{
    flash->unstable_offset = offset;
    flash->unstable_size = size;
    memcpy(flash->unstable_old, flash->bytes + offset, size);
    memcpy(flash->unstable_new, new, size);
    power_off(flash);
}

void sim_flash_power_up(struct sim_flash *flash)
{
    uint8_t *bytes = flash->bytes + flash->unstable_offset;
    flash->seed = flash->seed * 69069u + 1u;
    uint32_t state = flash->seed;
    uint32_t mood = next_random(&state) % 4u;
    for (uint32_t i = 0; i < flash->unstable_size; i++) {
        uint8_t mask = (uint8_t)(next_random(&state) >> 8);
        mask = mood == 0 ? 0 : mood == 1 ? mask : 0xFF;
        bytes[i] = (uint8_t)((flash->unstable_new[i] & mask) |
                             (flash->unstable_old[i] & (uint8_t)~mask));
    }
}

static int read(void *ctx, uint32_t addr, void *data, size_t size)
{
    struct sim_flash *flash = ctx;
    memcpy(data, flash->bytes + offset_of(flash, addr, size), size);
    return OTA_OK;
}

static int erase_page(void *ctx, uint32_t page_addr)
{
    struct sim_flash *flash = ctx;
    must(page_addr % SIM_PAGE_SIZE == 0, "erase not page aligned", page_addr);
    uint32_t offset = offset_of(flash, page_addr, SIM_PAGE_SIZE);
    bool is_cut = count_operation(flash);
    if (is_cut && flash->cut == SIM_CUT_BEFORE) {
        power_off(flash);
    }
    elapse(flash, ERASE_US);
    if (is_cut && flash->cut == SIM_CUT_TORN) {
        // From a few bits set to nearly all of them.
        uint32_t state = flash->seed + flash->cut_at;
        uint32_t strength = next_random(&state) % 8u;
        for (uint32_t i = 0; i < SIM_PAGE_SIZE; i++) {
            uint32_t bits = next_random(&state);
            for (uint32_t k = 0; k < strength; k++) {
                bits |= next_random(&state);
            }
            flash->bytes[offset + i] |= (uint8_t)bits;
        }
        power_off(flash);
    }
    if (is_cut && flash->cut == SIM_CUT_UNSTABLE) {
        uint8_t blank[SIM_PAGE_SIZE];
        memset(blank, 0xFF, sizeof blank);
        cut_unstable(flash, offset, blank, SIM_PAGE_SIZE);
    }
    if (flash->unstable_offset / SIM_PAGE_SIZE == offset / SIM_PAGE_SIZE) {
        flash->unstable_size = 0;
    }
    memset(flash->bytes + offset, 0xFF, SIM_PAGE_SIZE);
    memset(flash->writes + offset / 4u, 0, SIM_PAGE_SIZE / 4u);
    flash->erases[offset / SIM_PAGE_SIZE]++;
    if (is_cut) {
        power_off(flash);
    }
    return OTA_OK;
}

static int write_word(struct sim_flash *flash, uint32_t addr, uint32_t word)
{
    uint32_t offset = offset_of(flash, addr, 4);
    uint32_t old;
    bool is_cut = count_operation(flash);
    if (is_cut && flash->cut == SIM_CUT_BEFORE) {
        power_off(flash);
    }
    elapse(flash, WRITE_US);
    memcpy(&old, flash->bytes + offset, 4);
    flash->writes[offset / 4u]++;
    must(flash->writes[offset / 4u] <= 2, "third write to a word", addr);
    uint32_t new = old &word;
    if (is_cut && flash->cut == SIM_CUT_TORN) {
        uint32_t state = flash->seed + flash->cut_at;
        new |= old &next_random(&state);
    }
    bool fails = flash->fail_count > 0 && addr == flash->fail_addr;
    if (fails) {
        flash->fail_count--;
        new = old;
    }
    memcpy(flash->bytes + offset, &new, 4);
    if (is_cut) {
        power_off(flash);
    }
    return new == word ? OTA_OK : OTA_E_FLASH;
}

static int write(void *ctx, uint32_t addr, const uint32_t *words, size_t count)
{
    struct sim_flash *flash = ctx;
    must(addr % 4u == 0, "write not word aligned", addr);
    for (size_t i = 0; i < count; i++) {
        int err = write_word(flash, addr + (uint32_t)(4u * i), words[i]);
        if (err != OTA_OK) {
            return err;
        }
    }
    return OTA_OK;
}

void sim_flash_init(struct sim_flash *flash, uint32_t base, uint32_t size)
{
    memset(flash, 0, sizeof *flash);
    flash->port = (struct flash_port){flash, read, erase_page, write};
    flash->base = base;
    flash->size = size;
    flash->bytes = malloc(size);
    flash->writes = calloc(size / 4u, 1);
    flash->erases = calloc(size / SIM_PAGE_SIZE, sizeof *flash->erases);
    must(flash->bytes && flash->writes && flash->erases, "no memory", base);
    memset(flash->bytes, 0xFF, size);
}

void sim_flash_free(struct sim_flash *flash)
{
    free(flash->bytes);
    free(flash->writes);
    free(flash->erases);
    flash->bytes = NULL;
    flash->writes = NULL;
    flash->erases = NULL;
}

void sim_flash_copy(struct sim_flash *to, const struct sim_flash *from)
{
    must(to->size == from->size && to->base == from->base, "copy of another",
         from->base);
    memcpy(to->bytes, from->bytes, from->size);
    memcpy(to->writes, from->writes, from->size / 4u);
    memcpy(to->erases, from->erases,
           from->size / SIM_PAGE_SIZE * sizeof *from->erases);
    to->operations = 0;
    to->unstable_size = 0;
    to->cut = SIM_CUT_NONE;
}

void sim_flash_load(struct sim_flash *flash, uint32_t addr, const void *data,
                    uint32_t size)
{
    uint32_t offset = offset_of(flash, addr, size);
    uint32_t page = offset / SIM_PAGE_SIZE * SIM_PAGE_SIZE;
    for (; page < offset + size; page += SIM_PAGE_SIZE) {
        memset(flash->bytes + page, 0xFF, SIM_PAGE_SIZE);
        memset(flash->writes + page / 4u, 0, SIM_PAGE_SIZE / 4u);
    }
    memcpy(flash->bytes + offset, data, size);
    memset(flash->writes + offset / 4u, 1, (size + 3u) / 4u);
}

const uint8_t *sim_flash_at(const struct sim_flash *flash, uint32_t addr)
{
    return flash->bytes + offset_of(flash, addr, 1);
}

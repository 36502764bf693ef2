// A small SIM7600E, the commands: see sim_modem.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "sim_modem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_modem_parts.h"

#define BOOT_US 12000000u // power key or CRESET to RDY

/// File system ///

static const struct sim_file *find_file(const struct sim_modem *modem,
                                        const char *name)
{
    for (uint32_t i = 0; i < SIM_MODEM_FILES; i++) {
        const struct sim_file *file = &modem->files[i];
        if (file->name != NULL && strcmp(file->name, name) == 0) {
            return file;
        }
    }
    return NULL;
}

static bool fault_fires(struct sim_modem *modem, enum sim_fault fault)
{
    bool fires = modem->fault == fault && modem->reads >= modem->fault_at &&
                 modem->reads < modem->fault_at + modem->fault_count;
    modem->faults_fired += fires ? 1u : 0u;
    return fires;
}

static void send_block(struct sim_modem *modem, const uint8_t *data,
                       uint32_t size, bool is_first)
{
    char count[16];
    uint8_t block[4096];
    // Forms come from the tests, each with exactly one %u.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(count, sizeof count, modem->length_form, size);
#pragma GCC diagnostic pop
    memcpy(block, data, size);
    if (is_first && fault_fires(modem, SIM_FAULT_HEADER)) {
        count[strlen(count) - 1] = 'x';
    }
    if (is_first && fault_fires(modem, SIM_FAULT_TOO_MUCH)) {
        snprintf(count, sizeof count, "%u", 100000u);
    }
    if (is_first && fault_fires(modem, SIM_FAULT_FLIP_BIT)) {
        block[size / 2u] ^= 0x10u;
    }
    if (is_first && fault_fires(modem, SIM_FAULT_WRONG_PREFIX)) {
        sim_modem_line(modem, "+HTTPREAD: DATA,%s", count);
    } else {
        sim_modem_line(modem, "+CFTRANTX: DATA,%s", count);
    }
    if (is_first && fault_fires(modem, SIM_FAULT_DROP_BYTE)) {
        size--;
    }
    if (is_first && fault_fires(modem, SIM_FAULT_STALL)) {
        sim_modem_send(modem, block, size / 2u);
        return;
    }
    if (is_first && fault_fires(modem, SIM_FAULT_REBOOT)) {
        sim_modem_send(modem, block, size / 2u);
        sim_modem_restart(modem, BOOT_US);
        return;
    }
    sim_modem_send(modem, block, size);
    for (uint32_t i = 0; i < modem->extra_line_ends; i++) {
        sim_modem_send(modem, "\r\n", 2);
    }
}

// After one of these nothing more is said in this answer.
static bool is_over(const struct sim_modem *modem, uint32_t fired_before)
{
    return modem->faults_fired != fired_before &&
           (modem->fault == SIM_FAULT_STALL ||
            modem->fault == SIM_FAULT_REBOOT);
}

static void transfer(struct sim_modem *modem, const struct sim_file *file,
                     uint32_t offset, uint32_t size)
{
    uint32_t fired_before = modem->faults_fired;
    if (file == NULL || fault_fires(modem, SIM_FAULT_ERROR)) {
        sim_modem_line(modem, "ERROR");
        return;
    }
    if (fault_fires(modem, SIM_FAULT_SILENT)) {
        return;
    }
    modem->overrun = modem->overrun || fault_fires(modem, SIM_FAULT_OVERRUN);
    uint32_t end = offset < file->size ? file->size - offset : 0;
    end = size < end ? offset + size : offset + end;
    bool is_short = fault_fires(modem, SIM_FAULT_SHORT);
    if (modem->leading_ok) {
        sim_modem_line(modem, "OK");
    }
    for (uint32_t at = offset; at < end;) {
        uint32_t block =
            end - at < modem->block_size ? end - at : modem->block_size;
        if (is_short && at + block == end) {
            break;
        }
        send_block(modem, file->data + at, block, at == offset);
        if (is_over(modem, fired_before)) {
            return;
        }
        at += block;
    }
    sim_modem_line(modem, "+CFTRANTX: 0");
    bool no_end = fault_fires(modem, SIM_FAULT_NO_END);
    if (!no_end && (!modem->leading_ok || modem->trailing_ok)) {
        sim_modem_line(modem, "OK");
    }
}

static void read_file(struct sim_modem *modem, const char *arguments)
{
    char path[64];
    unsigned offset;
    unsigned size;
    size_t drive = strlen(modem->drive);
    int found = sscanf(arguments, "\"%63[^\"]\",%u,%u", path, &offset, &size);
    if (found != 3 || strncmp(path, modem->drive, drive) != 0) {
        sim_modem_line(modem, "ERROR");
    } else {
        transfer(modem, find_file(modem, path + drive), offset, size);
    }
    modem->reads++;
}

/// Commands ///

static bool starts_with(const char *text, const char *head)
{
    return strncmp(text, head, strlen(head)) == 0;
}

static void file_size(struct sim_modem *modem, const char *name)
{
    const struct sim_file *file =
        modem->is_in_folder ? find_file(modem, name) : NULL;
    if (file == NULL) {
        sim_modem_line(modem, "ERROR");
        return;
    }
    sim_modem_line(modem, "+FSATTRI: %u, 2026/01/06 10:24:46 Tue",
                   (unsigned)file->size);
    sim_modem_line(modem, "OK");
}

static void delete_file(struct sim_modem *modem, const char *name)
{
    for (uint32_t i = 0; i < SIM_MODEM_FILES; i++) {
        struct sim_file *file = &modem->files[i];
        if (file->name != NULL && strcmp(file->name, name) == 0) {
            memset(file, 0, sizeof *file);
            sim_modem_line(modem, "OK");
            return;
        }
    }
    sim_modem_line(modem, "ERROR");
}

static void list_files(struct sim_modem *modem)
{
    sim_modem_line(modem, "+FSLS: FILES:");
    for (uint32_t i = 0; i < SIM_MODEM_FILES; i++) {
        if (modem->files[i].name != NULL) {
            sim_modem_line(modem, "%s", modem->files[i].name);
        }
    }
    sim_modem_line(modem, "OK");
}

static void memory(struct sim_modem *modem)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < SIM_MODEM_FILES; i++) {
        used += modem->files[i].size;
    }
    sim_modem_line(modem, "+FSMEM: %.2s(%u, %u)", modem->drive,
                   (unsigned)modem->capacity, (unsigned)used);
    sim_modem_line(modem, "OK");
}

static void set_rate(struct sim_modem *modem, const char *rate)
{
    if (modem->refuse_ipr) {
        sim_modem_line(modem, "ERROR");
        return;
    }
    sim_modem_line(modem, "OK");
    modem->baud = (uint32_t)strtoul(rate, NULL, 10);
    if (modem->baud > modem->fastest) {
        modem->fastest = modem->baud;
    }
}

static void execute(struct sim_modem *modem, const char *command)
{
    modem->clock->now_us += modem->latency_us;
    modem->commands++;
    if (starts_with(command, "AT+CFTRANTX=")) {
        read_file(modem, command + 12);
    } else if (starts_with(command, "AT+FSCD=")) {
        modem->is_in_folder = strcmp(command + 8, modem->drive) == 0;
        if (modem->is_in_folder) {
            sim_modem_line(modem, "+FSCD: %s", modem->drive);
        }
        sim_modem_line(modem, modem->is_in_folder ? "OK" : "ERROR");
    } else if (starts_with(command, "AT+FSATTRI=")) {
        file_size(modem, command + 11);
    } else if (strcmp(command, "AT+FSLS=2") == 0 && modem->is_in_folder) {
        list_files(modem);
    } else if (strcmp(command, "AT+FSMEM") == 0 && modem->is_in_folder) {
        memory(modem);
    } else if (starts_with(command, "AT+FSDEL=")) {
        delete_file(modem, command + 9);
    } else if (starts_with(command, "AT+IPR=")) {
        set_rate(modem, command + 7);
    } else if (strcmp(command, "AT+CRESET") == 0) {
        sim_modem_line(modem, "OK");
        sim_modem_restart(modem, BOOT_US);
    } else if (strcmp(command, "ATE0") == 0) {
        modem->echo = false;
        sim_modem_line(modem, "OK");
    } else if (strcmp(command, "AT") == 0 ||
               strcmp(command, "AT+CMEE=1") == 0 ||
               strcmp(command, "AT+CATR=1") == 0) {
        sim_modem_line(modem, "OK");
    } else {
        sim_modem_line(modem, "ERROR");
    }
}

void sim_modem_take(struct sim_modem *modem, uint8_t byte)
{
    if (modem->echo) {
        sim_modem_send(modem, &byte, 1);
    }
    if (byte == '\r') {
        modem->command[modem->command_length] = '\0';
        uint32_t length = modem->command_length;
        modem->command_length = 0;
        if (length > 0) {
            execute(modem, modem->command);
        }
    } else if (modem->command_length < sizeof modem->command - 1u) {
        modem->command[modem->command_length++] = (char)byte;
    }
}

void sim_modem_init(struct sim_modem *modem, struct sim_clock *clock,
                    uint32_t baud)
{
    memset(modem, 0, sizeof *modem);
    modem->port = sim_modem_port(modem);
    modem->clock = clock;
    modem->drive = "E:/";
    modem->baud = baud;
    modem->baud_start = baud;
    modem->host_baud = baud;
    modem->echo = true;
    modem->latency_us = 10000;
    modem->block_size = 512;
    modem->length_form = "%u";
    modem->extra_line_ends = 1;
}

void sim_modem_restart(struct sim_modem *modem, uint64_t dead_us)
{
    modem->boot_done_us = modem->clock->now_us + dead_us;
    modem->rdy_due = true;
    modem->is_off = false;
    modem->echo = true;
    modem->is_in_folder = false;
    modem->command_length = 0;
    modem->baud = modem->baud_start;
    modem->restarts++;
}

void sim_modem_power_key(struct sim_modem *modem, uint32_t duration_ms)
{
    if (duration_ms >= 2500u) {
        modem->is_off = true;
        modem->boot_done_us = 0;
        modem->rdy_due = false;
    } else if (modem->is_off && duration_ms >= 500u) {
        sim_modem_restart(modem, BOOT_US);
    }
}

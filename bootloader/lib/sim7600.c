// SIM7600 driver: see sim7600.h. Sources: SIM7500/SIM7600 AT command manual
// V3.00, chapters 2 (V.25TER), 4 (status control), 8 (file system), 9 (file
// transmission).
//
// SPDX-License-Identifier: Apache-2.0
#include "sim7600.h"

#include <string.h>

#include "format.h"

#define PROBE_MS 300u // a modem that is there answers AT within this
#define PROBES 3u
#define SWITCH_MS 100u // pause after AT+IPR before the new rate is used

static const uint32_t rates[] = {115200, 460800, 921600, 230400};
#define RATE_COUNT (sizeof rates / sizeof rates[0])

void sim7600_init(struct sim7600 *modem, struct at *at, uint32_t baud_start,
                  uint32_t baud_fast)
{
    modem->at = at;
    modem->baud_start = baud_start;
    modem->baud_fast = baud_fast;
    modem->baud = baud_start;
    modem->is_in_parts = false;
    modem->is_pin_asked = false;
}

static int command(struct sim7600 *modem, const char *text)
{
    return at_command(modem->at, SIM7600_COMMAND_MS, text, NULL, NULL, 0);
}

static int probe(struct sim7600 *modem, uint32_t baud)
{
    const struct uart_port *uart = modem->at->uart;
    int err = uart->set_baud(uart->ctx, baud);
    modem->baud = baud;
    for (uint32_t i = 0; err == OTA_OK && i < PROBES; i++) {
        err = at_command(modem->at, PROBE_MS, "AT", NULL, NULL, 0);
        if (err == OTA_OK) {
            // A late answer to an earlier AT must not be taken for the next.
            at_drain(modem->at, 20, PROBE_MS);
            return OTA_OK;
        }
        err = OTA_OK;
    }
    return err == OTA_OK ? OTA_E_TIMEOUT : err;
}

static int find(struct sim7600 *modem, uint32_t wait_ms)
{
    const struct time_port *time = modem->at->time;
    uint32_t started_ms = time->now_ms(time->ctx);
    // The round limit ends this also when the clock stands still.
    for (uint32_t round = 0; round <= wait_ms / PROBE_MS; round++) {
        int err = probe(modem, modem->baud);
        for (size_t i = 0; err != OTA_OK && i < RATE_COUNT; i++) {
            err = probe(modem, rates[i]);
        }
        if (err == OTA_OK) {
            return OTA_OK;
        }
        modem->baud = modem->baud_start;
        if (time->now_ms(time->ctx) - started_ms >= wait_ms) {
            break;
        }
    }
    return OTA_E_TIMEOUT;
}

// A modem that refuses the rate is used at the rate it was found at.
static int change_rate(struct sim7600 *modem, uint32_t baud)
{
    if (baud == 0 || modem->baud == baud) {
        return OTA_OK;
    }
    char text[32];
    (void)format_text(text, sizeof text, "AT+IPR=%u",
                      (unsigned)baud); // always fits
    int err = command(modem, text);
    if (err != OTA_OK) {
        return err == OTA_E_MODEM ? OTA_OK : err;
    }
    const struct time_port *time = modem->at->time;
    time->sleep_ms(time->ctx, SWITCH_MS);
    return probe(modem, baud);
}

int sim7600_open(struct sim7600 *modem, uint32_t wait_ms)
{
    at_drain(modem->at, 300, 5000);
    int err = find(modem, wait_ms);
    if (err == OTA_OK) {
        err = command(modem, "ATE0");
    }
    if (err == OTA_OK) {
        err = command(modem, "AT+CMEE=1");
    }
    if (err == OTA_OK) {
        err = command(modem, "AT+CATR=1");
    }
    return err == OTA_OK ? change_rate(modem, modem->baud_fast) : err;
}

void sim7600_close(struct sim7600 *modem)
{
    int err = change_rate(modem, modem->baud_start);
    if (err != OTA_OK) {
        modem->baud = modem->baud_start;
    }
}

int sim7600_restart(struct sim7600 *modem)
{
    int err = command(modem, "AT+CRESET");
    modem->baud = modem->baud_start;
    return err;
}

// File system commands take names in the current folder only, so each file is
// reached by AT+FSCD first. `name` points into `path` afterwards.
static int enter_folder(struct sim7600 *modem, const char *path,
                        const char **name)
{
    char text[AT_COMMAND_SIZE];
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return OTA_E_PATH;
    }
    *name = slash + 1;
    size_t head = format_text(text, sizeof text, "AT+FSCD=%s", path);
    size_t folder = head - strlen(*name);
    // The root keeps its slash ("E:/"), a folder does not need one.
    if (slash - path > 2) {
        folder--;
    }
    text[folder] = '\0';
    int err = at_command(modem->at, SIM7600_FILE_MS, text, NULL, NULL, 0);
    return err == OTA_E_MODEM ? OTA_E_NO_FILE : err;
}

int sim7600_part_size(struct sim7600 *modem, const char *path, uint32_t *size)
{
    const char *name;
    char text[AT_COMMAND_SIZE];
    char value[16];
    int err = enter_folder(modem, path, &name);
    if (err != OTA_OK) {
        return err;
    }
    (void)format_text(text, sizeof text, "AT+FSATTRI=%s", name); // fits
    err = at_command(modem->at, SIM7600_FILE_MS, text, "+FSATTRI:", value,
                     sizeof value);
    if (err == OTA_E_MODEM) {
        return OTA_E_NO_FILE;
    }
    const char *rest = value;
    if (err == OTA_OK && !at_number(&rest, size)) {
        return OTA_E_PROTOCOL;
    }
    return err;
}

/// Parts (SPEC 13) ///

static const char part_marks[] = "123456789abcdef";

// The path of a part; part 0 is the file itself. False when there is no such
// part: a name that ends like a part's has none.
static bool part_path(char part_path[OTA_PATH_SIZE], const char *path,
                      uint32_t part)
{
    size_t length = format_text(part_path, OTA_PATH_SIZE, "%s", path);
    char *last = &part_path[length - 1u];
    if (part == 0) {
        return true;
    }
    if (part >= SIM7600_PARTS_MAX || strchr(part_marks, *last) != NULL) {
        return false;
    }
    *last = part_marks[part - 1u];
    return true;
}

int sim7600_file_size(struct sim7600 *modem, const char *path, uint32_t *size)
{
    char text[OTA_PATH_SIZE];
    uint32_t more = 0;
    uint32_t part = 0;
    *size = 0;
    while (part_path(text, path, part)) {
        int err = sim7600_part_size(modem, text, &more);
        if (err != OTA_OK) {
            return part > 0 && err == OTA_E_NO_FILE ? OTA_OK : err;
        }
        *size += more;
        modem->is_in_parts = part > 0 || more == SIM7600_PART_SIZE;
        if (more != SIM7600_PART_SIZE) {
            break;
        }
        part++;
    }
    return OTA_OK;
}

int sim7600_part_delete(struct sim7600 *modem, const char *path)
{
    uint32_t size;
    int err = sim7600_part_size(modem, path, &size);
    if (err != OTA_OK) {
        return err == OTA_E_NO_FILE ? OTA_OK : err;
    }
    char text[AT_COMMAND_SIZE];
    (void)format_text(text, sizeof text, "AT+FSDEL=%s",
                      strrchr(path, '/') + 1); // fits
    return at_command(modem->at, SIM7600_FILE_MS, text, NULL, NULL, 0);
}

int sim7600_file_delete(struct sim7600 *modem, const char *path)
{
    char text[OTA_PATH_SIZE];
    uint32_t size = SIM7600_PART_SIZE;
    int err = sim7600_part_size(modem, path, &size);
    bool is_there = err == OTA_OK;
    if (err != OTA_OK && err != OTA_E_NO_FILE) {
        return err;
    }
    err = OTA_OK;
    // A file of any other size is whole, whatever else is there.
    uint32_t part = size == SIM7600_PART_SIZE ? SIM7600_PARTS_MAX : 1u;
    while (err == OTA_OK && --part > 0) {
        if (part_path(text, path, part)) {
            err = sim7600_part_delete(modem, text);
        }
    }
    return err == OTA_OK && is_there ? sim7600_part_delete(modem, path) : err;
}

// Asks for the bytes at modem->offset, up to the end of the part they are in.
static int ask(struct sim7600 *modem, uint32_t size)
{
    char text[OTA_PATH_SIZE];
    uint32_t part = 0;
    uint32_t offset = modem->offset;
    if (modem->is_in_parts) {
        part = offset / SIM7600_PART_SIZE;
        offset %= SIM7600_PART_SIZE;
        uint32_t left = SIM7600_PART_SIZE - offset;
        size = size < left ? size : left;
    }
    if (!part_path(text, modem->path, part)) {
        return OTA_E_NO_FILE;
    }
    modem->asked = size;
    // Answer plus twice the time that the bytes need on the wire.
    uint32_t timeout_ms =
        SIM7600_COMMAND_MS + size * 20u / (modem->baud / 1000u);
    return at_send(modem->at, timeout_ms, "AT+CFTRANTX=\"%s\",%u,%u", text,
                   (unsigned)offset, (unsigned)size);
}

int sim7600_read_start(struct sim7600 *modem, const char *path, uint32_t offset,
                       uint32_t size)
{
    modem->path = path;
    modem->offset = offset;
    return ask(modem, size);
}

// What a +CFTRANTX line says: "DATA,n" gives n, "0" gives 0.
static int block_size(const char *rest, uint32_t *size)
{
    bool is_data = strncmp(rest, "DATA", 4) == 0;
    if (is_data) {
        rest = at_after(rest + 4, "");
        rest = *rest == ',' ? at_after(rest, ",") : "";
    }
    if (!at_number(&rest, size) || *rest != '\0') {
        return OTA_E_PROTOCOL;
    }
    // DATA,0 and a bare count other than 0 are not in the manual.
    return is_data == (*size != 0) ? OTA_OK : OTA_E_PROTOCOL;
}

// The manual's first example has an OK before the data. A modem that does that
// may send another one at the end, which must not meet the next command.
static void swallow_second_ok(struct sim7600 *modem)
{
    at_drain(modem->at, 50, 200);
}

// A block is followed by CR LF. Anything else means that a byte was lost or
// gained, and the count has run into the line end or stopped short of it.
static int read_block(struct sim7600 *modem, uint8_t *data, uint32_t count)
{
    uint8_t next = '\r';
    int err = at_read_data(modem->at, data, count);
    if (err == OTA_OK && count > 0) {
        err = at_read_data(modem->at, &next, 1);
    }
    return err == OTA_OK && next != '\r' ? OTA_E_PROTOCOL : err;
}

static int finish(struct sim7600 *modem, uint8_t *data, uint32_t size)
{
    uint32_t received = 0;
    bool ok_seen = false;
    bool end_seen = false;
    while (!ok_seen || !end_seen) {
        bool is_ok;
        int err = at_read_line(modem->at, &is_ok);
        if (err != OTA_OK) {
            return err;
        }
        const char *rest = at_after(modem->at->line, "+CFTRANTX:");
        uint32_t count = 0;
        ok_seen = ok_seen || is_ok;
        if (rest == NULL) {
            continue;
        }
        err = block_size(rest, &count);
        if (err != OTA_OK || count > size - received ||
            (end_seen && count > 0)) {
            return OTA_E_PROTOCOL;
        }
        end_seen = count == 0;
        if (end_seen && ok_seen) {
            swallow_second_ok(modem);
        }
        err = read_block(modem, data + received, count);
        if (err != OTA_OK) {
            return err;
        }
        received += count;
    }
    return received == size ? OTA_OK : OTA_E_SHORT_READ;
}

int sim7600_read_finish(struct sim7600 *modem, uint8_t *data, uint32_t size)
{
    for (;;) {
        int err = finish(modem, data, modem->asked);
        data += modem->asked;
        size -= modem->asked;
        modem->offset += modem->asked;
        if (err != OTA_OK || size == 0) {
            return err;
        }
        err = ask(modem, size);
        if (err != OTA_OK) {
            return err;
        }
    }
}

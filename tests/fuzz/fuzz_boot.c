// A whole boot with an update accepted, against a modem that says the fuzzer's
// bytes: the old application is started or the chip is reset, flash outside
// the journal stays as it is, and time is bounded.
//
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>

#include "boot.h"
#include "crc32.h"
#include "fuzz.h"
#include "host_crypto.h"
#include "sim_flash.h"

#define APP 0x1000u
#define JOURNAL 0x3000u
#define HANDSHAKE 0x5000u
#define FLASH_SIZE 0x6000u
#define APP_BYTES 100u

static jmp_buf reset_jump;

static void nothing(void *ctx)
{
    (void)ctx;
}

static void no_key(void *ctx, bool is_pressed)
{
    (void)ctx;
    (void)is_pressed;
}

static void reset(void *ctx) __attribute__((noreturn));
static void reset(void *ctx)
{
    (void)ctx;
    longjmp(reset_jump, 1);
}

static int no_copy(void *ctx, uint32_t source_addr, uint32_t size)
{
    (void)ctx;
    (void)source_addr;
    (void)size;
    abort(); // no bootloader is being updated
}

static void log_line(void *ctx, const char *line)
{
    (void)ctx;
    fuzz_assert(strlen(line) < 120);
}

static void put_journal(struct sim_flash *flash, struct journal_image *current)
{
    static struct journal journal;
    static uint8_t app[APP_BYTES];
    struct sha256_ctx sha;
    sim_flash_load(flash, APP, app, sizeof app);
    current->info.pbin_size = sizeof app;
    current->info.fp_base = APP;
    fuzz_assert(host_crypto.sha256_init(NULL, &sha) == OTA_OK);
    fuzz_assert(host_crypto.sha256_update(NULL, &sha, app, sizeof app) ==
                OTA_OK);
    fuzz_assert(host_crypto.sha256_final(NULL, &sha, current->info.pbin_hash) ==
                OTA_OK);
    memset(&journal, 0, sizeof journal);
    journal.flash = &flash->port;
    journal.start_addr = JOURNAL;
    journal.page = 1;
    journal.has_current = true;
    journal.current = *current;
    fuzz_assert(journal_save(&journal) == OTA_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sim_flash flash;
    static struct boot boot;
    static struct boot_request request;
    static struct boot_status status;
    struct fuzz_uart fuzz;
    struct journal_image current;
    memset(&current, 0, sizeof current);
    fuzz_uart_init(&fuzz, data, size);
    sim_flash_init(&flash, 0, FLASH_SIZE);
    put_journal(&flash, &current);
    const struct system_port system = {&fuzz, nothing, nothing, no_key,
                                       reset, no_copy, log_line};
    const struct ports ports = {&flash.port, &host_crypto, &fuzz.uart,
                                &fuzz.time, &system};
    const struct boot_config config = {
        .app_start = APP,
        .app_size = 0x2000,
        .bootloader_start = 0x10000,
        .journal_start = JOURNAL,
        .handshake_start = HANDSHAKE,
        .request = &request,
        .status = &status,
        .modem_baud = 115200,
        .modem_baud_fast = 460800,
    };
    current.info.version = 2;
    current.info.pbin_size = 20;
    current.info.ebin_size = 32;
    fuzz_assert(boot_request_write(&request, &current.info, "E:/f.ebin", 0) ==
                OTA_OK);
    if (setjmp(reset_jump) == 0) {
        fuzz_assert(boot_run(&boot, &ports, &config) == BOOT_START_APP);
        fuzz_assert(status.reason == BOOT_REASON_FAILED);
    }
    fuzz_assert(flash.erases[1] == 0 && flash.erases[2] == 0);
    fuzz_assert(fuzz.now_ms < 60u * 60u * 1000u);
    sim_flash_free(&flash);
    return 0;
}

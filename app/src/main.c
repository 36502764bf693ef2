// The connected application. This file is the product's: what it says about
// itself, when it counts as working, when it may be updated, and what it does
// all day. The rest is in app/connected and in the library.
//
// SPDX-License-Identifier: Apache-2.0
#include "cloud.h"
#include "fault.h"
#include "memory_layout.h"
#include "platform.h"
#include "reason.h"

#define WATCHDOG_MS 8000u

static struct cloud cloud;

static void introduce(void)
{
    struct boot_status status;
    if (boot_status_read((const struct boot_status *)OTA_RAM_BOOT_STATUS_START,
                         &status) != OTA_OK) {
        platform_line("app: version %u running (no boot status)",
                      (unsigned)APP_VERSION);
        return;
    }
    platform_line("app: version %u running (reason %s)", (unsigned)APP_VERSION,
                  reason_text(status.reason));
    platform_line("app: bootloader %u, last error %d, reset reason %u",
                  (unsigned)status.bootloader_version, (int)status.last_error,
                  (unsigned)status.resetreas);
}

// The modem's exchanges are bounded, so what waits here makes progress.
static void idle(void *ctx)
{
    (void)ctx;
    platform_feed();
}

static void log_line(void *ctx, const char *line)
{
    (void)ctx;
    platform_line("app: %s", line);
}

// Asked once the broker is connected. A product checks its own parts here.
static bool may_confirm(void *ctx)
{
    (void)ctx;
    fault_happen(APP_FAULT);
    return APP_CONFIRM;
}

// Asked before the reset. A product that drives a motor waits for its stop.
static bool may_update(void *ctx)
{
    (void)ctx;
    return true;
}

int main(void)
{
    static const struct cloud_product product = {
        .version = APP_VERSION,
        .idle = idle,
        .may_confirm = may_confirm,
        .may_update = may_update,
        .log = log_line,
    };
    platform_start(WATCHDOG_MS);
    introduce();
    cloud_start(&cloud, &product);
    for (;;) {
        cloud_step(&cloud);
        // What the product does goes here; it should be back in a second.
        if (update_client_is_connected(&cloud.client)) {
            fault_happen(APP_HANG ? FAULT_HANG : APP_FAULT);
        }
        platform_feed();
    }
}

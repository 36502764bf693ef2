// The hand-shake page as an application writes it: ota_confirm() takes this.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef APP_FLASH_H
#define APP_FLASH_H

struct flash_port;

// Erases and writes nothing but the hand-shake page.
extern const struct flash_port app_flash;

#endif

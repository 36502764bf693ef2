// Version of the bootloader as the boot status reports it: one number that
// grows with every release (major * 10000 + minor * 100 + patch).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_VERSION_H
#define OTA_VERSION_H

#ifndef OTA_BOOTLOADER_VERSION      // -DBOOTLOADER_VERSION=N of the build
#define OTA_BOOTLOADER_VERSION 100u // 0.1.0
#endif

#endif

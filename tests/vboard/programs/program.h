// Start-up and mailbox of the small test programs; nothing of the product is in
// here. SPDX-License-Identifier: Apache-2.0
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))

#define NVMC_READY REG(0x4001E400)
#define NVMC_CONFIG REG(0x4001E504)
#define NVMC_ERASEPAGE REG(0x4001E508)
#define NVMC_ERASEPAGEPARTIAL REG(0x4001E518)
#define NVMC_ERASEPAGEPARTIALCFG REG(0x4001E51C)
#define ACL(n, field) REG(0x4001E800 + 16 * (n) + 4 * (field))
#define WREN 1u
#define EREN 2u

// What the test reads: words in RAM, at an address both sides know.
#define MAILBOX ((volatile uint32_t *)0x20030000)
#define DONE 0x600D600Du

// Faults are counted and skipped: the handler steps over the instruction.
extern volatile uint32_t fault_count, fault_address, fault_status;

int main(void);

#endif

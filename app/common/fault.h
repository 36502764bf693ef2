// Faults: what the application does when it breaks, and how it breaks on
// purpose.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef APP_FAULT_H
#define APP_FAULT_H

// The numbers of -DAPP_FAULT=none|hang|lockup|fault|reset.
enum fault {
    FAULT_NONE,
    FAULT_HANG,   // nothing any more: the watchdog bites
    FAULT_LOCKUP, // a fault inside of the fault handler
    FAULT_FAULT,  // a fault, as a bug would cause it
    FAULT_RESET,  // a soft reset, as many fault handlers end
};

// Does what `fault` says; returns only from FAULT_NONE.
void fault_happen(enum fault fault);

#endif

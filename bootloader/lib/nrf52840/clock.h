// Clocks (product specification, CLOCK). The time base must run: waits sleep.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef CLOCK_H
#define CLOCK_H

// Starts the 32 MHz crystal and waits until it runs (about 0.4 ms). UARTE needs
// it: the internal oscillator is too far off for asynchronous serial lines.
void clock_start_hfxo(void);
void clock_stop_hfxo(void);

// Starts the 32.768 kHz RC oscillator unless a low-frequency clock runs
// already.
void clock_start_lfrc(void);

#endif

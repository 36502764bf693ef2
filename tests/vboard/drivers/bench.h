// A job that the test writes into RAM and the program carries out.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

struct job {
    uint32_t operation; // written last; 0 while there is nothing to do
    uint32_t source, destination, size, step;
    uint8_t key[16], iv[16];
    uint8_t digest[32];
    int32_t result;
    uint32_t done; // 1 when `result` holds
};

extern volatile struct job job;

// Each program has one.
void bench_open(void);
int32_t bench_run(struct job *work);

#endif

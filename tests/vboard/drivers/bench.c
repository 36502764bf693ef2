// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

volatile struct job job;

int main(void)
{
    bench_open();
    for (;;) {
        while (job.operation == 0) {
            __asm volatile("wfe");
        }
        struct job *work = (struct job *)&job;
        work->result = bench_run(work);
        work->operation = 0;
        job.done = 1;
    }
}

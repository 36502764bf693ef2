// SPDX-License-Identifier: Apache-2.0
// A small preemptive kernel, as an RTOS port does it: SysTick time slices,
// PendSV switch at the lowest priority with lazy FPU saving, SVC services,
// a LDREX/STREX lock, BASEPRI critical sections, an idle thread in WFI, and an
// interrupt-driven UARTE console.

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define REG8(address) (*(volatile uint8_t *)(address))

#define THREADS 4
#define STACK_WORDS 512
#define KERNEL_PRIORITY 0x40

typedef struct {
    uint32_t *stack;
    uint32_t wake_at;
} thread_t;

static uint32_t stacks[THREADS][STACK_WORDS] __attribute__((aligned(8)));
thread_t threads[THREADS];
volatile uint32_t current;
volatile uint32_t ticks;

// Console: a ring that the UARTE interrupt empties by DMA.

static char ring[1024];
static char dma[64];
static volatile uint32_t head, tail;
static volatile bool sending;

static void send_next(void)
{
    uint32_t count = 0;
    while (tail != head && count < sizeof dma) {
        dma[count++] = ring[tail++ % sizeof ring];
    }
    sending = count != 0;
    if (sending) {
        REG(0x40002544) = (uint32_t)dma;
        REG(0x40002548) = count;
        REG(0x40002008) = 1;
    }
}

void UARTE0_Handler(void)
{
    if (REG(0x40002120)) {
        REG(0x40002120) = 0;
        (void)REG(0x40002120);
        send_next();
    }
}

static uint32_t enter_critical(void)
{
    uint32_t old;
    __asm volatile("mrs %0, basepri\n msr basepri, %1\n isb"
                   : "=&r"(old)
                   : "r"(KERNEL_PRIORITY)
                   : "memory");
    return old;
}

static void leave_critical(uint32_t old)
{
    __asm volatile("msr basepri, %0" ::"r"(old) : "memory");
}

static void put(const char *text, uint32_t length)
{
    uint32_t old = enter_critical();
    for (uint32_t i = 0; i < length && head - tail < sizeof ring; i++) {
        ring[head++ % sizeof ring] = text[i];
    }
    if (!sending) {
        send_next();
    }
    leave_critical(old);
}

static void print(const char *format, ...)
{
    char line[96];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    put(line, (uint32_t)length);
}

// Scheduler

static uint32_t pick(void)
{
    for (uint32_t i = 1; i <= THREADS; i++) {
        uint32_t next = (current + i) % THREADS;
        if (next != THREADS - 1 &&
            (int32_t)(ticks - threads[next].wake_at) >= 0) {
            return next;
        }
    }
    return THREADS - 1; // idle
}

uint32_t *switch_stack(uint32_t *stack)
{
    uint32_t old = enter_critical();
    threads[current].stack = stack;
    current = pick();
    leave_critical(old);
    return threads[current].stack;
}

__attribute__((naked)) void PendSV_Handler(void)
{
    __asm volatile("mrs r0, psp\n"
                   "tst lr, #0x10\n"
                   "it eq\n"
                   "vstmdbeq r0!, {s16-s31}\n"
                   "stmdb r0!, {r4-r11, lr}\n"
                   "bl switch_stack\n"
                   "ldmia r0!, {r4-r11, lr}\n"
                   "tst lr, #0x10\n"
                   "it eq\n"
                   "vldmiaeq r0!, {s16-s31}\n"
                   "msr psp, r0\n"
                   "bx lr\n");
}

void SysTick_Handler(void)
{
    ticks++;
    REG(0xE000ED04) = 1u << 28;
}

// SVC 1: sleep for r0 ticks. SVC 2: give up the time slice.
void svc_service(uint32_t *frame)
{
    uint8_t number = *(uint8_t *)(frame[6] - 2);
    if (number == 1) {
        threads[current].wake_at = ticks + frame[0];
    }
    REG(0xE000ED04) = 1u << 28;
}

__attribute__((naked)) void SVC_Handler(void)
{
    __asm volatile("tst lr, #4\n"
                   "ite eq\n"
                   "mrseq r0, msp\n"
                   "mrsne r0, psp\n"
                   "b svc_service\n");
}

static void sleep_ticks(uint32_t count)
{
    register uint32_t r0 __asm("r0") = count;
    __asm volatile("svc #1" : "+r"(r0)::"memory");
}

static void yield(void)
{
    __asm volatile("svc #2" ::: "memory");
}

// A lock of LDREX and STREX

static volatile uint32_t lock;

static bool try_lock(void)
{
    uint32_t old, failed;
    do {
        __asm volatile("ldrex %0, [%1]" : "=r"(old) : "r"(&lock) : "memory");
        if (old) {
            __asm volatile("clrex");
            return false;
        }
        __asm volatile("strex %0, %1, [%2]"
                       : "=&r"(failed)
                       : "r"(1), "r"(&lock)
                       : "memory");
    } while (failed);
    __asm volatile("dmb" ::: "memory");
    return true;
}

static void unlock(void)
{
    __asm volatile("dmb" ::: "memory");
    lock = 0;
}

// Threads

static volatile uint32_t shared, finished;

static void worker(uint32_t id)
{
    float sum = 0.0f;
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 1; i <= 20000; i++) {
            sum += 1.0f / (float)(i * (id + 1));
        }
        while (!try_lock()) {
            yield();
        }
        uint32_t copy = shared;
        sleep_ticks(1); // others must wait for the lock meanwhile
        shared = copy + 1;
        unlock();
        sleep_ticks(id + 1);
    }
    print("thread %u sum %d\n", (unsigned)id, (int)(sum * 1000.0f));
    uint32_t old = enter_critical();
    finished++;
    bool last = finished == THREADS - 1;
    leave_critical(old);
    if (last) {
        print("shared %u after %s ticks\n", (unsigned)shared,
              ticks > 20 ? "many" : "few");
        print("kernel sample done\n");
    }
    for (;;) {
        sleep_ticks(1000);
    }
}

static void idle(uint32_t id)
{
    (void)id;
    for (;;) {
        __asm volatile("wfi");
    }
}

static void make_thread(uint32_t id, void (*entry)(uint32_t))
{
    uint32_t *stack = &stacks[id][STACK_WORDS];
    *--stack = 0x01000000;
    *--stack = (uint32_t)entry & ~1u;
    for (int i = 0; i < 5; i++) {
        *--stack = 0; // lr, r12, r3 - r1
    }
    *--stack = id;
    *--stack = 0xFFFFFFFD;
    stack -= 8;
    threads[id].stack = stack;
    threads[id].wake_at = 0;
}

int main(void)
{
    REG(0x50000508) = 1u << 6;
    REG(0x50000518) = 1u << 6;
    REG(0x4000250C) = 6;
    REG(0x40002514) = 8;
    REG(0x40002524) = 0x01D60000;
    REG(0x40002500) = 8;
    REG(0x40002304) = 1u << 8;
    REG8(0xE000E402) = 0x60; // UARTE0
    REG8(0xE000ED1F) = 0x00; // SVC
    REG8(0xE000ED22) = 0xE0; // PendSV
    REG8(0xE000ED23) = 0xC0; // SysTick
    REG(0xE000E100) = 1u << 2;
    for (uint32_t id = 0; id < THREADS - 1; id++) {
        make_thread(id, worker);
    }
    make_thread(THREADS - 1, idle);
    REG(0xE000E014) = 64000 - 1;
    REG(0xE000E018) = 0;
    REG(0xE000E010) = 7;
    // The idle thread is the first one; main's stack stays for handlers.
    current = THREADS - 1;
    __asm volatile("msr psp, %0\n"
                   "movs r0, #2\n"
                   "msr control, r0\n"
                   "isb\n"
                   "1: wfi\n"
                   "b 1b\n" ::"r"(&stacks[THREADS - 1][STACK_WORDS])
                   : "r0");
    return 0;
}

// void start_app(uint32_t table): hands the CPU to the image whose vector table
// is at `table`, in the state that a reset leaves: thread mode on MSP, nothing
// masked, LR all ones.
//
// SPDX-License-Identifier: Apache-2.0
    .syntax unified
    .cpu cortex-m4
    .thumb

    .section .text.start_app, "ax"
    .global start_app
    .type start_app, %function
    .thumb_func
start_app:
    ldr     r1, [r0]            // its stack; none is used from here on
    ldr     r2, [r0, #4]        // its reset handler
    movs    r3, #0
    msr     control, r3
    isb
    msr     msp, r1
    msr     basepri, r3
    msr     faultmask, r3
    msr     primask, r3
    mov     lr, #-1
    bx      r2
    .size start_app, . - start_app
